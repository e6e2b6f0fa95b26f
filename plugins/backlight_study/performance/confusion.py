"""Which classes are taken for which."""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from backlight_study.performance.estimate import Json


@final
@dataclass(frozen=True)
class Confusion:
    """Examples of one class that were predicted as one class, maybe the same.

    Attributes:
        true, predicted: the classes.
        count: how many there are, at least 1.
        share: of the true class's examples, in (0, 1].
    """

    true: int
    predicted: int
    count: int
    share: float

    def to_dict(self) -> dict[str, Json]:
        return {
            "true": self.true,
            "predicted": self.predicted,
            "count": self.count,
            "share": self.share,
        }


def confusions(
    labels: NDArray[np.int64], predicted: NDArray[np.int64], classes: int
) -> tuple[Confusion, ...]:
    support = np.bincount(labels, minlength=classes)
    cells, counts = np.unique(labels * classes + predicted, return_counts=True)
    return tuple(
        Confusion(cell // classes, cell % classes, count, count / int(support[cell // classes]))
        for cell, count in zip(cells.tolist(), counts.tolist(), strict=True)
    )
