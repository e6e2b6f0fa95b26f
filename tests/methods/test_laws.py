"""What holds for every technique, whatever the model and the numbers, and the laws of each."""

import dataclasses
import re
from collections.abc import Callable

import array_api_strict as strict
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backlight import BacklightWarning, Method, Several, Shared
from backlight_methods import (
    METHODS,
    ExpectedGradients,
    GradCAMPlusPlus,
    Gradient,
    IntegratedGradients,
    Smooth,
)
from tests.methods.judges import any_numbers
from tests.reference import ReferenceModel, places_by_shapes, polynomial
from tests.tape import arrays as functions

pytestmark = [*any_numbers, places_by_shapes]

few = settings(max_examples=4, deadline=None, derandomize=True)
EXACT = {"rtol": 1e-12, "atol": 1e-12}

SMALL: dict[str, dict[str, object]] = {
    "conductance": {"steps": 3, "baseline": 0.2},
    "deep_lift": {"baseline": 0.2},
    "expected_gradients": {"samples": 4, "baseline": 0.2, "seed": 3},
    "integrated_gradients": {"steps": 4, "baseline": 0.2},
    "feature_ablation": {"baseline": 0.2},
    "internal_influence": {"steps": 3, "baseline": 0.2},
    "kernel_shap": {"baseline": 0.2, "samples": 40},
    "lime": {"baseline": 0.2, "samples": 40},
    "neuron_conductance": {"steps": 3, "baseline": 0.2},
    "occlusion": {"baseline": 0.2},
    "rise": {"samples": 6, "baseline": 0.2, "cells": 2},
    "shapley_values": {"baseline": 0.2, "samples": 4, "exact": 0},
    "sobol_indices": {"baseline": 0.2, "samples": 3},
    "smooth": {"samples": 4, "seed": 3},
}
"""Hyper-parameters that keep the tests short; techniques without any are as they come."""

EXTRA: dict[str, Method] = {
    "smooth_integrated_gradients": Smooth(
        inner=IntegratedGradients(steps=2), samples=2, statistic="variance"
    ),
    "integrated_gradients_to_a_tolerance": IntegratedGradients(
        steps=2, tolerance=0.3, rule="midpoint", baseline=0.1
    ),
    "shapley_values_to_a_tolerance": METHODS["shapley_values"](
        samples=4, exact=0, tolerance=0.3, floor=0.1, baseline=0.2
    ),
    "smooth_grad_cam": Smooth(inner=METHODS["grad_cam"](), samples=3),
    "deep_shap": METHODS["deep_lift"](baseline=Several([0.1, -0.3]), rule="reveal_cancel"),
    "relevance_cam": METHODS["grad_cam"](backward="lrp"),
    "smooth_lrp": Smooth(inner=METHODS["lrp"](composite="epsilon"), samples=3),
}

TECHNIQUES: dict[str, Method] = {
    **{name: make(**SMALL.get(name, {})) for name, make in METHODS.items()},
    **EXTRA,
}
MAPS = [name for name in TECHNIQUES if name.endswith(("cam", "plus_plus")) and "guided" not in name]
every_technique = pytest.mark.parametrize("name", TECHNIQUES)


def picture_model() -> ReferenceModel:
    """Pictures (N, 1, 4, 2) to features (N, 2, 2, 1) to three classes; each row summed alone."""
    rng = np.random.default_rng(11)
    a, b = (strict.asarray(rng.normal(size=(2, 1, 1))) for _ in range(2))
    zero = strict.asarray(0.0)
    head = polynomial(*rng.normal(size=(3, 4, 3)))

    def features(x):
        tiles = functions.reshape(x, (x.shape[0], 1, 2, 2, 1, 2))
        blocks = functions.mean(tiles, axis=(3, 5))
        return functions.maximum(blocks * a, zero) + blocks**2 * b

    return ReferenceModel(("features", features), ("head", head))


def pictures(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, 1, 4, 2))


# The classes themselves


