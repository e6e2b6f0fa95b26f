"""Controls: maps that know nothing of the model, for techniques to be better than."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from backlight.evaluating.places import LeafPlaces, places_of
from backlight.evaluating.subject import Explainer, Map
from backlight.explaining.objective import Objective
from backlight.values.tree import leaves, rebuild

CONTROL = 1
"""Tells the stream of the random control from others of the seed."""


def controls(objective: Objective, seed: int) -> Mapping[str, Explainer]:
    """The controls that there are for a value: `random` and `uniform`; for one whose places have
    neighbours also `centre` (a Gaussian, its standard deviation a quarter of each side) and `edges`
    (the size of the Sobel gradient over all channels)."""

    def random(objective: Objective, draw: int) -> Map:
        places = places_of(objective)
        drawn = [
            np.random.default_rng([seed, int(row), draw, CONTROL]).random(places.count)
            for row in objective.rows
        ]
        return over(objective, np.stack(drawn))

    def uniform(objective: Objective, draw: int) -> Map:
        return over(objective, np.ones((objective.count, places_of(objective).count)))

    def centre(objective: Objective, draw: int) -> Map:
        line = np.concatenate([gaussian(part.grid) for part in places_of(objective).parts])
        return over(objective, np.broadcast_to(line, (objective.count, len(line))))

    def edges(objective: Objective, draw: int) -> Map:
        model, places = objective.model, places_of(objective)
        each = zip(places.parts, leaves(objective.value), strict=True)
        found = [sobel_size(model.to_numpy(leaf).astype(np.float64), part) for part, leaf in each]
        return over(objective, np.concatenate(found, axis=1))

    always: dict[str, Explainer] = {"random": random, "uniform": uniform}
    spaced = all(part.is_grid for part in places_of(objective).parts)
    return {**always, "centre": centre, "edges": edges} if spaced else always


def over(objective: Objective, places: NDArray[np.float64]) -> Map:
    """A map of one number per place, from numbers (n, places)."""
    found, start = [], 0
    for part in places_of(objective).parts:
        piece = places[:, start : start + part.count]
        found.append(piece.reshape(len(piece), *part.grid))
        start += part.count
    return Map(rebuild(objective.value, found))


def gaussian(grid: tuple[int, ...]) -> NDArray[np.float64]:
    """A Gaussian in the middle of a grid, flat."""
    height = np.ones(grid)
    for axis, side in enumerate(grid):
        distance = (np.arange(side) - (side - 1) / 2) / (side / 4)
        lengths = [-1 if axis == other else 1 for other in range(len(grid))]
        height = height * np.exp(-(distance**2) / 2).reshape(lengths)
    return height.reshape(-1)


def sobel_size(value: NDArray[np.float64], places: LeafPlaces) -> NDArray[np.float64]:
    """The root of the sum of the squares of Sobel's derivatives along the places' axes, (n, places)."""
    squares = np.zeros_like(value)
    for axis in range(1, value.ndim):
        if axis != places.channel_axis:
            squares += along(value, axis, places) ** 2
    return np.sqrt(places.summed(squares))


def along(value: NDArray[np.float64], axis: int, places: LeafPlaces) -> NDArray[np.float64]:
    """Sobel's derivative along an axis of places: smoothed along the others, example by example."""
    from scipy.ndimage import sobel  # here: who evaluates nothing need not wait for it

    moved = value if places.channel_axis is None else np.moveaxis(value, places.channel_axis, 1)
    flat = moved.reshape(-1, *places.grid)
    own = [one for one in range(1, value.ndim) if one != places.channel_axis].index(axis)
    found = np.stack([sobel(one, axis=own, mode="nearest") for one in flat]).reshape(moved.shape)
    return found if places.channel_axis is None else np.moveaxis(found, 1, places.channel_axis)
