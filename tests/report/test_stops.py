"""The report: stops."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from backlight import BacklightError, Examples, Method, Objective, Result
from backlight.errors import InputError
from backlight_loading.picture_folders import read_folder
from backlight_report import report
from backlight_report.directory import check_directory
from tests.report.shared import parsed


@dataclass(frozen=True, kw_only=True)
class Stopping(Method):
    """Raises what it is told to, at the second call."""

    error: BaseException
    calls: list[int]

    def attribute(self, objective: Objective) -> Result:
        self.calls.append(1)
        if len(self.calls) > 1:
            raise self.error
        return Result(objective.gradient().gradient)


def test_stopping_leaves_the_old_report(net: object, examples: Examples, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    report(net, examples, directory=folder, methods=["gradient"])
    before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    stopping = Stopping(error=KeyboardInterrupt(), calls=[])
    with pytest.raises(KeyboardInterrupt):
        report(net, examples, directory=folder, methods=[stopping])
    after = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    assert before == after
    assert list(tmp_path.iterdir()) == [folder]


def test_stopping_leaves_nothing_where_nothing_was(
    net: object, examples: Examples, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        report(
            net,
            examples,
            directory=tmp_path / "some" / "where" / "out",
            methods=[Stopping(error=KeyboardInterrupt(), calls=[])],
        )
    assert list(tmp_path.iterdir()) == []


def test_stopping_in_the_middle_of_the_exchange_brings_the_old_report_back(
    net: object, examples: Examples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out"
    report(net, examples, directory=folder, methods=["gradient"])
    before = (folder / "study.json").read_bytes()
    rename = Path.rename

    def stopped(self: Path, target: Path) -> Path:
        if self.suffix == ".partial":
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", stopped)
    with pytest.raises(KeyboardInterrupt):
        report(net, examples, directory=folder, methods=["saliency"])
    assert (folder / "study.json").read_bytes() == before
    assert list(tmp_path.iterdir()) == [folder]


def test_a_new_report_replaces_all_of_the_old_one(
    net: object, examples: Examples, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    report(net, examples, directory=folder, methods=["gradient", "saliency"])
    report(net, examples, directory=folder, methods=["gradient"])
    assert not list((folder / "pictures").glob("*saliency*"))
    assert list(tmp_path.iterdir()) == [folder]


def test_a_technique_that_fails_is_named_and_the_others_go_on(
    net: object, examples: Examples, tmp_path: Path
) -> None:
    refusing = Stopping(error=InputError("not with these pictures"), calls=[1])
    made = report(net, examples, directory=tmp_path / "out", methods=[refusing, "gradient"])
    assert made.errors == ("Stopping: not with these pictures",)
    page = made.page.read_text()
    parsed(page)
    assert page.count("No maps: not with these pictures") == 3
    (case, *_) = json.loads((made.directory / "study.json").read_text())["cases"]
    assert [one["error"] for one in case["explanations"]] == ["not with these pictures", None]
    with pytest.raises(BacklightError, match=r"No technique could explain .* not with these"):
        report(net, examples, directory=tmp_path / "none", methods=[refusing])
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("error", [ZeroDivisionError("by\nnothing"), SystemExit("by\nnothing")])
def test_any_error_of_a_technique_loses_its_row_only(
    error: BaseException, net: object, examples: Examples, tmp_path: Path
) -> None:
    failing = Stopping(error=error, calls=[1])
    made = report(net, examples, directory=tmp_path / "out", methods=[failing, "gradient"])
    assert made.errors == (f"Stopping: {type(error).__name__}: by nothing",)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("study.json", "[1, 2]"),
        ("study.json", '{"versions": {"other": "1"}, "cases": []}'),
        ("thesis.txt", "years of work"),
        ("pictures/own.png", "mine"),
    ],
)
def test_foreign_files_are_never_replaced(
    file: str, content: str, net: object, examples: Examples, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    report(net, examples, directory=folder, methods=["gradient"])
    check_directory(folder)
    (folder / file).write_text(content)
    with pytest.raises(InputError, match=rf"not a report's \({file}\), and is left alone"):
        report(net, examples, directory=folder, methods=["gradient"])
    assert (folder / file).read_text() == content


def test_a_folder_that_may_not_be_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").mkdir()
    Image.new("L", (4, 4)).save(tmp_path / "a" / "1.png")
    (tmp_path / "b").mkdir()
    iterdir = Path.iterdir

    def forbidden(self: Path) -> Iterator[Path]:
        if self.name == "b":
            raise PermissionError(13, "Permission denied", str(self))
        return iter(list(iterdir(self)))

    monkeypatch.setattr(Path, "iterdir", forbidden)
    with pytest.raises(InputError, match="cannot be looked into"):
        check_directory(tmp_path / "b")
    assert list(read_folder(tmp_path, None, None).skipped) == ["b: Permission denied"]
