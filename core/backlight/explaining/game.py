"""The score as a function of which features are there: a game, whose players are the features.

Techniques that hide features are estimates of a game, in NumPy; what they cost are the coalitions that
they ask for.
"""

from collections.abc import Sequence
from copy import copy
from typing import TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from backlight.errors import InputError
from backlight.explaining.hiding import Hiding
from backlight.explaining.objective import Objective
from backlight.explaining.zeros import numbers
from backlight.features.features import NOWHERE
from backlight.features.labelling import Labelling
from backlight.scores.scores import Score
from backlight.values.arrays import Array
from backlight.values.baselines import Baseline
from backlight.values.tree import leaves

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
    example, and for each baseline where that is wanted.

    Args:
        objective, targets: as of `Method.attribute_each`.
        labelling: which feature each number belongs to.
        baseline: what an absent feature is.
        each: whether the games with each of several baselines will be asked for.

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
        each: bool = False,
    ):
        self.objective, self.targets, self.labelling = objective, tuple(targets), labelling
        self.count = labelling.count
        self.scores = objective.scores(targets)
        self.full: Numbers = np.stack([numbers(objective.model, one) for one in self.scores])
        self._baseline = baseline
        self._hiding = Hiding(objective, baseline)
        self._numbers = range(self._hiding.count)  # of the baselines that are played with
        asarray, count = objective.model.asarray, self.count
        self._places = [
            asarray(np.where(one == NOWHERE, count, one).reshape(-1)) for one in labelling.labels
        ]
        self._index: dict[bytes, int] = {}
        kept = len(self._numbers) if each else 1
        self._known: Numbers = np.empty((0, kept, *self.full.shape))
        self._remember(self._keys(np.ones((1, self.count), dtype=np.bool_)), self.full)

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
        return np.asarray(self._known[[self._index[key] for key in keys]].mean(axis=1))

    @property
    def by_baseline(self) -> "list[Game]":
        """The game with each of the baselines alone, which knows what this one does. Asked for where
        `each` is said."""
        games, known = [], self._known[: len(self._index)]
        for number in self._numbers:
            game = copy(self)
            game._numbers, game._index = range(number, number + 1), dict(self._index)
            game._known = known[:, number : number + 1]
            games.append(game)
        return games

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
        game.full, game._known = self.full[:, rows], self._known[..., rows]
        game._index, game._baseline = dict(self._index), self._baseline
        game._hiding, game._numbers = Hiding(game.objective, self._baseline), self._numbers
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
            room = np.empty((max(len(keys), start, 64), *self._known.shape[1:]))
            self._known = np.concatenate([self._known[:start], room])
        self._known[start : start + len(keys)] = scores
        self._index |= {key: start + place for place, key in enumerate(keys)}

    def _asked(self, coalitions: Coalitions) -> Numbers:
        """The scores of coalitions (S, M) with each baseline, or their mean where that is all that is
        kept: (S, kept, targets, n)."""
        found = []
        for chunk, size in self._chunks(len(coalitions)):
            part = coalitions[chunk.start : chunk.stop]
            filled = np.concatenate([part, np.repeat(part[-1:], size - len(part), axis=0)])
            there = self._there(filled)
            each = [self._scored(there, number) for number in self._numbers]
            scores = np.stack(each, axis=1)[: len(part)]
            whole = scores.shape[1] == self._known.shape[1]
            found.append(scores if whole else scores.mean(axis=1, keepdims=True))
        return np.concatenate(found)

    def _chunks(self, count: int) -> list[tuple[range, int]]:
        """Ranges that cover `count` coalitions, each with the number that goes into its pass: of a single
        one as many rows as there are examples, which any net has seen."""
        most = (
            1 if self.objective.whole else max(1, self.objective.batch_size // self.objective.count)
        )
        step = max(1, most // SIZES)
        parts = [range(start, min(start + most, count)) for start in range(0, count, most)]

        def filled(part: range) -> int:
            return 1 if len(part) == 1 else min(most, -(-len(part) // step) * step)

        return [(part, filled(part)) for part in parts]

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
