"""Techniques that draw samples: their hyper-parameters, and those whose values are means over samples."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from backlight import JointMethod, Objective, Result, Score
from backlight.errors import is_real, is_whole, require
from backlight.explaining.stopping import Stopping
from backlight.explaining.zeros import numbers
from backlight.values.tree import Tree, leaves
from backlight_methods.keeping import Keep, require_keep
from backlight_methods.per_example import Numbers
from backlight_methods.samples import Samples


@dataclass(frozen=True, kw_only=True)
class SampledMethod(JointMethod):
    """A technique that draws samples, as many as are said or as its standard errors need.
    Implementations are final.

    Args:
        samples: how many of each example, at first.
        tolerance: draws more, for the examples that need them, until the largest standard error of an
            example is at most this share of what `Draws.sizes` says; None for no more.
        floor: what the tolerance is a share of at least.
        maximum_samples: where the tolerance gives up, with a warning.
        seed: of the draws, which are the same on every framework and for every example.
    """

    least: ClassVar[int] = 2
    """How many samples there are at least; 2 where a tolerance asks for their spread."""

    samples: int | None
    tolerance: float | None = None
    floor: float = 1e-3
    maximum_samples: int = 20_000
    seed: int = 0

    def __post_init__(self) -> None:
        least, most = self.least, self.maximum_samples
        positive = self.tolerance is None or (is_real(self.tolerance) and self.tolerance > 0)
        require(positive, self, "tolerance", "greater than 0, or None")
        if self.tolerance is not None:
            least = max(least, 2)
        require(self._are_samples(least), self, "samples", f"at least {least}")
        require(is_whole(most) and most >= least, self, "maximum_samples", f"at least {least}")
        require(is_real(self.floor) and self.floor >= 0, self, "floor", "at least 0")
        require(is_whole(self.seed) and self.seed >= 0, self, "seed", "at least 0")

    def _are_samples(self, least: int) -> bool:
        return is_whole(self.samples) and (self.samples or 0) >= least

    @property
    def linear(self) -> bool:
        return self.tolerance is None  # which draws as many as the score needs

    @property
    def differentiable(self) -> bool:
        return super().differentiable and self.tolerance is None

    @property
    def stopping(self) -> Stopping:
        return Stopping(self.tolerance, self.floor, self.maximum_samples)


@dataclass(frozen=True, kw_only=True)
class MeanMethod(SampledMethod):
    """A technique whose values are means over samples. Implementations are final."""

    samples: int
    keep: Keep = "mean"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_keep(self)

    @abstractmethod
    def drawn(
        self, objective: Objective, targets: Sequence[Score], samples: range
    ) -> Sequence[Result]:
        """What each of these samples says, for each target: the rows are those of `objective.repeated`,
        sample by sample."""

    @abstractmethod
    def results(
        self, objective: Objective, targets: Sequence[Score], found: Sequence[Samples]
    ) -> list[Result]:
        """What the samples say in all, for each target."""

    def attribute_each(self, objective: Objective, targets: Sequence[Score]) -> list[Result]:
        none = Means(self, objective, tuple(targets), ())
        return self.stopping.results(none.continued(self.samples))


@final
@dataclass(frozen=True)
class Means:
    """Samples of a technique: `Draws` whose tolerance is a share of the score's change where values sum
    to it, else of the largest absolute value.

    Attributes:
        technique: which draws them.
        objective, targets: as of `Method.attribute_each`.
        found: the samples so far, for each target; none at all at first.
    """

    technique: MeanMethod
    objective: Objective
    targets: tuple[Score, ...]
    found: tuple[Samples, ...]

    @property
    def samples(self) -> int:
        return self.found[0].count if self.found else 0

    @cached_property
    def results(self) -> list[Result]:
        return self.technique.results(self.objective, self.targets, self.found)

    @property
    def errors(self) -> Numbers:
        spreads = [one.standard_error for one in self.results]
        return np.stack(
            [largest(self.objective, spread) for spread in spreads if spread is not None]
        )

    @property
    def sizes(self) -> Numbers:
        def size(result: Result) -> Numbers:
            if result.baseline_score is None or result.score is None:
                return largest(self.objective, result.values)
            return np.abs(numbers(self.objective.model, result.score - result.baseline_score))

        return np.stack(list(map(size, self.results)))

    def take(self, rows: NDArray[np.int64]) -> "Means":
        return replace(
            self,
            objective=self.objective.take(rows),
            targets=tuple(target.take(rows) for target in self.targets),
            found=tuple(one.take(rows) for one in self.found),
        )

    def continued(self, samples: int) -> "Means":
        found, objective, keep = list(self.found), self.objective, self.technique.keep == "each"
        before = self.samples
        for chunk in objective.chunks(samples - before):
            numbered = range(before + chunk.start, before + chunk.stop)
            drawn = self.technique.drawn(objective, self.targets, numbered)
            more = [Samples.of(objective, result, keep) for result in drawn]
            found = [a.joined(b) for a, b in zip(found, more, strict=True)] if found else more
        return replace(self, found=tuple(found))


def largest(objective: Objective, values: Tree) -> Numbers:
    """The largest absolute value of each example, shape (N,)."""
    arrays, found = objective.arrays, []
    for leaf in leaves(values):
        flat = arrays.reshape(arrays.abs(leaf), (objective.count, -1))
        found.append(numbers(objective.model, arrays.max(flat, axis=1)))
    return np.asarray(np.max(found, axis=0))
