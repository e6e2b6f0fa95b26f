"""Tables as sources: what their columns mean, and what is wrong in them."""

import csv
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from PIL import Image

from backlight.errors import InputError, PluginError, UnknownNameError
from backlight_datasets import (
    ColumnNames,
    ElementReader,
    Source,
    open_source,
)
from backlight_datasets.tables.delimited import delimited_source
from backlight_datasets.tables.parquet import parquet_source

LONG = "n" * 300
USUAL = ColumnNames()


def written(place: Path, columns: dict[str, list[Any]], kind: str) -> Path:
    path = place / f"table.{kind}"
    if kind == "parquet":
        pyarrow.parquet.write_table(pyarrow.table(columns), path, row_group_size=2)
        return path
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(columns)
        rows.writerows(zip(*columns.values(), strict=True))
    return path


def opened(
    place: Path, columns: dict[str, list[Any]], kind: str, said: ColumnNames = USUAL, **more: Any
) -> Source:
    return open_source(written(place, columns, kind), columns=said, labelled=False, **more)


both = pytest.mark.parametrize("kind", ["csv", "parquet"])
A = {"a": [0.5, 1.5, 2.5], "b": [1, 2, 3]}


@both
def test_labels_are_classes_numbers_or_names(tmp_path: Path, kind: str) -> None:
    def labels(column: list[Any], **more: Any) -> tuple[list[Any], tuple[str, ...], str]:
        found = opened(tmp_path, {**A, "label": column}, kind, **more)
        read = found.read(0, 3).labels
        return read.tolist(), found.classes, str(read.dtype)

    assert labels([2, None, 0]) == ([2, -1, 0], (), "int64")
    numbers, _, dtype = labels([0.25, None, 3.0])
    np.testing.assert_array_equal(numbers, [0.25, np.nan, 3.0])
    assert dtype == "float64"
    assert labels(["dog", "", "cat"]) == ([1, -1, 0], ("cat", "dog"), "int64")
    assert labels(["dog", None, "cat"]) == ([1, -1, 0], ("cat", "dog"), "int64")
    order = ("cat", "fish", "dog")
    assert labels(["dog", "dog", "cat"], classes=order) == ([2, 2, 0], order, "int64")


@both
def test_columns_by_name(tmp_path: Path, kind: str) -> None:
    columns = {**A, "species": ["x", "y", "x"], "code": ["p", LONG, "r"]}
    said = ColumnNames(x=("b", "a"), label="species", name="code")
    found = opened(tmp_path, columns, kind, said)
    np.testing.assert_array_equal(found.read(0, 3).x, [[1, 0.5], [2, 1.5], [3, 2.5]])
    assert found.names(1, 3) == (LONG, "r")
    assert (
        found.fingerprint() != opened(tmp_path, columns, kind, ColumnNames(x=("a",))).fingerprint()
    )
    with pytest.raises(UnknownNameError, match=r"Unknown column 'specie'\. Nearest: species"):
        opened(tmp_path, columns, kind, ColumnNames(label="specie"))
    alone = opened(tmp_path, {"a": [1.0, 2.0], "label": [0, 1]}, kind, ColumnNames(label=""))
    np.testing.assert_array_equal(alone.read(0, 2).x, [[1, 0], [2, 1]])


@both
def test_two_of_one_name_are_refused_with_both_places(tmp_path: Path, kind: str) -> None:
    columns = {**A, "id": ["p", LONG, LONG]}
    with pytest.raises(InputError, match=r"Numbers 1 and 2 of .*table.* have the same name"):
        opened(tmp_path, columns, kind)
    assert opened(tmp_path, columns, kind, ColumnNames(name="", x=("a",))).names(0, 3) == (
        "0",
        "1",
        "2",
    )


@both
def test_an_empty_feature_is_nan(tmp_path: Path, kind: str) -> None:
    found = opened(tmp_path, {"a": [0.5, None, 2.5], "b": [1, 2, None]}, kind)
    np.testing.assert_array_equal(found.read(0, 3).x, [[0.5, 1], [np.nan, 2], [2.5, np.nan]])


