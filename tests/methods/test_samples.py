"""Samples of any kind: drawn to a tolerance, kept one by one, in intervals that cover what is true."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

import backlight
from backlight import Class, Method, Several
from backlight.errors import HyperParameterError, InputError
from backlight_methods import (
    LIME,
    RISE,
    ExpectedGradients,
    FeatureAblation,
    InputXGradient,
    IntegratedGradients,
    KernelSHAP,
    Occlusion,
    ShapleyValues,
    Smooth,
    SobolIndices,
)
from tests.methods.judges import any_numbers, check_intervals
from tests.methods.polynomials import CLOSE, cubic, model_of, noisy, random, slope_of, value_of
from tests.reference import ReferenceModel, places_by_shapes, polynomial

pytestmark = [*any_numbers, places_by_shapes]

WEIGHTS, X = cubic(3), random(4, 3, seed=1) * np.array([[0.2], [1.0], [2.0], [0.5]])
BACKGROUND = random(3, 3, seed=2)

# To a tolerance

TO_A_TOLERANCE: dict[str, Smooth | RISE] = {
    "gradients": Smooth(samples=2, tolerance=0.05),
    "complete": Smooth(inner=IntegratedGradients(steps=3), samples=2, tolerance=0.1),
    "masks": RISE(samples=8, tolerance=0.05, baseline=0.3),
}


@pytest.mark.parametrize("name", TO_A_TOLERANCE)
def test_samples_are_added_until_the_errors_are_small(name: str) -> None:
    method, model = TO_A_TOLERANCE[name], model_of(WEIGHTS)
    found = method(model, X, 1)
    size = np.abs(found.values).max(axis=1)
    if name == "complete":
        size = np.abs(found.score - found.baseline_score)
    allowed = method.tolerance * np.maximum(size, method.floor)
    errors = np.asarray(found.standard_error).max(axis=1)
    assert (errors <= allowed).all()
    assert not any("did not bring" in note for note in found.warnings)
    few = replace(method, tolerance=None)(model, X, 1)
    assert (np.asarray(few.standard_error).max(axis=1) > allowed).any()


@pytest.mark.parametrize("name", TO_A_TOLERANCE)
def test_to_a_tolerance_examples_and_targets_do_not_depend_on_each_other(name: str) -> None:
    method, model = TO_A_TOLERANCE[name], model_of(WEIGHTS)
    for found, target in zip(method(model, X, [Class(0), Class(1)]), (0, 1), strict=True):
        for row in range(4):
            alone = method(model, X[row : row + 1], target, batch_size=16)
            np.testing.assert_allclose(found.values[row], alone.values[0], **CLOSE)
            np.testing.assert_allclose(found.standard_error[row], alone.standard_error[0], **CLOSE)
            np.testing.assert_allclose(found.score[row], alone.score[0], **CLOSE)
            if name == "complete":
                np.testing.assert_allclose(found.gap[row], alone.gap[0], **CLOSE)


def test_what_a_tolerance_finds_is_what_as_many_samples_find() -> None:
    model = model_of(WEIGHTS)
    with pytest.warns(
        match="24 samples did not bring the standard error of examples 0, 1, 2, 3 to"
    ):
        found = Smooth(samples=3, tolerance=1e-9, maximum_samples=24)(model, X, 1)
    same = Smooth(samples=24)(model, X, 1)
    np.testing.assert_allclose(found.values, same.values, **CLOSE)
    np.testing.assert_allclose(found.standard_error, same.standard_error, **CLOSE)
    np.testing.assert_allclose(found.error, same.error, **CLOSE)


def test_only_a_mean_can_be_drawn_to_a_tolerance() -> None:
    with pytest.raises(HyperParameterError, match=r"Smooth.statistic must be 'mean' with a toler"):
        Smooth(statistic="square", tolerance=0.1)
    with pytest.raises(HyperParameterError, match=r"Smooth.samples must be at least 2, got 1"):
        Smooth(samples=1, tolerance=0.1)


# The gap of what is wrapped


@pytest.mark.parametrize("relative", [True, False])
def test_a_smoothed_complete_technique_sums_to_the_mean_change(relative: bool) -> None:
    """Of x^2 by inputs, in closed form: values (x + e)^2, score their sum over copies."""
    square = [np.zeros((3, 1)), np.ones((3, 1))]
    method = Smooth(inner=IntegratedGradients(steps=2), samples=5, relative=relative)
    found = method(model_of(square), X, 0)
    copies = np.stack([noisy(X, method, sample) for sample in range(5)])
    np.testing.assert_allclose(found.values, (copies**2).mean(axis=0), **CLOSE)
    np.testing.assert_allclose(found.score, (copies**2).sum(axis=2).mean(axis=0), **CLOSE)
    np.testing.assert_allclose(found.baseline_score, 0.0, **CLOSE)
    np.testing.assert_allclose(found.gap, 0.0, atol=1e-7)


def test_a_gap_is_not_forgiven_for_the_noise() -> None:
    """One midpoint is a third short of x^4, and the sums of the copies spread by more than that."""
    fourth = [np.zeros((3, 1))] * 3 + [np.ones((3, 1))]
    method = Smooth(inner=IntegratedGradients(steps=1, rule="midpoint"), samples=4, noise=0.5)
    with pytest.warns(
        match=r"do not sum to the change of the score .*, relative to that change, is"
    ):
        found = method(model_of(fourth), X[1:2], 0)
    assert found.gap[0] < 3 * found.standard_error_of_sum[0]
    copies = np.stack([noisy(X[1:2], method, sample) for sample in range(4)])
    np.testing.assert_allclose(found.gap, 0.5 * (copies**4).sum(axis=2).mean(axis=0), **CLOSE)


def test_a_gap_that_the_inner_technique_draws_is_judged_by_its_error() -> None:
    inner = ExpectedGradients(samples=9, baseline=Several(BACKGROUND))
    found = Smooth(inner=inner, samples=4)(model_of(WEIGHTS), X, 1)
    assert found.gap is not None and (found.gap > 0).all()
    assert not any("do not sum" in note for note in found.warnings)


def test_wrappers_in_wrappers_keep_the_gap() -> None:
    inner = Smooth(inner=IntegratedGradients(steps=1, rule="left"), samples=2, noise=0.1, seed=1)
    outer = Smooth(inner=inner, samples=3, noise=0.2)
    found = outer(model_of(WEIGHTS), X, 2)
    copies = [noisy(noisy(X, outer, a), inner, b) for a in range(3) for b in range(2)]
    values = np.mean([copy * WEIGHTS[0][:, 2] for copy in copies], axis=0)  # the slope at 0
    score = np.mean([value_of(WEIGHTS, 2, copy) for copy in copies], axis=0)
    np.testing.assert_allclose(found.values, values, **CLOSE)
    np.testing.assert_allclose(found.gap, np.abs(values.sum(axis=1) - score), **CLOSE)


def test_a_technique_without_a_baseline_has_no_gap() -> None:
    found = Smooth(samples=3)(model_of(WEIGHTS), X, 0)
    assert (found.gap, found.baseline_score) == (None, None)
    np.testing.assert_allclose(found.score, value_of(WEIGHTS, 0, X), **CLOSE)


# Noise of its own for each input, around any technique


def outputs(a, b):
    return polynomial(*WEIGHTS)(a) + 2 * polynomial(*WEIGHTS)(b)


TWO = ReferenceModel(("head", outputs))


@pytest.mark.parametrize("kind", [tuple, dict])
def test_each_input_has_its_own_noise(kind: type) -> None:
    noise: tuple[float, ...] | dict[str, float] = (
        (0.3, 0.0) if kind is tuple else {"b": 0.0, "a": 0.3}
    )
    x = (X, X[::-1]) if kind is tuple else {"a": X, "b": X[::-1]}
    found = Smooth(samples=3, noise=noise)(TWO, x, 1).values
    one, other = found if kind is tuple else (found["a"], found["b"])
    plain = Smooth(samples=3, noise=0.3)
    copies = [noisy(X, plain, sample) for sample in range(3)]
    expected = np.mean([slope_of(WEIGHTS, 1, copy) for copy in copies], axis=0)
    np.testing.assert_allclose(one, expected, **CLOSE)
    np.testing.assert_allclose(other, 2 * slope_of(WEIGHTS, 1, X[::-1]), **CLOSE)


@pytest.mark.parametrize("noise", [(0.1, 0.1, 0.1), (0.1,), {"a": 0.1, "b": 0.1}])
def test_noise_that_fits_no_inputs_is_refused(noise: tuple[float, ...] | dict[str, float]) -> None:
    with pytest.raises(
        InputError, match=r"Smooth.noise must be a number, or one for each of .*: 2; got"
    ):
        Smooth(noise=noise)(TWO, (X, X), 1)
    with pytest.raises(InputError, match="one array; got"):
        Smooth(noise=noise)(model_of(WEIGHTS), X, 1)


@pytest.mark.parametrize("noise", [(), {}, (0.1, -1.0), {"a": float("nan")}, ("a",), [0.1]])
def test_noise_that_is_none_is_refused(noise: object) -> None:
    with pytest.raises(HyperParameterError, match=r"Smooth.noise must be at least 0, or a tuple"):
        Smooth(noise=noise)  # type: ignore[arg-type]


def table_lookup(x: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Any function: the row of a table by whole numbers, times numbers."""
    return (x * np.arange(6.0).reshape(2, 3)[ids[:, 0]]) @ random(3, 2)