@pytest.mark.parametrize("technique", METHODS.values())
def test_each_technique_states_its_law_and_its_cost(technique: type[Method]) -> None:
    text = technique.__dict__.get("__doc__") or ""
    assert re.search(r"^\s*Law: \S", text, re.MULTILINE)
    assert re.search(r"^\s*Cost: \S", text, re.MULTILINE)


@pytest.mark.parametrize("technique", METHODS.values())
def test_each_technique_describes_its_hyper_parameters(technique: type[Method]) -> None:
    for field in dataclasses.fields(technique):
        assert re.search(rf"^\s*{field.name}: \S", technique.__doc__ or "", re.MULTILINE)


@pytest.mark.parametrize("technique", METHODS.values())
def test_each_technique_is_final_frozen_and_keyword_only(technique: type[Method]) -> None:
    assert getattr(technique, "__final__", False)
    assert technique.__dataclass_params__.frozen
    assert all(field.kw_only for field in dataclasses.fields(technique))
    with pytest.raises(TypeError):
        technique(1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        technique().anything = 1


@pytest.mark.parametrize("technique", METHODS.values())
def test_each_technique_has_defaults_and_shows_itself(technique: type[Method]) -> None:
    assert repr(technique()).startswith(f"{technique.__name__}(")
    assert technique() == technique()


@pytest.mark.parametrize("name", METHODS)
def test_the_name_of_a_technique_is_its_class_in_small_letters(name: str) -> None:
    assert name.replace("_", "") == METHODS[name].__name__.lower()


# Independence of chunks, batch-mates and chance


@every_technique
@few
@given(count=st.integers(1, 4), size=st.integers(1, 9), seed=st.integers(0, 99))
def test_the_result_does_not_depend_on_the_batch_size(
    name: str, count: int, size: int, seed: int
) -> None:
    model, x = picture_model(), pictures(count, seed)
    whole = TECHNIQUES[name](model, x, 1)
    model.largest = 0
    cut = TECHNIQUES[name](model, x, 1, batch_size=size)
    assert model.largest <= size
    np.testing.assert_allclose(cut.values, whole.values, **EXACT)
    np.testing.assert_allclose(cut.score, whole.score, **EXACT)
    assert (cut.gap is None) == (whole.gap is None)
    if whole.gap is not None:
        np.testing.assert_allclose(cut.gap, whole.gap, **EXACT)
        np.testing.assert_allclose(cut.baseline_score, whole.baseline_score, **EXACT)
    for ours, theirs in (
        (cut.error, whole.error),
        (cut.standard_error_of_sum, whole.standard_error_of_sum),
    ):
        assert (ours is None) == (theirs is None)
        if ours is not None:
            np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-11)


@every_technique
@few
@given(count=st.integers(2, 5), data=st.data())
def test_an_example_alone_is_the_example_in_a_batch(
    name: str, count: int, data: st.DataObject
) -> None:
    row = data.draw(st.integers(0, count - 1))
    classes = data.draw(st.lists(st.integers(0, 2), min_size=count, max_size=count))
    model, x = picture_model(), pictures(count, 5)
    together = TECHNIQUES[name](model, x, classes)
    alone = TECHNIQUES[name](model, x[row : row + 1], classes[row])
    np.testing.assert_allclose(together.values[row], alone.values[0], **EXACT)
    np.testing.assert_allclose(together.score[row], alone.score[0], **EXACT)


@every_technique
def test_the_order_of_the_examples_is_kept(name: str) -> None:
    model, x, order = picture_model(), pictures(4, 5), [2, 0, 3, 1]
    straight = TECHNIQUES[name](model, x, [0, 1, 2, 0], batch_size=3)
    shuffled = TECHNIQUES[name](model, x[order], [2, 0, 0, 1], batch_size=3)
    np.testing.assert_allclose(shuffled.values, np.asarray(straight.values)[order], **EXACT)


@every_technique
def test_the_same_call_gives_the_same_numbers(name: str) -> None:
    model, x = picture_model(), pictures(2, 5)
    np.random.seed(1)
    one = TECHNIQUES[name](model, x, 1)
    state = np.random.get_state()[2]
    np.random.seed(2)
    np.testing.assert_array_equal(one.values, TECHNIQUES[name](model, x, 1).values)
    assert np.random.get_state()[2] == state


