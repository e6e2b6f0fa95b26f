"""Texts, tables and series in a store: what each word, column and moment says is known, and is read back
with its name."""

import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from backlight import Examples
from backlight.errors import HyperParameterError, InputError, UnknownNameError
from backlight_attribute import Attributions, attribute_dataset
from backlight_attribute.exporting import export
from backlight_attribute.overview import overview_figure
from backlight_attribute.summaries import mean_sizes
from backlight_datasets import StoreError
from backlight_loading.tokenization import Tokenization
from tests.attribute.test_reading import command
from tests.kinds.nets import LABELS, NETS, SPEAKS, TEXTS, Tokenizer, tokenizer, torch_net
from tests.kinds.test_tables_and_series import (
    COLUMNS,
    MOMENTS,
    ROWS,
    SERIES,
    TRUE,
    WEIGHTS,
    keras_series,
    table,
    torch_series,
    torch_table,
    wrong_labels,
)
from tests.report.shared import run

NET = """
from tests.kinds.nets import Tokenizer, torch_net as text
from tests.kinds.test_tables_and_series import torch_series as series, torch_table as table


def tokenizer():
    return Tokenizer()
"""
METHODS = ("input_x_gradient", "feature_ablation")
DATA = Examples(np.array(TEXTS), LABELS, ("negative", "positive"))
LENGTH = 3
"""Tokens of the longest text."""


def ids() -> NDArray[np.int64]:
    made = Tokenization(tokenizer, LENGTH)(np.array(TEXTS))
    assert isinstance(made, np.ndarray)
    return made


def of_texts(folder: Path, net: Any = None, **options: Any) -> Attributions:
    given = {
        "tokenizer": tokenizer,
        "methods": METHODS,
        "targets": ["predicted"],
        "block_length": 4,
    }
    return attribute_dataset(net or torch_net(), DATA, store=folder, **(given | options))


@pytest.mark.parametrize("framework", [*NETS])
def test_each_token_has_its_value_and_its_text(framework: str, tmp_path: Path) -> None:
    found = of_texts(tmp_path, NETS[framework](), framework=framework, dtype="float32")
    _, predicted = found.column("predicted")
    for method in METHODS:
        _, values = found.values(method, "predicted")
        expected = np.take_along_axis(SPEAKS[ids()], predicted[:, None, None], axis=2)[..., 0]
        np.testing.assert_allclose(values, expected, atol=1e-6)
    (input,) = found.attribution(2, "input_x_gradient", "predicted").inputs
    assert input.kind == "text"
    assert input.tokens == (("bad", "film", "[pad]"),)
    assert input.words == ((0, 1, -1),)


def test_exports_have_the_tokens(tmp_path: Path) -> None:
    export(of_texts(tmp_path / "store"), tmp_path / "all.npz")
    with np.load(tmp_path / "all.npz") as stored:
        tokens = [json.loads(one) for one in stored["tokens"].tolist()]
        assert tokens[0] == ["good", "good", "film"]
        assert stored["words"][3].tolist() == [0, -1, -1]


def test_the_picture_of_texts_has_the_words_of_each_class(tmp_path: Path) -> None:
    found = of_texts(tmp_path / "store")
    figure = overview_figure(found)
    _, predicted = found.column("predicted")
    assert len(figure.axes) == len(METHODS) * len(set(predicted.tolist()))
    first = int(np.bincount(predicted).argmax())
    ax, wanted = figure.axes[0], dict[str, list[float]]()
    for row in np.flatnonzero(predicted == first):
        for id, value in zip(ids()[row], SPEAKS[ids()[row], first], strict=True):
            if id:  # no padding
                wanted.setdefault(str(tokenizer.id_to_token(id)), []).append(value)
    said = {f"{word} ({len(values)})": sum(values) for word, values in wanted.items()}
    bars = [bar.get_width() for bar in ax.patches]
    drawn = dict(zip([one.get_text() for one in ax.get_yticklabels()], bars, strict=True))
    assert drawn == pytest.approx({word: value for word, value in said.items() if value}, abs=1e-2)
    assert bars == sorted(bars, reverse=True)


class Pieces(Tokenizer):
    """It writes "awful" as a part of the word before it."""

    def id_to_token(self, id: int) -> str | None:
        return "##ful" if id == 4 else super().id_to_token(id)