@both
def test_pictures_by_their_files(tmp_path: Path, kind: str) -> None:
    for name, shape in (("0.png", (2, 3)), ("1.png", (2, 3)), ("3.png", (4, 3))):
        Image.fromarray(np.full(shape, 7, dtype=np.uint8)).save(tmp_path / name)
    names = ["0.png", "1.png", "gone.png", "3.png"]
    columns = {"file": names, "label": [1, 0, 1, 0], "remark": ["", "x", "", "y"]}
    found = opened(tmp_path, columns, kind)
    batch = found.read(0, 4)
    assert (batch.x.shape, batch.x.dtype, batch.labels.tolist()) == ((2, 2, 3, 1), np.uint8, [1, 0])
    missing, other = batch.skipped
    assert missing.id == 2
    assert "No such file or directory: 'gone.png'" in missing.reason
    assert str(tmp_path) not in missing.reason
    assert "of shape (4, 3, 1), and the first example is uint8 of (2, 3, 1); say a size" in str(
        other
    )
    assert opened(tmp_path, columns, kind, size=(5, 6)).read(0, 4).x.shape == (3, 5, 6, 1)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    kinds = {"csv": delimited_source, "parquet": parquet_source}
    moved = kinds[kind](written(elsewhere, columns, kind), ElementReader(folder=tmp_path))
    np.testing.assert_array_equal(moved.read(0, 2).x, batch.x)


@both
def test_a_size_for_numbers_is_refused(tmp_path: Path, kind: str) -> None:
    with pytest.raises(InputError, match="--size can be said for pictures"):
        opened(tmp_path, A, kind, options=["--size"])


ROWS = {
    "a,b,label\n1,2,0\n3,x,1\n5,6,1\n": (
        "1: its b is 'x', which is no number; words need an encoder, --encoder"
    ),
    "a,b,label\n1,2,0\n3,4\n5,6,1\n": "1: the row has 2 cells, and the header 3",
    "a,b,label\n1,2,0\n3,4,1,7\n5,6,1\n": "1: the row has 4 cells, and the header 3",
}


