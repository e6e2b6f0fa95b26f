"""Estimators that take categories and words themselves: a cell is hidden by that of another row."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pandas
import pytest
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import backlight
from backlight import Drawn
from backlight.errors import InputError, InputTypeError
from backlight_attribute import attribute_dataset
from backlight_attribute.results import Attributions
from backlight_compare import compare
from backlight_datasets import ColumnNames, Source, open_source
from backlight_methods import FeatureAblation
from backlight_metrics import Infidelity
from backlight_report import report

SPEAKS: dict[str, Callable[[Any], float]] = {
    "width": float,
    "colour": {"red": -4.0, "green": 3.0, "blue": 0.5}.__getitem__,
    "size": {1: 2.0, 2: -1.0, 4: 0.25}.__getitem__,
    "glossy": lambda glossy: 5.0 * glossy,
}
"""What a cell adds to the log-odds of class b."""
COLUMNS = [*SPEAKS]
ROWS = [
    [1.5, "red", 1, True],
    [2.0, "green", 2, False],
    [3.0, "blue", 2, True],
    [0.5, "red", 4, False],
]
TRUE = ["a", "b", "a", "b"]


def frame(words: str = "category") -> pandas.DataFrame:
    found = pandas.DataFrame(ROWS, columns=COLUMNS)
    return found.astype({"colour": words, "size": "category"})


def said(rows: list[list[Any]] | NDArray[Any]) -> NDArray[np.float64]:
    return np.array(
        [[SPEAKS[name](one) for name, one in zip(COLUMNS, row, strict=True)] for row in rows]
    )


class Booster(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """As LightGBM does, it takes a frame alone, whose words are categories."""

    feature_names_in_ = np.array(COLUMNS)
    classes_ = np.array(["a", "b"])
    dtypes: ClassVar[dict[str, Any]] = {"colour": "category"}

    def fit(self, x: pandas.DataFrame, y: NDArray[Any]) -> Self:
        self.fitted_ = True
        return self

    def predict(self, x: pandas.DataFrame) -> NDArray[Any]:
        return self.classes_[self.decision_function(x).astype(int)]

    def decision_function(self, x: pandas.DataFrame) -> NDArray[np.float64]:
        odd = [name for name, dtype in self.dtypes.items() if x[name].dtype != dtype]
        if odd or x[["width", "glossy"]].dtypes.map(lambda one: one.kind not in "fb").any():
            raise ValueError(f"unexpected dtypes: {x.dtypes.to_dict()}")
        return said(x.to_numpy()).sum(axis=1)


class BoosterOfThese(Booster):
    """It has seen each category, and will have no others."""

    dtypes: ClassVar[dict[str, Any]] = {name: frame().dtypes[name] for name in ("colour", "size")}


class BoosterOfStrings(Booster):
    dtypes: ClassVar[dict[str, Any]] = {"colour": "str"}


@pytest.mark.parametrize(
    ("booster", "words"), [(BoosterOfThese, "category"), (BoosterOfStrings, "str")]
)
def test_a_frame_with_words_is_explained_by_column(booster: type[Booster], words: str) -> None:
    x = frame(words)
    for method in ("shapley_values", "feature_ablation", "kernel_shap"):
        found = backlight.explain(
            booster(), x, method=method, target=0, baseline=Drawn(x.to_numpy(), samples=4)
        )
        expected = said(ROWS) - said(ROWS).mean(axis=0)
        np.testing.assert_allclose(found.values, expected, atol=1e-6)
    np.testing.assert_allclose(found.score, said(ROWS).sum(axis=1))
    assert [*found.to_pandas().columns] == COLUMNS
    assert found.inputs[0].given.tolist() == ROWS  # type: ignore[union-attr]
    one = backlight.explain(
        booster(), x[2:3], method="feature_ablation", target=0, baseline=x.to_numpy()[0]
    )
    np.testing.assert_allclose(one.values, said(ROWS[2:3]) - said(ROWS[:1]))


def test_techniques_on_a_frame_with_words_are_judged() -> None:
    drawn = Drawn(frame().to_numpy(), samples=4)
    found = backlight.evaluate(
        BoosterOfThese(),
        frame(),
        [FeatureAblation(baseline=drawn)],
        ["infidelity", "deletion"],
        0,
        baseline=drawn,
    )
    np.testing.assert_allclose(found["FeatureAblation", "infidelity"].values, 0, atol=1e-12)
    assert found["FeatureAblation", "deletion"].mean < found["random", "deletion"].mean
    noise = backlight.evaluate(
        BoosterOfThese(),
        frame(),
        [FeatureAblation(baseline=drawn)],
        Infidelity(local=True),
        0,
        baseline=drawn,
    )
    said_of_noise = noise["FeatureAblation", "Infidelity"].error
    assert said_of_noise is not None and "or words: there is no range" in said_of_noise


def test_categories_that_scikit_learn_learns_by_their_dtype() -> None:
    rng = np.random.default_rng(0)
    drawn = {name: frame()[name].iloc[rng.integers(0, 4, 200)].to_numpy() for name in COLUMNS[1:]}
    x = pandas.DataFrame({"width": rng.normal(size=200), **drawn}).astype(frame().dtypes)
    y = (x["width"] > 0) ^ (x["colour"] == "red")
    model = HistGradientBoostingClassifier(max_iter=5, min_samples_leaf=5).fit(x, y)
    found = backlight.explain(
        model, x[:8], method="shapley_values", target=1, baseline=Drawn(x.to_numpy(), samples=30)
    )
    np.testing.assert_allclose(found.score, model.predict_proba(x[:8])[:, 1])
    size = np.abs(found.values).mean(axis=0)
    assert size[:2].min() > 10 * size[2:].max()


def test_no_number_stands_for_a_word() -> None:
    for booster, words in ((BoosterOfThese, "category"), (BoosterOfStrings, "str")):
        with pytest.raises(
            InputError, match=r"holds words, such as 'red'.*baseline=backlight\.Drawn"
        ):
            backlight.explain(booster(), frame(words), method="feature_ablation", target=0)
        row = np.array([0.0, 3.5, 1, True], dtype=object)
        with pytest.raises(InputError, match="Column 1 of the table holds words"):
            backlight.explain(
                booster(), frame(words), method="feature_ablation", target=0, baseline=row
            )
    row = np.array([0.0, "red", 0, True], dtype=object)
    with pytest.raises(InputError, match="'size' has the categories 1, 2, 4, and a row with 0"):
        backlight.explain(
            BoosterOfThese(), frame(), method="feature_ablation", target=0, baseline=row
        )


def test_a_net_takes_no_categories_and_no_empty_cells() -> None:
    def net(x: NDArray[Any]) -> NDArray[Any]:
        return x.sum(axis=1)

    model = backlight.wrap(net, framework="numpy")
    with pytest.raises(InputTypeError, match="columns 'colour', 'size' hold something else"):
        backlight.explain(model, frame(), method="feature_ablation")
    x = pandas.DataFrame({"age": [1, 2, 3], "new": [True, False, True]})
    empty = x.astype({"age": "Int64", "new": "boolean"}).set_index(pandas.Index([*"pqr"]))
    np.testing.assert_array_equal(
        backlight.explain(model, empty, method="feature_ablation").values, x.to_numpy(float)
    )
    empty.iloc[1, 0] = pandas.NA
    with pytest.raises(InputTypeError, match=r"'age' is empty in row 1, 'q' by its index.*fillna"):
        backlight.explain(model, empty, method="feature_ablation")


def table(folder: Path) -> Source:
    path = folder / "table.csv"
    frame().assign(kind=TRUE).to_csv(path, index=False)
    return open_source(path, columns=ColumnNames(label="kind"), words=True)


def as_trained(table: pandas.DataFrame) -> pandas.DataFrame:
    return table.astype(BoosterOfThese.dtypes)


MODELS: dict[str, Callable[[], Any]] = {
    "categories": Booster,
    "strings": BoosterOfStrings,
    "behind a step": lambda: make_pipeline(FunctionTransformer(as_trained), BoosterOfThese()).fit(
        frame(), TRUE
    ),
}


@pytest.mark.parametrize("name", [*MODELS])
def test_a_report_hides_cells_by_those_of_other_rows(name: str, tmp_path: Path) -> None:
    report(MODELS[name](), table(tmp_path), directory=tmp_path / "report", only="all")
    found = json.loads((tmp_path / "report" / "study.json").read_text())
    assert found["findings_failed"] == []
    assert found["input"]["names"] == COLUMNS
    assert {row["name"] for row in found["metrics"]["rows"]} >= {"shapley_values", "random"}
    assert [one["name"] for one in found["methods"]] == ["shapley_values"]
    expected = said(ROWS) - said(ROWS).mean(axis=0)  # each row is drawn
    for case in found["cases"]:
        sign = 1 if case["predicted"]["name"] == "b" else -1
        (one,) = case["explanations"]
        assert one["targets"]["predicted"]["values"] == pytest.approx(
            sign * expected[case["row"]], abs=1e-5
        )
        assert case["given"]["values"] == [*ROWS[case["row"]][:3], str(ROWS[case["row"]][3])]


def test_why_a_model_takes_no_row_is_said(tmp_path: Path) -> None:
    step = FunctionTransformer(lambda table: table.rename(columns={"colour": "color"}))
    model = make_pipeline(step, Booster()).fit(frame(), TRUE)
    with pytest.raises(InputError, match=r"The model cannot take.*KeyError: 'colour'"):
        backlight.study(model, table(tmp_path))


def test_a_store_and_a_comparison_of_such_models(tmp_path: Path) -> None:
    options = {"methods": ["feature_ablation"], "seed": 1}
    attribute_dataset(Booster(), table(tmp_path), store=tmp_path / "store", **options)
    found = Attributions.open(tmp_path / "store").attribution(1, "feature_ablation", "predicted")
    expected = said(ROWS) - said(ROWS).mean(axis=0)
    assert np.abs(found.values[0]) == pytest.approx(np.abs(expected[1]), abs=2e-3)
    assert found.framework == "numpy"
    assert compare(Booster(), BoosterOfStrings(), table(tmp_path), **options).same


def test_categories_by_their_numbers_in_the_table_at_hand_are_told(tmp_path: Path) -> None:
    class ByNumber(Booster):
        def decision_function(self, x: pandas.DataFrame) -> NDArray[np.float64]:
            return x["colour"].cat.codes.to_numpy(float) * 2 - 1

    with pytest.raises(InputError, match="says something else of a row alone than among others"):
        backlight.study(ByNumber(), table(tmp_path))
    with pytest.raises(InputError, match=r"The column colour of the data holds words"):
        backlight.study(HistGradientBoostingClassifier(), table(tmp_path))