@pytest.mark.parametrize(
    "make",
    [
        lambda seed: Smooth(samples=4, seed=seed),
        lambda seed: ExpectedGradients(samples=4, seed=seed),
    ],
)
def test_another_seed_gives_other_numbers(make: Callable[[int], Method]) -> None:
    model, x = picture_model(), pictures(2, 5)
    one, other = (make(seed)(model, x, 1) for seed in (0, 1))
    assert np.abs(one.values - other.values).max() > 1e-3
    assert (one.seed, other.seed) == (0, 1)


@every_technique
def test_the_inputs_are_left_as_they_were(name: str) -> None:
    model, x = picture_model(), pictures(3, 5)
    before = x.copy()
    native = strict.asarray(x)
    TECHNIQUES[name](model, x, 1, batch_size=2)
    TECHNIQUES[name](model, native, 1, batch_size=2)
    np.testing.assert_array_equal(x, before)
    np.testing.assert_array_equal(np.asarray(native), before)


@pytest.mark.parametrize(
    "technique",
    [
        IntegratedGradients(steps=2000, rule="midpoint"),
        ExpectedGradients(samples=2000),
        Smooth(samples=2000),
        Smooth(inner=IntegratedGradients(steps=40), samples=50),
    ],
)
def test_no_pass_is_larger_than_the_batch_size_whatever_the_number_of_steps(
    technique: Method,
) -> None:
    model = ReferenceModel(("head", polynomial([[0.3]], [[-0.2]])))
    technique(model, np.ones((2, 1)), 0, batch_size=17)
    assert model.largest <= 17
    assert model.passes > 2 * 2000 // 17


def test_no_pass_is_larger_than_the_batch_size_on_the_way_to_a_tolerance() -> None:
    model = ReferenceModel(("head", polynomial([[0.3]], [[-0.2]])))
    technique = IntegratedGradients(steps=4, tolerance=1e-9, maximum_steps=2048, rule="left")
    with pytest.warns(BacklightWarning, match="2048 steps"):
        technique(model, np.ones((2, 1)), 0, batch_size=17)
    assert model.largest <= 17
    assert model.passes > 2 * 2048 // 17


# What goes in comes out


@every_technique
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numpy_comes_back_in_its_own_dtype_and_shape(name: str, dtype: type) -> None:
    x = pictures(3, 5).astype(dtype)
    found = TECHNIQUES[name](picture_model(), x, 1, batch_size=2)
    assert type(found.values) is np.ndarray
    assert found.values.dtype == dtype
    shape = (3, 4, 2) if name in MAPS else x.shape
    assert found.values.shape == shape
    assert found.score.dtype == np.float64
    assert found.score.shape == (3,)


@every_technique
def test_native_arrays_come_back_as_native_arrays(name: str) -> None:
    model, x = picture_model(), pictures(3, 5)
    found = TECHNIQUES[name](model, strict.asarray(x), 1, batch_size=2)
    assert model.owns(found.values)
    np.testing.assert_array_equal(found.numpy(), TECHNIQUES[name](model, x, 1, batch_size=2).values)


def two_inputs(one, other):
    gate = functions.maximum(polynomial(*WEIGHTS[::-1])(other) ** 2, strict.asarray(0.0))
    return polynomial(*WEIGHTS)(one) * gate


WEIGHTS = list(np.random.default_rng(2).normal(size=(2, 3, 2)))
PLAIN = [name for name, technique in TECHNIQUES.items() if not technique.spatial]


