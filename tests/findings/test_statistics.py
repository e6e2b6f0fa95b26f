"""Exact tests, corrections, intervals: against SciPy, enumeration and hand."""

from itertools import product

import numpy as np
import pytest
from scipy.stats import binomtest, fisher_exact

from backlight_findings.statistics import corrected, interval, more_often, percent


@pytest.mark.parametrize("seed", range(10))
def test_one_stratum_is_fishers_test(seed: int) -> None:
    random = np.random.default_rng(seed)
    event, inside = random.random((2, 60)) < random.random((2, 1))
    table = [
        [(event & inside).sum(), (event & ~inside).sum()],
        [(~event & inside).sum(), (~event & ~inside).sum()],
    ]
    expected = fisher_exact(table, alternative="greater").pvalue
    assert more_often(event, inside) == pytest.approx(expected, rel=1e-9)


def test_strata_are_compared_within_themselves() -> None:
    """Against every way to lay the events out within each stratum."""
    random = np.random.default_rng(3)
    strata = np.array([0, 0, 0, 0, 5, 5, 5, 5, 5, 9])
    event, inside = random.random((2, 10)) < 0.5
    layouts = [
        np.array(one, dtype=bool)
        for one in product([False, True], repeat=10)
        if all(np.array(one)[strata == k].sum() == event[strata == k].sum() for k in (0, 5, 9))
    ]
    at_least = [(one & inside).sum() >= (event & inside).sum() for one in layouts]
    assert more_often(event, inside, strata) == pytest.approx(np.mean(at_least), rel=1e-9)


def test_what_a_stratum_explains_is_not_significant() -> None:
    """All events are of one class, and so is the slice: within the class nothing is more frequent."""
    strata = np.repeat([0, 1], 100)
    event = (strata == 1) & (np.arange(200) % 2 == 0)
    inside = strata == 1
    assert more_often(event, inside) < 1e-10
    assert more_often(event, inside, strata) == 1


def test_without_examples_nothing_is_likely_or_not() -> None:
    nobody = np.zeros(0, dtype=bool)
    assert more_often(nobody, nobody) == 1
    assert more_often(np.ones(5, dtype=bool), np.ones(5, dtype=bool)) == 1


def test_large_numbers_keep_their_digits() -> None:
    event = np.arange(100_000) % 10 == 0
    inside = np.arange(100_000) % 20 == 0
    assert 0 < more_often(event[:2000], inside[:2000]) < 1e-20
    assert more_often(event, np.roll(inside, 1)) == 1


def test_holms_correction_by_hand() -> None:
    assert corrected([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert corrected([0.9, 0.8]) == [1, 1]
    assert corrected([]) == []


@pytest.mark.parametrize(("events", "count"), [(0, 10), (3, 10), (10, 10), (40, 900)])
def test_intervals_are_wilsons(events: int, count: int) -> None:
    expected = binomtest(events, count).proportion_ci(method="wilson")
    assert interval(events, count) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert interval(0, 0) == (0, 1)


def test_shares_in_words() -> None:
    assert [percent(one) for one in (0, 0.004, 0.05, 0.2, 1)] == [
        "0 %", "0.4 %", "5.0 %", "20 %", "100 %",
    ]  # fmt: skip
