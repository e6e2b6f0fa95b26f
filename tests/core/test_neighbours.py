"""Hidden places filled in from those around them, against a dense solution and algebra."""

import numpy as np
import pytest

from backlight.values import neighbours
from backlight.values.neighbours import filled_in

DRAW = np.random.default_rng(0)


def mean_of_neighbours(grid: tuple[int, ...]) -> np.ndarray:
    """The matrix (places, places) of the mean over neighbours, those along one axis counting double."""
    at = np.stack(np.unravel_index(np.arange(np.prod(grid)), grid), axis=1)
    apart = np.abs(at[:, None] - at[None])
    beside = (apart.max(axis=2) == 1) * np.where(apart.sum(axis=2) == 1, 2.0, 1.0)
    return beside / beside.sum(axis=1, keepdims=True)


def test_neighbours_count_as_in_the_paper() -> None:
    found = mean_of_neighbours((5, 6)).reshape(5, 6, 5, 6)
    np.testing.assert_allclose(found[2, 3, 2, 4], 1 / 6)
    np.testing.assert_allclose(found[2, 3, 3, 4], 1 / 12)
    np.testing.assert_allclose(found[0, 0, 0, 1], 2 / 5)  # a corner has three
    np.testing.assert_allclose(mean_of_neighbours((4,))[1], [0.5, 0, 0.5, 0])


@pytest.mark.parametrize("grid", [(5, 6), (9,), (3, 4, 5)])
def test_each_hidden_place_is_the_mean_of_its_neighbours(grid: tuple[int, ...]) -> None:
    places = int(np.prod(grid))
    planes, hidden = DRAW.normal(size=(7, places)), DRAW.random((7, places)) < 0.6
    hidden[3], hidden[4], hidden[5] = hidden[0], True, False
    found, mean = filled_in(planes, hidden, grid), mean_of_neighbours(grid)
    for row in (0, 1, 2, 3, 6):
        gone = hidden[row]
        system = np.eye(gone.sum()) - mean[np.ix_(gone, gone)]
        expected = planes[row].copy()
        expected[gone] = np.linalg.solve(system, mean[np.ix_(gone, ~gone)] @ planes[row, ~gone])
        np.testing.assert_allclose(found[row], expected, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(found[4], np.full(places, planes[4].mean()))
    np.testing.assert_array_equal(found[5], planes[5])


def test_each_set_of_places_is_solved_once(monkeypatch: pytest.MonkeyPatch) -> None:
    solved, original = [], neighbours.solved

    def counted(planes, gone, grid):
        solved.append(len(planes))
        return original(planes, gone, grid)

    monkeypatch.setattr(neighbours, "solved", counted)
    hidden = DRAW.random((3, 20)) < 0.5
    filled_in(DRAW.normal(size=(12, 20)), np.repeat(hidden, [5, 4, 3], axis=0), (4, 5))
    assert sorted(solved) == [3, 4, 5]