def test_words_are_joined_from_what_a_store_keeps(tmp_path: Path) -> None:
    data = Examples(np.array(["bad awful", "bad", "awful bad awful"]), np.array([0, 0, -1]))
    found = attribute_dataset(
        torch_net(), data, store=tmp_path, tokenizer=Pieces(), methods=["input_x_gradient"]
    )
    (known, unknown) = overview_figure(found, by="labels").axes
    bars = {}
    for ax in (known, unknown):
        sums = [bar.get_width() for bar in ax.patches]
        bars[ax.get_title()] = dict(
            zip([one.get_text() for one in ax.get_yticklabels()], sums, strict=True)
        )
    bad, awful = SPEAKS[[3, 4], 0]
    told = ": sum of values (occurrences)"
    assert bars == {
        f"class 0{told}": pytest.approx({"badful (1)": bad + awful, "bad (1)": bad}, rel=1e-3),
        f"not known{told}": pytest.approx({"ful (1)": awful, "badful (1)": bad + awful}, rel=1e-3),
    }
    with pytest.raises(UnknownNameError, match="whole keeps a value for each token and the word"):
        of_texts(tmp_path, keep="words")


def test_labels_that_are_no_classes_put_nothing_together(tmp_path: Path) -> None:
    data = Examples(ROWS, np.linspace(0, 1, len(ROWS)), features=COLUMNS)
    found = attribute_dataset(torch_table(), data, store=tmp_path, methods=["input_x_gradient"])
    with pytest.raises(InputError, match=r"Labels of float64, \(N\), are no classes"):
        overview_figure(found, by="labels")


def test_the_picture_of_a_table_has_its_columns(tmp_path: Path) -> None:
    examples = Examples(ROWS, TRUE, features=COLUMNS)
    found = attribute_dataset(torch_table(), examples, store=tmp_path, methods=["input_x_gradient"])
    (ax,) = overview_figure(found, by="labels").axes
    sizes = mean_sizes(found, "input_x_gradient", by="labels")
    order = np.argsort(-sizes.all)
    assert [one.get_text() for one in ax.get_yticklabels()] == [COLUMNS[k] for k in order]
    cells = np.asarray(ax.images[0].get_array())
    np.testing.assert_allclose(cells[:, 0], sizes.all[order])
    titles = [one.get_text() for one in ax.get_xticklabels()]
    assert len(titles) == 1 + len(sizes.by_class)
    for k, own in sizes.by_class.items():
        place = titles.index(next(one for one in titles[1:] if one.startswith(f"class {k} ")))
        np.testing.assert_allclose(cells[:, place], own[order])


class Silent(Tokenizer):
    """It knows no "very"."""

    def __call__(self, texts: list[str]) -> list[list[int]]:
        return [[id for id in row if id != 6] for row in super().__call__(texts)]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"tokenizer": Silent()}, "options.tokenizer"),
        ({"tokens": 4}, "options.preprocessing: '3 tokens of Tokenizer' there, '4 tokens"),
    ],
)
def test_another_tokenizer_or_length_is_refused_by_name(
    options: Any, named: str, tmp_path: Path
) -> None:
    of_texts(tmp_path)
    of_texts(tmp_path)
    with pytest.raises(StoreError, match=f"another plan.*{named}"):
        of_texts(tmp_path, **options)


def test_a_tokenizer_with_a_name_is_sent_by_it() -> None:
    named = Tokenization(Unsendable(), LENGTH, "tests.kinds.nets:tokenizer", "digest")
    sent = pickle.loads(pickle.dumps(named))
    assert sent == replace(named, tokenizer=tokenizer)
    np.testing.assert_array_equal(sent(np.array(TEXTS)), ids())


class Unsendable(Tokenizer):
    def __reduce__(self) -> str:
        raise AssertionError


