"""Studies of tables and of series: what each column and moment says is known."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import keras
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import backlight
from backlight import Examples
from backlight.errors import BacklightError
from backlight_datasets import ColumnNames, open_source
from backlight_loading import Preprocessing
from backlight_report import report

COLUMNS = ("width", "height", "weight")
WEIGHTS = np.array([[1.0, -1], [0, 2], [-1, 1]], np.float32)
ROWS = np.array([[1, 2, 3], [5, 0, 1], [2, 1, 0], [0, 3, 4]], np.float64)
TRUE = np.array([1, 0, 1, 0])
"""What the model says is 1, 0, 0, 1: the last two are mistakes."""


def torch_table() -> object:
    net = torch.nn.Linear(3, 2, bias=False)
    net.weight.data = torch.tensor(WEIGHTS.T)
    return net.eval()


def keras_table() -> object:
    net = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, use_bias=False)])
    net.set_weights([WEIGHTS])
    return net


def jax_table() -> object:
    return lambda x: x @ jnp.asarray(WEIGHTS)


TABLES: dict[str, Callable[[], object]] = {
    "torch": torch_table,
    "tensorflow": keras_table,
    "jax": jax_table,
    "numpy": lambda: lambda x: x @ WEIGHTS,
}


def record(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "study.json").read_text())
    return found


def table(folder: Path, header: str = "width,height,weight,kind", ending: str = "") -> Path:
    path = folder / "table.csv"
    rows = (",".join(map(str, (*row, "ab"[k]))) for row, k in zip(ROWS, TRUE, strict=True))
    path.write_text("\n".join((header, *rows)) + "\n" + ending)
    return path


@pytest.mark.parametrize("framework", [*TABLES])
def test_columns_have_their_names_and_values(framework: str, tmp_path: Path) -> None:
    source = open_source(table(tmp_path), columns=ColumnNames(label="kind"))
    assert source.features == COLUMNS
    report(
        TABLES[framework](),
        source,
        directory=tmp_path / "report",
        framework=framework,
        methods=["shapley_values"],
    )
    found = record(tmp_path / "report")
    assert found["input"]["kind"] == "table"
    assert found["input"]["names"] == list(COLUMNS)
    assert found["findings_failed"] == []
    for case in found["cases"]:
        said, rival = case["predicted"]["class"], case["rival"]["class"]
        expected = ROWS[case["row"]] * (WEIGHTS[:, said] - WEIGHTS[:, rival])
        (row,) = case["explanations"]
        assert row["targets"]["contrast"]["values"] == pytest.approx(expected.tolist())
        assert case["given"]["values"] == ROWS[case["row"]].tolist()
    (technique,) = found["features"]["techniques"]
    shares = {one["feature"]: one["share"] for one in technique["rows"]}
    # (2 * 2, -2 * 1, -2 * 0) of 6 and (-2 * 0, 2 * 3, 2 * 4) of 14, halved.
    assert shares == pytest.approx(
        {"width": 4 / 12, "height": -2 / 12 + 6 / 28, "weight": 8 / 28}, abs=1e-6
    )
    assert '<th scope="row"><bdi>weight</bdi></th>' in (tmp_path / "report/report.html").read_text()


def test_cells_are_shown_as_they_are_stored(tmp_path: Path) -> None:
    data = Examples(ROWS, TRUE, ("a", "b"), features=COLUMNS)
    report(
        torch_table(),
        data,
        directory=tmp_path / "report",
        preprocessing=Preprocessing(mean=(1.0, 1.0, 1.0), std=(2.0, 1.0, 1.0)),
        methods=["input_x_gradient"],
        only="all",
        metrics=[],
    )
    (case,) = (one for one in record(tmp_path / "report")["cases"] if one["row"] == 1)
    assert case["given"]["values"] == [5, 0, 1]
    # Of (2, -1, 0), what the model was given.
    values = case["explanations"][0]["targets"]["contrast"]["values"]
    assert values == pytest.approx([4, 2, 0])


WRONG_TABLES = {
    "a column that is missing": ("width,height,weight,kind", "", "label", "Unknown column 'label'"),
    "an empty cell": ("width,height,weight,kind", "1,,3,a\n", "kind", "column 'height' is empty"),
    "a category": (
        "width,height,weight,kind",
        "1,red,3,a\n",
        "kind",
        "no number; words need an encoder",
    ),
    "a class without an output": (
        "width,height,weight,kind",
        "1,2,3,c\n",
        "kind",
        "3 classes.*2 outputs",
    ),
}


@pytest.mark.parametrize("name", [*WRONG_TABLES])
def test_what_is_wrong_with_a_table_is_one_sentence(name: str, tmp_path: Path) -> None:
    header, ending, label, message = WRONG_TABLES[name]
    with pytest.raises(BacklightError, match=message):
        source = open_source(table(tmp_path, header, ending), columns=ColumnNames(label=label))
        found = backlight.study(torch_table(), source, methods=["gradient"])
        raise BacklightError("; ".join(found.task.replies.skipped))


def test_a_table_with_other_columns_than_the_model_takes_is_refused(tmp_path: Path) -> None:
    columns = ColumnNames(("width", "height"), "kind")
    source = open_source(table(tmp_path), columns=columns)
    with pytest.raises(BacklightError, match=r"shape \(1, 2\).*--x names those"):
        backlight.study(torch_table(), source, methods=["gradient"])


# Series

MOMENTS = np.linspace(-1, 1, 8, dtype=np.float32)
SERIES = np.random.default_rng(0).normal(size=(6, 8)).astype(np.float32)


def torch_series() -> object:
    """The sum of moments by `MOMENTS` for class 1, and minus that for class 0."""
    net = torch.nn.Conv1d(1, 2, 8, bias=False)
    net.weight.data = torch.tensor(np.stack([-MOMENTS, MOMENTS])[:, None])
    return torch.nn.Sequential(net, torch.nn.Flatten()).eval()


def keras_series() -> object:
    net = keras.Sequential(
        [keras.Input((8, 1)), keras.layers.Conv1D(2, 8, use_bias=False), keras.layers.Flatten()]
    )
    net.set_weights([np.stack([-MOMENTS, MOMENTS], axis=1)[:, None]])
    return net


def wrong_labels() -> NDArray[np.int64]:
    return (SERIES @ MOMENTS < 0).astype(np.int64)


@pytest.mark.parametrize("net", [torch_series, keras_series])
@pytest.mark.parametrize("form", ["csv", "npz"])
def test_moments_have_their_values(net: Callable[[], object], form: str, tmp_path: Path) -> None:
    path = tmp_path / f"series.{form}"
    labels = wrong_labels()
    if form == "npz":
        np.savez(path, x=SERIES, y=labels)
    else:
        header = ",".join((*map(str, range(8)), "label"))
        lines = (",".join(map(str, (*row, k))) for row, k in zip(SERIES, labels, strict=True))
        path.write_text("\n".join((header, *lines)))
    report(
        net(),
        open_source(path),
        kind="series",
        directory=tmp_path / "report",
        methods=["input_x_gradient", "occlusion:window=1,stride=1"],
    )
    found = record(tmp_path / "report")
    assert (found["input"]["kind"], len(found["cases"])) == ("series", 6)
    assert found["findings_failed"] == []
    assert {row["name"] for row in found["metrics"]["rows"]} >= {"occlusion", "random"}
    for case in found["cases"]:
        series = SERIES[case["row"]]
        assert case["given"]["values"] == [pytest.approx(series.tolist())]
        expected = 2 * series * MOMENTS * (1 if case["predicted"]["class"] else -1)
        for row in case["explanations"]:
            values = row["targets"]["contrast"]["values"]
            assert values == pytest.approx(expected.tolist(), abs=1e-5)


def test_channels_are_shown_one_by_one_and_their_values_summed(tmp_path: Path) -> None:
    net = torch.nn.Conv1d(2, 2, 8, bias=False)
    net.weight.data = torch.tensor(
        np.stack([[-MOMENTS, MOMENTS], [MOMENTS, -MOMENTS]]).astype(np.float32)
    )
    x = np.stack([SERIES, SERIES[::-1]], axis=1)
    data = Examples(x, np.zeros(6, np.int64), ("a", "b"), features=("left", "right"))
    report(
        torch.nn.Sequential(net, torch.nn.Flatten()).eval(),
        data,
        directory=tmp_path / "report",
        methods=["input_x_gradient"],
        only="all",
        metrics=[],
    )
    for case in record(tmp_path / "report")["cases"]:
        assert np.array(case["given"]["values"]) == pytest.approx(x[case["row"]])
        sign = 1 if case["predicted"]["class"] else -1
        expected = 2 * sign * MOMENTS * (x[case["row"], 0] - x[case["row"], 1])
        values = case["explanations"][0]["targets"]["contrast"]["values"]
        assert values == pytest.approx(expected.tolist(), abs=1e-5)
    assert "left: " in (tmp_path / "report" / "report.html").read_text()


def test_ragged_series_are_told_by_name(tmp_path: Path) -> None:
    path = tmp_path / "series.csv"
    path.write_text("0,1,2,label\n1,2,3,0\n1,2,1\n")
    (skipped,) = open_source(path).read(0, 2).skipped
    assert skipped.reason == "the row has 3 cells, and the header 4"
    rows = np.array([np.zeros(3), np.zeros(2)], dtype=object)
    np.savez(tmp_path / "series.npz", x=rows, y=np.zeros(2, np.int64))
    with pytest.raises(BacklightError, match="rows of several lengths are to be brought to one"):
        open_source(tmp_path / "series.npz")


def test_kinds_that_do_not_fit_are_refused() -> None:
    data = Examples(SERIES, wrong_labels())
    with pytest.raises(BacklightError, match=r"Pictures are \(N, H, W\).*got \(6, 8\)"):
        backlight.study(torch_series(), data, kind="picture")
    with pytest.raises(BacklightError, match="got the kind 'volume'"):
        backlight.study(torch_series(), data, kind="volume")
    with pytest.raises(BacklightError, match="examples are series"):
        backlight.study(torch_series(), data, kind="series", baseline="black")
