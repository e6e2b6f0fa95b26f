"""Intervals, beside SciPy's and by simulation: 95 % of them hold what is true."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binomtest, bootstrap, norm

from backlight_study.performance import Estimate, Performance, performance
from backlight_study.performance.areas import areas, placements
from backlight_study.performance.counts import Counts
from backlight_study.performance.intervals import NORMAL, percentile, resamples, wilson
from tests.study.answers import answers, certain

SIMULATIONS = 500


def test_the_quantile() -> None:
    assert norm.ppf(0.975) == pytest.approx(NORMAL, rel=1e-15)


@pytest.mark.parametrize(("hits", "count"), [(0, 1), (1, 1), (0, 9), (3, 7), (40, 50), (500, 500)])
def test_wilson_is_that_of_scipy(hits: int, count: int) -> None:
    expected = binomtest(hits, count).proportion_ci(0.95, method="wilson")
    assert np.array(wilson(hits / count, count)) == pytest.approx(
        [expected.low, expected.high], rel=1e-12, abs=1e-15
    )


def test_wilson_of_nothing_is_undefined() -> None:
    assert np.isnan(wilson(np.nan, 0)).all()


def test_limits_of_a_class() -> None:
    """Precision of what is predicted, recall of what is true; F1 through the share of the union."""
    counts = Counts(np.array([20.0]), np.array([30.0]), np.array([15.0]))

    def expected(hits: int, count: int) -> tuple[float, float]:
        found = binomtest(hits, count).proportion_ci(0.95, method="wilson")
        return found.low, found.high

    assert np.ravel(counts.precision_limits()) == pytest.approx(expected(15, 30))
    assert np.ravel(counts.recall_limits()) == pytest.approx(expected(15, 20))
    low, high = expected(15, 35)
    union = [2 * low / (1 + low), 2 * high / (1 + high)]
    assert np.ravel(counts.f1_limits()) == pytest.approx(union)
    assert counts.f1 == pytest.approx(2 * 15 / 50)


def test_resamples_are_of_the_same_size_and_mean() -> None:
    drawn = np.array(list(resamples(50, 4000, 0)))
    assert (drawn.sum(axis=1) == 50).all()
    assert drawn.mean(axis=0) == pytest.approx(np.ones(50), abs=0.08)
    assert drawn.var(axis=0) == pytest.approx(np.full(50, 1 - 1 / 50), abs=0.12)
    assert not (drawn[0] == drawn[1]).all()


def test_percentiles_leave_out_what_is_undefined() -> None:
    draws = np.concatenate([np.arange(1001.0), np.full(400, np.nan)])
    assert percentile(draws) == (25.0, 975.0)
    assert np.isnan(percentile(np.array([1.0, np.nan]))).all()


@pytest.mark.parametrize("figure", ["precision", "recall", "f1", "log_loss"])
def test_bootstrap_is_that_of_scipy(figure: str) -> None:
    labels, odds = answers(150, 3, seed=5)
    predicted = odds.argmax(axis=1)
    loss = -np.log(odds[np.arange(150), labels])

    def found(rows: NDArray[np.int64]) -> float:
        if figure == "log_loss":
            return float(loss[rows].mean())
        mean: float = getattr(Counts.of(labels[rows], predicted[rows], 3), figure).mean()
        return mean

    expected = bootstrap(
        (np.arange(150),),
        found,
        vectorized=False,
        n_resamples=4000,
        method="percentile",
        rng=np.random.default_rng(0),
    )
    judged = performance(labels, odds, samples=4000)
    ours = judged.log_loss if figure == "log_loss" else getattr(judged.macro, figure).estimate
    spread = expected.standard_error
    ends = [expected.confidence_interval.low, expected.confidence_interval.high]
    assert [ours.low, ours.high] == pytest.approx(ends, abs=0.2 * spread)


def test_variance_of_an_area_is_delongs() -> None:
    """From all pairs, as DeLong's formula is written."""
    random = np.random.default_rng(2)
    member = np.arange(70) < 25
    scores = (random.normal(size=70) + member).round(1)
    inside, outside = scores[member], scores[~member]
    pairs = (inside[:, None] > outside) + 0.5 * (inside[:, None] == outside)
    placed = placements(member, scores)
    np.testing.assert_allclose(placed[member], pairs.mean(axis=1), rtol=1e-12)
    np.testing.assert_allclose(placed[~member], pairs.mean(axis=0), rtol=1e-12)
    area = pairs.mean()
    variance = pairs.mean(axis=1).var(ddof=1) / 25 + pairs.mean(axis=0).var(ddof=1) / 45
    found = areas(lambda _: member, scores[:, None])
    assert (found.low[0], found.high[0]) == pytest.approx(
        [float(end) for end in wilson(area, area * (1 - area) / variance)], rel=1e-12
    )
    # One area alone is its own mean, but for n in place of n - 1 in the variances.
    assert found.macro == pytest.approx((found.low[0], found.high[0]), abs=0.005)