@pytest.mark.parametrize("text", ROWS)
def test_a_broken_row_is_skipped_by_number(tmp_path: Path, text: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    batch = delimited_source(tmp_path / "t.csv", ElementReader()).read(0, 3)
    np.testing.assert_array_equal(batch.x, [[1, 2], [5, 6]])
    assert batch.labels.tolist() == [0, 1]
    assert [str(one) for one in batch.skipped] == [ROWS[text]]


def test_rows_over_several_lines_and_empty_lines(tmp_path: Path) -> None:
    lines = [f'"{k}\r\n\nx",{k}\r\n' + "\r\n" * (k % 3) for k in range(200)]
    (tmp_path / "t.csv").write_bytes(("id,a\r\n" + "".join(lines)).encode())
    found = open_source(tmp_path / "t.csv", labelled=False)
    for start, stop in ((0, 200), (63, 66), (199, 200), (128, 129)):
        assert found.read(start, stop).x[:, 0].tolist() == list(range(start, stop))
    assert found.names(64, 65) == ("64\r\n\nx",)


@pytest.mark.parametrize("text", ["a b;label\n1;0\n2;1\n", "a b\tlabel\n1\t0\n2\t1\n"])
def test_semicolons_and_tabs_between_cells(tmp_path: Path, text: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    batch = open_source(tmp_path / "t.csv", columns=ColumnNames(x=("a b",))).read(0, 2)
    assert (batch.x.tolist(), batch.labels.tolist()) == ([[1], [2]], [0, 1])


TABLES = {
    b"": "is empty; it must begin with the names",
    b"a,b\n": "has a header and no rows",
    b"a,a\n1,2\n": "several columns that are called 'a'",
    b"a,b\n1,\xff\n": "is not in UTF-8: UnicodeDecodeError.*Save it as UTF-8",
    b"\xff\xfea\0,\0b\0": "is not in UTF-8",
    b"1,2\n3,4\n": "begins with numbers, '1' and so on: it must begin with the names",
    b'a,b\n1,"2\n': "could not be read: Error: unexpected end of data",
    b"label\n1\n": "No column is left for the examples",
    b"a,label\nx,1\ny,2\n": "None of the 2 candidates could be read: 0: FileNotFoundError",
}


@pytest.mark.parametrize("data", TABLES)
def test_what_is_no_table(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "t.csv").write_bytes(data)
    with pytest.raises(InputError, match=TABLES[data]):
        delimited_source(tmp_path / "t.csv", ElementReader())


def test_lists_and_pictures_in_parquet(tmp_path: Path) -> None:
    rows = [[1.0, 2.0], [3.0], None, [4.0, 5.0]]
    lists = pyarrow.table({"x": pyarrow.array(rows, pyarrow.list_(pyarrow.float32()))})
    pyarrow.parquet.write_table(lists, tmp_path / "t.parquet")
    batch = open_source(tmp_path / "t.parquet", labelled=False).read(0, 4)
    np.testing.assert_array_equal(batch.x, np.array([[1, 2], [4, 5]], dtype=np.float32))
    assert batch.x.dtype == np.float32
    assert [(one.id, one.reason[:9]) for one in batch.skipped] == [
        (1, "it is flo"),
        (2, "it holds "),
    ]
    Image.fromarray(np.full((2, 3, 3), 9, dtype=np.uint8)).save(tmp_path / "p.png")
    stored = [(tmp_path / "p.png").read_bytes(), b"no picture"]
    pyarrow.parquet.write_table(pyarrow.table({"image": stored}), tmp_path / "p.parquet")
    batch = open_source(tmp_path / "p.parquet", labelled=False).read(0, 2)
    np.testing.assert_array_equal(batch.x, np.full((1, 2, 3, 3), 9, dtype=np.uint8))
    assert "cannot identify image file the picture" in batch.skipped[0].reason


def test_a_damaged_row_group_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    table = pyarrow.table({"a": np.arange(3000.0), "b": np.arange(3000.0)})
    pyarrow.parquet.write_table(table, path, row_group_size=1000, compression="none")
    column = pyarrow.parquet.ParquetFile(path).metadata.row_group(1).column(0)
    begin = column.dictionary_page_offset or column.data_page_offset
    data = bytearray(path.read_bytes())
    data[begin : begin + 40] = bytes(40)
    path.write_bytes(data)
    found = open_source(path, labelled=False)
    batch = found.read(990, 2010)
    assert batch.ids.tolist() == [*range(990, 1000), *range(2000, 2010)]
    np.testing.assert_array_equal(batch.x[:, 0], batch.ids)
    assert [one.id for one in batch.skipped] == list(range(1000, 2000))
    assert batch.skipped[0].reason.startswith("row group 1 of t.parquet could not be read: ")


def test_what_is_no_parquet(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    path.write_bytes(b"PAR1 but no table")
    with pytest.raises(InputError, match=r"t\.parquet could not be read: ArrowInvalid"):
        parquet_source(path, ElementReader())
    pyarrow.parquet.write_table(pyarrow.table({"a": pyarrow.array([], "f8")}), path)
    with pytest.raises(InputError, match="it has no rows"):
        parquet_source(path, ElementReader())
    folder = tmp_path / "both"
    folder.mkdir()
    pyarrow.parquet.write_table(pyarrow.table({"a": [1.0]}), folder / "0.parquet")
    pyarrow.parquet.write_table(pyarrow.table({"b": [1.0]}), folder / "1.parquet")
    with pytest.raises(InputError, match=r"1\.parquet has columns .*b.*, and 0\.parquet .*a"):
        open_source(folder)
    mixed = pyarrow.table({"a": [1.0], "city": ["Ulm"]})
    pyarrow.parquet.write_table(mixed, path)
    with pytest.raises(InputError, match=r"column city of .* holds words, such as .Ulm.*--encoder"):
        parquet_source(path, ElementReader())


def test_a_table_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, A, "csv")

    def refused(self: Path, *_: Any, **__: Any) -> Any:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(InputError, match=r"table\.csv could not be read: PermissionError.*denied"):
        delimited_source(path, ElementReader())


def test_without_pyarrow_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, A, "parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(PluginError, match=r"pip install 'backlight\[parquet\]'"):
        parquet_source(path, ElementReader())
