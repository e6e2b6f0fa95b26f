"""Scores: class scores."""

import array_api_strict as strict
import numpy as np
import pytest

from backlight import (
    Class,
    Logit,
    LogProbability,
    Margin,
    Probability,
    Score,
)
from backlight.errors import TargetError
from backlight.values.arrays import softmax
from backlight_methods import Gradient
from tests.core.score_nets import (
    CLOSE,
    EACH,
    EXACT,
    KINDS,
    LOGITS,
    ODDS,
    WEIGHTS,
    X,
    explained,
    logits,
    model,
)
from tests.ids import shown
from tests.reference import ReferenceModel


@KINDS
def test_a_class_is_the_models_output_as_it_is(kind: str) -> None:
    outputs = {"logits": LOGITS, "probabilities": ODDS, "log_probabilities": np.log(ODDS)}
    np.testing.assert_allclose(explained(Class(2), kind).score, outputs[kind][:, 2], **EXACT)


@pytest.mark.parametrize("target", [2, Class(2), np.int64(2), np.array(2), Class(-2), -2])
def test_an_integer_is_a_class_and_negatives_count_from_the_end(target: object) -> None:
    found = explained(target)
    np.testing.assert_allclose(found.score, LOGITS[:, 2], **EXACT)
    np.testing.assert_array_equal(found.classes, [2] * 5)
    assert found.classes.dtype == np.int64
    assert not found.predicted
    assert found.target == "Class(2)"


@pytest.mark.parametrize(
    "target", [EACH, tuple(EACH), np.array(EACH), np.array(EACH, np.int8), strict.asarray(EACH)]
)
@pytest.mark.parametrize("batch_size", [2, 256])
def test_a_class_for_each_example(target: object, batch_size: int) -> None:
    found = Gradient()(model(), X, target, batch_size=batch_size)
    np.testing.assert_allclose(found.score, LOGITS[np.arange(5), EACH], **EXACT)
    np.testing.assert_array_equal(found.classes, [3, 0, 2, 1, 3])
    slope = WEIGHTS[0][:, EACH].T + 2 * X * WEIGHTS[1][:, EACH].T
    np.testing.assert_allclose(found.values, slope, **CLOSE)
    assert found.target == "Class([3, 0, 2, 1, 3])"


SAME = [
    (Probability(1), lambda: ODDS[:, 1]),
    (Probability(EACH), lambda: ODDS[np.arange(5), EACH]),
    (LogProbability(-3), lambda: np.log(ODDS[:, 1])),
    (Margin(1, 3), lambda: LOGITS[:, 1] - LOGITS[:, 3]),
    (Margin(1, versus=-1), lambda: LOGITS[:, 1] - LOGITS[:, 3]),
    (Margin(EACH, 1), lambda: LOGITS[np.arange(5), EACH] - LOGITS[:, 1]),
    (Margin(0, EACH), lambda: LOGITS[:, 0] - LOGITS[np.arange(5), EACH]),
]


@KINDS
@pytest.mark.filterwarnings("ignore:Every value is exactly 0")  # of a class against itself
@pytest.mark.parametrize(("target", "expected"), SAME, ids=shown)
def test_equivalent_models_give_equal_scores_and_gradients(
    kind: str, target: Score, expected: object
) -> None:
    found = Gradient()(model(kind), X, target, batch_size=2)
    np.testing.assert_allclose(found.score, expected(), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(found.values, explained(target).values, **CLOSE)


def test_the_gradient_of_a_probability_by_hand() -> None:
    slopes = WEIGHTS[0] + 2 * X[:, :, None] * WEIGHTS[1]
    mean = (slopes * ODDS[:, None, :]).sum(2)
    expected = ODDS[:, 1:2] * (slopes[:, :, 1] - mean)
    np.testing.assert_allclose(explained(Probability(1)).values, expected, **CLOSE)
    np.testing.assert_allclose(explained(LogProbability(1)).values, slopes[:, :, 1] - mean, **CLOSE)
    np.testing.assert_allclose(
        explained(Margin(1, 0)).values, slopes[:, :, 1] - slopes[:, :, 0], **CLOSE
    )


CENTRED = LOGITS - LOGITS.mean(1, keepdims=True)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("logits", LOGITS), ("probabilities", CENTRED), ("log_probabilities", CENTRED)],
)
def test_a_logit_is_the_value_before_the_softmax(kind: str, expected: np.ndarray) -> None:
    """But for what a softmax forgets: the mean of all logits."""
    slopes = WEIGHTS[0] + 2 * X[:, :, None] * WEIGHTS[1]
    slopes = slopes if kind == "logits" else slopes - slopes.mean(2, keepdims=True)
    found = explained(Logit(1), kind)
    np.testing.assert_allclose(found.score, expected[:, 1], rtol=1e-10)
    np.testing.assert_allclose(found.values, slopes[:, :, 1], **CLOSE)
    each = explained(Logit(EACH), kind)
    np.testing.assert_allclose(each.score, expected[np.arange(5), EACH], rtol=1e-10)
    np.testing.assert_array_equal(each.classes, [3, 0, 2, 1, 3])


