"""What is said early and in one sentence: before all pictures are read, and without a traceback."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from backlight import Examples
from backlight.errors import InputError
from backlight_loading import picture_folders, progress_bar
from backlight_loading.arguments import size_of
from backlight_loading.progress_bar import Lines, in_words
from backlight_report import report
from tests.report.shared import picture, run

NET = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, brightest=255):
        super().__init__()
        self.conv, self.head = nn.Conv2d(1, 2, 3, padding=1), nn.Linear(128, 2)
        self.brightest = brightest

    def forward(self, x):
        if (255 * x[:, 0, 0, 0] > self.brightest).any():
            raise SystemExit("that is all")
        return self.head(self.conv(x).flatten(1))


def net():
    return Net().eval()


def leaving():
    return Net(-1).eval()


def leaving_later():
    return Net(15).eval()


def leaving_function(pictures):
    raise SystemExit("not these")
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("place")
    (folder / "its_net.py").write_text(NET)
    for side in ("left", "right"):
        (folder / "pictures" / side).mkdir(parents=True)
        for number in range(3):
            file = folder / "pictures" / side / f"{number}.png"
            Image.fromarray(picture(9 * number, 99)).save(file)
    return folder


LONG = "n" * 300
REFUSED: dict[str, tuple[list[str], str, int]] = {
    "a site": (
        ["{net}", "{data}", "-m", "grad_cam:at=conw"],
        "Nearest: conv",
        2,
    ),  # of which one says the size
    "a class": (["{net}", "{data}", "--true", "left", "--true", "lefft"], "Nearest: left", 0),
    "a predicted class": (["{net}", "{data}", "--predicted", "7"], "Unknown class '7'", 0),
    "a size": (["{net}", "{data}", "--size", "9x9"], r"shape \(1, 1, 9, 9\)", 1),
    "a huge size": (["{net}", "{data}", "--size", "99999999x99999999"], "at most 134,217,728", 0),
    "a long model": ([f"/{LONG}", "{data}"], "No such model", 0),
    "a long model in code": ([f"/{LONG}.py:net", "{data}"], "No such file", 0),
    "a long name of data": (["{net}", f"/{LONG}"], "No such data", 0),
    "a long name of code with data": (["{net}", f"/{LONG}.py:data"], "No such file", 0),
    "a long output": (["{net}", "{data}", "-o", f"/tmp/{LONG}"], "File name too long", 0),
    "long classes": (["{net}", "{data}", "--classes", f"/{LONG}"], "could not be read", 0),
    "a net that leaves": (["{place}/its_net.py:leaving", "{data}"], "SystemExit: that is all", 1),
    "one that leaves later": (
        ["{place}/its_net.py:leaving_later", "{data}", "--batch-size", "2"],
        "failed for examples 2 to 3: SystemExit: that is all",
        7,
    ),
    "a function that leaves": (
        ["{net}", "{data}", "--preprocess", "{place}/its_net.py:leaving_function"],
        "leaving_function raised SystemExit: not these",
        1,
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused_early(
    what: str,
    place: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    texts, message, most = REFUSED[what]
    read: list[Path] = []
    reader = picture_folders.read

    def counting(file: Path, size: Any) -> Any:
        read.append(file)
        return reader(file, size)

    monkeypatch.setattr(picture_folders, "read", counting)
    known = {"place": place, "net": f"{place}/its_net.py:net", "data": place / "pictures"}
    filled = [text.format(**known) for text in texts]
    output = [] if "-o" in filled else ["-o", str(tmp_path / "out")]
    code, out, err = run(capsys, "report", *filled, *output)
    assert code == 2
    assert re.search(message, err), err
    assert err.startswith("Error: ")
    assert err.count("\n") == 1
    assert (out, list(tmp_path.iterdir())) == ("", [])
    assert len(read) <= most


def test_a_net_that_leaves_is_refused_by_check(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(
        capsys, "check", f"{place}/its_net.py:leaving", "shape:1x1x8x8", "-m", "gradient"
    )
    assert (code, out) == (2, "")
    assert "tried to end the program" in err


def test_sizes() -> None:
    assert size_of("9000x9000") == (9000, 9000)
    with pytest.raises(InputError, match=r"'100000x100000'"):
        size_of("100000x100000")


def test_repeated_classes_are_a_union(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["report", f"{place}/its_net.py:net", place / "pictures", "--only", "all",
              "-m", "gradient", "-o", tmp_path / "out"]  # fmt: skip
    counts = {}
    for said in (("--true", "left"), ("--true", "left", "--true", "right")):
        assert run(capsys, *common, *said)[0] == 0
        results = json.loads((tmp_path / "out" / "study.json").read_text())
        counts[said] = results["selection"]["found"]
    assert list(counts.values()) == [3, 6]
    assert "of left or right" in (tmp_path / "out" / "report.html").read_text()


def test_a_class_that_makes_the_model_is_said(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = [place / "pictures", "-m", "gradient", "-o", tmp_path / "out"]
    code, _, err = run(capsys, "report", f"{place}/its_net.py:Net", *common)
    assert code == 0
    assert "is a class: the model was made by calling it" in err
    assert "as its constructor left them" in (tmp_path / "out" / "report.html").read_text()
    code, _, err = run(capsys, "report", f"{place}/its_net.py:net", *common)
    assert code == 0
    assert "is a class" not in err
    assert "Python reads" not in err  # how bright they are, to no other end than to stop


@pytest.mark.parametrize("shape", [(4, 128, 1), (4, 2, 128), (4, 1, 128, 1), (4, 128, 1, 3)])
@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_series_are_no_pictures(shape: tuple[int, ...], dtype: type, tmp_path: Path) -> None:
    data = Examples(np.zeros(shape, dtype), np.zeros(4, np.int64), kind="picture")
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(128, 2))
    with pytest.raises(InputError, match=r"are series, not pictures|one pixel's height or width"):
        report(net, data, directory=tmp_path / "out")


# Progress where there is no terminal


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(progress_bar.time, "monotonic", lambda: self.now)


def test_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock, told = Clock(monkeypatch), Lines(sys.stderr)
    for done in range(301):
        told("Explaining", done, 300)
        clock.now += 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "Explaining: 5 of 300, about 5 min left"
    assert [int(line.split()[1]) for line in lines] == [5, 15, 35, 75, 135, 195, 255]
    assert lines[-1] == "Explaining: 255 of 300, about 40 s left"


def test_the_speed_is_that_of_the_steps_of_this_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock, told = Clock(monkeypatch), Lines(sys.stderr)
    told("Explaining", 900, 1000)  # by a run before
    clock.now += 100  # workers start
    told("Explaining", 910, 1000)
    clock.now += 40
    told("Explaining", 920, 1000)
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["Explaining: 910 of 1,000", "Explaining: 920 of 1,000, about 5 min left"]


def test_short_work_says_nothing_and_no_estimate(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock, told = Clock(monkeypatch), Lines(sys.stderr)
    for done in range(5):
        told("Reading pictures", done, 4)
        clock.now += 1
    assert capsys.readouterr().err == ""
    for done in range(8):
        told("Asking the model", done, 8)
        clock.now += 1
    assert capsys.readouterr().err == "Asking the model: 5 of 8\n"


def test_times_in_words() -> None:
    assert [in_words(s) for s in (3, 47, 89, 100, 3000, 7500)] == [
        "10 s", "50 s", "90 s", "2 min", "50 min", "2 h 5 min",
    ]  # fmt: skip
