"""Scores: function scores."""

import array_api_strict as strict
import numpy as np
import pytest

from backlight import (
    Function,
)
from backlight.errors import TargetError
from backlight.values.arrays import softmax
from backlight_methods import Gradient, IntegratedGradients, Occlusion
from tests.core.score_nets import CLOSE, EACH, EXACT, LOGITS, MASKS, ODDS, WEIGHTS, X, logits, model
from tests.reference import ReferenceModel


@pytest.mark.parametrize("wrapped", [True, False])
def test_a_function_of_the_outputs(wrapped: bool) -> None:
    def entropy(outputs, arrays):
        odds = softmax(outputs, arrays)
        return -arrays.sum(odds * arrays.log(odds), axis=1)

    found = Gradient()(model(), X, Function(entropy) if wrapped else entropy, batch_size=2)
    np.testing.assert_allclose(found.score, -(ODDS * np.log(ODDS)).sum(1), **EXACT)
    assert found.classes is None


@pytest.mark.parametrize(
    ("function", "gave"),
    [
        (lambda out, xp: out, "shape (5, 4)"),
        (lambda out, xp: xp.sum(out), "shape ()"),
        (lambda out, xp: xp.sum(out, axis=0), "shape (4,)"),
        (lambda out, xp: out[:2, 0], "shape (2,)"),
        (lambda out, xp: 1.5, "a float"),
        (lambda out, xp: None, "a NoneType"),
    ],
)
def test_a_function_must_give_one_number_per_example(function: object, gave: str) -> None:
    with pytest.raises(TargetError) as caught:
        Gradient()(model(), X, function)
    assert "one number per example" in str(caught.value)
    assert f"Function(<lambda>) gave {gave} for outputs (5, 4)" in str(caught.value)
    assert "Function(f, labels" in str(caught.value)


def of_its_own(out, xp, label, mask):
    own = xp.take_along_axis(out, label[:, None], axis=1)[:, 0]
    return own + xp.sum(out * mask, axis=1)


@pytest.mark.parametrize("batch_size", [1, 2, 256])
@pytest.mark.parametrize("technique", [Gradient(), IntegratedGradients(steps=3), Occlusion()])
@pytest.mark.parametrize("native", [True, False])
def test_the_operands_of_a_function_come_with_their_examples(
    native: bool, technique: object, batch_size: int
) -> None:
    labels = np.array(EACH) % 4
    given = (strict.asarray(labels), strict.asarray(MASKS)) if native else (labels.tolist(), MASKS)
    found = technique(model(), X, Function(of_its_own, *given), batch_size=batch_size)
    expected = LOGITS[np.arange(5), labels] + (LOGITS * MASKS).sum(1)
    np.testing.assert_allclose(found.score, expected, **EXACT)
    mixed = np.eye(4)[labels] + MASKS
    if isinstance(technique, Gradient):
        slopes = WEIGHTS[0] + 2 * X[:, :, None] * WEIGHTS[1]
        np.testing.assert_allclose(found.values, np.einsum("nik,nk->ni", slopes, mixed), **CLOSE)
    else:  # each feature's part of a sum of functions of one feature
        parts = X[:, :, None] * WEIGHTS[0] + X[:, :, None] ** 2 * WEIGHTS[1]
        np.testing.assert_allclose(
            found.values, np.einsum("nik,nk->ni", parts, mixed), rtol=1e-6, atol=1e-7
        )
    assert found.target == "Function(of_its_own, (5,), (5, 4))"


@pytest.mark.parametrize(
    ("operand", "seen"),
    [
        (np.zeros(4), "float64 of shape (4,)"),
        (3, "int64 of shape ()"),
        (["a"] * 5, "<U1 of shape (5,)"),
        (np.zeros((1, 5)), "float64 of shape (1, 5)"),
    ],
)
def test_an_operand_has_a_row_for_each_example(operand: object, seen: str) -> None:
    with pytest.raises(TargetError) as caught:
        Gradient()(model(), X, Function(of_its_own, operand))
    assert seen in str(caught.value)
    assert "shape (5, ...)" in str(caught.value)


def test_a_function_that_keeps_its_batchs_labels_is_found_out() -> None:
    """It would be shown the second block, and take the first one's labels."""
    labels = np.array(EACH) % 4

    def own(out, xp):
        rows = strict.asarray(labels[: out.shape[0]])
        return xp.take_along_axis(out, rows[:, None], axis=1)[:, 0]

    expected = LOGITS[np.arange(5), labels]
    np.testing.assert_allclose(Gradient()(model(), X, own).score, expected, **EXACT)
    for batch_size in (1, 2, 3, 4):
        with pytest.raises(TargetError, match=r"Function\(own\) gives examples other scores"):
            Gradient()(model(), X, own, batch_size=batch_size)
    # Points of several steps are more rows than labels: as many numbers as there are labels.
    with pytest.raises(TargetError, match=r"own\) raised IndexError for outputs \(20, 4\)"):
        IntegratedGradients(steps=4)(model(), X, own)


def test_a_net_that_is_not_the_same_twice_is_not_taken_for_such_a_function() -> None:
    noise = np.random.default_rng(0)
    net = ReferenceModel(("head", lambda x: logits(x) + noise.normal()))
    assert Gradient()(net, X, lambda out, xp: out[:, 0], batch_size=2).score.shape == (5,)


def test_an_error_of_the_function_names_it() -> None:
    def broken(out, xp):
        return out[:, 0] / [][0]

    with pytest.raises(TargetError) as caught:
        Gradient()(model(), X, broken)
    for fragment in (
        "Function(broken) raised IndexError for outputs (5, 4)",
        "Function(f, labels, masks)",
    ):
        assert fragment in str(caught.value)
    assert isinstance(caught.value.__cause__, IndexError)