def test_two_areas_that_are_one_are_no_surer_than_one() -> None:
    labels, odds = answers(300, 2, strength=1.0)
    judged = performance(labels, odds, samples=20)
    both = judged.macro.auc.estimate
    alone = judged.classes[0].auc
    assert judged.classes[1].auc.value == pytest.approx(alone.value)
    assert (both.low, both.high) == pytest.approx((alone.low, alone.high), abs=0.002)


def test_all_right_is_not_sure() -> None:
    """Where resampling has no width, intervals have."""
    labels = np.repeat(np.arange(3), 10)
    judged = performance(labels, certain(labels.tolist(), 3) * 0.7 + 0.1, samples=20)
    ten = binomtest(10, 10).proportion_ci(0.95, method="wilson").low
    for one in judged.classes:
        for estimate in (one.precision, one.recall, one.auc):
            assert (estimate.low, estimate.high) == (pytest.approx(ten), 1.0)
        assert one.f1.low == pytest.approx(2 * ten / (1 + ten))
    for figure in ("precision", "recall", "f1", "auc"):
        estimate = getattr(judged.macro, figure).estimate
        assert estimate.value == estimate.high == 1.0
        assert ten - 1e-9 <= estimate.low < 0.95


Figure = Callable[[Performance], Estimate]
SHIFT = 1.2
"""How much higher the true class's logit is, on average, than the others'."""


@pytest.fixture(scope="module")
def simulated() -> tuple[Performance, list[Performance]]:
    """What is true (of many examples), and 500 times what 150 of three classes tell."""

    def drawn(count: int, seed: int) -> Performance:
        random = np.random.default_rng(seed)
        labels = random.choice(3, size=count, p=[0.5, 0.3, 0.2])
        logits = random.normal(size=(count, 3))
        logits[np.arange(count), labels] += SHIFT
        odds = np.exp(logits)
        return performance(labels, odds / odds.sum(axis=1, keepdims=True), samples=250, seed=seed)

    return drawn(400_000, 10**6), [drawn(150, seed) for seed in range(SIMULATIONS)]


@pytest.mark.parametrize(
    "figure",
    [
        lambda one: one.accuracy,
        lambda one: one.log_loss,
        lambda one: one.macro.precision.estimate,
        lambda one: one.macro.recall.estimate,
        lambda one: one.macro.f1.estimate,
        lambda one: one.macro.auc.estimate,
        lambda one: one.classes[2].precision,
        lambda one: one.classes[2].recall,
        lambda one: one.classes[2].f1,
        lambda one: one.classes[2].auc,
    ],
    ids=[
        "accuracy",
        "log loss",
        *("precision", "recall", "f1", "auc"),
        *("precision of a class", "recall of a class", "f1 of a class", "auc of a class"),
    ],
)
def test_95_of_100_intervals_hold_what_is_true(
    simulated: tuple[Performance, list[Performance]], figure: Figure
) -> None:
    truth, found = figure(simulated[0]).value, [figure(one) for one in simulated[1]]
    inside = sum(one.low <= truth <= one.high for one in found)
    assert 0.93 <= inside / SIMULATIONS <= 0.97


def test_an_area_of_two_is_worth_two_trials() -> None:
    """Two members, one above and one below all others: by their spread they would be worth one."""
    member = np.array([True, True, *[False] * 8])
    scores = np.array([0.9, 0.1, *np.linspace(0.3, 0.6, 8)])[:, None]
    found = areas(lambda _: member, scores)
    assert found.values[0] == 0.5
    assert (found.low[0], found.high[0]) == tuple(float(end) for end in wilson(0.5, 2))
