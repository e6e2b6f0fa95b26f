"""The score as a function of which features are there: a game, whose players are the features.

Techniques that hide features are estimates of a game, in NumPy; what they cost are the coalitions that
they ask for.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import pi, sqrt
from typing import TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from backlight.errors import InputError
from backlight.explaining.hiding import Hiding
from backlight.explaining.objective import Objective
from backlight.explaining.result import Result
from backlight.explaining.zeros import numbers
from backlight.features.features import NOWHERE, Part
from backlight.features.labelling import FeaturesOf, Labelling, label
from backlight.scores.scores import Score
from backlight.values.arrays import Array, shape_of
from backlight.values.baselines import Baseline
from backlight.values.tree import Tree, leaves, names, rebuild

Numbers: TypeAlias = NDArray[np.float64]
Coalitions: TypeAlias = NDArray[np.bool_] | Numbers
"""Shape (coalitions, features): whether a feature is there, or what share of it is, from 0 to 1."""

SIZES = 8
"""How many sizes of batch a compiled net sees at most: the last pass is filled up to one of them."""


@final
class Game:
    """What n examples score, for several targets, with some of their features only.

    What is absent is the baseline; of several baselines the mean score counts. Each coalition is asked
    once, in passes of `batch_size` rows at most; what is kept of it is a number for each target and
    example.

    Attributes:
        count: how many features there are, M.
        full: the score with all features, float64, shape (targets, n).
        scores: the same, in the framework's own arrays.
    """

    def __init__(
        self,
        objective: Objective,
        targets: Sequence[Score],
        labelling: Labelling,
        baseline: Baseline,
    ):
        self.objective, self.targets, self.labelling = objective, tuple(targets), labelling
        self.count = labelling.count
        self.scores = objective.scores(targets)
        self.full: Numbers = np.stack([numbers(objective.model, one) for one in self.scores])
        self._baseline = baseline
        self._hiding = Hiding(objective, baseline)
        asarray, count = objective.model.asarray, self.count
        self._places = [
            asarray(np.where(one == NOWHERE, count, one).reshape(-1)) for one in labelling.labels
        ]
        self._index: dict[bytes, int] = {}
        self._known: Numbers = np.empty((0, *self.full.shape))
        self._remember(self._keys(np.ones((1, self.count), dtype=np.bool_)), self.full[None])

    @property
    def empty(self) -> Numbers:
        """The score without any feature, shape (targets, n)."""
        return np.asarray(self(np.zeros((1, self.count), dtype=np.bool_))[0])

    @property
    def change(self) -> Numbers:
        """How far the score falls where all features go, shape (targets, n)."""
        return self.full - self.empty

    @property
    def evaluations(self) -> int:
        """How many coalitions were asked."""
        return len(self._index)

    def __call__(self, coalitions: Coalitions) -> Numbers:
        """The scores of coalitions (S, M), shape (S, targets, n)."""
        keys = self._keys(coalitions)
        new = {key: row for row, key in enumerate(keys) if key not in self._index}
        if new:
            self._remember(list(new), self._asked(coalitions[list(new.values())]))
        return self._known[[self._index[key] for key in keys]]

    def take(self, rows: NDArray[np.int64]) -> "Game":
        """The same game for some of the examples, which knows what this one does. Where rows look at each
        other it is the game of all of them."""
        if self.objective.whole:
            raise AssertionError("rows that look at each other cannot be taken apart")
        game = Game.__new__(Game)
        game.objective = self.objective.take(rows)
        game.targets = tuple(target.take(rows) for target in self.targets)
        game.labelling, game.count = self.labelling.of(rows), self.count
        model = self.objective.model
        index = model.asarray(rows)
        game.scores = [model.arrays.take(one, index, axis=0) for one in self.scores]
        game.full, game._known = self.full[:, rows], self._known[:, :, rows]
        game._index, game._baseline = dict(self._index), self._baseline
        game._hiding = Hiding(game.objective, self._baseline)
        game._places = [
            model.asarray(np.where(one == NOWHERE, self.count, one).reshape(-1))
            for one in game.labelling.labels
        ]
        return game

    @staticmethod
    def _keys(coalitions: Coalitions) -> list[bytes]:
        """Their names: one for the same features, whether told by truth values or by shares."""
        packed = np.packbits(coalitions.astype(np.bool_), axis=1)
        if coalitions.dtype == np.bool_:
            return [bits.tobytes() for bits in packed]
        whole: NDArray[np.bool_] = np.all(np.isin(coalitions, (0, 1)), axis=1)
        rows = zip(packed, coalitions, whole, strict=True)
        return [(bits if is_whole else shares).tobytes() for bits, shares, is_whole in rows]

    def _remember(self, keys: Sequence[bytes], scores: Numbers) -> None:
        start = len(self._index)
        if start + len(keys) > len(self._known):
            room = np.empty((max(len(keys), start, 64), *self.full.shape))
            self._known = np.concatenate([self._known[:start], room])
        self._known[start : start + len(keys)] = scores
        self._index |= {key: start + place for place, key in enumerate(keys)}

    def _asked(self, coalitions: Coalitions) -> Numbers:
        """The mean over the baselines of the scores of coalitions (S, M): (S, targets, n)."""
        found = []
        for chunk, size in self._chunks(len(coalitions)):
            part = coalitions[chunk.start : chunk.stop]
            filled = np.concatenate([part, np.repeat(part[-1:], size - len(part), axis=0)])
            there = self._there(filled)
            each = [self._scored(there, number) for number in range(self._hiding.count)]
            found.append(np.mean(each, axis=0)[: len(part)])
        return np.concatenate(found)

    def _chunks(self, count: int) -> list[tuple[range, int]]:
        """Ranges that cover `count` coalitions, each with the number that goes into its pass."""
        most = (
            1 if self.objective.whole else max(1, self.objective.batch_size // self.objective.count)
        )
        step = max(1, most // SIZES)
        parts = [range(start, min(start + most, count)) for start in range(0, count, most)]
        return [(part, min(most, -(-len(part) // step) * step)) for part in parts]

    def _there(self, coalitions: Coalitions) -> list[Array]:
        """For each array of the value which of its numbers are there, or what share of each."""
        model = self.objective.model
        everywhere = np.ones((len(coalitions), 1), dtype=coalitions.dtype)  # what is no feature
        shares = np.concatenate([coalitions, everywhere], axis=1)
        whole = shares.dtype == np.bool_
        found = []
        parts = zip(leaves(self.objective.value), self.labelling.labels, self._places, strict=True)
        for leaf, labels, places in parts:
            if not whole and not model.is_floating(leaf):
                raise InputError(
                    "A share of a whole number, such as a token's id, means nothing: use a technique "
                    "that hides features entirely, or explain an inner value, at=..."
                )
            native = model.asarray(shares) if whole else model.asarray(shares, like=leaf)
            mask = model.arrays.take(native, places, axis=1)
            found.append(model.arrays.reshape(mask, (len(shares), *labels.shape)))
        return found

    def _scored(self, there: Sequence[Array], number: int) -> Numbers:
        """The scores (S, targets, n) with one of the baselines in the place of what is not there."""
        scores = self.objective.scores(self.targets, self._hiding.point(number, there))
        return np.stack([numbers(self.objective.model, one) for one in scores], axis=1)


@final
@dataclass(frozen=True)
class Estimate:
    """What was found of a game: a number for each target, example and feature.

    Attributes:
        values: shape (targets, n, features).
        standard_error: of each value, where samples were drawn.
        r_squared: how much of the game a surrogate explains, shape (targets, n), where there is one.
        complete: whether the values of an example sum to the change of the score, by construction.
        warnings: for each target, sentences for the user; none at all where there are none.
    """

    values: Numbers
    standard_error: Numbers | None = None
    r_squared: Numbers | None = None
    complete: bool = False
    warnings: tuple[tuple[str, ...], ...] = ()

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


def explained_by_features(
    objective: Objective,
    targets: Sequence[Score],
    features: FeaturesOf | None,
    baseline: Baseline,
    estimate: Callable[[Game], Estimate],
) -> list[Result]:
    """What a technique finds that is an estimate of the game between features.

    The values of a feature's numbers are equal and sum to the feature's; so do their standard errors.

    Args:
        objective, targets: as of `Method.attribute_each`.
        features: what belongs together; None for what does by itself.
        baseline: what an absent feature is.
        estimate: the technique.
    """
    groups = label(features, parts_of(objective), names(objective.value), together=objective.whole)
    found = []
    for rows, labelling in groups:
        alone = len(groups) == 1
        part = objective if alone else objective.take(rows)
        asked = targets if alone else [target.take(rows) for target in targets]
        game = Game(part, asked, labelling, baseline)
        found.append(results_of(game, estimate(game)))
    if len(found) == 1:
        return found[0]
    order = np.argsort(np.concatenate([rows for rows, _ in groups]))
    return [in_order(objective, parts, order) for parts in zip(*found, strict=True)]


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


def results_of(game: Game, found: Estimate) -> list[Result]:
    """An estimate as a result for each target."""
    model, value, error = game.objective.model, game.objective.value, found.error

    def native(of_features: Numbers, like: Array) -> Tree:
        spread = game.labelling.spread(of_features)
        return rebuild(
            value, [model.asarray(np.ascontiguousarray(one), like=like) for one in spread]
        )

    results = []
    for number, score in enumerate(game.scores):
        spread = found.standard_error
        start = game.empty[number] if found.complete else None
        told = found.warnings[number] if found.warnings else ()
        results.append(
            Result(
                native(found.values[number], score),
                score,
                None if start is None else model.asarray(start, like=score),
                error=None if error is None else error[number],
                standard_error=None if spread is None else native(spread[number], score),
                r_squared=None if found.r_squared is None else found.r_squared[number],
                warnings=(*game.labelling.notes, *told),
            )
        )
    return results


def in_order(objective: Objective, parts: Sequence[Result], order: NDArray[np.int64]) -> Result:
    """Results of groups of examples as one, the examples in their own order."""
    model, first = objective.model, parts[0]

    def columns(of_parts: Sequence[Numbers | None]) -> Numbers | None:
        present = [one for one in of_parts if one is not None]
        return np.concatenate(present)[order] if present else None

    def natives(of_parts: Sequence[Array | None]) -> Array | None:
        present = [one for one in of_parts if one is not None]
        if not present:
            return None
        return model.arrays.take(model.arrays.concat(present, axis=0), model.asarray(order), axis=0)

    def trees(of_parts: Sequence[Tree | None]) -> Tree | None:
        present = [leaves(one) for one in of_parts if one is not None]
        if not present:
            return None
        joined = [natives(column) for column in zip(*present, strict=True)]
        return rebuild(objective.value, [one for one in joined if one is not None])

    values = trees([one.values for one in parts])
    assert values is not None
    return Result(
        values,
        natives([one.score for one in parts]),
        natives([one.baseline_score for one in parts]),
        columns([one.error for one in parts]),
        trees([one.standard_error for one in parts]),
        r_squared=columns([one.r_squared for one in parts]),
        advice=first.advice,
        warnings=tuple(dict.fromkeys(note for one in parts for note in one.warnings)),
    )