def test_integers_that_get_no_noise_stay_what_they_are() -> None:
    model = backlight.wrap(table_lookup, framework="numpy")
    ids = np.array([[0], [1], [1], [0]])
    found = Smooth(inner=Occlusion(), samples=4, noise=(0.2, 0.0))(model, (X, ids), 1)
    expected = np.mean([noisy(X, Smooth(noise=0.2), sample) for sample in range(4)], axis=0)
    slopes = np.arange(6.0).reshape(2, 3)[ids[:, 0]] * random(3, 2)[:, 1]
    np.testing.assert_allclose(found.values[0], expected * slopes, **CLOSE)
    with pytest.raises(TypeError, match="or noise of 0 for this one of several inputs"):
        Smooth(inner=Occlusion())(model, (X, ids), 1)


@pytest.mark.parametrize(
    "inner",
    [FeatureAblation(), Occlusion(), KernelSHAP(samples=40), Smooth(inner=Occlusion(), noise=0.0)],
)
def test_what_takes_no_gradients_is_smoothed_for_models_without_any(inner: Method) -> None:
    """Of a linear function each of them says weight * x, of each copy."""
    weight, method = random(3, 2), Smooth(inner=inner, samples=3)
    found = method(backlight.wrap(lambda x: x @ weight, framework="numpy"), X, 1)
    copies = np.mean([noisy(X, method, sample) for sample in range(3)], axis=0)
    np.testing.assert_allclose(found.values, weight[:, 1] * copies, **CLOSE)


