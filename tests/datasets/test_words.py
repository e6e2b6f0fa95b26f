"""Words beside numbers in the columns of tables, and labels in words, whatever holds them."""

import json
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

import backlight
from backlight import Examples
from backlight.errors import InputError
from backlight_datasets import ColumnNames, Source, open_source
from backlight_datasets.element_reader import ElementReader
from backlight_datasets.tables.delimited import delimited_source

AGES, COLOURS = [41, 7, 30], ["red", "", "blue"]
LABEL = ColumnNames(label="kind")


def stored(place: Path, form: str) -> Any:
    columns: dict[str, list[Any]] = {
        "age": AGES,
        "colour": ["red", None, "blue"],
        "kind": [1, 0, 1],
    }
    if form == "csv":
        rows = zip(AGES, COLOURS, columns["kind"], strict=True)
        lines = (",".join(map(str, row)) for row in rows)
        (place / "t.csv").write_text("\n".join(("age,colour,kind", *lines)))
    elif form == "jsonl":
        rows = zip(*columns.values(), strict=True)
        lines = (json.dumps(dict(zip(columns, row, strict=True))) for row in rows)
        (place / "t.jsonl").write_text("\n".join(lines))
    elif form == "parquet":
        pyarrow.parquet.write_table(pyarrow.table(columns), place / "t.parquet", row_group_size=2)
    else:
        return datasets.Dataset.from_dict(columns)
    return place / f"t.{form}"


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet", "hugging face"])
def test_rows_hold_what_was_written(form: str, tmp_path: Path) -> None:
    source = open_source(stored(tmp_path, form), columns=LABEL, words=True)
    assert source.features == ("age", "colour")
    found = source.read(0, 3)
    assert found.skipped == () and found.labels.tolist() == [1, 0, 1]
    assert [row[0] for row in found.x] == AGES
    assert [row[1] for row in found.x][::2] == ["red", "blue"]
    assert np.isnan(found.x[1, 1])
    assert (
        source.fingerprint()
        == open_source(stored(tmp_path, form), columns=LABEL, words=True).fingerprint()
    )


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_words_that_nothing_encodes_are_refused_at_once(form: str, tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"column colour of .* holds words, such as 'red'.*--encoder"
    ):
        open_source(stored(tmp_path, form), columns=LABEL)


def cells(folder: Path, *column: str) -> list[Any]:
    """A column of a CSV file as it is read beside one of words."""
    path = folder / "cells.csv"
    path.write_text("\n".join(("cell,word", *(f"{one},w" for one in column))))
    return [*delimited_source(path, ElementReader(words=True)).read(0, len(column)).x[:, 0]]


def test_a_column_is_of_what_all_its_cells_are(tmp_path: Path) -> None:
    assert cells(tmp_path, "2", "-3") == [2, -3]
    assert {type(one) for one in cells(tmp_path, "2", "-3")} == {int}
    assert {type(one) for one in cells(tmp_path, "2", "3.5")} == {float}
    assert np.isnan(cells(tmp_path, "2", "", "NA")).tolist() == [False, True, True]
    assert cells(tmp_path, "True", "false") == [True, False]
    assert cells(tmp_path, "True", "maybe") == ["True", "maybe"]
    assert cells(tmp_path, "01", "x") == ["01", "x"]


def test_numbers_alone_are_as_without_words(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,2.5\n3,\n")
    x = open_source(path, words=True, labelled=False).read(0, 2).x
    assert x.dtype == np.float64
    np.testing.assert_array_equal(x, [[1, 2.5], [3, np.nan]])


@pytest.mark.parametrize("words", [True, False])
def test_decimal_commas_are_told(words: bool, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a;b;label\n1,5;2;0\n3;4;1\n")
    with pytest.raises(
        InputError, match=r"column a of .* has decimal commas, such as '1,5'.*a point"
    ):
        open_source(path, words=words)
    path.write_text("a;b;label\n1;2;0,5\n3;4;1,5\n")
    with pytest.raises(InputError, match=r"column label of .* has decimal commas"):
        open_source(path, words=words)


def labelled(labels: list[Any], **more: Any) -> Source:
    data = datasets.Dataset.from_dict({"x": [[0.0], [1.0], [2.0]], "label": labels})
    return open_source(data, **more)


def test_labels_of_hugging_face_may_be_names() -> None:
    found = labelled(["dog", "cat", None])
    assert found.classes == ("cat", "dog")
    assert found.read(0, 3).labels.tolist() == [1, 0, -1]
    ordered = labelled(["dog", "cat", "fish"], classes=("dog", "cat"))
    assert ordered.read(0, 3).labels.tolist() == [0, 1]
    (skipped,) = ordered.read(0, 3).skipped
    assert skipped.reason == "its label 'fish' is the name of none of the classes"
    stream = datasets.Dataset.from_dict({"x": [[0.0]], "label": ["dog"]}).to_iterable_dataset()
    with pytest.raises(InputError, match=r"its label 'dog' is a name: name the classes.*--classes"):
        open_source(stream)
    assert open_source(stream, classes=("cat", "dog")).read(0, 1).labels.tolist() == [1]


def test_labels_of_an_archive_may_be_truth_values_and_no_column(tmp_path: Path) -> None:
    x = np.eye(4)[:, :3]
    np.savez(tmp_path / "t.npz", x=x, y=np.array([True, False, True, False]))
    assert open_source(tmp_path / "t.npz").read(0, 4).labels.tolist() == [1, 0, 1, 0]
    for column in (np.array([[0], [2], [1], [0]]), np.array([[True], [False], [True], [True]])):
        with pytest.raises(InputError, match=r"column, \(N, 1\), and the model has 3 .*y\[:, 0\]"):
            backlight.study(
                lambda x: x, Examples(x, column), framework="numpy", methods=["occlusion"]
            )
