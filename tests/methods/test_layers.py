"""What inner values do on the way from a baseline, against algebra; and multipliers."""

import numpy as np
import pytest
import torch

from backlight import Class, Several
from backlight.errors import CoverageError, HyperParameterError, TargetError
from backlight_methods import (
    LRP,
    Conductance,
    DeepLIFT,
    ExpectedGradients,
    Gradient,
    IntegratedGradients,
    InternalInfluence,
    NeuronConductance,
)
from tests.methods.judges import any_numbers, closed_form
from tests.methods.polynomials import CLOSE, cubic, model_of, random, slope_of
from tests.reference import ReferenceModel, places_by_shapes, polynomial

pytestmark = [*any_numbers, places_by_shapes]

SQUARES = random(2, 3, seed=4)
"""Of the inner values, by class: the score of class k is sum_j SQUARES_jk y_j^2."""
K = 2
X, BASELINE = random(4, 2, seed=5), np.array([0.3, -0.4])


def squared() -> ReferenceModel:
    """Inner values y = x^2, and scores that are squares of them."""
    return ReferenceModel(
        ("inner", lambda x: x * x), ("head", polynomial(np.zeros_like(SQUARES), SQUARES))
    )


@closed_form("conductance")
@pytest.mark.parametrize("steps", [1, 2, 7])
@pytest.mark.parametrize("batch_size", [None, 3])
def test_conductance_is_what_flows_through_each_inner_value(
    steps: int, batch_size: int | None
) -> None:
    """The integral of d score / d y_j dy_j = 2 s_j y_j dy_j is s_j (y_j^2 - y'_j^2), whatever the way."""
    found = Conductance(steps=steps, baseline=BASELINE)(
        squared(), X, K, at="inner", batch_size=batch_size
    )
    expected = SQUARES[:, K] * (X**4 - BASELINE**4)
    np.testing.assert_allclose(found.values, expected, **CLOSE)
    np.testing.assert_allclose(found.gap, 0, atol=1e-7)


def test_conductance_of_several_baselines_is_their_mean() -> None:
    others = [BASELINE, np.array([-1.0, 0.5]), 0.1]
    whole = Conductance(steps=3, baseline=Several(others))(squared(), X, K, at="inner")
    each = [Conductance(steps=3, baseline=one)(squared(), X, K, at="inner") for one in others]
    np.testing.assert_allclose(
        whole.values, np.mean([one.numpy() for one in each], axis=0), **CLOSE
    )
    np.testing.assert_allclose(
        whole.baseline_score, np.mean([one.baseline_score for one in each], 0)
    )


def test_conductance_of_the_input_is_integrated_gradients() -> None:
    model = model_of(cubic(2))
    found = Conductance(steps=4, baseline=0.2)(model, X, K)
    same = IntegratedGradients(steps=5, rule="trapezoid", baseline=0.2)(model, X, K)
    np.testing.assert_allclose(found.values, same.values, **CLOSE)


@closed_form("neuron_conductance")
@pytest.mark.parametrize("batch_size", [None, 3])
@pytest.mark.parametrize(("index", "chosen"), [((), [1, 1]), (1, [0, 1]), (slice(0, 1), [1, 0])])
def test_neuron_conductance_is_what_the_neurons_pass_on(
    index: object, chosen: list[int], batch_size: int | None
) -> None:
    """Inner values are functions of one input each: the others' shares do not pass there."""
    method = NeuronConductance(layer="inner", index=index, steps=2, baseline=BASELINE)
    found = method(squared(), X, K, batch_size=batch_size)
    expected = SQUARES[:, K] * (X**4 - BASELINE**4) * chosen
    np.testing.assert_allclose(found.values, expected, **CLOSE)
    assert found.gap is None  # of some neurons there is nothing to sum up to


def test_neurons_may_be_others_for_each_example() -> None:
    neurons = np.array([0, 1, 1, 0])
    background = Several([BASELINE, BASELINE + 1])
    asked = {"layer": "inner", "steps": 2, "baseline": background}
    found = NeuronConductance(index=neurons, **asked)(squared(), X, K, batch_size=3)
    whole = NeuronConductance(**asked)(squared(), X, K)
    np.testing.assert_allclose(found.values, whole.values * np.eye(2)[neurons], **CLOSE)


