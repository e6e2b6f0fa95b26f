"""What integrated gradients say of their own error, and paths whose gradient has no number at an end."""

# First, because torch and TensorFlow bring clashing libraries and only this order loads.
import torch  # isort: skip
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from functools import cache
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from backlight import Attribution, BacklightWarning, Kind, Method, Objective, Operation, Several
from backlight.explaining.targets import resolve
from backlight_demo import fashion, fashion_jax, fashion_torch
from backlight_methods import DeepLIFT, ExpectedGradients, IntegratedGradients, Occlusion, Smooth
from backlight_methods.gradients.quadrature import NODES
from tests.methods.judges import any_numbers
from tests.reference import ReferenceModel, polynomial

pytestmark = any_numbers

Numbers = NDArray[np.float64]
RULES = tuple(NODES)
CLOSED = ("trapezoid", "left", "right")
POINTS = 2048
COUNT = 10
"""Of pictures: more would take longer than all other tests of techniques."""


def pictures(layout: str) -> NDArray[np.generic]:
    return fashion.pictures(fashion.examples()[0][:COUNT], layout, "float32")


def smooth_net(dtype: torch.dtype) -> tuple[torch.nn.Module, torch.Tensor]:
    """A net without kinks, whose slope still turns on the way from 0 to each example."""
    generator = torch.Generator().manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(20, 32), torch.nn.Tanh(), torch.nn.Linear(32, 4))
    for parameter in net.parameters():
        drawn = torch.randn(parameter.shape, generator=generator) * 0.4
        parameter.data = drawn.to(dtype)
    return net.to(dtype), torch.randn(40, 20, generator=generator).to(dtype)


@cache
def exact(name: str) -> Numbers:
    """The values by 2,048 midpoints, of a smooth net in double precision."""
    technique = IntegratedGradients(steps=POINTS, rule="midpoint")
    if name == "smooth":
        return technique(*smooth_net(torch.float64), 0).numpy()
    return technique(fashion_torch.net(), torch.tensor(pictures("first")), batch_size=1024).numpy()


def off(found: Attribution, truth: Numbers) -> Numbers:
    """The true relative L1 error of each example."""
    axes = tuple(range(1, truth.ndim))
    return np.abs(found.numpy() - truth).sum(axes) / np.abs(truth).sum(axes)


def near(found: Attribution, truth: Numbers) -> float:
    """The share of examples whose estimate is within a factor of 2 of the true error."""
    ratio = found.error / off(found, truth)
    return float(np.mean((ratio > 0.5) & (ratio < 2)))


# The estimate


@pytest.mark.parametrize(("rule", "steps"), [*product(RULES, (20, 50, 128))])
def test_the_estimate_is_near_the_true_error_of_a_net_with_kinks(rule: str, steps: int) -> None:
    technique = IntegratedGradients(steps=steps, rule=rule)
    found = technique(fashion_torch.net(), torch.tensor(pictures("first")))
    assert near(found, exact("fashion")) >= 0.9


def test_the_estimate_is_near_the_true_error_on_jax() -> None:
    found = IntegratedGradients()(fashion_jax.net(), jnp.asarray(pictures("last")))
    assert near(found, exact("fashion").transpose(0, 2, 3, 1)) >= 0.9


@pytest.mark.parametrize(
    ("rule", "steps"), [*product(RULES[1:], (20, 50, 128)), ("gauss_legendre", 5)]
)
def test_the_estimate_is_near_the_true_error_of_a_smooth_net(rule: str, steps: int) -> None:
    found = IntegratedGradients(steps=steps, rule=rule)(*smooth_net(torch.float64), 0)
    if rule == "gauss_legendre":  # it converges faster than differences can tell
        assert (found.error > off(found, exact("smooth")) / 2).all()
        assert found.error.max() < 0.2
    else:
        assert near(found, exact("smooth")) >= 0.9


