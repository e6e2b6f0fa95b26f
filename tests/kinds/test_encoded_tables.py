"""Tables with words: what each column says is known, whatever encodes it and whatever the framework."""

import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

# First, because torch and TensorFlow bring clashing libraries and only this order loads.
import torch  # isort: skip
import jax.numpy as jnp
import keras
import numpy as np
import pandas
import pytest
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

import backlight
from backlight import Examples
from backlight.errors import InputError
from backlight_attribute import attribute_dataset
from backlight_compare import compare
from backlight_datasets import ColumnNames, Source, open_source
from backlight_loading import Preprocessing
from backlight_loading.encoded_columns import encoding_of
from backlight_loading.encoders import columns_of, load_encoder
from backlight_loading.known_values import known_values
from backlight_report import report

COLUMNS = ("width", "colour", "colour_red", "glossy")
"""The second one's block has a number that is called as the third column is."""
ROWS = (
    (1, "red", "no", True),
    (2, "green", "yes", False),
    (3, "blue", "yes", True),
    (0, "red", "no", False),
)
TRUE = ("a", "b", "b", "a")
SPEAKS = {
    "width": lambda width: float(width),
    "colour": {"red": -4.0, "green": 3.0, "blue": 0.5}.__getitem__,
    "colour_red": {"no": 1.0, "yes": -2.0}.__getitem__,
    "glossy": lambda glossy: 5.0 * glossy,
}
"""What a cell adds to the score of class b; that of class a is 0."""


def said(row: tuple[Any, ...]) -> list[float]:
    return [SPEAKS[name](cell) for name, cell in zip(COLUMNS, row, strict=True)]


WRONG = [k for k, row in enumerate(ROWS) if "ab"[sum(said(row)) > 0] != TRUE[k]]


def frame() -> pandas.DataFrame:
    return pandas.DataFrame(ROWS, columns=[*COLUMNS])


def transformer() -> ColumnTransformer:
    """Its columns come in another order than those of the table."""
    words = ("words", OneHotEncoder(), ["colour", "colour_red"])
    numbers = ("numbers", "passthrough", ["glossy", "width"])
    return ColumnTransformer([words, numbers], verbose_feature_names_out=False).fit(frame())


def by_hand(table: pandas.DataFrame) -> NDArray[np.float32]:
    """The same numbers."""
    colours = np.stack([table["colour"] == one for one in ("blue", "green", "red")], axis=1)
    if not colours.any(axis=1).all():
        raise KeyError("no such colour")
    red = np.stack([table["colour_red"] == one for one in ("no", "yes")], axis=1)
    return np.column_stack([colours, red, table["glossy"], table["width"]]).astype(np.float32)


WEIGHTS = np.zeros((7, 2), np.float32)
WEIGHTS[:, 1] = [0.5, 3, -4, 1, -2, 5, 1]


def torch_net() -> object:
    net = torch.nn.Linear(7, 2, bias=False)
    net.weight.data = torch.tensor(WEIGHTS.T)
    return net.eval()


def keras_net() -> object:
    net = keras.Sequential([keras.Input((7,)), keras.layers.Dense(2, use_bias=False)])
    net.set_weights([WEIGHTS])
    return net


NETS: dict[str, Callable[[], object]] = {
    "torch": torch_net,
    "tensorflow": keras_net,
    "jax": lambda: lambda x: x @ jnp.asarray(WEIGHTS),
    "numpy": lambda: lambda x: x @ WEIGHTS,
}


def written(folder: Path, *more: str) -> Path:
    path = folder / "table.csv"
    rows = (",".join(map(str, (*row, true))) for row, true in zip(ROWS, TRUE, strict=True))
    path.write_text("\n".join((",".join((*COLUMNS, "kind")), *rows, *more)) + "\n")
    return path


def table(folder: Path, *more: str) -> Source:
    return open_source(written(folder, *more), columns=ColumnNames(label="kind"), words=True)


def record(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "study.json").read_text())
    return found


