"""The laws of a technique: each explains a golden net, and compares with what is known of it or with
another call."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast, final

import numpy as np

from backlight.attribution.attribution import Attribution
from backlight.errors import CoverageError, InputError, SiteError
from backlight.explaining.method import Method
from backlight.testing import reference
from backlight.testing.building import CLASSES, Builder, Numbers, Trial
from backlight.testing.checks import close, require, rounding, same
from backlight.testing.nets import Net
from backlight.values.tree import Tree, leaves

REFUSALS = (CoverageError, InputError, SiteError)
"""How a technique says that it is not for such a net."""


@final
@dataclass(frozen=True)
class Promise:
    """What a technique says of its own sums.

    Attributes:
        complete: most that |sum of values - (score - baseline score)| may be beside rounding, relative
            to the sum of |values|; None where the technique promises nothing.
        conserves: the same on a net without biases only, as of LRP.
    """

    complete: float | None = None
    conserves: float | None = None


@final
@dataclass(frozen=True)
class Case:
    """A technique on a golden net of a framework."""

    method: Method
    builder: Builder
    net: Net
    promise: Promise

    def explain(
        self,
        trial: Trial,
        rows: Sequence[int] = (0, 1, 2),
        batch_size: int | None = None,
    ) -> Attribution:
        with trial.precision():
            return self.of(trial, trial.rows(rows), rows, batch_size)

    def of(
        self,
        trial: Trial,
        inputs: Tree,
        rows: Sequence[int] = (0, 1, 2),
        batch_size: int | None = None,
    ) -> Attribution:
        """The result for native inputs, which are those of these examples."""
        call = cast(Callable[..., Attribution], self.method)
        return call(trial.model, inputs, np.asarray(CLASSES)[list(rows)], batch_size=batch_size)

    def values(self, trial: Trial, found: Attribution) -> list[Numbers]:
        return [trial.numbers(one) for one in leaves(cast(Tree, found.values))]


def batch_mates(case: Case) -> None:
    """What an example's result is depends on no other example."""
    trial = case.builder.trial(case.net)
    together = case.values(trial, case.explain(trial))
    for rows in ((0, 1, 2), (2, 0, 1), (1, 1, 1)):
        apart = case.values(trial, case.explain(trial, rows))
        what = f"The result for the examples {rows}"
        for values, whole in zip(apart, together, strict=True):
            close(values, whole[list(rows)], rounding(trial.dtype), what)


def batch_size(case: Case) -> None:
    """The result does not depend on how many rows go into a pass."""
    trial = case.builder.trial(case.net)
    pairs = zip(
        case.values(trial, case.explain(trial, batch_size=1)),
        case.values(trial, case.explain(trial)),
        strict=True,
    )
    for one_by_one, together in pairs:
        close(one_by_one, together, rounding(trial.dtype), "The result with batch_size=1")


def dtype(case: Case) -> None:
    """float32 stays float32 and float64, where the framework has it, float64; and both say the same."""
    kept = {}
    for name in case.builder.dtypes:
        trial = case.builder.trial(case.net, name)
        kept[name] = case.values(trial, case.explain(trial))
        seen = {str(one.dtype) for one in kept[name]}
        require(seen == {name}, f"On a net of {name} the values are {seen}.")
    first, *others = kept.values()
    for other in others:
        for rounded, right in zip(other, first, strict=True):
            close(rounded, right, 1e-3, f"The result in {rounded.dtype}")


def put_back(case: Case) -> None:
    """The net, its outputs and the inputs are as they were, bit for bit."""
    trial = case.builder.trial(case.net)
    state, output = case.builder.state(trial.built), trial.predict()
    with trial.precision():
        inputs = trial.rows((0, 1, 2))
        before = [trial.numbers(one).copy() for one in leaves(inputs)]
        case.of(trial, inputs)
    same(trial.predict(), output, "The output after explaining")
    for after, kept in zip(leaves(inputs), before, strict=True):
        same(trial.numbers(after), kept, "An input after explaining")
    require(
        case.builder.state(trial.built) == state,
        f"The net's state is {case.builder.state(trial.built)!r}; it was {state!r}.",
    )


def edited(case: Case) -> None:
    """A net that its user edits is explained as it is now."""
    trial = Trial(case.builder, case.net)
    case.explain(trial)
    now = trial.edit()
    fresh = Trial(case.builder, now)
    pairs = zip(
        case.values(trial, case.explain(trial)),
        case.values(fresh, case.explain(fresh)),
        strict=True,
    )
    for found, expected in pairs:
        close(found, expected, rounding(trial.dtype), "The result for an edited net")


def score(case: Case) -> None:
    """The score that the result tells is the net's, of each example's class; the gap that it tells is
    that of its values; and no larger than promised."""
    trial = case.builder.trial(case.net)
    found = case.explain(trial)
    scores = reference.scores(case.net, case.net.inputs, CLASSES)
    close(found.score, scores, rounding(trial.dtype), "The score")
    gap = measured(case, trial, found)
    if found.gap is not None:
        told, right = found.gap + np.abs(scores), gap + np.abs(scores)
        close(told, right, rounding(trial.dtype), "The gap (plus the score)")
    if case.promise.complete is not None:
        kept(case, trial, found, case.promise.complete)


def conservation(case: Case) -> None:
    """On a net without biases the values sum to the score."""
    assert case.promise.conserves is not None
    trial = case.builder.trial(case.net)
    found = case.explain(trial)
    kept(case, trial, found, case.promise.conserves)


def measured(case: Case, trial: Trial, found: Attribution) -> Numbers:
    """|sum of values - (score - baseline score)| of each example."""
    sums = sum(one.reshape(len(one), -1).sum(1) for one in case.values(trial, found))
    start = 0.0 if found.baseline_score is None else found.baseline_score
    return cast(Numbers, np.abs(sums - (found.score - start)))


def kept(case: Case, trial: Trial, found: Attribution, most: float) -> None:
    """Values sum to the change of the score, up to this share of the sum of their sizes."""
    require(found.baseline_score is not None, "No baseline score is told, and so no completeness.")
    sizes = sum(np.abs(one).reshape(len(one), -1).sum(1) for one in case.values(trial, found))
    off = measured(case, trial, found) / sizes
    require(
        bool((off <= most + rounding(trial.dtype)).all()),
        f"The sums of the values are off by {off} of the values' sizes; promised was {most:g}.",
    )