@pytest.mark.parametrize("steps", [50, 128])
def test_an_error_of_rounding_alone_is_said_to_be_that(steps: int) -> None:
    found = IntegratedGradients(steps=steps)(*smooth_net(torch.float32), 0)
    assert off(found, exact("smooth")).max() < 1e-6
    assert (found.error >= 2**-23).all()
    assert found.error.max() < 2e-5


def test_a_linear_model_has_no_error_but_rounding() -> None:
    net, x = torch.nn.Linear(5, 2), torch.ones(3, 5)
    found = IntegratedGradients(rule="trapezoid", steps=7)(net, x, 1)
    np.testing.assert_array_equal(found.error, np.full(3, 2.0**-23))
    same = IntegratedGradients(baseline=1.0)(net, x, 1)
    np.testing.assert_array_equal(same.error, np.zeros(3))
    assert IntegratedGradients(steps=1)(net, x, 1).error is None


def test_the_error_of_a_mean_over_baselines_is_that_of_the_mean() -> None:
    net, x = smooth_net(torch.float64)
    starts = Several([0.0, 0.5, torch.full((20,), -0.5, dtype=torch.float64)])
    found = IntegratedGradients(steps=20, rule="left", baseline=starts)(net, x, 0)
    finer = IntegratedGradients(steps=200, baseline=starts)(net, x, 0)
    assert near(found, finer.numpy()) >= 0.9


# The tolerance


@pytest.mark.parametrize("rule", RULES[1:])
def test_a_tolerance_bounds_the_error_as_well_as_the_gap(rule: str) -> None:
    technique = IntegratedGradients(steps=10, rule=rule, tolerance=0.03)
    found = technique(fashion_torch.net(), torch.tensor(pictures("first")))
    assert found.error.max() <= 0.03
    assert found.relative_gap.max() <= 0.03
    assert off(found, exact("fashion")).max() <= 0.06
    assert found.warnings == ()


def test_what_a_tolerance_leaves_is_said_in_numbers() -> None:
    technique = IntegratedGradients(steps=10, tolerance=1e-3, maximum_steps=40)
    with pytest.warns(BacklightWarning) as caught:
        found = technique(fashion_torch.net(), torch.tensor(pictures("first")[:2]))
    (said,) = caught
    assert str(said.message) == (
        "40 steps did not bring relative_gap and error of examples 0, 1 to 0.001: the relative gap is "
        f"up to {found.relative_gap.max():.2g}, the estimated error of the values up to "
        f"{found.error.max():.2g}. Raise maximum_steps or tolerance."
    )


def test_a_gap_that_cancels_out_does_not_pass_for_accuracy() -> None:
    """x0^4 + x0 - x1^4 at x0 = x1: midpoints fall short by as much at one as at the other."""

    def outputs(x: torch.Tensor) -> torch.Tensor:
        return x[:, :1] ** 4 - x[:, 1:] ** 4 + x[:, :1]

    x, truth = torch.tensor([[2.0, 2.0]], dtype=torch.float64), np.array([[18.0, -16.0]])
    found = IntegratedGradients(steps=16, rule="midpoint")(outputs, x, 0)
    assert found.relative_gap.max() < 1e-12
    assert off(found, truth)[0] > 1e-3
    assert near(found, truth) == 1
    closer = IntegratedGradients(steps=16, rule="midpoint", tolerance=2e-4)(outputs, x, 0)
    assert off(closer, truth)[0] < 3e-4


# Ends of the path at which the gradient is not finite

ROOTS: dict[str, Callable[[Any], Any]] = {
    "torch": lambda x: x.sum(1, keepdim=True).sqrt(),
    "jax": lambda x: jnp.sqrt(jnp.sum(x, axis=1, keepdims=True)),
    "tensorflow": lambda x: tf.sqrt(tf.reduce_sum(x, axis=1, keepdims=True)),
}
NATIVE: dict[str, Callable[[Numbers], object]] = {
    "torch": lambda x: torch.tensor(x, dtype=torch.float32),
    "jax": lambda x: jnp.asarray(x, jnp.float32),
    "tensorflow": lambda x: tf.constant(x, tf.float32),
}
X = np.array([[1.0, 3.0], [0.25, 2.0], [0.5, 0.5]])