@pytest.mark.parametrize("framework", [*NETS])
def test_a_column_has_all_that_it_was_encoded_into(framework: str, tmp_path: Path) -> None:
    gradients = ["input_x_gradient"] if framework != "numpy" else []
    report(
        NETS[framework](),
        table(tmp_path),
        directory=tmp_path / "report",
        encoder=transformer() if framework in ("torch", "numpy") else by_hand,
        framework=framework,
        methods=["shapley_values", *gradients],
    )
    found = record(tmp_path / "report")
    assert found["input"]["names"] == [*COLUMNS]
    assert found["findings_failed"] == [] and found["notes"] == []
    assert [case["row"] for case in found["cases"]] == WRONG
    for case in found["cases"]:
        row = ROWS[case["row"]]
        sign = 1 if case["predicted"]["name"] == "b" else -1
        for one in case["explanations"]:
            assert one["targets"]["contrast"]["values"] == pytest.approx(
                [sign * value for value in said(row)], abs=1e-5
            )
        assert case["given"]["values"] == [row[0], row[1], row[2], str(row[3])]
    shapley, *_ = (one["method"] for one in found["methods"])
    assert "'colour': (0, 1, 2)" in shapley  # hidden together
    page = (tmp_path / "report" / "report.html").read_text()
    assert "<tr><th>colour</th><td>red</td>" in page
    assert {row["name"] for row in found["metrics"]["rows"]} >= {"shapley_values", "random"}


def test_metrics_see_the_values_where_the_model_has_its_numbers(tmp_path: Path) -> None:
    from backlight_study.judged_cases import maps_of

    study = backlight.study(
        torch_net(), table(tmp_path), encoder=transformer(), methods=["input_x_gradient"]
    )
    maps = maps_of(study, ["input_x_gradient"], np.array([0]), (7,))["input_x_gradient"]
    row = said(ROWS[study.rows[0]])
    # colour (three numbers), colour_red (two), glossy, width
    expected = [row[1] / 3] * 3 + [row[2] / 2] * 2 + [row[3], row[0]]
    assert np.abs(maps[0]) == pytest.approx(np.abs(expected), abs=1e-5)


