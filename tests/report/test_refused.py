"""The report: refused."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image

from backlight import Examples
from backlight.errors import InputError
from backlight_loading.picture_folders import read_folder
from backlight_report import report
from tests.report.shared import picture, run

REFUSED = {
    "no such file": (["{place}/none.py:net", "{place}/pictures"], "No such file: .*none.py"),
    "no such path": (["{place}/none.pt", "{place}/pictures"], "No such model: .*none.pt"),
    "no such module": (["no_such_module:net", "{place}/pictures"], "could not be imported"),
    "no such name": (["{place}/net.py:nett", "{place}/pictures"], "Unknown name 'nett'.*Nearest: net"),
    "code that fails": (["{place}/net.py:failing", "{place}/pictures"], "no weights here"),
    "not a model": (["{place}/net.py:shape", "{place}/pictures"], "No backend takes a builtins.tuple"),
    "no such name in an object": (["{place}/net.py:number.foo", "{place}/pictures"], "Nearest|value"),
    "code that leaves": (["{place}/net.py:leaving", "{place}/pictures"], "SystemExit: gone"),
    "preparation that fails": (
        ["{net}", "{place}/pictures", "--preprocess", "{place}/net.py:unprepared"],
        "unprepared raised KeyError",
    ),
    "no finite outputs": (
        ["{place}/net.py:broken", "{place}/pictures"],
        r"example 0 \(left/a.png\) are not all finite",
    ),
    "one array": (["{net}", "{place}/single.npz"], "one array without a name"),
    "compressed and damaged": (["{net}", "{place}/damaged.npz"], "could not be read"),
    "classes that are no list": (["{net}", "{place}/scalar.npz"], "must be a list of names"),
    "a size for arrays": (["{net}", "{place}/data.npz", "--size", "8x8"], "--size can be said for"),
    "colours for code": (
        ["{net}", "{place}/net.py:number", "--colour", "grey"],
        "--colour can be said for",
    ),
    "code without a name": (["{place}/net.py", "{place}/pictures"], "net.py:name"),
    "no such data": (["{net}", "{place}/nowhere"], "No such data: .*nowhere"),
    "no class folders": (["{net}", "{place}/pictures/left"], "has no class folders"),
    "unknown format": (["{net}", "{place}/net.py"], "No installed plugin reads"),
    "data that is none": (["{net}", "{place}/net.py:shape"], "must be backlight.Examples"),
    "wrong channels": (["{place}/net.py:colour_net", "{place}/pictures"], r"shape \(1, 1, 8, 8\)"),
    "wrong size": (["{net}", "{place}/pictures", "--size", "9x9"], r"\(1, 1, 9, 9\).*--size"),
    "size in words": (["{net}", "{place}/pictures", "--size", "big"], "--size takes .* got 'big'"),
    "numbers in words": (["{net}", "{place}/pictures", "--mean", "x"], "--mean takes numbers"),
    "unknown technique": (["{net}", "{place}/pictures", "-m", "grad_kam"], "Nearest: grad_cam"),
    "bad hyper-parameter": (
        ["{net}", "{place}/pictures", "-m", "integrated_gradients:steps=0"],
        "steps must be at least 1, got 0",
    ),
    "unknown class": (["{net}", "{place}/pictures", "--true", "lefft"], "Nearest: left"),
    "several outputs": (["{place}/net.py:pair", "{place}/pictures"], "several outputs"),
    "no classifier": (["{place}/net.py:heat_map", "{place}/pictures"], r"gives \(1, 2, 8, 8\)"),
    "labels outside": (["{net}", "{place}/labels.npz"], "Labels must be 0 to 1; example 1 has 5"),
    "other classes": (["{net}", "{place}/three.npz"], "3 classes .* 2 outputs"),
    "no labels": (["{net}", "{place}/unlabelled.npz"], "no labels in .*unlabelled"),
    "broken arrays": (["{net}", "{place}/broken.npz"], "could not be read"),
    "rows of features": (["{net}", "{place}/rows.npz"], r"shape \(1, 3\).*table's columns"),
    "a file for the report": (["{net}", "{place}/pictures", "-o", "{place}/net.py"], "is a file"),
    "someone's folder": (["{net}", "{place}/pictures", "-o", "{place}/pictures"], "left alone"),
    "unknown framework": (
        ["{net}", "{place}/pictures", "--framework", "caffe"],
        "framework='caffe'",
    ),
    "a site that is not there": (
        ["{net}", "{place}/pictures", "-m", "grad_cam:at=conw"],
        "Unknown site 'conw'.*Nearest: conv",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_refused(
    what: str, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    x, y = np.stack([picture(9, 99)] * 2), np.array([0, 5])
    np.savez(place / "labels.npz", x=x, y=y, classes=np.array(["left", "right"]))
    np.savez(place / "three.npz", x=x, y=y * 0, classes=np.array(["a", "b", "c"]))
    np.savez(place / "unlabelled.npz", x=x)
    np.savez(place / "rows.npz", x=np.zeros((4, 3)), y=np.zeros(4, dtype=int))
    (place / "broken.npz").write_bytes(b"PK\x03\x04 no archive")
    np.savez(place / "scalar.npz", x=x, y=y * 0, classes=np.array("left"))
    with (place / "single.npz").open("wb") as file:
        np.save(file, x)
    np.savez_compressed(place / "damaged.npz", x=np.arange(4096), y=y)
    content = bytearray((place / "damaged.npz").read_bytes())
    content[60:600] = bytes(540)
    (place / "damaged.npz").write_bytes(content)
    arguments, message = REFUSED[what]
    filled = [text.format(place=place, net=f"{place}/net.py:net") for text in arguments]
    output = [] if "-o" in filled else ["-o", str(tmp_path / "out")]
    before = sorted(place.rglob("*"))
    code, out, err = run(capsys, "report", *filled, *output)
    assert code == 2
    assert re.search(message, err), err
    assert err.startswith("Error: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    assert out == ""
    assert list(tmp_path.iterdir()) == []
    assert [file for file in sorted(place.rglob("*")) if "__pycache__" not in file.parts] == [
        file for file in before if "__pycache__" not in file.parts
    ]


def test_files_of_one_name_are_different_modules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from backlight_loading.references import load_reference

    # Processes that are begun later would import these.
    monkeypatch.setattr(sys, "path", sys.path.copy())
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "beside.py").write_text("")
        (tmp_path / folder / "json.py").write_text(f"name = {folder!r}\nloaded = []")
    for folder in ("one", "other"):
        file = f"{tmp_path}/{folder}/json.py"
        assert load_reference(f"{file}:name") == folder
        assert load_reference(f"{file}:loaded") is load_reference(f"{file}:loaded")
    assert json.loads("[]") == []


def test_pictures_of_several_sizes(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    Image.new("L", (4, 5)).save(tmp_path / "a" / "1.png")
    Image.new("L", (6, 7)).save(tmp_path / "a" / "2.png")
    with pytest.raises(InputError, match=r"a/1\.png is 5x4, a/2\.png 7x6 .*--size HxW"):
        read_folder(tmp_path, None, None)
    assert read_folder(tmp_path, (4, 4), None).x.shape == (2, 4, 4, 1)


def test_pictures_that_are_programs_are_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cat").mkdir()
    Image.new("L", (2, 2)).save(tmp_path / "cat" / "a.png")
    Image.new("L", (2, 2)).save(tmp_path / "cat" / "b.png", format="EPS")
    ran = []
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *given, **_: ran.append(given))
    found = read_folder(tmp_path, None, None)
    assert found.names == ["cat/a.png"]
    assert [one.partition(":")[0] for one in found.skipped] == ["cat/b.png"]
    assert ran == []


def test_no_picture_at_all(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(InputError, match="No picture could be read"):
        read_folder(tmp_path, None, None)
    (tmp_path / "a" / "x.txt").write_text("x")
    with pytest.raises(InputError, match=r"the first of 1 files: a/x\.txt"):
        read_folder(tmp_path, None, None)


def test_labels_are_held_against_the_model(net: object, tmp_path: Path) -> None:
    unnamed = Examples(np.stack([picture(9, 99)] * 2), np.array([0, 2]))
    with pytest.raises(InputError, match="Labels must be 0 to 1; example 1 has 2"):
        report(net, unnamed, directory=tmp_path / "out")
