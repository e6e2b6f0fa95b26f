"""Models that give numbers, beside hand values, scikit-learn and simulation."""

import json

import numpy as np
import pytest
import sklearn.metrics

from backlight.errors import InputError
from backlight_study.performance import RegressionPerformance, regression_performance
from backlight_study.performance.intervals import resamples
from backlight_study.performance.regression import figures


def test_by_hand() -> None:
    found = regression_performance(np.array([1, 2, 3, 6]), np.array([2.0, 2.0, 1.0, 6.5]))
    assert found.rmse.value == pytest.approx(np.sqrt((1 + 4 + 0.25) / 4))
    assert found.mae.value == pytest.approx(3.5 / 4)
    assert found.bias.value == pytest.approx(-0.5 / 4)
    assert found.r2.value == pytest.approx(1 - 5.25 / 14)
    assert found.over == ((0, 1.0), (3, 0.5))
    assert found.under == ((2, -2.0),)


def test_figures_are_those_of_scikit_learn() -> None:
    random = np.random.default_rng(0)
    targets = random.normal(size=500) + 1e4
    values = targets + random.normal(size=500) * 0.5 + 0.1
    found = regression_performance(targets, values[:, None])
    assert found.rmse.value == pytest.approx(
        sklearn.metrics.root_mean_squared_error(targets, values)
    )
    assert found.mae.value == pytest.approx(sklearn.metrics.mean_absolute_error(targets, values))
    assert found.r2.value == pytest.approx(sklearn.metrics.r2_score(targets, values))
    assert found.bias.value == pytest.approx((values - targets).mean())
    errors = values - targets
    assert [row for row, _ in found.over] == np.argsort(-errors)[:24].tolist()
    assert [row for row, _ in found.under] == np.argsort(errors)[:24].tolist()
    json.dumps(found.to_dict(), allow_nan=False)
    assert f"{found.rmse.value:.3f}" in str(found)


def test_a_bootstrap_sample_has_the_figures_of_its_rows() -> None:
    random = np.random.default_rng(4)
    targets, errors = random.normal(size=(2, 12))
    centred = targets - targets.mean()
    parts = np.stack([errors**2, np.abs(errors), errors, centred, centred**2], axis=1)
    for weights in resamples(12, 20, seed=0):
        rows = np.repeat(np.arange(12), weights)
        true, told = targets[rows], (targets + errors)[rows]
        assert figures(weights @ parts / 12) == pytest.approx(
            (
                sklearn.metrics.root_mean_squared_error(true, told),
                sklearn.metrics.mean_absolute_error(true, told),
                sklearn.metrics.r2_score(true, told),
                (told - true).mean(),
            )
        )


def test_equal_targets_explain_nothing() -> None:
    found = regression_performance(np.full(5, 2.0), np.arange(5.0))
    assert found.r2.value is None
    assert found.r2.reason == "all targets are equal"
    assert found.to_dict()["r2"] is None
    assert found.to_dict()["undefined"] == [{"figure": "r2", "reason": "all targets are equal"}]
    assert found.rmse.low is not None


def test_one_example_has_no_interval() -> None:
    found = regression_performance(np.array([1.0]), np.array([3.0]))
    assert (found.rmse.value, found.rmse.low, found.rmse.high) == (2.0, None, None)


@pytest.fixture(scope="module")
def simulated() -> list[RegressionPerformance]:
    """Of 2,000 such simulations 94.1 % of the intervals of R2 hold what is true."""
    found = []
    for seed in range(5000, 5500):
        random = np.random.default_rng(seed)
        targets = random.normal(size=200)
        values = targets + random.normal(size=200) * 0.5 + 0.1
        found.append(regression_performance(targets, values, seed=seed, samples=500))
    return found


FOLDED = 0.5 * np.sqrt(2 / np.pi) * np.exp(-0.02) + 0.1 * 0.15851941887820603
"""The mean of |0.1 + 0.5 z| for a normal z: s sqrt(2 / pi) exp(-m^2 / 2 s^2) + m (1 - 2 Phi(-m / s))."""


@pytest.mark.parametrize(
    ("figure", "truth"),
    [("rmse", np.sqrt(0.26)), ("mae", FOLDED), ("r2", 1 - 0.26), ("bias", 0.1)],
)
def test_95_of_100_intervals_hold_what_is_true(
    simulated: list[RegressionPerformance], figure: str, truth: float
) -> None:
    found = [getattr(one, figure) for one in simulated]
    inside = sum(one.low <= truth <= one.high for one in found) / len(found)
    assert 0.93 <= inside <= 0.97


@pytest.mark.parametrize(
    ("targets", "values", "said"),
    [
        ([1.0, 2.0], [1.0], "2 targets, but 1 values"),
        ([], [], "numbers of shape"),
        ([1.0, np.nan], [1.0, 2.0], "targets must be finite; example 1 has nan"),
        ([1.0, 2.0], [1.0, np.inf], "values must be finite; example 1 has inf"),
        ([1.0, 2.0], [[1.0, 2.0], [1.0, 2.0]], r"shape \(2, 2\)"),
        ([True, False], [1.0, 2.0], "bool"),
    ],
)
def test_what_cannot_be_judged(targets: list[float], values: list[float], said: str) -> None:
    with pytest.raises(InputError, match=said):
        regression_performance(np.array(targets), np.array(values))
