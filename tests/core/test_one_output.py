"""Scores: one output."""

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
from backlight_methods import Gradient
from tests.core.score_nets import CLOSE, EXACT, KINDS, LOGITS, WEIGHTS, X, explained, logits, model
from tests.ids import shown
from tests.reference import ReferenceModel


@pytest.mark.parametrize("width", ["(N,)", "(N, 1)"])
@pytest.mark.parametrize("target", [None, 0, Class(0), -1])
def test_the_output_of_a_one_output_model_needs_no_target(width: str, target: object) -> None:
    def head(x):
        column = logits(x)[:, 1:2]
        return column if width == "(N, 1)" else column[:, 0]

    found = Gradient()(ReferenceModel(("head", head)), X, target)
    np.testing.assert_allclose(found.score, LOGITS[:, 1], **EXACT)
    slope = WEIGHTS[0][:, 1] + 2 * X * WEIGHTS[1][:, 1]
    np.testing.assert_allclose(found.values, slope, **CLOSE)
    assert not found.predicted


@KINDS
@pytest.mark.parametrize("batch_size", [2, 256])
def test_without_a_target_the_predicted_class_is_explained(kind: str, batch_size: int) -> None:
    found = Gradient()(model(kind), X, batch_size=batch_size)
    predicted = LOGITS.argmax(1)
    assert len(set(predicted)) > 1
    np.testing.assert_array_equal(found.classes, predicted)
    assert found.predicted
    np.testing.assert_allclose(found.score, explained(predicted, kind).score, **EXACT)


def binary(width: str, last: object = lambda x: x) -> object:
    """One output per example: the second of the logits, and what comes after it."""

    def head(x):
        column = last(logits(x)[:, 1:2])
        return column if width == "(N, 1)" else column[:, 0]

    return head


def sigmoid(x):
    return 1 / (1 + strict.exp(-x))


Z = LOGITS[:, 1]


P = 1 / (1 + np.exp(-Z))


ZEROS_AND_ONES = np.array([0, 1, 1, 0, 1])


SIGNS = 2 * ZEROS_AND_ONES - 1


BINARY = [
    (Probability(1), P),
    (Probability(0), 1 - P),
    (Probability(-1), P),
    (Probability(ZEROS_AND_ONES), np.where(ZEROS_AND_ONES, P, 1 - P)),
    (LogProbability(1), np.log(P)),
    (LogProbability(0), np.log(1 - P)),
    (Margin(1, versus=0), Z),
    (Margin(0, versus=1), -Z),
    (Margin(ZEROS_AND_ONES, versus=1 - ZEROS_AND_ONES), Z * SIGNS),
    (Margin(ZEROS_AND_ONES, versus=0), Z * ZEROS_AND_ONES),
]


def test_the_logit_of_a_saturated_sigmoid_is_next_to_what_float32_knows() -> None:
    """1 - p is 0 in float32 from a logit of about 17 on: the margin stays there, and does not jump."""

    def saturated(x):
        return strict.astype(x * 0.0, strict.float32) + 1.0

    model = ReferenceModel(("head", saturated), kind="sigmoid")
    score = Margin(1, versus=0).bind(model.outputs(X[:, :1]), len(X))
    found = np.asarray(model.score(X[:, :1], score))
    np.testing.assert_allclose(found, np.log(4 * 2.0**23), rtol=1e-3)


