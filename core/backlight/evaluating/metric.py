"""A metric: hyper-parameters as fields, what it says of a map as the method."""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from backlight.by_value import ByValue
from backlight.evaluating.perturbed import Removals
from backlight.evaluating.subject import Subject

Direction: TypeAlias = Literal["higher", "lower"]
"""Which way is better."""


@final
@dataclass(frozen=True, eq=False)
class Outcome:
    """What a metric says of the maps of n examples.

    Attributes:
        values: float64, shape (n,); NaN where the metric is not defined for an example.
        details: what is behind them by name, the examples on axis 0: curves (n, points), numbers (n,),
            truths (n,), which are counted.
        notes: what else is to be said, in sentences.
    """

    values: NDArray[np.float64]
    details: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@final
@dataclass(frozen=True)
class Cost:
    """Most of what one map of one example costs.

    Attributes:
        forwards: points at which the model's score is asked for.
        explanations: how often the technique explains again.
    """

    forwards: int = 0
    explanations: int = 0


class Metric(ByValue, ABC):
    """A metric: one number for the map of each example.

    Implementations are final, frozen, keyword-only dataclasses, whose documentation begins with a
    sentence and has a formula, a source, a Law and a Cost.
    """

    direction: ClassVar[Direction | None] = None
    """Which way is better; None where neither is."""
    range: ClassVar[tuple[float, float]] = (-float("inf"), float("inf"))
    """The least and the largest value that there can be."""
    beside_controls: ClassVar[bool] = True
    """Whether a map that knows nothing of the model must do worse, so that techniques are compared with
    the best of the controls. One that never changes, say, is the least sensitive there is."""
    needs_masks: ClassVar[bool] = False
    """Whether it asks where the object is: `evaluate(..., masks=...)`."""

    @property
    def unit(self) -> str:
        """What a value of 1 is: `score` for that of the score, `share`, `correlation` ..."""
        return "share"

    def cost(self, places: int) -> Cost | None:
        """What it costs for a map of so many places, if none of them are tied; None where it does not
        say. A metric that reads the map alone says `Cost()`."""
        return None

    def removals(self, subject: Subject) -> Sequence[Removals]:
        """The places that it takes away to judge these maps, where it does nothing else to the inputs:
        what several maps and metrics want to know is then asked of the model once, and the passes are
        foreseen exactly.

        Raises:
            BacklightError: as `evaluate` does.
        """
        return ()

    def passes(self, subject: Subject) -> int | None:
        """How many examples go through the model to judge these maps, beside `removals` and the score of
        each example as it is; None where that is not foreseen, as where the technique is asked again."""
        cost = self.cost(subject.layout.count)
        if cost is None or cost.explanations:
            return None
        return cost.forwards * subject.count

    @abstractmethod
    def evaluate(self, subject: Subject) -> Outcome:
        """Judge the maps of a block of examples. Numbers of one must not depend on those of another,
        and the values of maps are finite: examples with others never get here.

        Raises:
            BacklightError: it means nothing here; the table shows the reason.
        """

    @final
    def sentence(self) -> str:
        """What it measures, in one plain sentence."""
        return (inspect.getdoc(self) or "").partition("\n\n")[0].replace("\n", " ")
