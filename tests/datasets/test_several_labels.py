"""Several labels of each example in tables: a column each, lists, and names in one cell."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from backlight.errors import InputError, UnknownNameError
from backlight_datasets import ColumnNames, Source, open_source

KINDS = ["csv", "jsonl", "parquet"]
every = pytest.mark.parametrize("kind", KINDS)


def opened(
    folder: Path, columns: dict[str, list[Any]], kind: str, said: ColumnNames, **more: Any
) -> Source:
    path = folder / f"table.{kind}"
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    if kind == "parquet":
        pyarrow.parquet.write_table(pyarrow.table(columns), path, row_group_size=2)
    elif kind == "jsonl":
        path.write_text("\n".join(map(json.dumps, rows)))
    else:
        cells = [["" if cell is None else str(cell) for cell in row.values()] for row in rows]
        path.write_text("\n".join(map(",".join, [[*columns], *cells])))
    return open_source(path, columns=said, **more)


A = {"a": [0.5, 1.5, 2.5]}


@every
def test_a_column_for_each_label(tmp_path: Path, kind: str) -> None:
    def labels(
        first: list[Any], second: list[Any], **more: Any
    ) -> tuple[Any, str, tuple[str, ...]]:
        said = ColumnNames(label=("snow", "rain"))
        source = opened(tmp_path, {**A, "rain": first, "snow": second}, kind, said, **more)
        read = source.read(0, 3)
        assert read.x.ravel().tolist() == [0.5, 1.5, 2.5]
        return read.labels.tolist(), str(read.labels.dtype), source.classes

    names = ("snow", "rain")
    assert labels([1, 0, 1], [0, 0, 1]) == ([[0, 1], [0, 0], [1, 1]], "int64", names)
    assert labels([1, None, 1], [0, 0, 1])[0] == [[0, 1], [0, -1], [1, 1]]
    numbers, dtype, _ = labels([1, 0, None], [0.5, 0, 1])
    np.testing.assert_array_equal(numbers, [[0.5, 1], [0, 0], [1, np.nan]])
    assert dtype == "float64"
    found = labels([1, 0, 1], [0, 0, 1], classes=("rain", "snow"))
    assert (found[0], found[2]) == ([[1, 0], [0, 0], [1, 1]], ("rain", "snow"))
    if kind == "csv":
        truths = labels([True, False, True], [False, False, False])
        assert truths[:2] == ([[False, True], [False, False], [False, True]], "bool")
    with pytest.raises(InputError, match=r"the column snow .* holds names, such as 'deep'"):
        labels([1, 0, 1], ["deep", "no", "no"])
    with pytest.raises(UnknownNameError, match="'hail'"):
        opened(tmp_path, {**A, "rain": [1, 0, 1]}, kind, ColumnNames(label=("rain", "hail")))


@every
def test_names_in_one_cell(tmp_path: Path, kind: str) -> None:
    cells = ["wind; rain", "", "rain"]
    said = ColumnNames(label="weather", label_separator=";")
    source = opened(tmp_path, {**A, "weather": cells}, kind, said)
    assert source.classes == ("rain", "wind")
    assert source.read(0, 3).labels.tolist() == [[True, True], [False, False], [True, False]]
    source = opened(tmp_path, {**A, "weather": cells}, kind, said, classes=("wind", "rain"))
    assert source.read(1, 3).labels.tolist() == [[False, False], [False, True]]


@pytest.mark.parametrize("kind", KINDS[1:])
def test_lists_in_one_cell(tmp_path: Path, kind: str) -> None:
    said = ColumnNames(label="weather")
    source = opened(tmp_path, {**A, "weather": [None, ["wind", "rain"], []]}, kind, said)
    assert source.classes == ("rain", "wind")
    assert source.read(0, 3).labels.tolist() == [[-1, -1], [1, 1], [0, 0]]
    source = opened(tmp_path, {**A, "weather": [[0.5, 2], [1, 3], [0, 0]]}, kind, said)
    assert source.read(0, 3).labels.tolist() == [[0.5, 2], [1, 3], [0, 0]]
    with pytest.raises(InputError, match=r"as many numbers of each example.*\(1,\) and \(1, 0\)"):
        opened(tmp_path, {**A, "weather": [[1], [1, 0], [1]]}, kind, said)


def test_examples_that_are_dicts() -> None:
    rows = [{"x": [0.5], "rain": 1, "snow": 0}, {"x": [1.5], "rain": 0, "snow": 1}]
    source = open_source(rows, columns=ColumnNames(x=("x",), label=("rain", "snow")))
    assert source.read(0, 2).labels.tolist() == [[1, 0], [0, 1]]
    tagged = [{"x": [0.5], "tags": "b|a"}, {"x": [1.5], "tags": ""}, {"x": [2.5], "tags": ["b"]}]
    said = ColumnNames(x=("x",), label="tags", label_separator="|")
    read = open_source(tagged, columns=said, classes=("a", "b")).read(0, 3)
    assert read.labels.tolist() == [[True, True], [False, False], [False, True]]
    read = open_source([*tagged, {"x": [3.5], "tags": "c"}], columns=said, classes=("a", "b")).read(
        0, 4
    )
    assert "of which some are the name of none of the classes" in str(read.skipped[0])


def test_a_separator_is_of_one_column() -> None:
    with pytest.raises(InputError, match="labels are in rain, snow"):
        ColumnNames(label=("rain", "snow"), label_separator=";")


CODE = """
import numpy
import backlight

def by_number(x):
    return 1 / (1 + numpy.exp(-x))

def by_word(ids):
    return 0.8 * numpy.stack([(ids == 1).any(axis=1), (ids == 2).any(axis=1)], axis=1) + 0.1

class Tokenizer:
    words = ["nothing", "cloud", "sun"]

    def __call__(self, texts):
        known = {word: id for id, word in enumerate(self.words)}
        return [[known.get(word, 0) for word in text.split()] for text in texts]

    def id_to_token(self, id):
        return self.words[id]

numbers, words = (
    backlight.wrap(one, framework="numpy", outputs="sigmoid") for one in (by_number, by_word)
)
tokenizer = Tokenizer()
"""


def test_tables_and_texts_with_several_labels_are_studied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from backlight.command_line import main

    (tmp_path / "weather.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "table.csv").write_text("a,b,rain,snow\n2,-1,1,0\n-1,3,1,1\n1,1,1,0\n")
    (tmp_path / "texts.csv").write_text(
        "text,weather\ncloud sun,rain\nsun cloud,sun;rain\ncloud,\n"
    )
    runs = {
        "table": ["weather.py:numbers", "table.csv", "--label", "rain", "--label", "snow"],
        "texts": [
            "weather.py:words",
            "texts.csv",
            "--tokenizer",
            "weather.py:tokenizer",
            "--label",
            "weather",
            "--label-separator",
            ";",
        ],
    }
    wrong = {
        "table": {(1, "rain", False), (2, "snow", True)},
        "texts": {(0, "sun", True), (2, "rain", True)},
    }
    task = ["--task", "multi-label"]
    for name, arguments in runs.items():
        with pytest.raises(SystemExit, match=r"^0$"):
            main(["report", *arguments, *task, "-m", "feature_ablation", "-o", name])
        record = json.loads((tmp_path / name / "study.json").read_text())
        found = {
            (case["row"], case["label"]["name"], case["label"]["probability"] >= 0.5)
            for case in record["cases"]
        }
        assert found == wrong[name]