class Kinds(torch.nn.Module):
    """Floats and ids side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding.from_pretrained(torch.tensor(KINDS))

    def forward(self, numbers: torch.Tensor, kinds: torch.Tensor) -> torch.Tensor:
        scores = numbers.sum(1) + self.embedding(kinds).sum(1)[:, 0]
        return torch.stack([torch.zeros_like(scores), scores], 1)


KINDS = np.array([[0], [-4], [3], [0.5], [1], [-2]], np.float32)
IDS = {"red": 1, "green": 2, "blue": 3, "no": 4, "yes": 5}


def side_by_side(table: pandas.DataFrame) -> dict[str, NDArray[Any]]:
    kinds = [[IDS[cell] for cell in table[name]] for name in ("colour", "colour_red")]
    numbers = np.column_stack([table["width"], 5 * table["glossy"]])
    return {"numbers": numbers.astype(np.float32), "kinds": np.array(kinds).T}


def test_numbers_and_ids_are_several_inputs(tmp_path: Path) -> None:
    report(
        Kinds().eval(),
        table(tmp_path, "5,pink,no,True,b"),
        directory=tmp_path / "report",
        encoder=side_by_side,
        methods=["feature_ablation", "integrated_gradients", "input_x_gradient"],
        metrics=["infidelity", "srg"],
    )
    found = record(tmp_path / "report")
    assert found["data"]["skipped"] == [
        "4: its colour is 'pink', and the encoder failed: KeyError: 'pink'"
    ]
    for case in found["cases"]:
        sign = 1 if case["predicted"]["name"] == "b" else -1
        expected = [sign * value for value in said(ROWS[case["row"]])]
        for one in case["explanations"]:
            assert one["targets"]["contrast"]["values"] == pytest.approx(expected, abs=1e-5)
    assert found["findings_failed"] == []
    rows = {row["name"]: row["values"]["infidelity"]["mean"] for row in found["metrics"]["rows"]}
    # What columns say adds up, so that they foretell each other's absence, whichever input they are in.
    assert [rows[name] for name in ("feature_ablation", "input_x_gradient")] == pytest.approx(
        [0, 0]
    )
    assert rows["random"] > 0.01


@pytest.mark.parametrize(
    ("encoder", "expected"),
    [
        (
            transformer,
            "its colour is 'pink'; the encoder knows blue, green, red",
        ),
        (
            lambda: by_hand,
            "its colour is 'pink', and the encoder failed: KeyError: 'no such colour'",
        ),
    ],
)
def test_a_row_that_cannot_be_encoded_is_skipped_by_its_cell(
    encoder: Callable[[], Any], expected: str, tmp_path: Path
) -> None:
    source = table(tmp_path, "5,pink,no,True,b", "1,red,yes,False,a")
    study = backlight.study(torch_net(), source, encoder=encoder(), methods=["gradient"])
    assert study.task.replies.skipped == (f"4: {expected}",)
    assert study.task.ids.tolist() == [0, 1, 2, 3, 5]


def test_rows_of_several_lengths_are_no_numbers(tmp_path: Path) -> None:
    def ragged(table: pandas.DataFrame) -> list[list[float]]:
        return [[1.0] * (row % 2) for row in range(len(table))]

    with pytest.raises(InputError, match="the encoder must give numbers"):
        backlight.study(torch_net(), table(tmp_path), encoder=ragged, methods=["gradient"])


def test_an_empty_cell_is_told_by_its_column(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Its column 'width' is empty or not finite"):
        backlight.study(
            torch_net(),
            table(tmp_path, ",red,no,True,a"),
            encoder=transformer(),
            methods=["gradient"],
        )


def test_columns_that_are_encoded_together_are_told_by_number(tmp_path: Path) -> None:
    def area(table: pandas.DataFrame) -> NDArray[Any]:
        return np.column_stack([table["width"] * table["glossy"], table["colour"] == "red"])

    made = report(
        lambda x: x @ np.array([[0.0, 2], [0, -1]]),
        table(tmp_path),
        directory=tmp_path / "report",
        encoder=area,
        framework="numpy",
        methods=["shapley_values"],
        only="all",
    )
    found = record(tmp_path / "report")
    assert found["input"]["names"] == ["number 0", "number 1"]
    assert made.notes == tuple(found["notes"])
    assert "numbers of the columns width and glossy together" in made.notes[0]
    (case,) = (one for one in found["cases"] if one["row"] == 2)
    assert case["given"]["values"] == [3, 0]
    assert case["explanations"][0]["targets"]["predicted"]["values"] == pytest.approx([6, 0])


def test_what_one_row_hides_is_seen_in_others() -> None:
    def price_of_red(table: pandas.DataFrame) -> NDArray[Any]:
        shown = table["price"].where(table["colour"] == "red", 0.0)
        return np.column_stack([table["price"], np.ones(len(table)), shown])

    rows = np.array([["green", 2.0], ["blue", 3.0], ["red", 4.0]], dtype=object)
    names = ("colour", "price")
    assert encoding_of(price_of_red, rows, names, names).mixed == ("colour", "price")
    found = encoding_of(lambda table: price_of_red(table)[:, :2], rows, names, names)
    assert found.features == ("price", "number 1")
    assert found.pooled(np.array([[5.0, 7]])).tolist() == [[5, 7]]
    assert found.described(rows[:1]).given.tolist() == [[2, 1]]  # type: ignore[union-attr]


def test_a_pipeline_encodes_by_itself(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    many = frame().iloc[rng.integers(0, 4, 80)].reset_index(drop=True)
    many["width"] = rng.normal(size=80)
    labels = np.where(many["width"] + (many["colour"] == "green") > 0.5, "b", "a")
    numbers = ("numbers", StandardScaler(), ["width", "glossy"])
    words = ("words", OneHotEncoder(), ["colour", "colour_red"])
    steps = ColumnTransformer([numbers, words])
    pipeline = make_pipeline(steps, LogisticRegression()).fit(many, labels)
    source = table(tmp_path, "5,pink,no,True,b")
    study = backlight.study(pipeline, source, methods=["shapley_values"], only="all")
    expected = pipeline.predict_proba(frame())
    np.testing.assert_allclose(study.task.replies.outputs, expected, rtol=1e-6)
    assert study.task.replies.skipped == (
        "4: its colour is 'pink'; the encoder knows blue, green, red",
    )
    values = study.values("shapley_values")
    assert values.shape == (4, 4)
    assert study.cases.features == COLUMNS
    # Of the difference from a row of means without words, which is all zeros.
    nothing = pipeline[-1].decision_function(np.zeros((1, 7)))[0]
    scores = pipeline.decision_function(frame())[study.rows] - nothing
    sign = np.where(scores + nothing > 0, 1, -1)
    np.testing.assert_allclose(values.sum(1), sign * scores, rtol=1e-6)


def test_a_pipeline_and_an_encoder_are_told_apart(tmp_path: Path) -> None:
    pipeline = make_pipeline(transformer(), LogisticRegression()).fit(frame(), TRUE)
    for call in (
        lambda: compare(pipeline, torch_net(), table(tmp_path), encoder=transformer()),
        lambda: compare(torch_net(), pipeline, table(tmp_path), encoder=by_hand),
    ):
        with pytest.raises(InputError, match=r"The Pipeline was fitted on the table's own columns"):
            call()
    steps, last = pipeline[:-1], pipeline[-1]
    found = compare(torch_net(), last, table(tmp_path), encoder=steps, methods=["shapley_values"])
    assert found.explained == 4


def test_a_store_has_values_of_columns_and_a_report_is_made_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from backlight.command_line import main

    (tmp_path / "coats.py").write_text(
        "from tests.kinds.test_encoded_tables import by_hand as encoder, torch_net as net\n"
    )
    monkeypatch.chdir(tmp_path)
    written(tmp_path, "5,pink,no,True,b")
    arguments = ["attribute", "coats.py:net", "table.csv", "--label", "kind", "-o", "store"]
    asked = ["--target", "predicted", "--target", "true", "--target", "contrast"]
    arguments += ["--encoder", "coats.py:encoder", "-m", "input_x_gradient", *asked]
    for command in (arguments, ["report", "--store", "store", "-o", "report", "--metric", "none"]):
        with pytest.raises(SystemExit, match=r"^0$"):
            main(command)
    found = record(tmp_path / "report")
    assert found["passes"]["backward"] == 0
    case = found["cases"][0]
    values = case["explanations"][0]["targets"]["contrast"]["values"]
    assert np.abs(values) == pytest.approx(np.abs(said(ROWS[case["row"]])), abs=2e-3)
    from backlight_attribute.results import Attributions

    store = Attributions.open(tmp_path / "store")
    (described,) = store.attribution(0, "input_x_gradient", "predicted").inputs
    assert (described.kind, described.names) == ("table", COLUMNS)
    assert [one.id for one in store.status().skipped] == [4]


def test_a_named_encoder_is_sent_to_other_processes_by_its_name() -> None:
    rows = np.array(ROWS, dtype=object)
    made = encoding_of(by_hand, rows, COLUMNS, COLUMNS)
    named = replace(made, name="tests.kinds.test_encoded_tables:by_hand", encoder=lambda table: 0)
    found = pickle.loads(pickle.dumps(named))
    np.testing.assert_array_equal(found(rows), by_hand(frame()))


WORDS = (
    "columns colour, colour_red, glossy of .* hold words, such as 'red', 'no', 'True'.*--encoder"
)


def test_words_without_an_encoder_are_refused_at_once(tmp_path: Path) -> None:
    path = written(tmp_path)
    with pytest.raises(InputError, match=WORDS):
        open_source(path, columns=ColumnNames(label="kind"))
    rows = np.array(ROWS, dtype=object)
    data = Examples(rows, np.array([0, 1, 1, 0]), ("a", "b"), features=COLUMNS)
    with pytest.raises(InputError, match="columns colour, colour_red of the data hold words"):
        backlight.study(torch_net(), data, methods=["gradient"])
    study = backlight.study(torch_net(), data, encoder=by_hand, methods=["gradient"])
    assert study.cases.features == COLUMNS
    with pytest.raises(InputError, match="columns colour, colour_red of the data hold words"):
        attribute_dataset(torch_net(), data, store=tmp_path / "store", methods=["gradient"])


def dummies(table: pandas.DataFrame) -> NDArray[Any]:
    return pandas.get_dummies(table).to_numpy(np.float32)


WRONG_ENCODERS: dict[str, tuple[Any, str]] = {
    "a column is missing": (
        ColumnTransformer([("all", "passthrough", ["weight", "width"])]).fit(
            frame().assign(weight=1.0)
        ),
        "takes the column weight, and the data has only width, colour",
    ),
    "by the batch": (dummies, "dummies makes other numbers of a row alone than among"),
    "no numbers": (
        lambda table: table[["colour"]].to_numpy(),
        "none of the first 4 rows.*give numbers",
    ),
    "one axis": (lambda table: table["width"].to_numpy(), r"\(1, F\), in one array.*int64 \(1,\)"),
    "fitted on fewer": (
        OneHotEncoder().fit(np.array([["red", "no"]])),
        "fitted on 2 columns, and the data has 4: width, .*--x COLUMN",
    ),
}


@pytest.mark.parametrize("name", [*WRONG_ENCODERS])
def test_what_is_wrong_with_an_encoder_is_one_sentence(name: str, tmp_path: Path) -> None:
    encoder, message = WRONG_ENCODERS[name]
    with pytest.raises(InputError, match=message):
        backlight.study(torch_net(), table(tmp_path), encoder=encoder, methods=["gradient"])


def test_an_encoder_stands_alone(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="encoder makes the model's input by itself"):
        backlight.study(
            torch_net(), table(tmp_path), encoder=by_hand, preprocessing=Preprocessing(mean=(1.0,))
        )
    pictures = Examples(np.zeros((2, 4, 4, 1), np.uint8), np.array([0, 1]))
    with pytest.raises(InputError, match="An encoder is for the columns of a table"):
        backlight.study(torch_net(), pictures, encoder=by_hand)
    with pytest.raises(InputError, match="No such encoder: nowhere"):
        load_encoder("nowhere")
    with pytest.raises(InputError, match="is a float; an encoder is a fitted transformer"):
        load_encoder("math:pi")


def test_what_encoders_know_is_found_wherever_it_is() -> None:
    fitted = frame().to_numpy(dtype=object)
    words = OneHotEncoder().fit(fitted[:, 1:3])
    assert known_values(words, ["p", "q"]) == {"p": ["blue", "green", "red"], "q": ["no", "yes"]}
    for asked in ([1], slice(1, 2), [False, True, False, False]):
        columns = ColumnTransformer([("one", OneHotEncoder(), asked)]).fit(fitted)
        assert known_values(columns, COLUMNS) == {"colour": ["blue", "green", "red"]}
        behind = make_pipeline(FunctionTransformer(), columns).fit(fitted)
        assert known_values(behind, COLUMNS) == {"colour": ["blue", "green", "red"]}
    assert known_values(StandardScaler().fit(fitted[:, :1]), ["width"]) == {}


def test_two_nets_are_compared_column_by_column(tmp_path: Path) -> None:
    options = {"encoder": transformer(), "methods": ["input_x_gradient"], "seed": 1}
    found = compare(torch_net(), keras_net(), table(tmp_path), **options)
    assert (found.same, found.explained) == (True, 4)
    other = torch_net()
    other.weight.data[1, :3] += 1  # type: ignore[attr-defined]
    found = compare(torch_net(), other, table(tmp_path), **options)
    (agreement,) = found.agreements
    # The colour's value is 1 more in each row, of which the largest is at least 2.
    values = np.array([said(row) for row in ROWS])
    assert agreement.difference == pytest.approx((1 / np.abs(values).max(axis=1)).max())


def test_columns_that_an_encoder_drops_need_not_be_there() -> None:
    """As where it was fitted on a table with its labels."""
    whole = frame().assign(kind=TRUE)
    parts = [("words", OneHotEncoder(), ["colour"]), ("numbers", "passthrough", ["width"])]
    encoder = ColumnTransformer(parts).fit(whole)
    assert columns_of(encoder, COLUMNS) == ("width", "colour")
    piped = make_pipeline(encoder, StandardScaler()).fit(whole)
    assert columns_of(piped, COLUMNS) == ("width", "colour")
    with pytest.raises(InputError, match="takes the column colour, and the data has only width"):
        columns_of(encoder, ("width",))


def test_what_is_compared_of_a_column_is_all_of_its_numbers_together(tmp_path: Path) -> None:
    """Two nets that weigh the two numbers of a column otherwise, and say the same of the column."""

    def twice(table: pandas.DataFrame) -> NDArray[np.float32]:
        return table[["width"]].to_numpy(np.float32).repeat(2, axis=1)

    nets = [torch.nn.Linear(2, 2, bias=False) for _ in range(2)]
    for net, weights in zip(nets, ([1.0, 1.0], [2.0, 0.0]), strict=True):
        net.weight.data = torch.tensor([[0.5, 0.5], weights])
    found = compare(*nets, table(tmp_path), encoder=twice, methods=["input_x_gradient"])
    assert found.same