DRAWN = re.compile("smooth|kernel_shap|lime|rise|shapley_values|sobol_indices")


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize(("size", "dtype"), [(1, np.float64), (5, np.float32)])
def test_several_inputs_come_back_in_their_own_structure(name: str, size: int, dtype: type) -> None:
    rng = np.random.default_rng(7)
    one, other = rng.normal(size=(2, 4, 3)).astype(dtype)
    model = ReferenceModel(("head", two_inputs))
    as_tuple = TECHNIQUES[name](model, (one, other), 1, batch_size=size).values
    as_dict = TECHNIQUES[name](model, {"other": other, "one": one}, 1, batch_size=size).values
    assert isinstance(as_tuple, tuple)
    assert list(as_dict) == ["other", "one"]
    assert {leaf.dtype for leaf in (*as_tuple, *as_dict.values())} == {np.dtype(dtype)}
    assert {leaf.shape for leaf in (*as_tuple, *as_dict.values())} == {(4, 3)}
    for row in (0, 3):
        alone = TECHNIQUES[name](model, (one[row : row + 1], other[row : row + 1]), 1).values
        for leaf in range(2):
            np.testing.assert_allclose(as_tuple[leaf][row], alone[leaf][0], rtol=1e-6, atol=1e-9)
    if not DRAWN.search(name):  # noise and coalitions go by the position of an input
        np.testing.assert_allclose(as_dict["one"], as_tuple[0], rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(as_dict["other"], as_tuple[1], rtol=1e-6, atol=1e-9)


def scaled(x, factor, table=None, *, offset=0.0):
    """A model with extra arguments: one row per example, one for the whole batch, one by name."""
    factor = strict.reshape(factor, (-1, 1))
    out = functions.maximum(polynomial(*WEIGHTS)(x), strict.asarray(0.0)) * factor + offset
    return out if table is None else out * strict.sum(table)


@pytest.mark.parametrize("name", PLAIN)
@few
@given(count=st.integers(2, 4), size=st.integers(1, 5))
def test_extra_arguments_go_with_their_examples(name: str, count: int, size: int) -> None:
    rng = np.random.default_rng(4)
    x, factor = rng.normal(size=(count, 3)), rng.normal(size=(count,))
    table = rng.normal(size=(count, 5))  # as many rows as examples, but not one for each
    model = ReferenceModel(("head", scaled))
    found = TECHNIQUES[name](model, x, 1, extra=(factor, Shared(table)), batch_size=size)
    for row in range(count):
        alone = TECHNIQUES[name](
            model, x[row : row + 1], 1, extra=(factor[row : row + 1], Shared(table))
        )
        np.testing.assert_allclose(found.values[row], alone.values[0], **EXACT)
        np.testing.assert_allclose(found.score[row], alone.score[0], **EXACT)


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("size", [1, 2, 256])
def test_extra_arguments_go_by_name(name: str, size: int) -> None:
    rng = np.random.default_rng(4)
    x, factor = rng.normal(size=(3, 3)), rng.normal(size=(3,))
    model = ReferenceModel(("head", scaled))
    by_name = {"factor": factor, "offset": 2.0, "table": Shared(np.ones((3, 1)))}
    found = TECHNIQUES[name](model, x, 1, extra=by_name, batch_size=size)
    by_position = TECHNIQUES[name](model, x, 1, extra=(factor, Shared(np.ones((3, 1)))))
    np.testing.assert_allclose(found.score, by_position.score + 3 * 2.0, **EXACT)
    # A constant that is added costs the central differences some digits.
    one, other = found.values, by_position.values
    if name == "rise":  # a constant counts as often as the masks let a place through
        return
    if name == "excitation_backprop":  # shares of the score
        one, other = one * found.score[:, None], other * by_position.score[:, None]
    np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7)


# Laws of single techniques

numbers = st.floats(-2, 2, allow_nan=False)


def arrays(*shape: int) -> st.SearchStrategy[np.ndarray]:
    size = int(np.prod(shape))
    return st.lists(numbers, min_size=size, max_size=size).map(
        lambda drawn: np.array(drawn).reshape(shape)
    )


@few
@given(weight=arrays(3, 2), x=arrays(2, 3), k=st.integers(0, 1))
def test_the_gradient_of_a_linear_model_is_its_weight(
    weight: np.ndarray, x: np.ndarray, k: int
) -> None:
    found = Gradient()(ReferenceModel(("head", polynomial(weight))), x, k)
    np.testing.assert_allclose(found.values, np.tile(weight[:, k], (2, 1)), rtol=1e-8, atol=1e-9)


