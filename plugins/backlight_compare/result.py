"""What a comparison of two models has found."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from backlight.evaluating.evaluation import plain_number
from backlight_compare.sites import SitePair, parting
from backlight_study.performance import McNemar


@final
@dataclass(frozen=True)
class Agreement:
    """How alike a technique's maps of two models are, over the examples that were explained.

    Attributes:
        technique: its name.
        correlation: Pearson's, of each example's maps, the mean over examples; NaN of maps that are flat.
        difference: the largest |first - second| of any example, relative to its largest |first|.
        error: why there is nothing, where a technique failed.
    """

    technique: str
    correlation: float
    difference: float
    error: str | None = None


@final
@dataclass(frozen=True, eq=False)
class ModelComparison:
    """What two models have in common.

    Attributes:
        frameworks: of both.
        mcnemar: how many examples the second one mends and breaks.
        fixed, broken: these examples, by their numbers in the data.
        changed: how many get another class.
        difference: the largest difference of a probability.
        explained: how many examples' maps were compared.
        agreements: of each technique.
        pairs: the first net's inner values with the nearest ones of the second.
        tolerance: what counts as the same.
    """

    frameworks: tuple[str, str]
    mcnemar: McNemar
    fixed: tuple[int, ...]
    broken: tuple[int, ...]
    changed: int
    difference: float
    explained: int
    agreements: tuple[Agreement, ...]
    pairs: tuple[SitePair, ...]
    tolerance: float

    @property
    def same(self) -> bool:
        """Whether both say and explain the same, within the tolerance."""
        maps = all(
            one.error is None and one.difference <= self.tolerance for one in self.agreements
        )
        return self.changed == 0 and self.difference <= self.tolerance and maps

    @property
    def parting(self) -> tuple[SitePair | None, SitePair | None]:
        """The last inner value that agrees, and the first one that does not."""
        return parting(self.pairs)

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON has it."""
        last, first = self.parting
        return {
            "frameworks": list(self.frameworks),
            "same": self.same,
            "tolerance": self.tolerance,
            "mcnemar": self.mcnemar.to_dict(),
            "fixed": list(self.fixed),
            "broken": list(self.broken),
            "changed": self.changed,
            "difference": self.difference,
            "explained": self.explained,
            "maps": [plain(vars(one)) for one in self.agreements],
            "last_agreeing": None if last is None else plain(vars(last)),
            "first_differing": None if first is None else plain(vars(first)),
            "sites": [plain(vars(one)) for one in self.pairs],
        }


def plain(found: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers that JSON has; None for NaN and infinities."""
    return {
        name: plain_number(value) if isinstance(value, float) else value
        for name, value in found.items()
    }
