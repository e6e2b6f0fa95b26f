"""Each technique against algebra: smooth."""

import array_api_strict as strict
import numpy as np
import pytest

from backlight.errors import InputTypeError
from backlight.values.noise import normal
from backlight_methods import (
    InputXGradient,
    IntegratedGradients,
    Smooth,
)
from tests.methods.judges import any_numbers, closed_form
from tests.methods.polynomials import (
    CLOSE,
    EXACT,
    MIXED,
    STEEP,
    cubic,
    integrated,
    model_of,
    noisy,
    random,
    slope_of,
    steps_needed,
    value_of,
)
from tests.reference import ReferenceModel, places_by_shapes, polynomial

pytestmark = [*any_numbers, places_by_shapes]


def statistic(of: str, values: list[np.ndarray]) -> np.ndarray:
    stacked = np.array(values)
    if of == "mean":
        return stacked.mean(0)
    if of == "square":
        return (stacked**2).mean(0)
    return ((stacked - stacked.mean(0)) ** 2).mean(0)


@closed_form("smooth")
@pytest.mark.parametrize("batch_size", [3, 7, 256])
@pytest.mark.parametrize("relative", [True, False])
@pytest.mark.parametrize("of", ["mean", "square", "variance"])
def test_smooth_is_a_statistic_of_noisy_gradients(of: str, relative: bool, batch_size: int) -> None:
    weights, x = cubic(4), random(3, 4, seed=1)
    technique = Smooth(samples=7, noise=0.2, relative=relative, statistic=of, seed=5)
    found = technique(model_of(weights), x, 2, batch_size=batch_size)
    points = [noisy(x, technique, sample) for sample in range(7)]
    expected = statistic(of, [slope_of(weights, 2, point) for point in points])
    np.testing.assert_allclose(found.values, expected, **CLOSE)
    np.testing.assert_allclose(found.score, value_of(weights, 2, x), **EXACT)
    assert found.seed == 5


@closed_form("smooth")
def test_smooth_keeps_the_digits_of_a_small_variance_on_a_large_mean() -> None:
    weights = [np.full((2, 1), 1e4), np.full((2, 1), 0.5)]
    technique = Smooth(samples=9, noise=1.0, relative=False, statistic="variance")
    found = technique(model_of(weights), np.zeros((1, 2)), 0, batch_size=2)
    drawn = [normal(0, sample, 0, (2,)) for sample in range(9)]
    np.testing.assert_allclose(found.values[0], np.var(drawn, axis=0), rtol=1e-4, atol=1e-6)


@closed_form("smooth")
def test_smooth_integrated_gradients() -> None:
    weights, x = cubic(3, degree=4), random(2, 3, seed=1)
    inner = IntegratedGradients(steps=3, rule="midpoint", baseline=random(2, 3, seed=2))
    technique = Smooth(inner=inner, samples=4, noise=0.1, seed=1)
    found = technique(model_of(weights), x, 0)
    runs = [
        [
            integrated(weights, 0, row, b, "midpoint", 3)
            for row, b in zip(noisy(x, technique, sample), inner.baseline, strict=True)
        ]
        for sample in range(4)
    ]
    np.testing.assert_allclose(found.values, np.mean(runs, axis=0), **CLOSE)
    copies = [noisy(x, technique, sample) for sample in range(4)]
    score = np.mean([value_of(weights, 0, copy) for copy in copies], axis=0)
    start = value_of(weights, 0, inner.baseline)
    np.testing.assert_allclose(found.score, score, **CLOSE)
    np.testing.assert_allclose(found.baseline_score, start, **CLOSE)
    gap = np.abs(np.mean(runs, axis=0).sum(axis=1) - (score - start))
    assert (gap > 1e-3).all()  # three midpoints are not exact for a polynomial of degree 4
    np.testing.assert_allclose(found.gap, gap, **CLOSE)


@closed_form("smooth")
@pytest.mark.parametrize("where", ["input", "site"])
def test_smooth_at_a_site_adds_noise_to_the_input_or_to_the_site(where: str) -> None:
    mix, weights, x = random(4, 3), cubic(3), random(2, 4, seed=1)
    model = ReferenceModel(("mix", polynomial(mix)), ("head", polynomial(*weights)))
    technique = Smooth(samples=3, where=where)
    found = technique(model, x, 1, at="mix")
    expected = []
    for sample in range(3):
        noisy_input = noisy(x, technique, sample) @ mix
        noisy_site = noisy(x @ mix, technique, sample)
        z = noisy_input if where == "input" else noisy_site
        expected.append(slope_of(weights, 1, z))
    np.testing.assert_allclose(found.values, np.mean(expected, axis=0), **CLOSE)