@few
@given(
    weights=arrays(4, 3, 1),
    x=arrays(2, 3),
    baseline=arrays(3),
    rule=st.sampled_from(["gauss_legendre", "midpoint", "trapezoid", "left", "right"]),
)
def test_integrated_gradients_are_complete_in_the_limit(
    weights: np.ndarray, x: np.ndarray, baseline: np.ndarray, rule: str
) -> None:
    model = ReferenceModel(("head", polynomial(*weights)))

    def gap(steps: int) -> float:
        found = IntegratedGradients(rule=rule, steps=steps, baseline=baseline)(model, x, 0)
        total = np.asarray(found.values).sum(1)
        np.testing.assert_allclose(
            found.gap, np.abs(total - (found.score - found.baseline_score)), rtol=0, atol=1e-12
        )
        return float(found.gap.max())

    order = {"gauss_legendre": 4.0, "midpoint": 2.0, "trapezoid": 2.0}.get(rule, 1.0)
    coarse, fine = gap(17), gap(129)
    # Seven and a half times the steps: the error falls by that to the rule's order, or is noise.
    assert fine <= max(1.3 * coarse / 7.5**order, 1e-7)


@few
@given(weights=arrays(2, 3, 1), background=arrays(4, 3))
def test_expected_gradients_close_their_gap_with_samples(
    weights: np.ndarray, background: np.ndarray
) -> None:
    model = ReferenceModel(("head", polynomial(*weights)))
    x = np.array([[1.0, -0.5, 0.7]])
    technique = ExpectedGradients(samples=500, baseline=Several(background))
    (gap,) = technique(model, x, 0, batch_size=500).gap
    # A single draw's sum spreads by at most the steepest slope times the longest way.
    spread = 3 * (np.abs(weights[0]).max() + 4 * np.abs(weights[1]).max()) * 3
    assert gap <= 4 * spread / np.sqrt(500) + 1e-7


@few
@given(activation=arrays(2, 4, 3), gradient=arrays(2, 4, 3))
def test_the_weights_of_grad_cam_plus_plus_are_at_least_0_on_maps_of_any_sign(
    activation: np.ndarray, gradient: np.ndarray
) -> None:
    given_to = strict.asarray(10 * activation), strict.asarray(gradient)
    weights = np.asarray(GradCAMPlusPlus().weights(*given_to, functions))
    assert (weights >= 0).all()
    assert (weights <= np.maximum(gradient, 0).sum(1, keepdims=True) / 2 + 1e-12).all()
    nowhere = (gradient <= 0).all(axis=1, keepdims=True)
    np.testing.assert_array_equal(weights[nowhere], 0.0)


LINEAR_COMPLETE = [
    "deep_lift",
    "expected_gradients",
    "feature_ablation",
    "integrated_gradients",
    "kernel_shap",
    "occlusion",
    "shapley_values",
]


@pytest.mark.parametrize("name", LINEAR_COMPLETE)
@few
@given(weight=arrays(3, 2), x=arrays(2, 3), baseline=arrays(2, 3))
def test_of_a_linear_model_all_that_compare_with_a_baseline_say_weight_times_change(
    name: str, weight: np.ndarray, x: np.ndarray, baseline: np.ndarray
) -> None:
    technique = METHODS[name](baseline=baseline)
    found = technique(ReferenceModel(("head", polynomial(weight))), x, 1)
    np.testing.assert_allclose(found.values, weight[:, 1] * (x - baseline), rtol=1e-8, atol=1e-8)


NOT_LINEAR = ("excitation_backprop", "grad_cam_plus_plus", "guided_grad_cam", "sobol_indices")
"""Techniques that give shares, weigh a gradient by its size, or multiply two of them."""


@pytest.mark.parametrize("name", [name for name in METHODS if name not in NOT_LINEAR])
@few
@given(factor=st.floats(0.25, 4))
def test_twice_the_score_is_twice_the_attribution(name: str, factor: float) -> None:
    model, x = picture_model(), pictures(2, 5)
    plain = TECHNIQUES[name](model, x, lambda out, _: out[:, 1])
    scaled_up = TECHNIQUES[name](model, x, lambda out, _: factor * out[:, 1])
    np.testing.assert_allclose(scaled_up.values, factor * plain.values, rtol=1e-6, atol=1e-8)