@pytest.mark.parametrize(
    ("framework", "tolerance"),
    [("torch", None), ("torch", 0.02), ("jax", None), ("tensorflow", 0.02)],
)
@pytest.mark.parametrize("rule", CLOSED)
@pytest.mark.parametrize("squared", [False, True])
def test_midpoints_take_over_where_the_gradient_is_not_finite_at_an_end(
    framework: str, rule: str, tolerance: float | None, squared: bool
) -> None:
    """A root's slope is infinite at 0, a norm's is 0 / 0. The second example does not end there."""

    def outputs(x: Any) -> Any:
        return ROOTS[framework](x * x if squared else x)

    zero = np.array([[0.0, 0.0], [0.1, 0.1], [0.0, 0.0]])
    x, start = (zero, X) if rule == "right" else (X, zero)
    technique = IntegratedGradients(rule=rule, steps=40, baseline=start, tolerance=tolerance)
    with pytest.warns(BacklightWarning, match="end of the path of examples 0, 2, where") as caught:
        found = technique(outputs, NATIVE[framework](x), 0)
    (said,) = (one for one in caught if one.category is BacklightWarning)
    assert str(said.message).endswith(f"the {rule} rule has a node: midpoints are used instead.")
    sign = -1 if rule == "right" else 1
    size = np.sqrt((X**2 if squared else X).sum(1, keepdims=True))
    truth = sign * (X**2 if squared else X) / size
    np.testing.assert_allclose(found.numpy()[[0, 2]], truth[[0, 2]], rtol=0.05)
    # Midpoints alone, and the other example by the rule alone.
    alone = IntegratedGradients(rule="midpoint", steps=40, baseline=start, tolerance=tolerance)
    midpoints = alone(outputs, NATIVE[framework](x), 0).numpy()
    np.testing.assert_allclose(found.numpy()[[0, 2]], midpoints[[0, 2]], rtol=1e-5)
    one = IntegratedGradients(rule=rule, steps=40, baseline=start[1], tolerance=tolerance)
    plain = one(outputs, NATIVE[framework](x[1:2]), 0).numpy()
    np.testing.assert_allclose(found.numpy()[1:2], plain, rtol=1e-5)
    if tolerance is not None:
        assert found.error.max() <= tolerance
        assert found.relative_gap.max() <= tolerance


@pytest.mark.parametrize("rule", [*RULES, None])
def test_a_tolerance_works_from_the_root_of_0_whatever_the_rule(rule: str | None) -> None:
    if rule == "gauss_legendre":
        assert IntegratedGradients(rule=rule)(ROOTS["torch"], NATIVE["torch"](X)).warnings == ()
        return
    technique = IntegratedGradients(rule=rule, tolerance=0.02)
    closed = rule in (None, "trapezoid", "left")
    with pytest.warns(BacklightWarning) if closed else nullcontext():
        found = technique(ROOTS["torch"], NATIVE["torch"](X))
    assert found.relative_gap.max() <= 0.02
    np.testing.assert_allclose(found.numpy(), X / np.sqrt(X.sum(1, keepdims=True)), rtol=0.03)


# Samples


def test_the_standard_error_is_that_of_the_sum_over_many_seeds() -> None:
    net, x = smooth_net(torch.float64)
    background = Several(list(np.random.default_rng(0).normal(size=(50, 20))))
    for make in (
        lambda seed: ExpectedGradients(samples=40, baseline=background, seed=seed),
        lambda seed: Smooth(samples=40, noise=0.5, relative=False, seed=seed),
    ):
        found = [make(seed)(net, x[:8], 0) for seed in range(60)]
        sums = np.stack([one.numpy().sum(1) for one in found])
        said = np.mean([one.standard_error_of_sum for one in found], axis=0)
        ratio = said / sums.std(axis=0, ddof=1)
        assert ((ratio > 0.7) & (ratio < 1.4)).all()
        each = np.mean([one.standard_error.numpy() ** 2 for one in found], axis=0)
        seen = np.var([one.numpy() for one in found], axis=0, ddof=1)
        assert ((each / seen > 0.4) & (each / seen < 2.2)).all()
        assert 0.9 < (each / seen).mean() < 1.15
        truth = np.mean([one.numpy() for one in found], axis=0)
        wrong = np.mean([off(one, truth) for one in found], axis=0)
        ratio = np.mean([one.error for one in found], axis=0) / wrong
        assert ((ratio > 0.8) & (ratio < 1.25)).all()


