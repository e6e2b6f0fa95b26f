"""The nearest right examples, against brute force."""

import numpy as np
import pytest

from backlight_study import neighbours
from backlight_study.neighbours import log_odds_space, nearest

RNG = np.random.default_rng(5)
SPACE = RNG.normal(size=(40, 4))
RIGHT = RNG.random(40) < 0.5


def brute(row: int, most: int) -> list[int]:
    others = [n for n in range(40) if RIGHT[n] and n != row]
    return sorted(others, key=lambda n: (((SPACE[n] - SPACE[row]) ** 2).sum(), n))[:most]


@pytest.mark.parametrize("at_once", [1, 50, 2**24])
def test_they_are_those_of_brute_force(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    monkeypatch.setattr(neighbours, "AT_ONCE", at_once)
    rows = np.array([3, 0, 39, 17])
    for row, found in zip(rows.tolist(), nearest(SPACE, rows, RIGHT, 4), strict=True):
        assert [one.row for one in found] == brute(row, 4)
        wanted = [np.linalg.norm(SPACE[one.row] - SPACE[row]) for one in found]
        np.testing.assert_allclose([one.distance for one in found], wanted, rtol=1e-12)


def test_there_may_be_fewer_than_asked_for() -> None:
    right = np.zeros(40, dtype=bool)
    right[[4, 9]] = True
    assert [len(one) for one in nearest(SPACE, np.array([4, 5]), right)] == [1, 2]
    assert nearest(SPACE, np.array([4]), np.zeros(40, dtype=bool)) == [()]


def test_equal_logits_are_one_place_and_a_probability_of_0_is_far_but_there() -> None:
    logits = RNG.normal(size=(3, 4))
    odds = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(
        log_odds_space(odds), logits - logits.mean(1, keepdims=True), atol=1e-12
    )
    assert np.isfinite(log_odds_space(np.array([[1.0, 0.0]]))).all()
