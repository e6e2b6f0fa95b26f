"""What can be opened, without labels too, and by other packages."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from PIL import Image

from backlight import Examples, hookimpl
from backlight.errors import BacklightWarning, InputError, PluginError
from backlight_datasets import (
    ColumnNames,
    SequenceSource,
    Source,
    StreamSource,
    open_source,
    read_blocks,
)
from backlight_datasets.folder import FolderSource
from tests.core.conftest import install  # noqa: F401

X = np.arange(12.0).reshape(4, 3)


class Box:
    """An object of a library that nobody knows here."""


@hookimpl
def backlight_open_source(data: object) -> Source | None:
    if isinstance(data, Box) or (isinstance(data, Path) and data.suffix == ".box"):
        return SequenceSource(X, [0, 1, 0, 1], ("p", "q"))
    return None


def test_another_package_opens_paths_and_objects(
    install: Callable[..., Any],  # noqa: F811
    tmp_path: Path,
) -> None:
    (tmp_path / "data.box").write_bytes(b"")
    with pytest.raises(InputError, match="No installed plugin reads"):
        open_source(tmp_path / "data.box")
    install(boxes={"backlight_open_source": backlight_open_source})
    for data in (Box(), tmp_path / "data.box", str(tmp_path / "data.box")):
        source = open_source(data)
        assert (source.classes, source.read(1, 2).x.tolist()) == (("p", "q"), [[3, 4, 5]])
        with pytest.raises(InputError, match="--size can be said for pictures"):
            open_source(data, options=["--size"])
        with pytest.raises(InputError, match="Columns can be said for tables"):
            open_source(data, columns=ColumnNames(label="y"))
        with pytest.raises(InputError, match="has classes of its own, p, q"):
            open_source(data, classes=("q", "p"))
    assert isinstance(open_source(SequenceSource(X, [0] * 4)), SequenceSource)


def test_a_plugin_that_opens_something_else_is_named(
    install: Callable[..., Any],  # noqa: F811
) -> None:
    install(boxes={"backlight_open_source": hookimpl(lambda data: 3)})
    with (
        pytest.warns(BacklightWarning, match=r"boxes-package 1\.0.*something of type int"),
        pytest.raises(InputError, match="Box; it must be"),
    ):
        open_source(Box())


def pictures(place: Path, names: tuple[str, ...]) -> Path:
    for k, name in enumerate(names):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((2, 3), k, dtype=np.uint8)).save(place / name)
    return place


def test_a_folder_without_class_folders_has_no_labels(tmp_path: Path) -> None:
    long = "n" * 240
    folder = pictures(tmp_path / "flat", ("b.png", "a.png", f"{long}.png"))
    (folder / "c.txt").write_text("no picture")
    with pytest.raises(InputError, match="has no class folders"):
        open_source(folder)
    source = open_source(folder, labelled=False, classes=("left", "right"))
    assert isinstance(source, FolderSource)
    assert (source.labelled, source.classes) == (False, ("left", "right"))
    assert source.names(0, 4) == ("a.png", "b.png", "c.txt", f"{long}.png")
    batch = source.read(0, 4)
    assert batch.x[:, 0, 0, 0].tolist() == [1, 0, 2]
    assert (batch.labels.tolist(), batch.skipped[0].name) == ([-1, -1, -1], "c.txt")
    with_classes = open_source(pictures(tmp_path / "both", ("a/0.png", "1.png")), labelled=False)
    assert (with_classes.labelled, len(with_classes)) == (True, 1)
    (tmp_path / "none").mkdir()
    with pytest.raises(InputError, match="has no class folders"):
        open_source(tmp_path / "none", labelled=False)


@pytest.mark.parametrize(
    "columns", [ColumnNames(x=("a",)), ColumnNames(label=""), ColumnNames(name="id")]
)
def test_columns_of_what_has_none_are_refused(columns: ColumnNames, tmp_path: Path) -> None:
    pictures(tmp_path / "folder", ("a.png",))
    np.savez(tmp_path / "x.npz", x=X)
    some = [tmp_path / "folder", tmp_path / "x.npz", X, (X, None), Examples(X, np.zeros(4, int))]
    for data in some:
        open_source(data, labelled=False)
        with pytest.raises(InputError, match="Columns can be said for tables"):
            open_source(data, labelled=False, columns=columns)


def test_labels_are_asked_for_unless_they_are_not_needed() -> None:
    for data in (X, list(X), SequenceSource(X), StreamSource(lambda: iter(X))):
        with pytest.raises(InputError, match=r"There are no labels in the .*, and they are needed"):
            open_source(data)
        assert open_source(data, labelled=False).read(1, 3).labels.tolist() == [-1, -1]


def test_labels_of_several_kinds() -> None:
    rows = [np.array([True, False]), np.array([False, False]), None]
    truths = open_source([{"x": x, "y": y} for x, y in zip(X, rows, strict=False)])
    batch = truths.read(0, 3)
    assert (batch.labels.dtype, batch.labels.tolist()) == (np.bool_, [[True, False], [False] * 2])
    assert "write labels as 0 and 1, and -1 for unknown" in batch.skipped[0].reason
    numbers = open_source(list(zip(X, [0.5, np.nan, 2.0, None], strict=True))).read(0, 4).labels
    np.testing.assert_array_equal(numbers, [0.5, np.nan, 2, np.nan])
    several = open_source(list(zip(X, [[0, 1], [1, -1], None, [1, 1]], strict=True))).read(0, 4)
    assert several.labels.tolist() == [[0, 1], [1, -1], [-1, -1], [1, 1]]


def test_a_length_that_lies_costs_those_that_are_not_there() -> None:
    class Liar(list[Any]):
        def __len__(self) -> int:
            return 6

    source = open_source(Liar(zip(X, [0, 1, 0, 1], strict=True)))
    batch = source.read(2, 6)
    assert batch.ids.tolist() == [2, 3]
    assert [str(one) for one in batch.skipped] == [
        f"{k}: IndexError: list index out of range" for k in (4, 5)
    ]


def test_what_gives_many_at_once_is_asked_so_as_long_as_none_fails() -> None:
    asked: list[object] = []

    class Many(list[Any]):
        def __getitems__(self, rows: list[int]) -> list[Any]:
            asked.append(rows)
            return [self[k] for k in rows]

        def __getitem__(self, k: Any) -> Any:
            if k == 3:
                raise OSError("torn")
            asked.append(k)
            return super().__getitem__(k)

    source = open_source(Many(zip(X, [0, 1, 2, 3], strict=True)))
    asked.clear()
    assert source.read(1, 3).labels.tolist() == [1, 2]
    assert asked == [[1, 2], 1, 2]
    asked.clear()
    batch = source.read(2, 4)
    assert asked == [[2, 3], 2, 2]
    assert (batch.labels.tolist(), str(batch.skipped[0])) == ([2], "3: OSError: torn")


def test_examples_that_are_not_finite_are_skipped_on_request() -> None:
    x = X.copy()
    x[1, 2], x[3, 0] = np.nan, -np.inf
    source = SequenceSource(x, [0, 1, 2, 3], names=("a", "b", "c", "d"))
    (_, whole), *_ = read_blocks(source, 4)
    assert len(whole.ids) == 4
    (_, batch), *_ = read_blocks(source, 4, finite=True)
    assert (batch.ids.tolist(), batch.labels.tolist()) == ([0, 2], [0, 2])
    np.testing.assert_array_equal(batch.x, X[[0, 2]])
    assert [str(one) for one in batch.skipped] == [
        "b: it holds nan at (2,)",
        "d: it holds -inf at (0,)",
    ]
    with pytest.raises(InputError, match="2 candidates could not be read, and at most 1"):
        list(read_blocks(source, 4, most_skipped=1, finite=True))


NOTHING: dict[str, tuple[Any, str]] = {
    "empty list": ([], "There are no examples"),
    "texts": (["a", "b"], "None of the 2 candidates could be read: 0: .*No such file"),
    "a tuple of three": ((1, 2, 3), "a builtins.tuple; it must be backlight.Examples"),
    "a shape": ((4, 3), "a builtins.tuple; it must be"),
    "a number": (3, "a builtins.int; it must be"),
    "a dict": ({"x": X}, "a builtins.dict; it must be"),
    "three in one": ([(1, 2, 3)], "it is a tuple of 3; it must be"),
    "labels too few": ((X, [1]), "There are 4 examples with 1 labels"),
    "text labels": ([(X[0], "cat")], "its label 'cat' is a name: name the classes"),
}


@pytest.mark.parametrize("what", NOTHING)
def test_what_is_no_data(what: str) -> None:
    data, message = NOTHING[what]
    with pytest.raises(InputError, match=message):
        open_source(data, labelled=False)


def test_data_sets_of_hugging_face(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grey = [Image.fromarray(np.full((2, 3), k, dtype=np.uint8)) for k in range(3)]
    features = datasets.Features(
        image=datasets.Image(), label=datasets.ClassLabel(names=["cat", "dog"])
    )
    whole = datasets.Dataset.from_dict({"image": grey, "label": [1, None, 0]}, features=features)
    source = open_source(whole, size=(4, 6), options=["--size"])
    assert (source.classes, source.read(0, 3).labels.tolist()) == (("cat", "dog"), [1, -1, 0])
    assert source.read(0, 3).x[:, 3, 5, 0].tolist() == [0, 1, 2]
    with pytest.raises(InputError, match="classes of its own, cat, dog; it was asked for dog, cat"):
        open_source(whole, classes=("dog", "cat"))
    with pytest.raises(InputError, match=r"has splits, train, test; give one: data\['train'\]"):
        open_source(datasets.DatasetDict(train=whole, test=whole))
    twice = datasets.Dataset.from_dict({"x": X[:3], "id": ["a", "b", "a"]})
    with pytest.raises(InputError, match="Numbers 0 and 2 of the examples"):
        open_source(twice, labelled=False)
    assert open_source(twice, labelled=False, columns=ColumnNames(name="")).names(0, 1) == ("0",)
    whole.save_to_disk(tmp_path / "saved")
    (tmp_path / "saved" / "data-00000-of-00001.arrow").write_bytes(b"torn")
    with pytest.raises(InputError, match="saved could not be read"):
        open_source(tmp_path / "saved")
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(PluginError, match=r"pip install 'backlight\[hugging-face\]'"):
        open_source(tmp_path / "saved")