# Each of them


BY_BASELINE: list[Method] = [
    IntegratedGradients(steps=3),
    IntegratedGradients(steps=3, rule="trapezoid", multipliers=True),
    Occlusion(),
    FeatureAblation(),
    ShapleyValues(),
    ShapleyValues(exact=0, samples=4),
    KernelSHAP(samples=12),
    LIME(samples=20),
]


@pytest.mark.parametrize("method", BY_BASELINE, ids=repr)
def test_the_values_of_each_baseline_are_those_of_the_baseline_alone(method) -> None:
    model, baselines = model_of(WEIGHTS), [*BACKGROUND, random(4, 3, seed=6)]
    asked = replace(method, baseline=Several(baselines))
    kept = replace(asked, keep="each")
    for size in (None, 3):
        found = kept(model, X, 1, batch_size=size)
        np.testing.assert_allclose(np.mean(found.each, axis=0), found.values, **CLOSE)
        mean = asked(model, X, 1)
        assert mean.each is None
        np.testing.assert_allclose(found.values, mean.values, **CLOSE)
        for name in ("gap", "error", "standard_error", "r_squared"):
            ours, theirs = getattr(found, name), getattr(mean, name)
            assert (ours is None) == (theirs is None)
            if ours is not None:
                np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-8)
        for one, baseline in zip(found.each, baselines, strict=True):
            alone = replace(method, baseline=baseline)(model, X, 1)
            np.testing.assert_allclose(one, alone.values, **CLOSE)


def test_to_keep_the_values_of_each_baseline_costs_no_pass() -> None:
    counts = []
    for keep in ("mean", "each"):
        model = model_of(WEIGHTS)
        KernelSHAP(samples=24, baseline=Several(BACKGROUND), keep=keep)(model, X, 1)  # type: ignore[arg-type]
        counts.append(model.passes)
    assert counts[0] == counts[1]


def test_each_of_paths_with_ends_where_there_is_no_gradient() -> None:
    def root(x: torch.Tensor) -> torch.Tensor:
        return torch.sqrt(x)

    x, starts = torch.tensor([[1.0], [4.0]]), np.array([[0.0], [0.5]])
    method = IntegratedGradients(steps=4, rule="left", baseline=starts)
    with pytest.warns(match="example 0, where the left rule has a node: midpoints are used"):
        found = replace(method, baseline=Several([starts, 1.0]), keep="each")(root, x, 0)
    with pytest.warns(match="midpoints are used"):
        alone = method(root, x, 0)
    np.testing.assert_allclose(found.each.mean(axis=0), found.values, rtol=1e-6)
    np.testing.assert_allclose(found.each[0], alone.values, rtol=1e-6)


