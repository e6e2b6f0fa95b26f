"""Each technique against algebra, or against a loop in NumPy that follows its definition."""

from collections.abc import Callable
from itertools import product

import array_api_strict as strict
import numpy as np
import pytest
from PIL import Image

from backlight import BacklightWarning, Class, Method, Neuron, Objective, Several
from backlight.errors import HyperParameterError, InputError, InputTypeError, SiteError
from backlight.explaining.resize import resize, resize_matrix
from backlight.values.noise import choice, normal, uniform
from backlight_methods import (
    METHODS,
    ExpectedGradients,
    GradCAM,
    GradCAMPlusPlus,
    Gradient,
    HiResCAM,
    InputXGradient,
    IntegratedGradients,
    LayerCAM,
    Occlusion,
    Saliency,
    Smooth,
    XGradCAM,
)
from backlight_methods.gradients.quadrature import error_weights, estimated, refined
from backlight_methods.gradients.samples import Samples
from tests.methods.judges import any_numbers, closed_form
from tests.reference import ReferenceModel, linear, places_by_shapes, polynomial

pytestmark = [*any_numbers, places_by_shapes]

CLOSE = {"rtol": 1e-7, "atol": 1e-8}
"""The reference model's central differences are good to about 1e-9."""
EXACT = {"rtol": 1e-12, "atol": 1e-13}


def random(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).normal(size=shape)


def slope_of(weights: list[np.ndarray], k: int, x: np.ndarray) -> np.ndarray:
    """d (sum_i w_pi x_i^(p+1)) / d x by hand, x of shape (..., features)."""
    return sum((p + 1) * weight[:, k] * x**p for p, weight in enumerate(weights))


def value_of(weights: list[np.ndarray], k: int, x: np.ndarray) -> np.ndarray:
    return sum((weight[:, k] * x ** (p + 1)).sum(-1) for p, weight in enumerate(weights))


def cubic(features: int, classes: int = 3, degree: int = 3) -> list[np.ndarray]:
    return [random(features, classes, seed=p + 1) for p in range(degree)]


def model_of(weights: list[np.ndarray], **options: object) -> ReferenceModel:
    return ReferenceModel(("head", polynomial(*weights)), **options)


def first(x: np.ndarray) -> np.ndarray:
    """Flattened to (N, features)."""
    return x.reshape(len(x), -1)


# Gradient, saliency, input x gradient


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


# Integrated gradients


def textbook(rule: str, steps: int) -> list[tuple[float, float]]:
    """Nodes in [0, 1] with their weights, as a table or a textbook has them."""
    if rule == "gauss_legendre":
        near, far = 0.5 / np.sqrt(3), 0.5 * np.sqrt(0.6)
        tables = {
            1: [(0.5, 1.0)],
            2: [(0.5 - near, 0.5), (0.5 + near, 0.5)],
            3: [(0.5 - far, 5 / 18), (0.5, 8 / 18), (0.5 + far, 5 / 18)],
        }
        return tables[steps]
    found = []
    for step in range(steps):
        if rule == "midpoint":
            found.append(((step + 0.5) / steps, 1 / steps))
        elif rule == "left":
            found.append((step / steps, 1 / steps))
        elif rule == "right":
            found.append(((step + 1) / steps, 1 / steps))
        else:
            end = step in (0, steps - 1)
            found.append((step / (steps - 1), (0.5 if end else 1.0) / (steps - 1)))
    return found


def integrated(
    weights: list[np.ndarray], k: int, x: np.ndarray, b: np.ndarray, rule: str, steps: int
) -> np.ndarray:
    """Integrated gradients of one example, as a loop."""
    total = np.zeros_like(x)
    for node, weight in textbook(rule, steps):
        total = total + weight * slope_of(weights, k, b + node * (x - b))
    return (x - b) * total


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


STEEP = [np.array([[1.0], [0.0]]), np.zeros((2, 1)), np.zeros((2, 1)), np.array([[0.0], [1.0]])]
"""x0 + x1^4: linear in the first feature, steep in the second."""
MIXED = np.array([[1.0, 0.0], [0.1, 2.0], [1.0, 0.6], [0.5, 0.0]])