@closed_form("smooth")
def test_smooth_at_a_site_refines_the_noisy_paths_that_need_it() -> None:
    model = ReferenceModel(("mix", polynomial(np.eye(2))), ("head", polynomial(*STEEP)))
    inner = IntegratedGradients(steps=5, tolerance=1e-2)
    technique = Smooth(inner=inner, samples=2, noise=0.01, where="site")
    found = technique(model, MIXED, 0, at="mix")
    runs = [
        [
            integrated(STEEP, 0, z, np.zeros(2), "trapezoid", steps_needed("trapezoid", 5, 1e-2, z))
            for z in noisy(MIXED, technique, sample)
        ]
        for sample in range(2)
    ]
    np.testing.assert_allclose(found.values, np.mean(runs, axis=0), **CLOSE)


@closed_form("smooth")
def test_smooth_draws_other_noise_for_each_of_several_inputs() -> None:
    weights, x = cubic(3), random(2, 3, seed=1)

    def outputs(a, b):
        return polynomial(*weights)(a) + 2 * polynomial(*weights)(b)

    technique = Smooth(samples=3)
    found = technique(ReferenceModel(("head", outputs)), {"a": x, "b": x}, 1).values
    for leaf, (name, factor) in enumerate({"a": 1, "b": 2}.items()):
        points = [noisy(x, technique, sample, leaf) for sample in range(3)]
        expected = factor * np.mean([slope_of(weights, 1, point) for point in points], axis=0)
        np.testing.assert_allclose(found[name], expected, **CLOSE)


@closed_form("smooth")
@pytest.mark.parametrize(("of", "share"), [("mean", 1.0), ("variance", 0.0)])
def test_smooth_without_noise_is_the_inner_technique(of: str, share: float) -> None:
    weights, x = cubic(4), random(3, 4, seed=1)
    technique = Smooth(inner=InputXGradient(), samples=3, noise=0.0, statistic=of)
    found = technique(model_of(weights), x, 2)
    np.testing.assert_allclose(found.values, share * x * slope_of(weights, 2, x), **CLOSE)


@closed_form("smooth")
@pytest.mark.parametrize("shape", [(2, 3, 2, 4), (2, 2, 5)])
def test_smooth_adds_the_same_noise_wherever_the_channels_are(shape: tuple[int, ...]) -> None:
    x, technique = random(*shape), Smooth(samples=2)
    third = [np.zeros((int(np.prod(shape[1:])), 1))] * 2 + [np.ones((int(np.prod(shape[1:])), 1))]
    first = technique(model_of(third, channels="first"), x, 0).values
    last = technique(model_of(third, channels="last"), np.moveaxis(x, 1, -1), 0).values
    np.testing.assert_allclose(np.moveaxis(first, 1, -1), last, **CLOSE)


@closed_form("smooth")
def test_smooth_follows_the_noise_of_a_hundred_seeds_in_the_mean() -> None:
    """Of x^3 with absolute noise s: E of the gradient is 3 x^2 + 3 s^2."""
    third = [np.zeros((1, 1)), np.zeros((1, 1)), np.ones((1, 1))]
    technique = Smooth(samples=4000, noise=0.5, relative=False)
    found = technique(model_of(third), np.array([[2.0]]), 0, batch_size=4000)
    np.testing.assert_allclose(found.values, [[3 * 4 + 3 * 0.25]], rtol=0.03, atol=0)


def test_smooth_refuses_integers() -> None:
    embed = strict.asarray(random(5, 3))

    def tokens(ids):
        flat = strict.take(embed, strict.reshape(ids, (-1,)), axis=0)
        return strict.reshape(flat, (ids.shape[0], -1))

    model = ReferenceModel(("embed", tokens), ("head", polynomial(random(6, 2))))
    ids = np.array([[0, 3], [4, 1]])
    with pytest.raises(InputTypeError, match="where='site'"):
        Smooth()(model, ids, 0, at="embed")
    found = Smooth(where="site", samples=2)(model, ids, 0, at="embed")
    np.testing.assert_allclose(found.values, np.tile(random(6, 2)[:, 0], (2, 1)), **CLOSE)
