"""ROAD: what is filled in against a dense solution and algebra, and the value by its definition."""

import numpy as np
import pytest

from backlight.errors import HyperParameterError
from backlight.evaluating.places import LeafPlaces
from backlight_metrics import Road
from backlight_metrics.road import imputed
from tests.core.test_neighbours import mean_of_neighbours
from tests.metrics.nets import SIDE, additive, bent, judged, random

COLOUR = LeafPlaces((3, 5, 6), 1, True)
GREY = LeafPlaces((5, 6), None, True)


@pytest.mark.parametrize("places", [COLOUR, GREY])
def test_what_is_filled_in_solves_the_system(places: LeafPlaces) -> None:
    x = random(*places.shape)
    removed = np.random.default_rng(0).random(30) < 0.6
    found = imputed(x, removed, np.zeros(places.shape), places).reshape(-1, 30)
    kept = ~removed
    np.testing.assert_array_equal(found[:, kept], x.reshape(-1, 30)[:, kept])
    mean = mean_of_neighbours((5, 6))
    np.testing.assert_allclose(found[:, removed], (found @ mean.T)[:, removed], atol=1e-10)


def test_an_even_slope_is_filled_in_as_it_was() -> None:
    rows, columns = np.mgrid[:5, :6]
    slope = np.stack([2.0 * rows - columns, rows + 0.5 * columns, 0.0 * rows + 3])
    inner = np.zeros((5, 6), dtype=bool)
    inner[1:-1, 1:-1] = True
    found = imputed(slope, inner.reshape(-1), np.zeros(COLOUR.shape), COLOUR)
    np.testing.assert_allclose(found, slope, atol=1e-10)


def test_the_value_is_the_mean_difference_of_scores() -> None:
    model, weight = additive()
    x, maps = random(3, 3, SIDE, SIDE), random(3, SIDE, SIDE, seed=4)
    places = LeafPlaces((3, SIDE, SIDE), 1, True)
    metric = Road(shares=(0.25, 0.5), noise=0.0)
    found = judged(model, x, maps, metric, 1)
    for row in range(3):
        order = np.argsort(-maps[row].reshape(-1))
        differences = []
        for count in (16, 32):
            scores = []
            for gone in (order[-count:], order[:count]):
                removed = np.isin(np.arange(SIDE * SIDE), gone)
                filled = imputed(x[row], removed, np.zeros((3, SIDE, SIDE)), places)
                scores.append((filled * weight[..., 1]).sum())
            differences.append(scores[0] - scores[1])
        np.testing.assert_allclose(found.values[row], np.mean(differences))
    np.testing.assert_allclose(judged(model, x, -maps, metric, 1).values, -found.values)


def test_noise_has_the_width_that_is_said() -> None:
    model, _ = additive()
    x = np.stack([np.zeros((3, SIDE, SIDE)), np.ones((3, SIDE, SIDE))])  # a range of 1
    drawn = judged(model, x, random(2, SIDE, SIDE), Road(noise=0.1), 1).values
    assert np.abs(drawn[0]) > 1e-3  # nothing but noise
    np.testing.assert_allclose(
        judged(model, x, random(2, SIDE, SIDE), Road(noise=0.0), 1).values, 0, atol=1e-10
    )


def test_the_batch_size_does_not_matter() -> None:
    x, maps = random(5, 1, SIDE, SIDE), random(5, SIDE, SIDE, seed=1)
    whole, alone = (
        judged(bent(), x, maps, Road(shares=(0.3, 0.8)), 0, batch_size=size).values
        for size in (64, 1)
    )
    np.testing.assert_allclose(alone, whole, rtol=1e-9)


def test_inputs_without_neighbours_are_refused() -> None:
    x = random(3, SIDE * SIDE)
    assert "places have neighbours" in " ".join(
        (judged(bent(), x, x, Road(), 0).error or "").split()
    )
    for shares in ((), (0.5, 1.0), 0.5):
        with pytest.raises(HyperParameterError):
            Road(shares=shares)
