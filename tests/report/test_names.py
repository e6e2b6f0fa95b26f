"""Names: of classes that several share, and of files that are not UTF-8."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backlight import Examples
from backlight.errors import InputError, UnknownNameError
from backlight_loading.examples import read_classes
from backlight_loading.names import all_legible, legible
from backlight_loading.picture_folders import read_folder
from backlight_report import report
from backlight_report.pictures import plain
from tests.report.shared import parsed, picture, run

IMAGENET = """tench, Tinca tinca
crane
tabby, tabby cat
crane
maillot
maillot, tank suit
"""


@pytest.fixture
def names(tmp_path: Path) -> tuple[str, ...]:
    file = tmp_path / "names.txt"
    file.write_text(IMAGENET)
    return read_classes(file)


def folder(place: Path, *classes: str) -> Path:
    for name in classes:
        (place / "pictures" / name).mkdir(parents=True)
        Image.fromarray(picture(9, 99)).save(place / "pictures" / name / "a.png")
    return place / "pictures"


def test_names_that_occur_twice_matter_only_to_folders_of_that_name(
    names: tuple[str, ...], tmp_path: Path
) -> None:
    found = read_folder(folder(tmp_path, "tabby", "tench, Tinca tinca"), None, None, names)
    assert found.labels.tolist() == [2, 0]
    with pytest.raises(InputError, match=r"folder crane .* lines 2 and 4 of"):
        read_folder(folder(tmp_path, "crane"), None, None, names)


def test_all_of_a_name_goes_before_the_first_of_several(
    names: tuple[str, ...], tmp_path: Path
) -> None:
    found = read_folder(folder(tmp_path, "maillot"), None, None, names)
    assert found.labels.tolist() == [4]


def test_a_folder_of_no_class(names: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"Unknown class 'tably'.*sub-folder"):
        read_folder(folder(tmp_path, "tably"), None, None, names)


def test_an_empty_list_of_names(tmp_path: Path) -> None:
    (tmp_path / "none.txt").write_text("\n\n")
    with pytest.raises(InputError, match="holds none"):
        read_classes(tmp_path / "none.txt")


LATIN = os.fsdecode(b"caf\xe9")


def test_texts_that_are_no_utf_8_become_legible() -> None:
    assert legible("caf\N{LATIN SMALL LETTER E WITH ACUTE}") == "caf\xe9"
    assert legible(LATIN) == r"caf\xe9"
    assert legible("\ud800") == r"\ud800"
    assert all_legible({LATIN: [LATIN, 1, None, (LATIN,)]}) == {
        r"caf\xe9": [r"caf\xe9", 1, None, (r"caf\xe9",)]
    }


def test_files_and_folders_that_are_no_utf_8(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "net.py").write_text(
        "import torch\nnet = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 2)).eval()\n"
    )
    data = folder(tmp_path, LATIN, "other")
    Image.fromarray(picture(1, 2)).save(data / LATIN / f"{LATIN}.png")
    (data / "other" / f"{LATIN}.txt").write_text("no picture")
    place = tmp_path / LATIN
    code, out, err = run(
        capsys, "report", f"{tmp_path}/net.py:net", data, "-o", place, "--only", "all",
        "-m", "gradient", "--true", r"caf\xe9", "--true", "other",
    )  # fmt: skip
    assert code == 0, err
    assert out.endswith(r"caf\xe9/report.html" + "\n")
    assert r"Skipped other/caf\xe9.txt: " in err
    parsed((place / "report.html").read_text(encoding="utf-8"))
    results = json.loads((place / "study.json").read_text(encoding="utf-8"))
    assert results["classes"] == [r"caf\xe9", "other"]
    assert {case["name"] for case in results["cases"]} == {
        r"caf\xe9/caf\xe9.png", r"caf\xe9/a.png", "other/a.png",
    }  # fmt: skip
    names = tmp_path / "names.txt"
    names.write_text("other\ncaf\\xe9\n")
    assert read_folder(data, None, None, read_classes(names)).labels.tolist() == [1, 1, 0]


def test_names_of_examples_in_code(tmp_path: Path) -> None:
    import torch

    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 2)).eval()
    data = Examples(picture(1, 2)[None], np.array([0]), [LATIN, "\ud800"], [LATIN])
    made = report(net, data, directory=tmp_path / "out", methods=["gradient"], only="all")
    assert r"caf\xe9" in made.page.read_text(encoding="utf-8")


def test_names_of_files_are_short_in_bytes() -> None:
    assert len(plain("n" * 400)) == 60
    assert len(plain("\N{CJK UNIFIED IDEOGRAPH-4E00}" * 400).encode()) <= 60
    assert plain(LATIN) == "caf_"
