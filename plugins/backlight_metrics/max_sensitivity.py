"""Max-sensitivity: how much a map changes under changes of the input that should mean nothing."""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from backlight import Cost, Metric, Outcome, Subject
from backlight.errors import InputError, TargetError, is_real, is_whole, require
from backlight.evaluating.decisions import decisions
from backlight.evaluating.metric import Direction
from backlight.values.arrays import shape_of
from backlight.values.tree import Tree, leaves, rebuild
from backlight_metrics.infidelity import range_of

MOVES = 13
"""Tells the stream of random moves from others of the seed."""


@final
@dataclass(frozen=True, kw_only=True)
class MaxSensitivity(Metric):
    """How much the map changes, at most, when every number of the input is moved a little.

        max over samples of  |a(x + d) - a(x)| / |a(x)|,    each number of d uniform in [-r, r]

    with Euclidean norms over all values. The class explained stays the same; `flips` in the details
    counts the samples, of each example, in which the model decides otherwise: there the map may well
    change. A maximum over few samples is less than the maximum there is. A map that never changes has 0
    and says nothing of the model: see the controls.

    Yeh, Hsieh, Suggala, Inouye, Ravikumar, "On the (In)fidelity and Sensitivity of Explanations" (2019),
    definition 3.1, by its Monte Carlo estimate.

    Args:
        radius: r, as a share of the data's range: the largest minus the least number of all examples.
        samples: how many moves.

    Law: 0 for the gradient of a linear score; it does not change with the map's scale.
    Cost: an explanation and a forward pass for each sample.
    """

    direction: ClassVar[Direction | None] = "lower"
    beside_controls: ClassVar[bool] = False
    range: ClassVar[tuple[float, float]] = (0.0, float("inf"))
    radius: float = 0.02
    samples: int = 10

    def __post_init__(self) -> None:
        require(is_real(self.radius) and self.radius > 0, self, "radius", "above 0")
        require(is_whole(self.samples) and self.samples >= 1, self, "samples", "at least 1")

    @property
    def unit(self) -> str:
        return "share of the map's norm"

    def cost(self, places: int) -> Cost:
        return Cost(forwards=self.samples + 1, explanations=self.samples)

    def evaluate(self, subject: Subject) -> Outcome:
        before = flat(subject.map.values)
        distances, flips = [], []
        for sample in range(self.samples):
            moved = subject.moved(self._moves(subject, sample))
            after = flat(subject.explain(moved, sample + 1).values)
            distances.append(np.linalg.norm(after - before, axis=1))
            try:
                flips.append(decisions(moved) != subject.decision)
            except TargetError:  # a score of no class: nothing is decided
                continue
        with np.errstate(invalid="ignore", divide="ignore"):  # a map of zeros has no value
            value = np.max(distances, axis=0) / np.linalg.norm(before, axis=1)
        return Outcome(value, {"flips": np.sum(flips, axis=0)} if flips else {})

    def _moves(self, subject: Subject, sample: int) -> Tree[NDArray[np.float64]]:
        """Moves of each input, the same for all examples."""
        inputs, objective = subject.objective.inputs.attributed, subject.objective
        found = []
        for place, leaf in enumerate(leaves(inputs)):
            if not objective.model.is_floating(leaf):
                raise InputError(
                    "MaxSensitivity moves numbers a little, and these inputs are whole."
                )
            shape = shape_of(leaf)[1:]
            layout = objective.model.input_layout(shape_of(leaf))
            generator = subject.generator(MOVES, sample, place)
            first = layout is not None and layout.channel_axis == 1
            # Drawn with the channels last, so that all frameworks have the same.
            drawn = generator.uniform(-1, 1, (*shape[1:], shape[0]) if first else shape)
            drawn = np.moveaxis(drawn, -1, 0) if first else drawn
            found.append(self.radius * range_of(subject, place) * drawn[None])
        return rebuild(inputs, found)


def flat(values: Tree[NDArray[np.float64]]) -> NDArray[np.float64]:
    """All numbers of each example, (n, numbers)."""
    return np.concatenate([leaf.reshape(len(leaf), -1) for leaf in leaves(values)], axis=1)