def test_expected_gradients_draw_until_their_errors_are_small() -> None:
    net, x = smooth_net(torch.float64)
    method = ExpectedGradients(samples=2, tolerance=0.2, floor=0.1, baseline=Several([0.0, 0.5]))
    found = method(net, x[:4], 0)
    allowed = 0.2 * np.maximum(np.abs(found.score - found.baseline_score), 0.1)
    assert (found.standard_error.numpy().max(axis=1) <= allowed).all()
    for row in range(4):  # whatever the others need
        alone = method(net, x[row : row + 1], 0)
        np.testing.assert_allclose(found.numpy()[row], alone.numpy()[0], rtol=1e-10)
        np.testing.assert_allclose(found.baseline_score[row], alone.baseline_score[0], rtol=1e-10)
    with pytest.warns(match="8 samples did not bring the standard error of examples 0, 1"):
        replace(method, maximum_samples=8)(net, x[:2], 0)


def test_a_single_sample_has_no_error() -> None:
    for technique in (ExpectedGradients(samples=1), Smooth(samples=1)):
        found = technique(*smooth_net(torch.float64), 0)
        assert found.error is None
        assert found.standard_error_of_sum is None
        assert found.standard_error is None


def test_squares_and_variances_say_no_error_of_a_mean() -> None:
    found = Smooth(samples=3, statistic="square")(*smooth_net(torch.float64), 0)
    assert found.error is None
    assert found.standard_error_of_sum is None


# What to do about a gap


def test_deep_lift_names_what_has_no_closed_form() -> None:
    rules = DeepLIFT(allow_gradient=True).rules
    relu = Operation(Kind.RELU, "act", "aten.relu", (1, 3))
    sort = Operation(Kind.OTHER, "sorted", "aten.sort", (1, 3))
    closed = Operation(Kind.MAX_POOL, "pool", "aten.max_pool", (1, 3), replayable=False)
    assert rules.advice([relu]) == "Compare with another baseline, or compute in float64."
    assert rules.advice([relu, sort, closed]) == (
        "What has no closed form is aten.sort at sorted; max_pool at pool; another baseline may close "
        "the gap."
    )


def test_integrated_gradients_say_what_would_close_the_gap() -> None:
    model = ReferenceModel(("head", polynomial([[0.3]], [[-0.2]])))
    inputs = model.prepare(np.ones((2, 1)))
    rows = np.arange(2)
    score, _ = resolve(model, inputs, [rows], 0)
    objective = Objective(model, inputs, score, None, 8, rows, 2)
    coarse = {"steps": 3, "rule": "left"}
    plain = IntegratedGradients(**coarse).attribute(objective).advice
    assert plain == "Raise steps, or name a tolerance=, or compare with another baseline."
    stopped = IntegratedGradients(**coarse, tolerance=1e-9, maximum_steps=3)
    refined = stopped.attribute(objective).advice
    assert refined == "Raise maximum_steps, or compare with another baseline."
    sampled = ExpectedGradients(samples=3).attribute(objective).advice
    assert sampled == "Raise samples: the gap shrinks as 1 / sqrt(samples)."


def test_a_score_that_jumps_is_no_matter_of_steps() -> None:
    net = lambda x: torch.cat([x.sum(1, keepdim=True) + torch.round(4 * x[:, :1])], 1)  # noqa: E731
    x = torch.tensor([[1.0, 2.0], [3.0, 0.5]])
    for steps in (5, 100):
        with (
            pytest.warns(BacklightWarning, match="ways of the gradient are cut, at round"),
            pytest.warns(BacklightWarning, match=r"More steps would not help.*the score jumps"),
        ):
            IntegratedGradients(steps=steps)(net, x, 0)


