"""Estimators: what they are asked, what their outputs hold, and how tables and pictures reach them."""

from typing import Any

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC

import backlight
from backlight import Margin
from backlight.errors import HyperParameterError, InputError, ModelError
from backlight.values.outputs import OutputSpec
from backlight_methods import Occlusion

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4))
pytestmark = pytest.mark.filterwarnings("ignore:Every value is exactly 0")  # trees have steps
NUMBERS = X[:, 0] + X[:, 1] * X[:, 2]
WORDS = np.array(["low", "middle", "high"])[np.digitize(NUMBERS, [-0.5, 0.5])]
LABELS = np.stack([X[:, 0] > 0, X[:, 1] > 0], 1).astype(int)


def forest(**more: Any) -> RandomForestClassifier:
    return RandomForestClassifier(5, max_depth=3, random_state=0, **more)


class Foreign:
    """An estimator that derives from nothing of scikit-learn's."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        return {}

    def fit(self, x: Any, y: Any) -> "Foreign":
        return self

    def predict(self, x: Any) -> Any:
        return self.predict_proba(x).argmax(1)

    def predict_proba(self, x: Any) -> Any:
        p = 1 / (1 + np.exp(-x[:, 0]))
        return np.stack([1 - p, p], 1)


SORTED = ("high", "low", "middle")
FITTED = {
    "forest": (forest().fit(X, WORDS), "predict_proba", "probabilities", SORTED),
    "pipeline": (
        make_pipeline(StandardScaler(), LogisticRegression()).fit(X, WORDS),
        "predict_proba",
        "probabilities",
        SORTED,
    ),
    "decision": (LinearSVC().fit(X, WORDS), "decision_function", "logits", SORTED),
    "two classes": (LinearSVC().fit(X, NUMBERS > 0), "decision_function", "logits", None),
    "regression": (Ridge().fit(X, NUMBERS), "predict", "logits", None),
    "numbered": (forest().fit(X, (NUMBERS > 0) + 4), "predict_proba", "probabilities", ("4", "5")),
    "by position": (forest().fit(X, (NUMBERS > 0) + 0), "predict_proba", "probabilities", None),
    "foreign": (Foreign(), "predict_proba", "probabilities", None),
}
FITTED["two classes"] = (*FITTED["two classes"][:3], ("False", "True"))


@pytest.mark.parametrize("name", FITTED)
def test_an_estimator_tells_what_its_outputs_hold(name: str) -> None:
    estimator, verb, kind, names = FITTED[name]
    model, right = backlight.wrap(estimator), getattr(estimator, verb)(X)
    assert model.framework == "numpy" and not model.differentiable
    assert np.array_equal(model.predict(X), right)
    assert model.outputs(X) == OutputSpec(right.shape, kind)
    found = Occlusion()(estimator, X[:3])
    assert np.allclose(found.score, right[:3] if right.ndim == 1 else right[:3].max(1))
    assert found.class_names == names


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_have_the_dtype_that_came_in(dtype: Any) -> None:
    estimator = FITTED["pipeline"][0]
    scores = backlight.wrap(lambda x: estimator.predict_proba(x.astype(np.float64)), "numpy")
    assert Occlusion()(scores, X[:3].astype(dtype), 1).values.dtype == dtype


def test_a_method_of_an_estimator_is_asked_itself() -> None:
    estimator = FITTED["pipeline"][0]
    logarithms = backlight.wrap(estimator.predict_log_proba)
    assert logarithms.outputs(X) == OutputSpec((60, 3), "log_probabilities")
    scores = backlight.wrap(estimator.decision_function)
    assert np.array_equal(scores.predict(X), estimator.decision_function(X))
    target = Margin(0, versus=2)
    one, other = (Occlusion()(model, X[:5], target).values for model in (logarithms, scores))
    assert np.allclose(one, other)  # log p differs from the logit by what classes have in common


def test_labels_of_several_kinds_are_each_their_own() -> None:
    parts = backlight.wrap(KNeighborsClassifier().fit(X, LABELS)).outputs(X)
    assert parts == (OutputSpec((60, 2), "probabilities"),) * 2
    from sklearn.multioutput import ClassifierChain

    chain = ClassifierChain(LogisticRegression()).fit(X, LABELS)
    assert backlight.wrap(chain).outputs(X) == OutputSpec((60, 2), "sigmoid")


def test_labels_alone_are_no_scores() -> None:
    from sklearn.cluster import KMeans

    with pytest.raises(ModelError, match="KMeans only says which class it predicts"):
        backlight.wrap(KMeans(2, n_init=1).fit(X)).outputs(X)


def test_the_margin_of_a_linear_classifier_has_its_closed_form() -> None:
    scaler, regression = FITTED["pipeline"][0]
    slope = (regression.coef_[2] - regression.coef_[0]) / scaler.scale_
    found = Occlusion(baseline=0.5)(FITTED["pipeline"][0], X[:6], Margin(2, versus=0))
    assert np.allclose(found.values, slope * (X[:6] - 0.5))


def table() -> tuple[Any, Any, Any]:
    """A table with a column of words, whether a loan is paid back, and a pipeline for it."""
    x = np.empty((60, 3), dtype=object)
    x[:, 0], x[:, 2] = RNG.uniform(20, 70, 60), X[:, 2]
    x[:, 1] = np.array(["baker", "clerk", "smith"])[RNG.integers(0, 3, 60)]
    y = (x[:, 0].astype(float) > 45) | (x[:, 1] == "smith")
    columns = ColumnTransformer(
        [("numbers", StandardScaler(), [0, 2]), ("words", OneHotEncoder(), [1])]
    )
    return x, y, make_pipeline(columns, LogisticRegression()).fit(x, y)


def test_a_table_of_mixed_columns() -> None:
    x, _, pipeline = table()
    baseline = np.array([40.0, "baker", 0.0], dtype=object)
    technique = Occlusion(baseline=baseline)
    found = technique(pipeline, x, Margin(1, versus=0), batch_size=7)
    (_, scaler, _), (_, words, _) = pipeline[0].transformers_
    age, pay, *jobs = pipeline[1].coef_[0]
    by_word = dict(zip(words.categories_[0], jobs, strict=True))
    right = np.stack(
        [
            age / scaler.scale_[0] * (x[:, 0].astype(float) - 40),
            np.array([by_word[word] - by_word["baker"] for word in x[:, 1]]),
            pay / scaler.scale_[1] * x[:, 2].astype(float),
        ],
        1,
    )
    assert found.values.dtype == np.float64
    assert np.allclose(found.values, right)
    same = np.array([float("40"), "-baker"[1:], float("0")], dtype=object)  # of other objects
    assert technique == Occlusion(baseline=same)
    other = np.array([40.0, "clerk", 0.0], dtype=object)
    assert technique != Occlusion(baseline=other)
    with pytest.raises(InputError, match="must be a number or an array"):
        technique(Foreign(), X[:, :3])
    with pytest.raises(HyperParameterError, match=r"Occlusion\.baseline"):
        Occlusion(baseline="baker")  # type: ignore[arg-type]


def test_the_columns_of_a_table_are_as_many_as_were_fitted() -> None:
    with pytest.raises(ModelError, match=r"3 features.*It was given float64 \(60, 3\)"):
        backlight.wrap(FITTED["forest"][0]).predict(X[:, :3])
    with pytest.raises(InputError, match="one array, a table"):
        backlight.wrap(FITTED["forest"][0]).predict((X, X))


def test_pictures_are_laid_out_in_rows_only_where_their_numbers_are_as_many() -> None:
    digits = load_digits()
    estimator = RandomForestRegressor(3, random_state=0).fit(digits.data[:200], digits.target[:200])
    model = backlight.wrap(estimator, channels="none")
    right = estimator.predict(digits.data[200:230])
    assert np.array_equal(model.predict(digits.images[200:230]), right)
    assert np.array_equal(model.predict(digits.images[200:230, None]), right)
    with pytest.raises(ModelError, match=r"It was given float64 \(30, 7, 8\)"):
        model.predict(digits.images[200:230, :7])
    own = make_pipeline(FunctionTransformer(lambda x: x[:, 0]), Ridge())
    own.fit(digits.images[:200], digits.target[:200])  # which takes pictures itself
    assert backlight.wrap(own).predict(digits.images[200:230]).shape == (30,)


def test_an_estimator_that_is_fitted_anew_is_another() -> None:
    estimator = forest().fit(X, WORDS)
    model = backlight.wrap(estimator)
    assert model.outputs(X).shape == (60, 3)  # type: ignore[union-attr]
    estimator.fit(X, NUMBERS > 0)
    assert model.outputs(X).shape == (60, 2)  # type: ignore[union-attr]
    assert Occlusion()(model, X[:2]).class_names == ("False", "True")


def test_an_estimator_that_writes_into_its_table_harms_nobody() -> None:
    scaler = StandardScaler(copy=False)
    pipeline = make_pipeline(scaler, Ridge()).fit(X.copy(), NUMBERS)
    x = X.copy()
    found = Occlusion()(pipeline, x, 0)
    assert np.array_equal(x, X)
    assert np.allclose(found.values, pipeline[1].coef_ / scaler.scale_ * X)


def test_what_is_not_fitted_says_so() -> None:
    with pytest.raises(ModelError, match="NotFittedError"):
        backlight.wrap(forest()).outputs(X)