def steps_needed(rule: str, steps: int, tolerance: float, x: np.ndarray) -> int:
    """Refine by hand until the plain rule's gap and estimated error are within the tolerance."""
    change = value_of(STEEP, 0, x)
    intervals = steps - (rule == "trapezoid")
    nodes = np.array([node for node, _ in textbook(rule, steps)])
    before = None
    while True:
        values = integrated(STEEP, 0, x, np.zeros(2), rule, steps)
        slopes = np.stack([x * slope_of(STEEP, 0, node * x) for node in nodes])
        sizes = np.abs(error_weights(rule, nodes, intervals) @ slopes).sum(1)
        (error,) = estimated(sizes[:, None]) / np.abs(values).sum()
        if before is not None and rule != "midpoint":  # what the nodes at the ends are good for
            error = max(error, np.abs(values - before).sum() / np.abs(values).sum())
        before = values
        if abs(values.sum() - change) <= tolerance * abs(change) and error <= tolerance:
            return steps
        nodes, _, intervals = refined(rule, intervals)
        steps = intervals + (rule == "trapezoid")


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


# Expected gradients


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


# Smooth


def noisy(x: np.ndarray, technique: Smooth, sample: int, leaf: int = 0) -> np.ndarray:
    drawn = normal(technique.seed, sample, leaf, x.shape[1:])
    out = []
    for example in x:
        spread = example.max() - example.min() if technique.relative else 1.0
        out.append(example + technique.noise * spread * drawn)
    return np.array(out)


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
    assert found.gap is None


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


# Class activation maps

GRID = (3, 2)
SIZE = (6, 4)
CHANNELS = 3


