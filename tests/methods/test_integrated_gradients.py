"""Each technique against algebra: integrated gradients."""

import array_api_strict as strict
import numpy as np
import pytest

from backlight import BacklightWarning, Several
from backlight.errors import HyperParameterError, InputError
from backlight.values.noise import choice, uniform
from backlight_methods import (
    ExpectedGradients,
    IntegratedGradients,
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
    random,
    slope_of,
    steps_needed,
    value_of,
)
from tests.reference import ReferenceModel, places_by_shapes, polynomial

pytestmark = [*any_numbers, places_by_shapes]


@closed_form("integrated_gradients")
@pytest.mark.parametrize(
    ("rule", "steps"),
    [("gauss_legendre", n) for n in (1, 2, 3)]
    + [(rule, n) for rule in ("midpoint", "left", "right") for n in (1, 2, 7)]
    + [("trapezoid", n) for n in (2, 3, 8)],
)
def test_integrated_gradients_by_every_rule(rule: str, steps: int) -> None:
    weights, x = cubic(3, degree=5), random(2, 3, seed=1)
    found = IntegratedGradients(rule=rule, steps=steps, baseline=0.3)(model_of(weights), x, 1)
    baseline = np.full(3, 0.3)
    expected = [integrated(weights, 1, row, baseline, rule, steps) for row in x]
    np.testing.assert_allclose(found.values, expected, **CLOSE)
    change = value_of(weights, 1, x) - value_of(weights, 1, baseline)
    np.testing.assert_allclose(found.score - found.baseline_score, change, **EXACT)
    np.testing.assert_allclose(found.gap, np.abs(np.sum(expected, 1) - change), **CLOSE)


@closed_form("integrated_gradients")
@pytest.mark.parametrize("steps", [1, 2, 3])
def test_gauss_legendre_is_exact_for_gradients_of_degree_2n_minus_1_and_no_more(
    steps: int,
) -> None:
    x, baseline = np.array([[1.1, -0.7]]), np.array([0.2, 0.4])
    for degree, exact in ((2 * steps, True), (2 * steps + 1, False)):
        weights = [np.zeros((2, 1))] * (degree - 1) + [np.ones((2, 1))]
        found = IntegratedGradients(steps=steps, baseline=baseline)(model_of(weights), x, 0)
        integral = x**degree - baseline**degree
        assert (np.abs(found.values - integral).max() < 1e-8) == exact
        assert (found.gap.max() < 1e-8) == exact


@closed_form("integrated_gradients")
def test_integrated_gradients_follow_the_straight_path_where_features_interact() -> None:
    """Of x0 * x1^2 from (a, b): the integral of (x0 - a) * y^2, by hand."""
    model = ReferenceModel(("head", lambda x: x[:, 0:1] * x[:, 1:2] ** 2))
    (x0, x1), (a, b) = (1.2, -0.8), (0.3, 0.5)
    found = IntegratedGradients(steps=2, baseline=np.array([a, b]))(model, np.array([[x0, x1]]))
    expected_0 = (x0 - a) * (x1**2 + x1 * b + b**2) / 3
    np.testing.assert_allclose(found.values[0, 0], expected_0, **CLOSE)
    np.testing.assert_allclose(found.values[0, 1], x0 * x1**2 - a * b**2 - expected_0, **CLOSE)


def test_integrated_gradients_use_gauss_legendre_with_50_steps_by_default() -> None:
    weights, x = cubic(2, degree=4), random(2, 2, seed=1)
    model = Counting(weights)
    found = IntegratedGradients()(model, x, 0)
    assert model.rows == 2 * 50
    np.testing.assert_allclose(
        found.values, IntegratedGradients(rule="gauss_legendre", steps=3)(model, x, 0).values,
        **CLOSE,
    )  # fmt: skip