def test_columns_keep_their_names(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(NET)
    command(
        "attribute",
        f"{tmp_path}/net.py:table",
        str(table(tmp_path)),
        *("--label", "kind", "-m", "input_x_gradient", "-o", f"{tmp_path}/store"),
    )
    found = Attributions.open(tmp_path / "store")
    _, predicted = found.column("predicted")
    _, values = found.values("input_x_gradient", "predicted")
    np.testing.assert_allclose(values, ROWS * WEIGHTS.T[predicted], rtol=1e-3)
    (input,) = found.attribution(0, "input_x_gradient", "predicted").inputs
    assert (input.kind, input.names) == ("table", COLUMNS)


@pytest.mark.parametrize("net", [torch_series, keras_series])
def test_moments_have_their_values(net: Any, tmp_path: Path) -> None:
    data = Examples(SERIES, wrong_labels())
    found = attribute_dataset(
        net(), data, store=tmp_path, kind="series", methods=["input_x_gradient"], dtype="float32"
    )
    _, predicted = found.column("predicted")
    _, values = found.values("input_x_gradient", "predicted")
    layout = found.layout("input_x_gradient", "predicted")
    assert layout is not None and layout.grid == (8,)
    expected = SERIES * MOMENTS * np.where(predicted, 1, -1)[:, None]
    np.testing.assert_allclose(values.sum(axis=layout.channel_axis), expected, atol=1e-6)
    sizes = mean_sizes(found, "input_x_gradient")
    (ax,) = overview_figure(found).axes
    (whole,) = (line for line in ax.lines if line.get_label() == "all 6")
    drawn = np.asarray(whole.get_ydata(), dtype=float)
    np.testing.assert_allclose(drawn, np.abs(expected).mean(0), atol=1e-6)
    assert len(ax.lines) == 1 + len(sizes.counts)
    with pytest.raises(StoreError, match="another plan"):
        attribute_dataset(torch_table(), ROWS.astype(np.float32), store=tmp_path)


def written(kind: str, folder: Path) -> list[str]:
    """The data of a kind in a file, and what is said of it."""
    match kind:
        case "text":
            lines = (f'"{text}",{label}\n' for text, label in zip(TEXTS, LABELS, strict=True))
            (folder / "data.csv").write_text("text,label\n" + "".join(lines))
            return [f"{folder}/data.csv", "--tokenizer", f"{folder}/net.py:tokenizer"]
        case "table":
            return [str(table(folder)), "--label", "kind"]
    np.savez(folder / "data.npz", x=SERIES, y=wrong_labels())
    return [f"{folder}/data.npz", "--kind", "series"]


@pytest.mark.parametrize("kind", ["text", "table", "series"])
def test_a_report_of_a_store_needs_nothing_said_again(kind: str, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(NET)
    data, *options = written(kind, tmp_path)
    targets = ("--target", "predicted", "--target", "true", "--target", "contrast")
    store = f"{tmp_path}/store"
    command(
        *("attribute", f"{tmp_path}/net.py:{kind}", data, *options, *targets, "-o", store),
        *("-m", "input_x_gradient", "-m", "occlusion" if kind == "series" else "shapley_values"),
    )
    command("report", "--store", store, "-o", f"{tmp_path}/report", "--metric", "none")
    record = json.loads((tmp_path / "report" / "study.json").read_text())
    assert record["passes"]["forward"] == record["passes"]["backward"] == 0
    assert record["input"]["kind"] == kind
    assert (record["model"], record["data"]["name"]) == (f"net.py:{kind}", Path(data).name)
    case = record["cases"][0]
    match kind:
        case "text":
            assert case["given"]["tokens"] == [["great", "bad"], ["good", "awful"]][case["row"] - 4]
        case "table":
            assert record["input"]["names"] == list(COLUMNS)
        case "series":
            assert len(case["given"]["values"][0]) == 8
    assert all(row["error"] is None for row in case["explanations"])


def test_what_does_not_fit_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "net.py").write_text(NET)
    data, *_ = written("text", tmp_path)
    ended, _, told = run(capsys, "attribute", f"{tmp_path}/net.py:text", data, "-o", "nowhere")
    assert ended == 2 and "texts need a tokenizer, --tokenizer" in told
    with pytest.raises(
        HyperParameterError, match="in a picture's terms, and the examples are rows"
    ):
        attribute_dataset(torch_table(), ROWS, store=tmp_path / "it", baseline="blur")
    with pytest.raises(InputError, match=r"A table is \(N, columns\); got \(6, 2, 3\)"):
        attribute_dataset(torch_table(), np.ones((6, 2, 3)), store=tmp_path / "it", kind="table")
    assert not (tmp_path / "it").exists()
