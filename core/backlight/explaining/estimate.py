"""What techniques find of a game, and the attributions that it makes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import pi, sqrt
from typing import final

import numpy as np
from numpy.typing import NDArray

from backlight.explaining.game import Game, Numbers
from backlight.explaining.objective import Objective
from backlight.explaining.result import Result, in_order
from backlight.features.features import Part
from backlight.features.labelling import FeaturesOf, label
from backlight.scores.scores import Score
from backlight.values.arrays import Array, shape_of
from backlight.values.baselines import Baseline
from backlight.values.tree import Tree, leaves, names, rebuild, stack


@final
@dataclass(frozen=True)
class Estimate:
    """What was found of a game: a number for each target, example and feature.

    Attributes:
        values: shape (targets, n, features).
        standard_error: of each value, where samples were drawn.
        r_squared: how much of the game a surrogate explains, shape (targets, n), where there is one.
        complete: whether the values of an example sum to the change of the score, by construction.
    """

    values: Numbers
    standard_error: Numbers | None = None
    r_squared: Numbers | None = None
    complete: bool = False

    @property
    def error(self) -> Numbers | None:
        """The expected relative L1 error of each example's values, shape (targets, n): the mean of |e| is
        sqrt(2 / pi) standard errors where e is normal. 0 where there is neither value nor error."""
        if self.standard_error is None:
            return None
        off = sqrt(2 / pi) * self.standard_error.sum(axis=2)
        size = np.abs(self.values).sum(axis=2)
        relative = np.where(off > 0, np.inf, 0.0)
        return np.asarray(np.divide(off, size, out=relative, where=size > 0))

    def results(self, game: Game) -> list[Result]:
        """A result for each target: the values of a feature's numbers are equal and sum to the feature's;
        so do their standard errors."""
        model, value, error = game.objective.model, game.objective.value, self.error

        def native(of_features: Numbers, like: Array) -> Tree:
            spread = game.labelling.spread(of_features)
            return rebuild(
                value, [model.asarray(np.ascontiguousarray(one), like=like) for one in spread]
            )

        results = []
        for number, score in enumerate(game.scores):
            spread = self.standard_error
            start = game.empty[number] if self.complete else None
            results.append(
                Result(
                    native(self.values[number], score),
                    score,
                    None if start is None else model.asarray(start, like=score),
                    error=None if error is None else error[number],
                    standard_error=None if spread is None else native(spread[number], score),
                    r_squared=None if self.r_squared is None else self.r_squared[number],
                    warnings=game.labelling.notes,
                )
            )
        return results


@final
@dataclass(frozen=True)
class GameDraws:
    """Samples of a game, such as coalitions: `Draws` whose tolerance is a share of the score's change.

    Attributes:
        game: what is asked.
        estimate: what so many samples say of it.
        samples: how many.
    """

    game: Game
    estimate: Callable[[Game, int], Estimate]
    samples: int

    @property
    def objective(self) -> Objective:
        return self.game.objective

    @cached_property
    def _found(self) -> Estimate:
        return self.estimate(self.game, self.samples)

    @property
    def errors(self) -> Numbers:
        spread = self._found.standard_error
        return np.zeros_like(self.game.full) if spread is None else spread.max(axis=2)

    @property
    def sizes(self) -> Numbers:
        return np.abs(self.game.change)

    @property
    def results(self) -> list[Result]:
        return self._found.results(self.game)

    def take(self, rows: NDArray[np.int64]) -> "GameDraws":
        return replace(self, game=self.game.take(rows))

    def continued(self, samples: int) -> "GameDraws":
        return replace(self, samples=samples)


def explained_by_features(
    objective: Objective,
    targets: Sequence[Score],
    features: FeaturesOf | None,
    baseline: Baseline,
    answer: Callable[[Game], Sequence[Result]],
    each: bool = False,
) -> list[Result]:
    """What a technique finds that asks about the game between features.

    Args:
        objective, targets: as of `Method.attribute_each`.
        features: what belongs together; None for what does by itself.
        baseline: what an absent feature is.
        answer: the technique.
        each: whether what it says of the game with each of several baselines is wanted as well.
    """
    groups = label(features, parts_of(objective), names(objective.value), together=objective.whole)
    found = []
    for rows, labelling in groups:
        alone = len(groups) == 1
        part = objective if alone else objective.take(rows)
        asked = targets if alone else [target.take(rows) for target in targets]
        game = Game(part, asked, labelling, baseline, each)
        results = list(answer(game))
        found.append(with_each(results, game, answer) if each else results)
    if len(found) == 1:
        return found[0]
    order = np.argsort(np.concatenate([rows for rows, _ in groups]))
    return [in_order(parts, order, objective.model) for parts in zip(*found, strict=True)]


def with_each(
    results: Sequence[Result], game: Game, answer: Callable[[Game], Sequence[Result]]
) -> list[Result]:
    """Results with what is said of the game with each baseline, which costs no further pass where the
    same coalitions are asked for."""
    each = zip(*[answer(one) for one in game.by_baseline], strict=True)
    return [
        replace(result, each=stack([one.values for one in ones], game.objective.arrays))
        for result, ones in zip(results, each, strict=True)
    ]


def parts_of(objective: Objective) -> list[Part]:
    """The arrays of the value that is explained, as features see them."""

    def part(leaf: Array) -> Part:
        return Part(
            shape=shape_of(leaf),
            layout=objective.layout_of(leaf),
            rows=objective.rows,
            total=objective.total,
            numbers=lambda: objective.model.to_numpy(leaf),
            guess=objective.guess(leaf),
        )

    return list(map(part, leaves(objective.value)))
