"""A block of examples: its maps, what judging them will take, and what metrics say of them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import final

import numpy as np
from numpy.typing import NDArray

from backlight.errors import InputError, reason
from backlight.evaluating.metric import Metric, Outcome
from backlight.evaluating.perturbed import Advance, Perturbed, Removals
from backlight.evaluating.replacement import NativeReplacement, Replacement
from backlight.evaluating.subject import Explainer, Map, Subject
from backlight.explaining.objective import Objective
from backlight.interrupts import interruptible
from backlight.values.tree import leaves, map_leaves


@final
@dataclass(frozen=True)
class Foreseen:
    """What metrics will ask of a model.

    Attributes:
        passes: how many examples will go through it.
        unknown: metrics that will ask for more, by name: those that explain again, and those that do not
            say what they cost.
    """

    passes: int = 0
    unknown: frozenset[str] = frozenset()

    @property
    def what(self) -> str:
        """What is being done, as progress says it: so many passes, or more."""
        return "Judging, at least" if self.unknown else "Judging"

    def __add__(self, other: "Foreseen") -> "Foreseen":
        return Foreseen(self.passes + other.passes, self.unknown | other.unknown)


@final
@dataclass(frozen=True, eq=False)
class BlockOutcome:
    """What was found of a block of n examples.

    Attributes:
        score: of each example, (n,).
        outcomes: by technique (or control) and metric.
        refusals: likewise, why a metric says nothing.
        errors: why a technique gave no maps, by its name.
        warnings: what techniques said, by name.
    """

    score: NDArray[np.float64]
    outcomes: Mapping[tuple[str, str], Outcome]
    refusals: Mapping[tuple[str, str], str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    warnings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@final
@dataclass(frozen=True, eq=False)
class Judging:
    """What judges, what is judged, and what is the same for all examples.

    Attributes:
        metrics: by name.
        explainers: techniques and controls by name.
        controls: which of these are controls.
        ranges: see `Subject`.
        seed: for all that is drawn.
    """

    metrics: Mapping[str, Metric]
    explainers: Mapping[str, Explainer]
    controls: frozenset[str]
    ranges: tuple[float, ...]
    seed: int

    def block(
        self,
        objective: Objective,
        baseline: Replacement | NativeReplacement,
        masks: NDArray[np.bool_] | None = None,
        failed: frozenset[str] = frozenset(),
    ) -> "Block":
        """Some examples, explained.

        Args:
            baseline: what stands for "nothing there".
            masks: see `Subject`.
            failed: techniques that are not asked again.
        """
        perturbed = Perturbed(objective, baseline)
        maps: dict[str, Map] = {}
        places: dict[str, NDArray[np.float64]] = {}
        errors: dict[str, str] = {}
        for name, explain in self.explainers.items():
            if name in failed:
                continue
            try:
                found = explain(objective, 0)
                places[name], maps[name] = perturbed.layout.summed(found.values), found
            except (Exception, SystemExit) as error:  # of a foreign technique; the others go on
                errors[name] = reason(error)
        subjects = {}
        for name, one in maps.items():
            others = {
                other: found
                for other, found in places.items()
                if other != name and other not in self.controls
            }
            sound = Map(map_leaves(whole, one.values), one.gap)
            subjects[name] = Subject(
                objective,
                sound,
                self.explainers[name],
                perturbed,
                self.ranges,
                masks,
                others,
                self.seed,
            )
        finite = {name: finite_rows(one, objective.count) for name, one in maps.items()}
        warnings = {name: one.warnings for name, one in maps.items() if one.warnings}
        return Block(self.metrics, perturbed, subjects, finite, errors, warnings)


@final
@dataclass(frozen=True, eq=False)
class Block:
    """A block of examples with the maps to be judged.

    Attributes:
        metrics: by name.
        perturbed: the examples.
        subjects: what metrics see, by technique (or control).
        finite: of which examples all values of the map are finite, likewise.
        errors, warnings: see `BlockOutcome`.
    """

    metrics: Mapping[str, Metric]
    perturbed: Perturbed
    subjects: Mapping[str, Subject]
    finite: Mapping[str, NDArray[np.bool_]]
    errors: Mapping[str, str]
    warnings: Mapping[str, tuple[str, ...]]

    def foreseen(self, refused: frozenset[tuple[str, str]] = frozenset()) -> Foreseen:
        """What judging will take; nothing is asked of the model for that.

        Args:
            refused: see `judged`.
        """
        passes, unknown = self.perturbed.passes(self._removals(refused)), set()
        for _, metric_name, subject in self._each(refused):
            try:
                more = self.metrics[metric_name].passes(subject)
            except (Exception, SystemExit):  # judging says why
                continue
            passes += more or 0
            unknown |= {metric_name} if more is None else set()
        return Foreseen(passes, frozenset(unknown))

    @interruptible
    def judged(
        self,
        advance: Advance = lambda rows: None,
        refused: frozenset[tuple[str, str]] = frozenset(),
    ) -> BlockOutcome:
        """What the metrics say.

        Args:
            advance: see `Advance`.
            refused: techniques and metrics that are left out.
        """
        self.perturbed.ahead(self._removals(refused), advance)
        outcomes: dict[tuple[str, str], Outcome] = {}
        refusals: dict[tuple[str, str], str] = {}
        for name, metric_name, subject in self._each(refused):
            metric = self.metrics[metric_name]
            try:
                found = checked(metric, metric.evaluate(subject), subject.count)
            except (Exception, SystemExit) as error:  # of a foreign metric; the others go on
                refusals[name, metric_name] = reason(error)
                continue
            there = self.finite[name] & np.isfinite(found.values)
            values = np.where(there, found.values, np.nan)
            outcomes[name, metric_name] = Outcome(values, found.details, found.notes)
        return BlockOutcome(self.perturbed.score, outcomes, refusals, self.errors, self.warnings)

    def _each(self, refused: frozenset[tuple[str, str]]) -> Iterator[tuple[str, str, Subject]]:
        for name, subject in self.subjects.items():
            for metric in self.metrics:
                if (name, metric) not in refused:
                    yield name, metric, subject

    def _removals(self, refused: frozenset[tuple[str, str]]) -> list[Removals]:
        """All places that metrics take away, and can: a metric that cannot says why when it judges."""
        found: list[Removals] = []
        for _, metric_name, subject in self._each(refused):
            try:
                wanted = self.metrics[metric_name].removals(subject)
                for one in wanted:
                    self.perturbed.check(one)
            except (Exception, SystemExit):
                continue
            found += wanted
        return found


def checked(metric: Metric, found: Outcome, count: int) -> Outcome:
    """What a metric gave, if it is one number for each example."""
    values = np.asarray(found.values, dtype=np.float64)
    sizes = {name: np.shape(detail)[:1] for name, detail in found.details.items()}
    if values.shape != (count,) or any(size != (count,) for size in sizes.values()):
        raise InputError(
            f"{type(metric).__name__} must give one number for each of {count} examples, and details "
            f"with the examples on axis 0; it gave shape {values.shape} and details of {sizes}."
        )
    details = {name: np.asarray(one) for name, one in found.details.items()}
    return Outcome(values, details, tuple(found.notes))


def whole(leaf: NDArray[np.float64]) -> NDArray[np.float64]:
    """The numbers, with 0 where they are not finite: what is found for these examples is not kept."""
    return np.where(np.isfinite(leaf), leaf, 0.0)


def finite_rows(found: Map, count: int) -> NDArray[np.bool_]:
    """Of which examples all values are finite, (n,)."""
    each = [np.isfinite(leaf).reshape(count, -1).all(axis=1) for leaf in leaves(found.values)]
    return np.asarray(np.all(each, axis=0))
