"""Where a report is written: mount points, full disks, what killed runs left; nothing is half there."""

import errno
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from backlight.errors import InputError
from backlight.partial import hidden
from backlight_report import replacing as module
from backlight_report.replacing import claim, replacing

MARK = '{"versions": {"backlight": "0"}, "cases": ["pictures/one.png"]}'


def write(folder: Path, text: str) -> None:
    """What is enough of a report to be known as one."""
    (folder / "pictures").mkdir()
    (folder / "pictures" / "one.png").write_text(text)
    (folder / "report.html").write_text(text)
    (folder / "study.json").write_text(MARK)


def content(folder: Path) -> dict[str, str]:
    files = (file for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(folder).as_posix(): file.read_text() for file in files}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An old report."""
    made = tmp_path / "out"
    made.mkdir()
    write(made, "old")
    return made


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path, str], Path]:
    """Names of processes that are gone: none that is asked for lives."""

    monkeypatch.setattr("backlight.partial.gone", lambda path, *rest: True)
    return lambda target, ending: hidden(target, ending)  # type: ignore[arg-type]


def fails(
    monkeypatch: pytest.MonkeyPatch, number: int, which: Callable[[Path, Path], bool]
) -> None:
    rename = Path.rename

    def failing(self: Path, target: Path) -> Path:
        if which(self, target):
            raise OSError(number, "no", str(self))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)


@pytest.mark.parametrize("number", [errno.EBUSY, errno.EXDEV, errno.EPERM])
def test_a_folder_that_cannot_be_moved_is_written_into(
    number: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mount point, a container's volume, a folder of a lower layer of an overlay."""
    fails(monkeypatch, number, lambda source, _: source == folder)
    with replacing(folder) as partial:
        write(partial, "new")
    assert set(content(folder).values()) == {"new", MARK}
    assert list(folder.parent.iterdir()) == [folder]
    assert len(list(folder.iterdir())) == 3


def test_so_is_an_empty_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    fails(monkeypatch, errno.EBUSY, lambda source, target: folder in (source, target))
    with replacing(folder) as partial:
        write(partial, "new")
    assert set(content(folder).values()) == {"new", MARK}


def test_a_mount_point_is_written_into_from_the_start(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "is_mount", lambda self: self == folder)
    fails(monkeypatch, errno.EBUSY, lambda source, target: folder in (source, target))
    with replacing(folder) as partial:
        assert partial.parent == folder
        write(partial, "new")
    assert set(content(folder).values()) == {"new", MARK}