# Many baselines


@pytest.mark.parametrize(
    ("technique", "points"),
    [(DeepLIFT(), 1), (IntegratedGradients(steps=3), 3), (ExpectedGradients(samples=100), 1)],
)
@pytest.mark.parametrize("count", [1, 3, 40])
def test_baselines_share_passes_up_to_the_batch_size(
    technique: Method, points: int, count: int
) -> None:
    model = ReferenceModel(("head", polynomial([[0.3]], [[-0.2]])))
    starts = Several(list(np.linspace(-1, 1, 100)))
    replace(technique, baseline=starts)(model, np.ones((count, 1)), 0, batch_size=64)
    assert model.largest <= 64
    together, scores = (-(-100 * each // (64 // count)) for each in (points, 1))
    # The reference model takes a gradient by three passes; the examples' own score is one more.
    assert model.passes <= 3 * (together + 1) + scores + 1


def test_a_sum_over_many_chunks_keeps_its_digits() -> None:
    model = ReferenceModel(("head", polynomial([[0.3]])))
    inputs, rows = model.prepare(np.ones((1, 1))), np.arange(1)
    score, _ = resolve(model, inputs, [rows], 0)
    objective = Objective(model, inputs, score, None, 1, rows, 1)
    numbers = np.random.default_rng(0).uniform(size=(20000, 1)).astype(np.float32)
    total = objective.summed(len(numbers), lambda chunk: model.arrays.asarray(numbers[chunk.start]))
    exact_sum = numbers.astype(np.float64).sum()
    assert abs(float(total[0]) / exact_sum - 1) < 6e-8
    one_by_one = np.add.accumulate(numbers, axis=0)[-1, 0]
    assert abs(float(one_by_one) / exact_sum - 1) > 2e-7


NUMBERS = np.random.default_rng(1)
IN, OUT = NUMBERS.normal(size=(30, 24)) / 5, NUMBERS.normal(size=(24, 3)) / 5
BACKGROUND = NUMBERS.normal(size=(1000, 30)).astype(np.float32)
ROWS = NUMBERS.normal(size=(3, 30)).astype(np.float32)


def dense(framework: str) -> Callable[[Any], Any]:
    first, last = NATIVE[framework](IN), NATIVE[framework](OUT)
    relu = {"torch": torch.relu, "jax": jax.nn.relu, "tensorflow": tf.nn.relu}[framework]
    return lambda x: relu(x @ first) @ last


@cache
def one_by_one(technique: Method) -> Numbers:
    """What each baseline gives by itself in double precision, (baselines, rows, 30)."""
    net = torch.nn.Sequential(
        torch.nn.Linear(30, 24, False), torch.nn.ReLU(), torch.nn.Linear(24, 3, False)
    )
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor(IN.T)), net[2].weight.copy_(torch.tensor(OUT.T))
    double, x = net.double(), torch.tensor(ROWS).double()
    starts = BACKGROUND.astype(np.float64)
    return np.stack([replace(technique, baseline=one)(double, x, 1).numpy() for one in starts])


@pytest.mark.parametrize("framework", ROOTS)
@pytest.mark.parametrize("technique", [IntegratedGradients(steps=3), DeepLIFT(), Occlusion()])
def test_a_thousand_baselines_cost_no_digits(framework: str, technique: Method) -> None:
    if framework == "tensorflow" and isinstance(technique, Occlusion):
        rows, background = ROWS[:1], BACKGROUND[:100]
    else:
        rows, background = ROWS, BACKGROUND
    method = replace(technique, baseline=Several(list(background)))
    found = method(dense(framework), NATIVE[framework](rows), 1)
    exact_mean = one_by_one(technique)[: len(background), : len(rows)].mean(axis=0)
    np.testing.assert_allclose(
        found.numpy(), exact_mean, rtol=0, atol=1e-6 * np.abs(exact_mean).max()
    )