class Convolutional:
    """Images (N, 1, 6, 4) to a feature map of 3 x 2 places and 3 channels, which a head sums up.

    channel c = a_c m + b_c m^2 of each block's mean m; score k = sum of w A + v A^2 / 2.
    """

    def __init__(self, form: str, curved: bool = True):
        rng = np.random.default_rng(3)
        self.form = form
        self.a, self.b = rng.normal(size=(2, CHANNELS))
        self.w, self.v = rng.normal(size=(2, *GRID, CHANNELS, 2))
        if not curved:
            self.v = np.zeros_like(self.v)
        self.x = rng.normal(size=(2, 1, *SIZE))
        if form == "last":
            self.x = self.x.transpose(0, 2, 3, 1)
        self.model = ReferenceModel(
            ("features", self.features),
            ("head", self.head),
            channels=form.replace("tokens", "first"),
        )

    def features(self, x):
        count = x.shape[0]
        blocks = strict.mean(
            strict.reshape(x, (count, GRID[0], SIZE[0] // GRID[0], GRID[1], SIZE[1] // GRID[1])),
            axis=(2, 4),
        )
        m = blocks[..., None]
        value = strict.asarray(self.a) * m + strict.asarray(self.b) * m**2
        if self.form == "first":
            return strict.permute_dims(value, (0, 3, 1, 2))
        if self.form == "tokens":
            patches = strict.reshape(value, (count, GRID[0] * GRID[1], CHANNELS))
            return strict.concat([strict.sum(patches, axis=1, keepdims=True), patches], axis=1)
        return value

    def head(self, value):
        if self.form == "first":
            value = strict.permute_dims(value, (0, 2, 3, 1))
        if self.form == "tokens":
            value = strict.reshape(value[:, 1:, :], (value.shape[0], *GRID, CHANNELS))
        value = value[..., None]
        w, v = strict.asarray(self.w), strict.asarray(self.v)
        return strict.sum(w * value + v * value**2 / 2, axis=(1, 2, 3))

    def by_hand(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Feature map and gradient, both (N, rows, columns, channels)."""
        activation = np.zeros((2, *GRID, CHANNELS))
        for n, i, j, c in np.ndindex(activation.shape):
            block = self.x[n].reshape(SIZE)[2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
            activation[n, i, j, c] = self.a[c] * block.mean() + self.b[c] * block.mean() ** 2
        return activation, self.w[..., k] + self.v[..., k] * activation


def cam_by_hand(name: str, activation: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """The map of each technique with its formula written out for one place at a time."""
    out = np.zeros(activation.shape[:3])
    places = list(np.ndindex(GRID))
    for n, c in np.ndindex(len(activation), activation.shape[-1]):
        a, g = activation[n, ..., c], gradient[n, ..., c]
        grad_cam = sum(g[p] for p in places) / len(places)
        x_grad = sum(g[p] * a[p] for p in places) / sum(a[p] for p in places)
        plus_plus = 0.0
        for p in places:
            total = sum(max(a[q], 0.0) for q in places)
            below = 2 * g[p] ** 2 + total * g[p] ** 3
            plus_plus += g[p] ** 2 / below * max(g[p], 0.0)
        for p in places:
            weight = {
                "grad_cam": grad_cam,
                "grad_cam_plus_plus": plus_plus,
                "hires_cam": g[p],
                "layer_cam": max(g[p], 0.0),
                "x_grad_cam": x_grad,
            }[name]
            out[(n, *p)] += weight * a[p]
    return out


CAMS = ["grad_cam", "grad_cam_plus_plus", "hires_cam", "layer_cam", "x_grad_cam"]


@closed_form(*CAMS)
@pytest.mark.parametrize("rectify", [False, True])
@pytest.mark.parametrize("form", ["first", "last", "tokens"])
@pytest.mark.parametrize("name", CAMS)
def test_class_activation_map(name: str, form: str, rectify: bool) -> None:
    net = Convolutional(form)
    found = METHODS[name](upsample="none", rectify=rectify)(net.model, net.x, 1)
    expected = cam_by_hand(name, *net.by_hand(1))
    assert expected.min() < 0 < expected.max()
    if rectify:
        expected = np.maximum(expected, 0)
    np.testing.assert_allclose(found.values, expected, **CLOSE)
    assert found.at == "features"


@pytest.mark.parametrize("name", CAMS)
@pytest.mark.parametrize("upsample", ["nearest", "bilinear"])
def test_class_activation_map_is_brought_to_the_inputs_places(name: str, upsample: str) -> None:
    net = Convolutional("first")
    found = METHODS[name](upsample=upsample)(net.model, net.x, 1)
    small = cam_by_hand(name, *net.by_hand(1))
    how = Image.Resampling.BILINEAR if upsample == "bilinear" else Image.Resampling.NEAREST
    for row in range(2):
        drawn = Image.fromarray(small[row].astype(np.float32)).resize(SIZE[::-1], how)
        np.testing.assert_allclose(found.values[row], np.asarray(drawn), rtol=1e-5, atol=1e-5)


def test_rectify_comes_before_upsampling() -> None:
    net = Convolutional("first")
    both = GradCAM(rectify=True)(net.model, net.x, 1).values
    small = GradCAM(rectify=True, upsample="none")(net.model, net.x, 1).values
    for row in range(2):
        drawn = Image.fromarray(small[row].astype(np.float32)).resize(
            SIZE[::-1], Image.Resampling.BILINEAR
        )
        np.testing.assert_allclose(both[row], np.asarray(drawn), rtol=1e-5, atol=1e-5)


def test_the_papers_upsampling_is_the_default_and_nothing_is_rectified() -> None:
    for name in CAMS:
        assert METHODS[name]().upsample == "bilinear"
        assert METHODS[name]().rectify is False


@pytest.mark.parametrize("name", ["grad_cam_plus_plus", "x_grad_cam"])
def test_a_channel_without_activation_and_gradient_adds_nothing(name: str) -> None:
    net = Convolutional("first")
    net.a[0] = net.b[0] = 0.0
    net.w[:, :, 0, :] = net.v[:, :, 0, :] = 0.0
    found = METHODS[name](upsample="none")(net.model, net.x, 1).values
    activation, gradient = net.by_hand(1)
    expected = cam_by_hand(name, activation[..., 1:], gradient[..., 1:])
    np.testing.assert_allclose(found, expected, **CLOSE)


@closed_form("grad_cam")
def test_grad_cam_with_global_average_pooling_sums_to_the_score() -> None:
    net = Convolutional("first", curved=False)
    net.w[...] = net.w[:1, :1]
    found = GradCAM(upsample="none")(net.model, net.x, 0)
    np.testing.assert_allclose(found.values.sum((1, 2)), found.score, **CLOSE)


@closed_form("hires_cam", "x_grad_cam")
@pytest.mark.parametrize("technique", [HiResCAM, XGradCAM])
def test_maps_of_a_linear_head_sum_to_the_score(technique: type[Method]) -> None:
    net = Convolutional("first", curved=False)
    found = technique(upsample="none")(net.model, net.x, 0)
    np.testing.assert_allclose(found.values.sum((1, 2)), found.score, **CLOSE)


@closed_form("layer_cam")
def test_layer_cam_is_hires_cam_where_no_gradient_is_negative() -> None:
    net = Convolutional("first", curved=False)
    net.w[...] = np.abs(net.w)
    one, other = (cam(upsample="none")(net.model, net.x, 0).values for cam in (LayerCAM, HiResCAM))
    np.testing.assert_allclose(one, other, **CLOSE)


@closed_form("grad_cam_plus_plus")
def test_grad_cam_plus_plus_gives_no_weight_to_negative_gradients() -> None:
    net = Convolutional("first", curved=False)
    net.w[...] = -np.abs(net.w)
    found = GradCAMPlusPlus(upsample="none")(net.model, net.x, 0).values
    np.testing.assert_allclose(found, 0, atol=1e-12)


def test_class_activation_map_at_a_site_without_places_is_refused() -> None:
    net = Convolutional("first")
    with pytest.raises(SiteError, match=r"'head' of shape \(2, 2\) is not laid out"):
        GradCAM()(net.model, net.x, 1, at="head")


def test_smooth_grad_cam_reads_the_feature_map_of_the_noisy_picture() -> None:
    net = Convolutional("first")
    technique = Smooth(inner=GradCAM(upsample="none"), samples=3)
    found = technique(net.model, net.x, 1)
    assert found.at == "features"
    clean, maps = net.x, []
    for sample in range(3):
        net.x = noisy(clean, technique, sample)
        maps.append(cam_by_hand("grad_cam", *net.by_hand(1)))
    np.testing.assert_allclose(found.values, np.mean(maps, axis=0), **CLOSE)


# Resizing


@pytest.mark.parametrize(
    ("source", "size", "how", "expected"),
    [
        (2, 4, "bilinear", [[1, 0], [0.75, 0.25], [0.25, 0.75], [0, 1]]),
        (2, 3, "bilinear", [[1, 0], [0.5, 0.5], [0, 1]]),
        (1, 3, "bilinear", [[1], [1], [1]]),
        (4, 2, "bilinear", [[0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]]),
        (2, 4, "nearest", [[1, 0], [1, 0], [0, 1], [0, 1]]),
        (3, 2, "nearest", [[1, 0, 0], [0, 0, 1]]),
        (2, 3, "nearest", [[1, 0], [0, 1], [0, 1]]),
    ],
)
def test_resize_by_hand(source: int, size: int, how: str, expected: list[list[float]]) -> None:
    np.testing.assert_allclose(resize_matrix(source, size, how), expected, **EXACT)


@pytest.mark.parametrize("source", [1, 2, 3, 7])
@pytest.mark.parametrize("size", [7, 8, 15, 30])
@pytest.mark.parametrize("how", ["bilinear", "nearest"])
def test_resize_enlarges_as_pillow_does(source: int, size: int, how: str) -> None:
    tie = any((2 * place + 1) * source % (2 * size) == 0 for place in range(size))
    if how == "nearest" and tie:
        size += 1  # where two pixels are equally near, the conventions differ
    line = random(1, source).astype(np.float32)
    filters = {"bilinear": Image.Resampling.BILINEAR, "nearest": Image.Resampling.NEAREST}
    drawn = np.asarray(Image.fromarray(line).resize((size, 1), filters[how]))
    mine = line.astype(np.float64) @ resize_matrix(source, size, how).T
    np.testing.assert_allclose(mine, drawn, rtol=1e-5, atol=1e-6)


def test_resize_of_volumes_goes_axis_by_axis() -> None:
    maps, size = random(2, 2, 3, 1), (3, 4, 2)
    model = model_of([random(1, 1)])
    found = np.asarray(resize(strict.asarray(maps), size, "bilinear", model))
    a, b, c = (resize_matrix(maps.shape[1 + i], size[i], "bilinear") for i in range(3))
    expected = np.zeros((2, *size))
    for n, i, j, k in np.ndindex(expected.shape):
        for p, q, r in np.ndindex(maps.shape[1:]):
            expected[n, i, j, k] += a[i, p] * b[j, q] * c[k, r] * maps[n, p, q, r]
    np.testing.assert_allclose(found, expected, **EXACT)


# Occlusion


def occluded(
    x: np.ndarray,
    baseline: np.ndarray,
    channel_axis: int | None,
    window: tuple[int, ...],
    stride: tuple[int, ...],
    score: Callable[[np.ndarray], float],
) -> np.ndarray:
    """Occlusion of one example (no batch axis), one window at a time."""
    axes = [axis for axis in range(x.ndim) if axis != channel_axis]
    lines = []
    for axis, length, step in zip(axes, window, stride, strict=True):
        starts = [0]
        while starts[-1] + length < x.shape[axis]:
            starts.append(starts[-1] + step)
        lines.append([(axis, slice(start, start + length)) for start in starts])
    total, count = np.zeros(x.shape), np.zeros(x.shape)
    for chosen in product(*lines):
        cut = [slice(None)] * x.ndim
        for axis, part in chosen:
            cut[axis] = part
        covered = x.copy()
        covered[tuple(cut)] = baseline[tuple(cut)]
        total[tuple(cut)] += score(x) - score(covered)
        count[tuple(cut)] += 1
    return total / np.maximum(count, 1)


def occlusion_case(shape: tuple[int, ...], **options: object) -> tuple:
    features = int(np.prod(shape[1:]))
    mix, weights, x = random(features, 3, seed=8), cubic(3), random(*shape, seed=1)
    model = ReferenceModel(("mix", polynomial(mix)), ("head", polynomial(*weights)), **options)

    def score(one: np.ndarray) -> float:
        return float(value_of(weights, 1, one.ravel() @ mix))

    return model, x, score


@closed_form("occlusion")
@pytest.mark.parametrize("batch_size", [2, 5, 256])
@pytest.mark.parametrize(
    ("shape", "channels", "axis", "window", "stride", "sides", "steps"),
    [
        ((2, 3, 5, 4), "first", 0, 2, 2, (2, 2), (2, 2)),  # last row of windows cut off
        ((2, 3, 5, 4), "first", 0, 3, 1, (3, 3), (1, 1)),  # overlap
        ((2, 5, 4, 3), "last", 2, (3, 2), (2, 1), (3, 2), (2, 1)),
        ((2, 2, 6, 6), "first", 0, 4, 4, (4, 4), (4, 4)),  # side by side, the last cut off
        ((2, 2, 7), "first", 0, 3, 2, (3,), (2,)),
        ((2, 7, 2), "last", 1, (3,), 3, (3,), (3,)),
        ((2, 5), "first", None, None, None, (1,), (1,)),  # a table: one feature at a time
        ((2, 5), "first", None, 2, None, (2,), (1,)),
        ((2, 5), "first", None, 3, None, (3,), (2,)),  # half of three, rounded up
        ((2, 1, 16, 17), "first", 0, None, None, (2, 2), (1, 1)),  # an eighth, and half of it
        ((2, 1, 33), "first", 0, None, None, (4,), (2,)),
    ],
)
def test_occlusion(
    shape: tuple[int, ...],
    channels: str,
    axis: int | None,
    window: object,
    stride: object,
    sides: tuple[int, ...],
    steps: tuple[int, ...],
    batch_size: int,
) -> None:
    model, x, score = occlusion_case(shape, channels=channels)
    technique = Occlusion(window=window, stride=stride, baseline=0.25)
    found = technique(model, x, 1, batch_size=batch_size)
    start = np.full(shape[1:], 0.25)
    expected = [occluded(one, start, axis, sides, steps, score) for one in x]
    assert found.values.shape == shape
    np.testing.assert_allclose(found.values, expected, rtol=1e-9, atol=1e-9)
    assert found.gap is None


def test_windows_go_with_their_axes_in_the_order_that_is_said() -> None:
    weight, x = random(20, 2, seed=4), random(2, 4, 5)
    model = ReferenceModel(("head", linear(weight)))
    one = Occlusion(window=(2, 3), stride=(2, 3), axes=(1, 2))(model, x, 0)
    other = Occlusion(window=(3, 2), stride=(3, 2), axes=(2, 1))(model, x, 0)
    np.testing.assert_array_equal(one.values, other.values)


@closed_form("occlusion")
@pytest.mark.parametrize("channels", ["first", "last"])
@pytest.mark.parametrize("way", ["axes", "said"])
def test_occlusion_of_pictures_without_channels(way: str, channels: str) -> None:
    """Windows of 2 x 3 pixels, wherever the framework would have the channels of other inputs."""
    model, x, score = occlusion_case((2, 7, 6), channels=channels)
    if way == "said":
        model.declared_channels = "none"
    technique = Occlusion(window=(2, 3), stride=(1, 2), axes=(1, 2) if way == "axes" else None)
    expected = [occluded(one, np.zeros((7, 6)), None, (2, 3), (1, 2), score) for one in x]
    np.testing.assert_allclose(technique(model, x, 1).values, expected, rtol=1e-9, atol=1e-9)


@closed_form("occlusion")
@pytest.mark.parametrize(("channels", "axis"), [("first", 0), ("last", 1)])
def test_occlusion_warns_where_three_axes_are_a_guess(channels: str, axis: int) -> None:
    model, x, score = occlusion_case((2, 7, 6), channels=channels)
    with pytest.warns(BacklightWarning, match=r"channels='none'.*Occlusion\(axes=") as seen:
        found = Occlusion(window=2, stride=1)(model, x, 1)
    assert len(seen) == 1
    assert f"on axis {axis + 1}." in found.warnings[0]
    expected = [occluded(one, np.zeros((7, 6)), axis, (2,), (1,), score) for one in x]
    np.testing.assert_allclose(found.values, expected, rtol=1e-9, atol=1e-9)
    model.declared_channels = channels
    np.testing.assert_array_equal(Occlusion(window=2, stride=1)(model, x, 1).values, found.values)


@closed_form("occlusion")
@pytest.mark.parametrize(("axes", "axis"), [((1,), 1), ((2,), 0)])
def test_occlusion_along_one_axis_covers_all_of_the_others(axes: tuple, axis: int) -> None:
    model, x, score = occlusion_case((2, 7, 6))
    found = Occlusion(window=2, stride=1, axes=axes)(model, x, 1)
    expected = [occluded(one, np.zeros((7, 6)), axis, (2,), (1,), score) for one in x]
    np.testing.assert_allclose(found.values, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("features_first", [True, False])
def test_occlusion_covers_whole_tokens_wherever_their_features_are(features_first: bool) -> None:
    """The ids are (N, 7): the axis of an inner value with 7 places is that of the tokens."""
    table, weight = random(5, 6), random(42, 2)

    def embed(ids):
        found = strict.take(strict.asarray(table), strict.reshape(ids, (-1,)), axis=0)
        found = strict.reshape(found, (*ids.shape, 6))
        return strict.permute_dims(found, (0, 2, 1)) if features_first else found

    model = ReferenceModel(("embed", embed), ("head", polynomial(weight)))
    ids = np.array([[0, 3, 1, 1, 4, 2, 0]])
    found = Occlusion()(model, ids, 1, at="embed").values[0]
    shape = (6, 7) if features_first else (7, 6)
    value = table[ids[0]].T if features_first else table[ids[0]]
    axis = 0 if features_first else 1
    whole = (value * weight[:, 1].reshape(shape)).sum(axis, keepdims=True)
    np.testing.assert_allclose(found, np.broadcast_to(whole, shape), rtol=1e-9, atol=1e-9)


def test_occlusion_warns_where_the_features_of_an_inner_value_are_a_guess() -> None:
    model = ReferenceModel(
        ("mix", lambda x: strict.reshape(strict.concat([x, x], axis=1), (x.shape[0], 3, 4))),
        ("head", polynomial(random(12, 2))),
    )
    with pytest.warns(BacklightWarning, match="taken for a sequence with features on axis 2"):
        assert Occlusion()(model, random(2, 6), 1, at="mix").values.shape == (2, 3, 4)
    with pytest.raises(InputError, match=r"nothing to cover in a value of shape \(2, 0\)"):
        Occlusion()(
            ReferenceModel(("head", lambda x: strict.ones((x.shape[0], 2)))), np.ones((2, 0)), 1
        )


@closed_form("saliency")
@pytest.mark.parametrize("channels", ["first", "last"])
def test_saliency_of_pictures_without_channels_has_none_to_reduce(channels: str) -> None:
    weights, x = cubic(42, degree=2), random(2, 7, 6)
    model = model_of(weights, channels=channels)
    with pytest.warns(BacklightWarning, match="channels='none'"):
        guess = Saliency(channels="max")(model, x, 1).values
    assert guess.shape == ((2, 6) if channels == "first" else (2, 7))
    model.declared_channels = "none"
    absolute = np.abs(slope_of(weights, 1, first(x))).reshape(x.shape)
    np.testing.assert_allclose(Saliency(channels="max")(model, x, 1).values, absolute, **CLOSE)


@closed_form("occlusion")
def test_occlusion_averages_over_several_baselines() -> None:
    model, x, score = occlusion_case((2, 2, 4, 4))
    starts = [random(2, 4, 4, seed=2), random(2, 2, 4, 4, seed=3), 0.5]
    technique = Occlusion(window=2, stride=1, baseline=Several(starts))
    found = technique(model, x, 1, batch_size=1)
    expected = np.zeros(x.shape)
    for start in starts:
        for row, b in enumerate(np.broadcast_to(start, x.shape)):
            expected[row] += occluded(x[row], b, 0, (2, 2), (1, 1), score) / 3
    np.testing.assert_allclose(found.values, expected, rtol=1e-9, atol=1e-9)


@closed_form("occlusion")
def test_occlusion_of_a_linear_model_is_weight_times_change() -> None:
    weight, x, baseline = random(4, 3), random(3, 4, seed=1), random(3, 4, seed=2)
    found = Occlusion(baseline=baseline)(model_of([weight]), x, 2)
    np.testing.assert_allclose(found.values, weight[:, 2] * (x - baseline), **EXACT)


@closed_form("occlusion")
def test_occlusion_at_a_site_covers_the_sites_value() -> None:
    mix, weights, x = random(4, 3), cubic(3), random(2, 4, seed=1)
    model = ReferenceModel(("mix", polynomial(mix)), ("head", polynomial(*weights)))
    found = Occlusion()(model, x, 1, at="mix")
    z = x @ mix
    expected = np.stack([weights[p][:, 1] * z ** (p + 1) for p in range(3)]).sum(0)
    np.testing.assert_allclose(found.values, expected, rtol=1e-9, atol=1e-9)


@closed_form("occlusion")
def test_occlusion_at_an_embedding_covers_whole_tokens() -> None:
    embed = strict.asarray(random(5, 3))

    def tokens(ids):
        flat = strict.take(embed, strict.reshape(ids, (-1,)), axis=0)
        return strict.reshape(flat, (*ids.shape, 3))

    weights = cubic(6)
    model = ReferenceModel(("embed", tokens), ("head", polynomial(*weights)))
    ids = np.array([[0, 3], [4, 1]])
    found = Occlusion()(model, ids, 1, at="embed")
    value = random(5, 3)[ids].reshape(2, 6)
    parts = np.stack([weights[p][:, 1] * value ** (p + 1) for p in range(3)]).sum(0)
    expected = np.repeat(parts.reshape(2, 2, 3).sum(2), 3, axis=1).reshape(2, 2, 3)
    np.testing.assert_allclose(found.values, expected, rtol=1e-9, atol=1e-9)


@closed_form("occlusion")
@pytest.mark.parametrize("order", ["picture first", "table first"])
def test_occlusion_of_a_picture_and_a_table(order: str) -> None:
    """Each input has its own places: pixels with all their colours, and columns one by one."""
    picture, table = random(2, 3, 4, 4), random(2, 5)
    weights = [random(48, 2), random(5, 2)]

    def outputs(picture, table):
        return polynomial(weights[0])(picture) + polynomial(weights[1])(table)

    given = {"picture": picture, "table": table}
    if order == "table first":
        given = dict(reversed(given.items()))
    found = Occlusion(window=1)(ReferenceModel(("head", outputs)), given, 1).values
    np.testing.assert_allclose(found["table"], table * weights[1][:, 1], rtol=1e-9, atol=1e-9)
    colours = (picture * weights[0][:, 1].reshape(3, 4, 4)).sum(1, keepdims=True)
    np.testing.assert_allclose(
        found["picture"], np.broadcast_to(colours, picture.shape), rtol=1e-9, atol=1e-9
    )


@closed_form("occlusion")
def test_occlusion_of_several_inputs_covers_one_at_a_time() -> None:
    weights = cubic(3), cubic(2)
    x = random(2, 3), random(2, 2)

    def outputs(a, b):
        return polynomial(*weights[0])(a) * polynomial(*weights[1])(b)

    found = Occlusion(baseline=(0.0, 1.0))(ReferenceModel(("head", outputs)), x, 1).values
    for row in range(2):
        whole = [value_of(weights[i], 1, x[i][row]) for i in range(2)]
        for leaf, start in ((0, 0.0), (1, 1.0)):
            for feature in range(x[leaf].shape[1]):
                moved = x[leaf][row].copy()
                moved[feature] = start
                fall = whole[1 - leaf] * (whole[leaf] - value_of(weights[leaf], 1, moved))
                np.testing.assert_allclose(found[leaf][row, feature], fall, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("fields", "fragment"),
    [
        ({"window": 0}, "Occlusion.window must be at least 1 along each axis, got 0."),
        ({"stride": (1, 0)}, "Occlusion.stride must be at least 1"),
        ({"window": 5}, "at most (5, 4); got 5."),
        ({"window": (1, 1, 1)}, "at most (5, 4); got (1, 1, 1)."),
        ({"stride": (1, 1, 1)}, "at most (5, 4); got (1, 1, 1)."),
        (
            {"window": (2, 1), "stride": (2, 3)},
            "at most the window's sides (2, 1), got (2, 3): along axis 3, places 1 to 2 of every 3",
        ),
        ({"axes": ()}, "Occlusion.axes must be a tuple of different axes"),
        ({"axes": (0, 1)}, "Occlusion.axes must be a tuple of different axes"),
        ({"axes": (1, 1)}, "Occlusion.axes must be a tuple of different axes"),
        ({"axes": 1}, "Occlusion.axes must be a tuple of different axes"),
        ({"axes": (2, 4)}, "axes of the value, of shape (2, 3, 5, 4); got (2, 4)."),
    ],
)
def test_occlusion_refuses_windows_that_do_not_fit(fields: dict, fragment: str) -> None:
    model, x, _ = occlusion_case((2, 3, 5, 4))
    with pytest.raises(HyperParameterError) as caught:
        Occlusion(**fields)(model, x, 1)
    assert fragment in str(caught.value)


# What all techniques share


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
    parts = [Samples.of(objective, strict.asarray(part)) for part in (draws[:2], draws[2:])]
    found = parts[0].joined(parts[1])
    sums = draws.sum(axis=2)
    np.testing.assert_allclose(found.mean, draws.mean(axis=0))
    np.testing.assert_allclose(found.standard_error(), sums.std(axis=0, ddof=1) / np.sqrt(7))
    of_each = draws.std(axis=0, ddof=1) / np.sqrt(7)  # the standard error of each value's mean
    expected = np.sqrt(2 / np.pi) * of_each.sum(axis=1) / np.abs(draws.mean(axis=0)).sum(axis=1)
    np.testing.assert_allclose(found.error(), expected)
    assert parts[0].joined(parts[1]).sums.shape == (7, 2)


def test_errors_of_a_slope_and_of_jumps_go_together() -> None:
    norms = np.array([[3.0, 3.0], [4.0, 4.0], [4.0, 0.4]])
    np.testing.assert_allclose(estimated(norms), [5.0, np.hypot(3.0, 0.4)])