def test_neurons_that_are_not_there_are_refused() -> None:
    with pytest.raises(HyperParameterError, match=r"index must be \(\) where no layer is named"):
        NeuronConductance(index=3)
    with pytest.raises(TargetError, match=r"Index 2 does not fit the site 'inner'"):
        NeuronConductance(layer="inner", index=2)(squared(), X, K)
    with pytest.raises(CoverageError, match="leave at='inner' out"):
        NeuronConductance(layer="inner")(squared(), X, K, at="inner")
    with pytest.raises(CoverageError, match="numbers outside of the framework"):
        NeuronConductance()(squared(), X, K, differentiable=True)


@closed_form("internal_influence")
def test_internal_influence_is_the_mean_gradient_on_the_way() -> None:
    """The mean of 2 s_j (x' + a (x - x'))^2 over a is 2 s_j (x^2 + x x' + x'^2) / 3."""
    found = InternalInfluence(steps=2, baseline=BASELINE)(squared(), X, K, at="inner")
    expected = 2 * SQUARES[:, K] * (X**2 + X * BASELINE + BASELINE**2) / 3
    np.testing.assert_allclose(found.values, expected, **CLOSE)


@pytest.mark.parametrize("method", [Conductance(steps=3), InternalInfluence(steps=3)])
def test_several_targets_as_if_each_were_alone(method: Conductance | InternalInfluence) -> None:
    targets = [Class(0), Class(2)]
    for found, target in zip(method(squared(), X, targets, at="inner"), targets, strict=True):
        alone = method(squared(), X, target, at="inner")
        np.testing.assert_allclose(found.values, alone.values, **CLOSE)
        np.testing.assert_allclose(found.score, alone.score, **CLOSE)


# Multipliers


@pytest.mark.parametrize(
    "method",
    [IntegratedGradients(steps=4, baseline=0.2), DeepLIFT(baseline=0.2), LRP(composite="epsilon")],
)
def test_multipliers_times_the_way_are_the_values(method) -> None:
    model, start = model_of(cubic(2)), 0.0 if isinstance(method, LRP) else 0.2
    whole = method(model, X, K)
    factor = type(method)(**{**vars(method), "multipliers": True})(model, X, K)
    np.testing.assert_allclose(factor.values * (X - start), whole.values, **CLOSE)
    assert factor.gap is None


def test_multipliers_of_expected_gradients_are_mean_gradients() -> None:
    weights = cubic(2)
    drawn = ExpectedGradients(samples=5, baseline=0.2, seed=1)(model_of(weights), X, K)
    found = ExpectedGradients(samples=5, baseline=0.2, seed=1, multipliers=True)(
        model_of(weights), X, K
    )
    np.testing.assert_allclose(found.values * (X - 0.2), drawn.values, **CLOSE)


def test_multipliers_of_one_step_are_the_gradient_in_the_middle() -> None:
    weights = cubic(2)
    found = IntegratedGradients(steps=1, baseline=0.2, multipliers=True)(model_of(weights), X, K)
    np.testing.assert_allclose(found.values, slope_of(weights, K, (X + 0.2) / 2), **CLOSE)
    same = Gradient()(model_of(weights), (X + 0.2) / 2, K)
    np.testing.assert_allclose(found.values, same.values, **CLOSE)


def test_multipliers_have_no_sum_to_be_brought_to_a_tolerance() -> None:
    with pytest.raises(HyperParameterError, match=r"IntegratedGradients.multipliers must be False"):
        IntegratedGradients(tolerance=0.1, multipliers=True)


def test_a_rule_that_deals_relevance_out_to_inputs_has_no_multipliers() -> None:
    with pytest.raises(
        HyperParameterError, match="no multipliers where a rule deals relevance out"
    ):
        LRP(composite="epsilon_plus_flat", multipliers=True)(torch.nn.Linear(2, 3), X, K)