def test_a_disk_that_is_full_while_the_report_is_copied(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was made on another disk, since nobody could know that the folder cannot be moved."""
    before = content(folder)
    fails(monkeypatch, errno.EXDEV, lambda source, _: source == folder)

    def full(source: Path, target: Path) -> None:
        raise shutil.Error([(str(source), str(target), "[Errno 28] No space left on device")] * 9)

    monkeypatch.setattr(shutil, "copytree", full)
    with (
        pytest.raises(InputError, match=r"\[Errno 28\] No space left on device") as caught,
        replacing(folder) as partial,
    ):
        write(partial, "new")
    assert str(caught.value).count("No space") == 1
    assert content(folder) == before
    assert list(folder.parent.iterdir()) == [folder]


def test_nothing_may_be_written_beside_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A volume in a container whose own files are read-only."""
    mkdir = Path.mkdir

    def only_inside(self: Path, *arguments: object, **options: object) -> None:
        if self.parent == folder.parent:
            raise OSError(errno.EROFS, "Read-only file system", str(self))
        mkdir(self, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "mkdir", only_inside)
    with replacing(folder) as partial:
        assert partial.parent == folder
        write(partial, "new")
    assert set(content(folder).values()) == {"new", MARK}
    assert len(list(folder.iterdir())) == 3


@pytest.mark.parametrize("entry", ["pictures", "report.html", "study.json"])
@pytest.mark.parametrize("way", ["out", "in"])
@pytest.mark.parametrize("stopped", [KeyboardInterrupt(), OSError(errno.ENOSPC, "full")])
def test_stopping_in_the_middle_of_an_exchange_inside(
    entry: str, way: str, stopped: BaseException, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename, before = Path.rename, content(folder)

    def stopping(self: Path, target: Path) -> Path:
        if self == folder:
            raise OSError(errno.EBUSY, "busy", str(self))
        old = self.parent == folder
        if self.name == entry and old == (way == "out") and not self.parent.name.endswith("before"):
            raise stopped
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", stopping)
    with (
        pytest.raises((KeyboardInterrupt, InputError)),
        replacing(folder) as partial,
    ):
        write(partial, "new")
    assert content(folder) == before
    assert list(folder.parent.iterdir()) == [folder]


@pytest.mark.parametrize("there", [True, False])
def test_a_full_disk_is_said_in_one_sentence(there: bool, folder: Path) -> None:
    if not there:
        shutil.rmtree(folder)
    with (
        pytest.raises(InputError, match=r"could not be written to .*: No space left") as caught,
        replacing(folder) as partial,
    ):
        (partial / "pictures").mkdir()
        raise OSError(errno.ENOSPC, "No space left on device")
    assert "\n" not in str(caught.value)
    assert list(folder.parent.iterdir()) == ([folder] if there else [])


def test_what_a_killed_run_left_is_removed(
    folder: Path, killed: Callable[[Path, str], Path]
) -> None:
    for target, ending in ((folder, "partial"), (folder, "before"), (folder / "report", "partial")):
        killed(target, ending).mkdir()
    claim(folder)
    assert list(folder.parent.iterdir()) == [folder]
    assert len(list(folder.iterdir())) == 3


def test_a_run_that_lives_is_left_alone(folder: Path) -> None:
    living = [hidden(folder, "partial"), hidden(folder / "report", "partial")]
    for path in living:
        path.mkdir()
    claim(folder)
    assert all(path.is_dir() for path in living)


def test_a_report_that_is_missing_is_put_back(
    folder: Path, killed: Callable[[Path, str], Path]
) -> None:
    """The run was killed between the two renames."""
    old = content(folder)
    folder.rename(killed(folder, "before"))
    new = killed(folder, "partial")
    new.mkdir()
    write(new, "new")
    claim(folder)
    assert content(folder) == old
    assert list(folder.parent.iterdir()) == [folder]


@pytest.mark.parametrize("moves", range(7))
def test_a_run_that_was_killed_while_it_exchanged_entries(
    moves: int, folder: Path, killed: Callable[[Path, str], Path]
) -> None:
    """After so many of the six renames, of which the last completes the new report."""
    old = content(folder)
    new, before = killed(folder / "report", "partial"), killed(folder / "report", "before")
    new.mkdir()
    write(new, "new")
    before.mkdir()
    names = [name for name in module.ENTRIES if (folder / name).exists()]
    renames = [(folder / name, before / name) for name in reversed(names)]
    renames += [(new / name, folder / name) for name in names]
    for source, target in renames[:moves]:
        source.rename(target)
    claim(folder)
    found = content(folder)
    assert found == ({**found, "report.html": "new"} if moves == 6 else old)
    assert len(list(folder.iterdir())) == 3


@pytest.mark.parametrize("old", [True, False])
def test_nothing_of_a_new_report_stays_that_was_not_completed(
    old: bool, folder: Path, killed: Callable[[Path, str], Path]
) -> None:
    """The file of classes has nothing that it replaces, and an empty folder has nothing at all."""
    before, new = killed(folder / "report", "before"), killed(folder / "report", "partial")
    was = content(folder) if old else {}
    before.mkdir()
    for entry in list(folder.iterdir()):
        if entry not in (before, new):
            entry.rename(before / entry.name) if old else module.remove(entry)
    write(folder, "new")
    (folder / "study.json").unlink()
    (folder / "classes.txt").write_text("new")
    claim(folder)
    assert content(folder) == was


def test_the_file_of_classes_is_a_reports_own(folder: Path) -> None:
    (folder / "classes.txt").write_text("my own")
    with pytest.raises(InputError, match=r"\(classes.txt\), and is left alone"):
        claim(folder)
    order = '"order": {"file": "classes.txt"}'
    (folder / "study.json").write_text(f"{MARK[:-1]}, {order}}}")
    claim(folder)


def test_names_that_are_too_long(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="too long"):
        claim(tmp_path / ("n" * 300))
    with replacing(tmp_path / ("n" * 250)) as partial:
        write(partial, "new")
    assert [len(entry.name) for entry in tmp_path.iterdir()] == [250]
