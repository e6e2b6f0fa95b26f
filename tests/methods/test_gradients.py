"""Each technique against algebra: gradients."""

import array_api_strict as strict
import numpy as np
import pytest

from backlight import Class, Neuron, Objective, Result
from backlight.errors import InputError
from backlight_methods import (
    Gradient,
    InputXGradient,
    IntegratedGradients,
    Saliency,
)
from backlight_methods.gradients.quadrature import estimated
from backlight_methods.samples import Samples
from tests.methods.judges import any_numbers, closed_form
from tests.methods.polynomials import CLOSE, EXACT, cubic, first, model_of, random, slope_of
from tests.reference import ReferenceModel, linear, places_by_shapes, polynomial

pytestmark = [*any_numbers, places_by_shapes]


@closed_form("gradient")
@pytest.mark.parametrize("k", [0, 1, 2])
def test_gradient_of_a_linear_model_is_its_weight(k: int) -> None:
    weight, x = random(4, 3), random(5, 4, seed=1)
    found = Gradient()(model_of([weight]), x, k)
    np.testing.assert_allclose(found.values, np.tile(weight[:, k], (5, 1)), **CLOSE)
    np.testing.assert_allclose(found.score, x @ weight[:, k], **EXACT)
    assert found.gap is None
    assert found.baseline_score is None


@closed_form("gradient")
def test_gradient_of_a_polynomial_with_a_class_for_each_example() -> None:
    weights, x, classes = cubic(4), random(3, 4, seed=1), [2, 0, 1]
    found = Gradient()(model_of(weights), x, classes)
    expected = [slope_of(weights, k, row) for k, row in zip(classes, x, strict=True)]
    np.testing.assert_allclose(found.values, expected, **CLOSE)
    np.testing.assert_array_equal(found.classes, classes)


@closed_form("gradient")
def test_gradient_at_a_site() -> None:
    mix, weights, x = random(4, 3), cubic(3), random(2, 4, seed=1)
    model = ReferenceModel(("mix", polynomial(mix)), ("head", polynomial(*weights)))
    found = Gradient()(model, x, 1, at="mix")
    np.testing.assert_allclose(found.values, slope_of(weights, 1, x @ mix), **CLOSE)
    assert found.at == "mix"


@closed_form("saliency")
@pytest.mark.parametrize(
    ("channels", "shape", "axis"),
    [
        ("first", (2, 3, 2, 4), 1),
        ("last", (2, 2, 4, 3), 3),
        ("first", (2, 3, 6), 1),
        ("last", (2, 6, 3), 2),
        ("first", (2, 5, 2, 3), 3),  # colours on the other side win
    ],
)
@pytest.mark.parametrize("reduce", ["keep", "max", "mean"])
def test_saliency(channels: str, shape: tuple[int, ...], axis: int, reduce: str) -> None:
    features = int(np.prod(shape[1:]))
    weights, x = cubic(features, degree=2), random(*shape)
    found = Saliency(channels=reduce)(model_of(weights, channels=channels), x, 1).values
    absolute = np.abs(slope_of(weights, 1, first(x)).reshape(shape))
    expected = {
        "keep": absolute,
        "max": absolute.max(axis),
        "mean": absolute.mean(axis),
    }
    assert found.shape == expected[reduce].shape
    np.testing.assert_allclose(found, expected[reduce], **CLOSE)


@pytest.mark.parametrize("reduce", ["max", "mean"])
def test_saliency_reduces_each_of_several_inputs_by_its_own_channels(reduce: str) -> None:
    picture, signal = random(2, 3, 2, 3), random(2, 2, 4)
    weights = [random(18, 2), random(8, 2)]

    def outputs(a, b):
        return polynomial(weights[0])(a) + polynomial(weights[1])(b)

    found = Saliency(channels=reduce)(ReferenceModel(("head", outputs)), (picture, signal), 1)
    for values, weight, x in zip(found.values, weights, (picture, signal), strict=True):
        absolute = np.abs(np.broadcast_to(weight[:, 1].reshape(x.shape[1:]), x.shape))
        expected = absolute.max(1) if reduce == "max" else absolute.mean(1)
        np.testing.assert_allclose(values, expected, **CLOSE)