@KINDS
def test_a_margin_is_the_difference_of_two_logits(kind: str) -> None:
    margin, k, j = (explained(one, kind) for one in (Margin(1, 3), Logit(1), Logit(3)))
    np.testing.assert_allclose(margin.score, k.score - j.score, rtol=1e-12)
    np.testing.assert_allclose(margin.values, k.values - j.values, rtol=1e-6, atol=1e-9)


@pytest.mark.filterwarnings("ignore:Every value is exactly 0")  # of saturated ones
def test_a_probability_of_0_has_a_logit_and_leaves_those_of_the_others_finite() -> None:
    """log of 0 would be minus infinity, and its derivative NaN for the other classes as well."""
    sure = ReferenceModel(
        ("head", lambda x: softmax(logits(x) * 1000.0, strict)), kind="probabilities"
    )
    assert (np.asarray(sure.predict(X)) == 0).any()
    lowest = np.log(2.0**-1022)
    for target in (Logit(0), LogProbability(0), Margin(0, 1)):
        found = Gradient()(sure, X, target)
        assert np.isfinite(found.score).all()
        assert np.abs(found.score).max() <= -lowest


@pytest.mark.filterwarnings("ignore:Every value is exactly 0")  # of saturated ones
def test_large_logits_do_not_overflow() -> None:
    big = ReferenceModel(("head", lambda x: x * 1000.0))
    x = np.array([[1.0, 2.0], [-3.0, 1.0]])
    found = Gradient()(big, x, LogProbability(0))
    np.testing.assert_allclose(found.score, [-1000, -4000], **EXACT)
    np.testing.assert_allclose(Gradient()(big, x, Probability(1)).score, [1, 1], **EXACT)


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        (Class(1), "Class(1)"),
        (Class([1, 2, 1, 1, 1]), "Class([1, 2, 1, 1, 1])"),
        (Class([3, 3]), "Class(3)"),
        (Class(range(8)), "Class([0, 1, 2, 3, 4, 5, ...])"),
        (Probability(1, path="out"), "Probability(1, path='out')"),
        (LogProbability(1), "LogProbability(1)"),
        (Logit(1), "Logit(1)"),
        (Margin(1, 2), "Margin(1, versus=2)"),
    ],
)
def test_scores_show_themselves(target: Score, shown: str) -> None:
    assert repr(target) == shown


@pytest.mark.parametrize(
    ("target", "fragments"),
    [
        (4, ["4 outputs, 0 to 3", "got class 4"]),
        (-5, ["4 outputs, 0 to 3", "got class -5"]),
        ([0, 1, 2, 3, 9], ["0 to 3", "got class 9"]),
        (1.0, ["A class is an integer", "1.0", "float64"]),
        ("cat", ["A class is an integer", "'cat'"]),
        (True, ["A class is an integer", "bool"]),
        ([1, 2], ["one class for the batch, or one for each of its 5 examples", "(2,)"]),
        (np.zeros((5, 1), int), ["shape (5, 1)"]),
        (Margin(1, 7), ["got class 7"]),
    ],
)
def test_a_class_that_cannot_be_is_refused(target: object, fragments: list[str]) -> None:
    with pytest.raises(TargetError) as caught:
        explained(target)
    for fragment in fragments:
        assert fragment in str(caught.value)


@pytest.mark.parametrize("pair", [(1, 1), ([1, 2], [1, 2]), (np.array(3), 3)])
def test_a_margin_needs_two_classes(pair: tuple[object, object]) -> None:
    with pytest.raises(TargetError, match="Margin needs two classes"):
        Margin(*pair)


def test_a_margin_needs_two_classes_also_when_one_counts_from_the_end() -> None:
    with pytest.raises(TargetError, match="Margin needs two classes"):
        explained(Margin(3, versus=-1))