BASELINES = {
    "number": 0.5,
    "integer": 1,
    "one example": random(3, seed=7),
    "one row": random(1, 3, seed=7),
    "one for each": random(4, 3, seed=7),
    "native": strict.asarray(random(3, seed=7)),
    "float32 number": np.float32(0.5),
    "zero-dimensional": np.array(0.5),
    "integers": np.array([1, 0, 2]),
    "float32 array": random(3, seed=7).astype(np.float32),
}


def rows_of(baseline: object, count: int) -> np.ndarray:
    return np.broadcast_to(np.asarray(baseline, dtype=np.float64), (count, 3))


@closed_form("integrated_gradients")
@pytest.mark.parametrize("batch_size", [3, 256])
@pytest.mark.parametrize("name", BASELINES)
def test_baselines(name: str, batch_size: int) -> None:
    weights, x, baseline = cubic(3), random(4, 3, seed=1), BASELINES[name]
    technique = IntegratedGradients(steps=2, baseline=baseline)
    found = technique(model_of(weights), x, 1, batch_size=batch_size)
    rows = rows_of(baseline, 4)
    expected = [
        integrated(weights, 1, row, b, "gauss_legendre", 2) for row, b in zip(x, rows, strict=True)
    ]
    np.testing.assert_allclose(found.values, expected, **CLOSE)
    np.testing.assert_allclose(found.baseline_score, value_of(weights, 1, rows), **EXACT)


@closed_form("integrated_gradients")
@pytest.mark.parametrize("batch_size", [3, 256])
def test_several_baselines_are_averaged(batch_size: int) -> None:
    weights, x = cubic(3), random(4, 3, seed=1)
    several = [BASELINES[name] for name in ("number", "one row", "one for each")]
    technique = IntegratedGradients(steps=2, baseline=Several(several))
    found = technique(model_of(weights), x, 1, batch_size=batch_size)
    expected, starts = np.zeros((4, 3)), np.zeros(4)
    for baseline in several:
        for row, (point, b) in enumerate(zip(x, rows_of(baseline, 4), strict=True)):
            expected[row] += integrated(weights, 1, point, b, "gauss_legendre", 2) / 3
            starts[row] += value_of(weights, 1, b) / 3
    np.testing.assert_allclose(found.values, expected, **CLOSE)
    np.testing.assert_allclose(found.baseline_score, starts, **EXACT)
    np.testing.assert_allclose(found.gap, 0, atol=1e-8)


@pytest.mark.parametrize("structure", [tuple, dict])
def test_a_baseline_for_each_of_several_inputs(structure: type) -> None:
    weights = cubic(3), cubic(2)
    a, b = random(2, 3), random(2, 2)

    def outputs(one, other):
        return polynomial(*weights[0])(one) + polynomial(*weights[1])(other)

    given = (a, b) if structure is tuple else {"one": a, "other": b}
    starts = (0.5, np.ones(2)) if structure is tuple else {"other": np.ones(2), "one": 0.5}
    found = IntegratedGradients(steps=2, baseline=starts)(
        ReferenceModel(("head", outputs)), given, 2
    )
    values = found.values if structure is tuple else tuple(found.values.values())
    assert structure is tuple or list(found.values) == ["one", "other"]
    for leaf, weight, x, start in zip(values, weights, (a, b), (0.5, 1.0), strict=True):
        expected = [
            integrated(weight, 2, row, np.full_like(row, start), "gauss_legendre", 2) for row in x
        ]
        np.testing.assert_allclose(leaf, expected, **CLOSE)


