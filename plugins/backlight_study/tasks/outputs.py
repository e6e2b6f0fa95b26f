"""One part of a net's outputs as a score."""

from dataclasses import dataclass
from typing import final

from backlight.scores.class_scores import log_odds
from backlight.values.arrays import Array, Arrays
from backlight.values.outputs import Path, array_at


@final
@dataclass(frozen=True)
class PartOfOutput:
    """What a net gives for part `k` of its answer, (n,).

    Attributes:
        count: how many parts there are.
        logit: whether they are probabilities of which the log-odds are meant.
        path: where they are among several outputs.
    """

    count: int
    logit: bool
    path: Path = None

    def __call__(self, outputs: object, arrays: Arrays, k: Array) -> Array:
        values = arrays.reshape(array_at(outputs, self.path), (-1, self.count))
        one = arrays.take_along_axis(values, k[:, None], axis=1)[:, 0]
        return log_odds(one, arrays) if self.logit else one