@pytest.mark.parametrize("reduce", ["max", "mean"])
def test_saliency_reduces_channels_last_and_first_inputs_alike(reduce: str) -> None:
    """The second input shows by its shape that its colours are on the other side."""
    one, other = random(2, 3, 5, 2), random(2, 5, 2, 3)
    weight = random(30, 2)

    def outputs(a, b):
        return polynomial(weight)(a) + polynomial(weight)(b)

    found = Saliency(channels=reduce)(ReferenceModel(("head", outputs)), (one, other), 1).values
    assert [values.shape for values in found] == [(2, 5, 2), (2, 5, 2)]
    absolute = np.abs(weight[:, 1])
    reduced = np.max if reduce == "max" else np.mean
    np.testing.assert_allclose(found[0][0], reduced(absolute.reshape(3, 5, 2), axis=0), **CLOSE)
    np.testing.assert_allclose(found[1][0], reduced(absolute.reshape(5, 2, 3), axis=2), **CLOSE)


def test_saliency_of_a_table_has_no_channels_to_reduce() -> None:
    with pytest.raises(InputError, match="use channels='keep'"):
        Saliency(channels="max")(model_of([random(4, 2)]), random(2, 4), 0)


@closed_form("input_x_gradient")
def test_input_x_gradient() -> None:
    weights, x = cubic(4), random(3, 4, seed=1)
    found = InputXGradient()(model_of(weights), x, 2)
    np.testing.assert_allclose(found.values, x * slope_of(weights, 2, x), **CLOSE)


@closed_form("input_x_gradient")
def test_input_x_gradient_at_a_site_multiplies_by_the_sites_value() -> None:
    mix, weights, x = random(4, 3), cubic(3), random(2, 4, seed=1)
    model = ReferenceModel(("mix", polynomial(mix)), ("head", polynomial(*weights)))
    z = x @ mix
    found = InputXGradient()(model, x, 0, at="mix")
    np.testing.assert_allclose(found.values, z * slope_of(weights, 0, z), **CLOSE)


@closed_form("input_x_gradient")
def test_input_x_gradient_of_a_linear_model_sums_to_the_score() -> None:
    weight, x = random(4, 3), random(5, 4, seed=1)
    found = InputXGradient()(model_of([weight]), x, 2)
    np.testing.assert_allclose(found.values.sum(1), found.score, **CLOSE)


def test_a_neuron_of_one_channel_is_explained_like_any_score() -> None:
    mix, x = random(4, 3), random(2, 4, seed=1)
    model = ReferenceModel(("mix", polynomial(mix)), ("head", polynomial(*cubic(3))))
    found = IntegratedGradients(steps=1)(model, x, Neuron("mix", 2))
    np.testing.assert_allclose(found.values, x * mix[:, 2], **CLOSE)
    np.testing.assert_allclose(found.score, x @ mix[:, 2], **EXACT)


def test_samples_tell_how_far_off_their_mean_is() -> None:
    draws = np.random.default_rng(0).normal(size=(7, 2, 3)) + 1.0
    model = ReferenceModel(("out", linear(np.ones((3, 1)))))
    inputs = model.prepare(np.ones((2, 3)))
    score = Class(0).bind(model.outputs(inputs), 2)
    objective = Objective(model, inputs, score, None, 8, np.arange(2), 2)
    rows = [strict.asarray(part.reshape(-1, 3)) for part in (draws[:2], draws[2:])]
    first, rest = (Samples.of(objective, Result(part)) for part in rows)
    found = first.joined(rest)
    sums = draws.sum(axis=2)
    np.testing.assert_allclose(found.mean, draws.mean(axis=0))
    np.testing.assert_allclose(found.standard_error_of_sum, sums.std(axis=0, ddof=1) / np.sqrt(7))
    of_each = draws.std(axis=0, ddof=1) / np.sqrt(7)  # the standard error of each value's mean
    expected = np.sqrt(2 / np.pi) * of_each.sum(axis=1) / np.abs(draws.mean(axis=0)).sum(axis=1)
    np.testing.assert_allclose(found.error, expected)
    assert found.count == 7


def test_errors_of_a_slope_and_of_jumps_go_together() -> None:
    norms = np.array([[3.0, 3.0], [4.0, 4.0], [4.0, 0.4]])
    np.testing.assert_allclose(estimated(norms), [5.0, np.hypot(3.0, 0.4)])