@pytest.mark.parametrize(
    ("baseline", "fragments"),
    [
        (np.zeros(4), ["(3,)", "(1, 3)", "(2, 3)", "got shape (4,)", "Several"]),
        (np.zeros((5, 3)), ["got shape (5, 3)"]),
    ],
)
def test_a_baseline_of_another_shape_is_refused(baseline: object, fragments: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        IntegratedGradients(baseline=baseline)(model_of([random(3, 2)]), random(2, 3), 0)
    for fragment in fragments:
        assert fragment in str(caught.value)


@pytest.mark.parametrize(
    ("given", "baseline", "fragment"),
    [
        ((1, 1), np.zeros(3), "got a ndarray"),
        ((1, 1), (0.0, 0.0, 0.0), "3 baselines for 2 inputs"),
        ({"a": 1, "b": 1}, {"a": 0.0, "c": 0.0}, "['a', 'c'], but inputs ['a', 'b']"),
    ],
)
def test_baselines_must_have_the_inputs_structure(
    given: object, baseline: object, fragment: str
) -> None:
    x = random(2, 3)
    inputs = dict.fromkeys(given, x) if isinstance(given, dict) else (x, x)
    with pytest.raises(InputError) as caught:
        model = ReferenceModel(("head", lambda a, b: a + b))
        IntegratedGradients(baseline=baseline)(model, inputs, 0)
    assert fragment in str(caught.value)


class Counting(ReferenceModel):
    """Counts the rows that gradients were asked for."""

    def __init__(self, weights: list[np.ndarray]):
        super().__init__(("head", polynomial(*weights)))
        self.rows = 0

    def gradient(self, inputs, score, *, at=None, value=None):
        self.rows += self.prepare(inputs).count
        return super().gradient(inputs, score, at=at, value=value)


@closed_form("integrated_gradients")
@pytest.mark.parametrize("batch_size", [2, 256])
@pytest.mark.parametrize("rule", [None, "trapezoid", "left", "right", "midpoint"])
def test_a_tolerance_adds_steps_only_where_they_are_needed(rule: str, batch_size: int) -> None:
    used = rule or "trapezoid"
    needed = [steps_needed(used, 5, 1e-2, x) for x in MIXED]
    assert needed[0] == needed[3] == 5
    assert 5 <= needed[2] <= needed[1] > 5
    model = Counting(STEEP)
    technique = IntegratedGradients(steps=5, rule=rule, tolerance=1e-2)
    found = technique(model, MIXED, 0, batch_size=batch_size)
    assert found.relative_gap.max() <= 1e-2
    assert found.error.max() <= 1e-2
    assert model.rows == sum(needed), "each example has its own steps, and no node is repeated"
    for row, steps in enumerate(needed):
        plain = integrated(STEEP, 0, MIXED[row], np.zeros(2), used, steps)
        np.testing.assert_allclose(found.values[row], plain, **CLOSE)
    assert found.warnings == ()


@closed_form("integrated_gradients")
def test_a_tolerance_does_not_see_batch_mates() -> None:
    technique = IntegratedGradients(steps=5, tolerance=1e-3)
    together = technique(Counting(STEEP), MIXED, 0)
    for row in range(len(MIXED)):
        alone = technique(Counting(STEEP), MIXED[row : row + 1], 0)
        np.testing.assert_allclose(together.values[row], alone.values[0], **EXACT)
        np.testing.assert_allclose(together.gap[row], alone.gap[0], **EXACT)


@closed_form("integrated_gradients")
def test_a_tolerance_holds_for_the_mean_over_several_baselines() -> None:
    starts = [np.array([0.3, -1.0]), np.array([0.0, 0.5])]
    technique = IntegratedGradients(steps=5, tolerance=1e-3, baseline=Several(starts))
    found = technique(Counting(STEEP), MIXED, 0)
    assert found.relative_gap.max() <= 1e-3
    exact = np.mean(
        [np.stack([MIXED[:, 0] - b[0], MIXED[:, 1] ** 4 - b[1] ** 4], axis=1) for b in starts], 0
    )
    np.testing.assert_allclose(found.values, exact, rtol=0, atol=0.05)


@closed_form("integrated_gradients")
@pytest.mark.parametrize("batch_size", [1, 256])
def test_the_maximum_of_steps_is_kept_with_a_warning_that_names_the_examples(
    batch_size: int,
) -> None:
    model = Counting(STEEP)
    technique = IntegratedGradients(steps=5, tolerance=1e-9, maximum_steps=40)
    with pytest.warns(BacklightWarning) as caught:
        found = technique(model, MIXED, 0, batch_size=batch_size)
    texts = [str(warning.message) for warning in caught]
    assert list(found.warnings) == texts
    named = " ".join(texts)
    assert "40 steps" in named
    assert "maximum_steps" in named
    assert ("1, 2" in named) if batch_size == 256 else ("example 1 " in named)
    assert batch_size == 256 or "example 2 " in named
    assert "example 0" not in named
    assert "example 3" not in named
    # 4 intervals, doubled to 8, 16 and 32.
    assert model.rows == 5 + 33 + 33 + 5
    plain = integrated(STEEP, 0, MIXED[1], np.zeros(2), "trapezoid", 33)
    np.testing.assert_allclose(found.values[1], plain, **CLOSE)


def test_a_tolerance_stops_at_once_where_input_and_baseline_are_one() -> None:
    model = Counting(STEEP)
    found = IntegratedGradients(steps=5, tolerance=1e-6)(model, np.zeros((2, 2)), 0)
    np.testing.assert_array_equal(found.values, np.zeros((2, 2)))
    np.testing.assert_array_equal(found.relative_gap, [0, 0])
    assert model.rows == 10 + 2  # and a gradient of each, to say why all is 0


@pytest.mark.parametrize(
    ("fields", "fragment"),
    [
        ({"steps": 0}, "IntegratedGradients.steps must be at least 1, got 0."),
        ({"steps": 1, "rule": "trapezoid"}, "steps must be at least 2, got 1."),
        ({"steps": 1, "tolerance": 0.1}, "steps must be at least 2, got 1."),
        ({"rule": "simpson"}, "rule must be one of 'gauss_legendre', 'midpoint'"),
        ({"tolerance": 0.0}, "tolerance must be greater than 0, got 0.0."),
        ({"tolerance": 0.1, "rule": "gauss_legendre"}, "rule must be other than"),
        ({"tolerance": 0.1, "maximum_steps": 0}, "maximum_steps must be"),
    ],
)
def test_integrated_gradients_refuse_what_cannot_be(fields: dict, fragment: str) -> None:
    with pytest.raises(HyperParameterError) as caught:
        IntegratedGradients(**fields)
    assert fragment in str(caught.value)


@closed_form("expected_gradients")
@pytest.mark.parametrize("batch_size", [4, 256])
def test_expected_gradients_of_a_quadratic_are_the_mean_over_the_same_draws(
    batch_size: int,
) -> None:
    weights, x = cubic(3, degree=2), random(3, 3, seed=1)
    background = [random(3, seed=5), random(3, 3, seed=6), 0.5]
    technique = ExpectedGradients(samples=11, seed=4, baseline=Several(background))
    found = technique(model_of(weights), x, 1, batch_size=batch_size)
    expected, starts = np.zeros((3, 3)), np.zeros(3)
    for sample in range(11):
        b = rows_of(background[choice(4, sample, 3)], 3)
        place = uniform(4, sample)
        expected += (x - b) * slope_of(weights, 1, b + place * (x - b)) / 11
        starts += value_of(weights, 1, b) / 11
    np.testing.assert_allclose(found.values, expected, **CLOSE)
    np.testing.assert_allclose(found.baseline_score, starts, **EXACT)
    np.testing.assert_allclose(found.gap, np.abs(expected.sum(1) - (found.score - starts)), **CLOSE)
    assert found.seed == 4


@closed_form("expected_gradients")
def test_expected_gradients_come_close_to_the_expectation() -> None:
    """Of x^2, E over b and a: (x - b) * 2 (b + a (x - b)) = x^2 - mean of b^2."""
    square = [np.zeros((2, 1)), np.ones((2, 1))]
    background = random(8, 2, seed=3)
    x = np.array([[1.5, -2.0]])
    technique = ExpectedGradients(samples=3000, baseline=Several(background))
    found = technique(model_of(square), x, 0, batch_size=3000)
    np.testing.assert_allclose(found.values, x**2 - (background**2).mean(0), rtol=0, atol=0.15)