@pytest.mark.parametrize("kind", ["sigmoid", "logits"])
def test_the_two_classes_of_one_output_have_half_of_the_logit_each(kind: str) -> None:
    squash = sigmoid if kind == "sigmoid" else lambda x: x
    net = ReferenceModel(("head", binary("(N, 1)", squash)), kind=kind)
    slope = WEIGHTS[0][:, 1] + 2 * X * WEIGHTS[1][:, 1]
    for target, share in ((Logit(1), 0.5), (Logit(0), -0.5)):
        found = Gradient()(net, X, target)
        np.testing.assert_allclose(found.score, share * Z, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(found.values, share * slope, **CLOSE)


def test_the_logit_of_a_label_is_what_its_sigmoid_was_given() -> None:
    net = ReferenceModel(("head", lambda x: sigmoid(logits(x))), kind="sigmoid")
    for k in range(4):
        found = Gradient()(net, X, Logit(k))
        np.testing.assert_allclose(found.score, LOGITS[:, k], rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(found.values, Gradient()(model(), X, k).values, **CLOSE)


@pytest.mark.filterwarnings("ignore:Every value is exactly 0")  # of a class against itself
@pytest.mark.parametrize("width", ["(N,)", "(N, 1)"])
@pytest.mark.parametrize("kind", ["sigmoid", "logits"])
@pytest.mark.parametrize(("target", "expected"), BINARY, ids=shown)
def test_one_output_is_that_of_a_binary_net(
    kind: str, width: str, target: Score, expected: np.ndarray
) -> None:
    net = ReferenceModel(
        ("head", binary(width, sigmoid if kind == "sigmoid" else lambda x: x)), kind=kind
    )
    found = Gradient()(net, X, target, batch_size=2)
    np.testing.assert_allclose(found.score, expected, rtol=1e-10, atol=1e-12)
    two = ReferenceModel(("head", lambda x: strict.concat([0 * x[:, :1], x[:, :1]], axis=1)))
    by_two = Gradient()(two, Z[:, None], target).values
    slope = WEIGHTS[0][:, 1] + 2 * X * WEIGHTS[1][:, 1]
    np.testing.assert_allclose(found.values, by_two * slope, **CLOSE)
    np.testing.assert_array_equal(found.classes, np.broadcast_to(target.k, 5) % 2)


@pytest.mark.parametrize("width", ["(N,)", "(N, 1)"])
@pytest.mark.parametrize(
    ("target", "expected"),
    [(1, P), (0, 1 - P), (-1, P), (ZEROS_AND_ONES, np.where(ZEROS_AND_ONES, P, 1 - P)), (None, P)],
)
def test_the_classes_of_a_net_that_ends_in_one_sigmoid(
    width: str, target: object, expected: np.ndarray
) -> None:
    found = Gradient()(ReferenceModel(("head", binary(width, sigmoid)), kind="sigmoid"), X, target)
    np.testing.assert_allclose(found.score, expected, **EXACT)
    assert (found.classes is None) == (target is None)


@pytest.mark.parametrize("target", [0, Class(0), -1])
def test_class_0_of_an_output_of_unknown_meaning_is_the_output_and_says_so(target: object) -> None:
    found = Gradient()(ReferenceModel(("head", binary("(N, 1)"))), X, target)
    assert (found.target, found.classes) == ("Output()", None)


@pytest.mark.parametrize("width", ["(N,)", "(N, 1)"])
@pytest.mark.parametrize("target", [1, Class(1), [0] * 5, ZEROS_AND_ONES, [1] * 5])
def test_other_classes_of_an_output_of_unknown_meaning_are_refused(
    width: str, target: object
) -> None:
    """Labels most of all: that of class 0 would be explained as that of class 1."""
    with pytest.raises(TargetError) as caught:
        Gradient()(ReferenceModel(("head", binary(width))), X, target)
    for way in ("Output()", "Margin(1, versus=0)", "Margin(0, versus=1)", "outputs='sigmoid'"):
        assert way in str(caught.value)


@pytest.mark.parametrize("target", [Probability(1), LogProbability(0), Margin(1, 0)])
def test_numbers_that_may_be_probabilities_or_logits_are_asked_about(target: Score) -> None:
    """Behind a sigmoid there may be something that hides it, a mean over several nets for example."""
    net = ReferenceModel(("head", binary("(N, 1)", sigmoid)), kind="logits")
    with pytest.raises(TargetError, match="wrap\\(net, outputs='sigmoid'\\)"):
        Gradient()(net, X, target)
    net.declared = "logits"
    assert Gradient()(net, X, target).score.shape == (5,)


@pytest.mark.parametrize("kind", ["probabilities", "log_probabilities"])
def test_a_softmax_over_one_output_has_nothing_to_explain(kind: str) -> None:
    net = ReferenceModel(("head", binary("(N, 1)")), kind=kind)
    with pytest.raises(TargetError, match="A softmax over one output"):
        Gradient()(net, X, Probability(0))


@pytest.mark.parametrize("target", [2, Probability(2), Margin(-3, 1)])
def test_one_output_has_two_classes(target: object) -> None:
    with pytest.raises(TargetError, match="2 classes, 0 to 1; got class"):
        Gradient()(ReferenceModel(("head", binary("(N,)"))), X, target)