def test_each_of_several_targets_and_inputs() -> None:
    method = Occlusion(baseline=Several([0.0, 0.5]), keep="each")
    targets = [Class(0), Class(1), backlight.Margin(0, versus=1)]
    for found in method(TWO, {"a": X, "b": X[::-1]}, targets):
        assert list(found.each) == ["a", "b"]
        for name in found.each:
            assert found.each[name].shape == (2, 4, 3)
            np.testing.assert_allclose(found.each[name].mean(axis=0), found.values[name], **CLOSE)


@pytest.mark.parametrize("batch_size", [None, 2])
def test_each_sample_is_kept(batch_size: int | None) -> None:
    method = Smooth(inner=InputXGradient(), samples=5, keep="each", statistic="variance")
    found = method(model_of(WEIGHTS), X, 1, batch_size=batch_size)
    copies = [noisy(X, method, sample) for sample in range(5)]
    expected = [copy * slope_of(WEIGHTS, 1, copy) for copy in copies]
    np.testing.assert_allclose(found.each, expected, **CLOSE)
    np.testing.assert_allclose(found.values, np.var(expected, axis=0), **CLOSE)
    for drawn in (ExpectedGradients(samples=5, keep="each"), RISE(samples=5, keep="each")):
        one = drawn(model_of(WEIGHTS), X, 1, batch_size=batch_size)
        assert one.each.shape == (5, 4, 3)
        np.testing.assert_allclose(one.each.mean(axis=0), one.values, **CLOSE)
        spread = one.each.std(axis=0, ddof=1) / np.sqrt(5)
        np.testing.assert_allclose(one.standard_error, spread, **CLOSE)


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (lambda: Smooth(keep="each", tolerance=0.1), "Smooth.keep must be 'mean' with a tolerance"),
        (lambda: KernelSHAP(keep="each", tolerance=0.1), "KernelSHAP.keep must be 'mean' with a"),
        (lambda: IntegratedGradients(keep="each", tolerance=0.1), "keep must be 'mean' with a"),
        (lambda: LIME(keep="each", regression="lasso"), "LIME.keep must be 'mean' with a lasso"),
        (lambda: SobolIndices(keep="each"), "SobolIndices.keep must be 'mean', as indices"),
    ],
)
def test_what_is_no_mean_over_the_same_samples_is_not_kept(make: Callable, rule: str) -> None:
    with pytest.raises(HyperParameterError, match=rule):
        make()


# Intervals

SAMPLED: dict[str, Callable[[int], Smooth | RISE | ExpectedGradients]] = {
    "smooth": lambda seed: Smooth(samples=60, noise=0.5, relative=False, seed=seed),
    "rise": lambda seed: RISE(samples=100, probability=0.4, baseline=0.3, seed=seed),
    "expected gradients": lambda seed: ExpectedGradients(
        samples=80, baseline=Several(BACKGROUND), seed=seed
    ),
}


def in_expectation(name: str, x: np.ndarray) -> np.ndarray:
    """Of the cubic's first class, in closed form: shape (3,)."""
    a, b, c = (weight[:, 0] for weight in WEIGHTS)
    if name == "smooth":  # E[(x + e)^2] = x^2 + s^2
        return a + 2 * b * x + 3 * c * (x**2 + 0.25)
    terms, starts = (a * x + b * x**2 + c * x**3 for x in (x, BACKGROUND))
    if name == "expected gradients":  # each input goes its way alone
        return terms - starts.mean(axis=0)
    hidden = a * 0.3 + b * 0.3**2 + c * 0.3**3
    mean = 0.4 * terms + 0.6 * hidden
    return mean.sum() - mean + terms  # over the masks that let the place through


@pytest.mark.parametrize("name", SAMPLED)
def test_the_intervals_cover_what_is_true_as_often_as_they_say(name: str) -> None:
    x = np.array([[0.7, -0.4, 1.1]])
    expected, model = in_expectation(name, x[0]), model_of(WEIGHTS)
    found = [SAMPLED[name](seed)(model, x, 0) for seed in range(200)]
    check_intervals(found, expected)
