"""Two models on the same examples, beside hand values, SciPy and simulation."""

import json
from math import comb

import numpy as np
import pytest
from scipy.stats import binom

from backlight.errors import InputError
from backlight_study.performance import McNemar, mcnemar


def test_by_hand() -> None:
    first = np.array([1, 1, 1, 0, 0, 0, 0, 1], dtype=bool)
    second = np.array([1, 0, 1, 1, 1, 1, 0, 1], dtype=bool)
    found = mcnemar(first, second)
    assert found == McNemar(fixed=3, broken=1, same_right=3, same_wrong=1)
    assert found.difference.value == 2 / 8
    assert found.p_value == pytest.approx(2 * (1 + 4) / 16)
    assert "fixed 3, broken 1" in str(found)
    json.dumps(found.to_dict(), allow_nan=False)


@pytest.mark.parametrize(("fixed", "broken"), [(0, 5), (9, 2), (30, 14), (7, 7), (1, 0)])
def test_the_p_value_is_the_sum_of_the_tails(fixed: int, broken: int) -> None:
    moved, least = fixed + broken, min(fixed, broken)
    tail = sum(comb(moved, k) for k in range(least + 1)) / 2**moved
    assert McNemar(fixed, broken, 10, 3).p_value == pytest.approx(min(1.0, 2 * tail))


def test_models_that_agree_everywhere() -> None:
    found = McNemar(0, 0, 8, 2)
    assert found.p_value == 1.0
    assert found.difference.value == 0.0
    assert found.difference.low < 0 < found.difference.high


def test_swapping_the_models_turns_the_difference() -> None:
    one, other = McNemar(9, 2, 20, 5), McNemar(2, 9, 20, 5)
    assert one.p_value == other.p_value
    assert one.difference.value == -other.difference.value
    assert one.difference.low == pytest.approx(-other.difference.high)


def test_the_interval_by_hand() -> None:
    f, b = 10 / 38, 3 / 38
    half = 1.959963984540054 * np.sqrt((f + b - (f - b) ** 2) / 38)
    found = McNemar(9, 2, 20, 5).difference
    assert (found.low, found.high) == pytest.approx((f - b - half, f - b + half))


@pytest.mark.parametrize("odds", [(0.1, 0.04), (0.15, 0.15), (0.3, 0.05)])
def test_95_of_100_intervals_hold_what_is_true(odds: tuple[float, float]) -> None:
    random = np.random.default_rng(1)
    shares = [*odds, 0.5, 0.5 - sum(odds)]
    found = [McNemar(*map(int, random.multinomial(120, shares))).difference for _ in range(500)]
    truth = odds[0] - odds[1]
    inside = sum(one.low <= truth <= one.high for one in found) / 500
    assert 0.93 <= inside <= 0.97


def test_the_test_is_exact() -> None:
    """Of models that are equally accurate, at most 5 % get p <= 0.05, whatever moves."""
    for moved in (6, 15, 40):
        wrong = sum(
            binom.pmf(k, moved, 0.5)
            for k in range(moved + 1)
            if McNemar(k, moved - k, 0, 0).p_value <= 0.05
        )
        assert 0 < wrong <= 0.05


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (np.ones(3, dtype=bool), np.ones(2, dtype=bool), "same N examples"),
        (np.ones(0, dtype=bool), np.ones(0, dtype=bool), "same N examples"),
        (np.ones(3, dtype=int), np.ones(3, dtype=bool), "predicted == labels"),
    ],
)
def test_what_cannot_be_compared(first: np.ndarray, second: np.ndarray, said: str) -> None:
    with pytest.raises(InputError, match=said):
        mcnemar(first, second)
