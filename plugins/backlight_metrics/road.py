"""ROAD: removal by what the neighbours foretell, so that little but the information is gone."""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from backlight import Cost, Metric, Outcome, Subject
from backlight.errors import InputError, is_real, is_whole, require
from backlight.evaluating.metric import Direction
from backlight.evaluating.places import LeafPlaces
from backlight.values.arrays import Array, shape_of
from backlight.values.neighbours import filled_in
from backlight.values.noise import normal
from backlight.values.tree import leaves, rebuild
from backlight_metrics.infidelity import range_of
from backlight_metrics.removal import orders


@final
@dataclass(frozen=True, kw_only=True)
class Road(Metric):
    """How much higher the score is without the least relevant places than without the most relevant,
    where what is removed is filled in from around it.

        mean over shares of  score(least relevant removed) - score(most relevant removed)

    A removed place is the weighted mean of its neighbours, of removed ones too, and noise: a sparse
    linear system for each picture and share. Rong, Leemann, Borisov, Kasneci, Kasneci, "A Consistent and
    Efficient Evaluation Strategy for Attribution Methods" (2022), section 4, whose weights (1/6 and 1/12
    of four and four neighbours) these are. There the model's accuracy is read, which says nothing of
    mistakes; here the score that is explained. What is smooth can still be seen where it was removed.

    Args:
        shares: of the places that are removed, each above 0 and below 1.
        noise: its standard deviation, as a share of the data's range.
        orders: over how many random orders of tied places the curves are averaged.

    Law: a map's negative has minus its value; a picture that changes evenly from place to place is filled
        in as it was.
    Cost: two forward passes for each share, and as many sparse systems with a number for each removed
        place; a large picture takes seconds.
    """

    direction: ClassVar[Direction | None] = "higher"
    shares: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.9)
    noise: float = 0.01
    orders: int = 1

    def __post_init__(self) -> None:
        several = isinstance(self.shares, tuple) and len(self.shares) > 0
        inside = several and all(is_real(one) and 0 < one < 1 for one in self.shares)
        require(inside, self, "shares", "a tuple of numbers between 0 and 1")
        require(is_real(self.noise) and self.noise >= 0, self, "noise", "at least 0")
        require(is_whole(self.orders) and self.orders >= 1, self, "orders", "at least 1")

    @property
    def unit(self) -> str:
        return "score"

    def cost(self, places: int) -> Cost:
        return Cost(forwards=2 * len(self.shares))

    def passes(self, subject: Subject) -> int:
        return 2 * len(self.shares) * len(orders(subject, self.orders)) * subject.count

    def evaluate(self, subject: Subject) -> Outcome:
        parts, model = subject.layout.parts, subject.objective.model
        value = leaves(subject.objective.value)
        if len(parts) > 1 or not parts[0].is_grid or not model.is_floating(value[0]):
            raise InputError(
                "ROAD fills in from neighbours: it needs one input of floating-point numbers, whose "
                "places have neighbours. SRG removes places of any input."
            )
        places = subject.layout.count
        counts = np.clip(np.rint(np.array(self.shares) * places), 1, places - 1)[:, None, None]
        ranked = orders(subject, self.orders)
        first, last = (
            np.mean([self._scores(subject, order < counts) for order in one], axis=0).T
            for one in (ranked, [places - 1 - order for order in ranked])
        )
        shares = np.broadcast_to(self.shares, first.shape)
        return Outcome(
            (last - first).mean(axis=1),
            {"most_relevant_first": first, "least_relevant_first": last, "shares": shares},
        )

    def _scores(self, subject: Subject, removed: NDArray[np.bool_]) -> NDArray[np.float64]:
        """The score with places filled in, (samples, n), from removed places (samples, n, places)."""
        objective, model, (part,) = subject.objective, subject.objective.model, subject.layout.parts
        (value,) = leaves(objective.value)
        host = model.to_numpy(value).astype(np.float64)
        noise = self._noise(subject, value, part)
        scores = []
        for chunk in objective.chunks(len(removed)):
            filled = [
                np.stack([imputed(x, gone, noise, part) for x, gone in zip(host, one, strict=True)])
                for one in removed[chunk.start : chunk.stop]
            ]
            points = rebuild(objective.value, [model.asarray(np.stack(filled), like=value)])
            scores.append(subject.on_host(objective.score(points)))
        return np.concatenate(scores)

    def _noise(self, subject: Subject, value: Array, part: LeafPlaces) -> NDArray[np.float64]:
        """Shaped like one example, the same for all of them."""
        shape = shape_of(value)[1:]
        if not self.noise:
            return np.zeros(shape)
        drawn = normal(subject.seed, 0, 0, shape, "first" if part.channel_axis == 1 else "last")
        return np.asarray(self.noise * range_of(subject, 0) * drawn)


def imputed(
    x: NDArray[np.float64],
    removed: NDArray[np.bool_],
    noise: NDArray[np.float64],
    places: LeafPlaces,
) -> NDArray[np.float64]:
    """One example, shaped as it is, with the removed places (places,) filled in."""
    axis = 0 if places.channel_axis is None else places.channel_axis - 1
    first = x[None] if places.channel_axis is None else np.moveaxis(x, axis, 0)
    planes = first.reshape(-1, places.count)
    gone = np.broadcast_to(removed, planes.shape)
    filled = filled_in(planes, gone, places.grid).reshape(first.shape)
    back = filled[0] if places.channel_axis is None else np.moveaxis(filled, 0, axis)
    return np.where(places.spread(removed), back + noise, x)
