"""What a model says of examples with places taken away, each thing asked once, whoever wants to know."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from backlight.by_value import numbers_of
from backlight.evaluating.decisions import check_decision, decisions, scores
from backlight.evaluating.places import places_of
from backlight.evaluating.replacement import NativeReplacement, Replacement, replacements
from backlight.explaining.objective import Objective
from backlight.memory.memory import one_call
from backlight.values.arrays import Array, shape_of
from backlight.values.tree import Tree, leaves, rebuild

ROWS = 64
"""Most rows in one pass: more are no quicker on a processor, whose caches they overflow."""

TRUTHS = 2**24
"""How many places of samples and examples are looked at together, at most."""

Ask: TypeAlias = Literal["score", "decision"]
"""What is wanted of the model; see `decisions`."""

Advance: TypeAlias = Callable[[int], None]
"""Is told how many more examples went through the model, now and then."""


@final
@dataclass(frozen=True, eq=False)
class Removals:
    """Places taken away from each of n examples, again and again.

    Attributes:
        samples: how many times.
        removed: for some of the samples, which places are replaced: truths (of these, n, places), or 1 in
            place of n where all examples lose the same.
        replacement: what takes their values; None for that of the evaluation.
        ask: what the model is asked then.
    """

    samples: int
    removed: Callable[[range], NDArray[np.bool_]]
    replacement: Replacement | None = None
    ask: Ask = "score"


@final
@dataclass(eq=False)
class Group:
    """What is known of the examples with one thing in the place of what is taken away.

    Attributes:
        ask: what was asked.
        replacement: see `replacements`.
        differs: where that is not what is there already, (n, places): elsewhere nothing is taken away.
        known: for each unit the answers by the places taken away, as bits.
    """

    ask: Ask
    replacement: Tree
    differs: NDArray[np.bool_]
    known: list[dict[bytes, NDArray[np.float64]]]


@final
class Perturbed:
    """A block of n examples, of which places are taken away. Metrics, techniques and controls that want
    the same points share the passes; examples go through the model many at a time, whoever asks.

    Examples are units of their own; where rows look at each other, all of them are one.

    Args:
        objective: of the examples.
        replacement: what stands for "nothing there", where nothing else is said.
    """

    def __init__(self, objective: Objective, replacement: Replacement | NativeReplacement) -> None:
        self.objective = objective.settled()
        self.replacement = replacement
        self.layout = places_of(self.objective)
        every = np.arange(objective.count)
        self.units = [every] if objective.whole else [every[row : row + 1] for row in every]
        self._groups: dict[object, list[Group]] = {}
        self._score: NDArray[np.float64] | None = None

    @property
    def score(self) -> NDArray[np.float64]:
        """The score of each example as it is, (n,)."""
        if self._score is None:
            self._score = scores(self.objective)
        return self._score

    def scores(self, asked: Removals) -> NDArray[np.float64]:
        """The score with places replaced, (samples, n); the mean over several replacements."""
        return np.asarray(np.mean(np.stack(self._answers(asked)), axis=0))

    def decided(self, asked: Removals) -> list[NDArray[np.int64]]:
        """What the model decides with places replaced, (samples, n), for each of several replacements;
        see `decisions`."""
        found = self._answers(asked)
        if self._by_score(asked.ask):
            return [(one > 0).astype(np.int64) for one in found]
        return [one.astype(np.int64) for one in found]

    def check(self, asked: Removals) -> None:
        """Raise a BacklightError where this cannot be asked."""
        self._group(asked)
        if not self._by_score(asked.ask):
            check_decision(self.objective)

    def passes(self, several: Iterable[Removals]) -> int:
        """How many examples would go through the model if these were asked now, and the score of each
        example as it is."""
        first = self.objective.count if self._score is None else 0
        return first + sum(self._filled(len(keys)) for _, keys in self._missing(several))

    def ahead(self, several: Iterable[Removals], advance: Advance) -> None:
        """Ask the model what is not known of all these, together. Where it fails, it is asked again by
        whoever wants to know."""
        for group, keys in self._missing(several):
            self._ask(group, keys, advance, leaves_errors=True)

    def _answers(self, asked: Removals) -> list[NDArray[np.float64]]:
        """An answer for each sample and example, (samples, n), by replacement."""
        try:
            return self._known(asked)
        except KeyError:
            for group, keys in self._missing([asked]):
                self._ask(group, keys)
            return self._known(asked)

    def _known(self, asked: Removals) -> list[NDArray[np.float64]]:
        """The same, if all of it was asked before; else KeyError."""
        found = []
        for group in self._group(asked):
            rows = [
                np.concatenate([group.known[unit][key] for unit, key in enumerate(keys)])
                for keys in self._keys(group, asked)
            ]
            found.append(np.stack(rows))
        return found

    def _by_score(self, ask: Ask) -> bool:
        """Whether the score tells what is asked: the decision of a contrast is its sign."""
        return ask == "score" or self.objective.target.rivals is not None

    def _group(self, asked: Removals) -> list[Group]:
        """What is known with the replacements that are asked for."""
        given = self.replacement if asked.replacement is None else asked.replacement
        ask: Ask = "score" if self._by_score(asked.ask) else "decision"
        key = ask, numbers_of(given)
        if key not in self._groups:
            self._groups[key] = [
                Group(ask, one, self._differs(one), [{} for _ in self.units])
                for one in replacements(given, self.objective)
            ]
        return self._groups[key]

    def _differs(self, replacement: Tree) -> NDArray[np.bool_]:
        model, found = self.objective.model, []
        each = zip(
            self.layout.parts, leaves(self.objective.value), leaves(replacement), strict=True
        )
        for part, leaf, nothing in each:
            other = model.to_numpy(leaf) != model.to_numpy(nothing)
            if part.channel_axis is not None:
                other = other.any(axis=part.channel_axis)
            found.append(other.reshape(len(other), part.count))
        return np.concatenate(found, axis=1)

    def _keys(self, group: Group, asked: Removals) -> Iterator[list[bytes]]:
        """For each sample the places taken away of each unit, as bits."""
        count, places = group.differs.shape
        step = max(1, TRUTHS // (count * places))
        for start in range(0, asked.samples, step):
            chunk = range(start, min(asked.samples, start + step))
            gone = asked.removed(chunk) & group.differs
            bits = np.packbits(gone, axis=2).reshape(len(chunk), len(self.units), -1)
            for sample in bits:
                yield [unit.tobytes() for unit in sample]

    def _missing(
        self, several: Iterable[Removals]
    ) -> list[tuple[Group, dict[tuple[int, bytes], None]]]:
        """What is to be asked, by group: units and what is taken away of them, each once."""
        found: dict[int, tuple[Group, dict[tuple[int, bytes], None]]] = {}
        for asked in several:
            for group in self._group(asked):
                wanted = found.setdefault(id(group), (group, {}))[1]
                for keys in self._keys(group, asked):
                    for unit, key in enumerate(keys):
                        as_it_is = group.ask == "score" and not any(key)
                        if not as_it_is and key not in group.known[unit]:
                            wanted[unit, key] = None
        return [*found.values()]

    def _batch(self, units: int) -> int:
        """How many of so many units go through the model together."""
        most = 1 if self.objective.whole else min(self.objective.batch_size, ROWS)
        return min(most, units)

    def _filled(self, units: int) -> int:
        """How many examples go through the model for so many units: batches are of one length, for
        frameworks that compile for each, and the last one is filled up."""
        batch = self._batch(units)
        return -(-units // batch) * batch * len(self.units[0]) if units else 0

    @one_call
    def _ask(
        self,
        group: Group,
        keys: dict[tuple[int, bytes], None],
        advance: Advance = lambda rows: None,
        leaves_errors: bool = False,
    ) -> None:
        if group.ask == "score":
            for unit, rows in enumerate(self.units):
                nothing = np.packbits(np.zeros_like(group.differs[rows]), axis=1).tobytes()
                group.known[unit][nothing] = self.score[rows]
        asked = [*keys]
        batch = self._batch(len(asked))
        for start in range(0, len(asked), batch or 1):
            part = asked[start : start + batch]
            part += part[-1:] * (batch - len(part))
            rows = np.concatenate([self.units[unit] for unit, _ in part])
            try:
                found = self._asked(group, rows, b"".join(key for _, key in part))
            except (Exception, SystemExit):  # of a foreign net
                if leaves_errors:
                    return
                raise
            pieces = np.split(found, len(part))
            for (unit, key), piece in zip(part, pieces, strict=True):
                group.known[unit][key] = piece
            advance(len(rows))

    def _asked(self, group: Group, rows: NDArray[np.int64], gone: bytes) -> NDArray[np.float64]:
        """The answers for these examples without these places, as bits."""
        bits = np.frombuffer(gone, dtype=np.uint8).reshape(len(rows), -1)
        removed = np.unpackbits(bits, axis=1, count=self.layout.count).astype(bool)
        taken = self.objective.take(rows)
        at = taken.at_points(self._points(removed, rows, taken, group.replacement))
        return (scores if group.ask == "score" else decisions)(at).astype(np.float64)

    def _points(
        self, removed: NDArray[np.bool_], rows: NDArray[np.int64], taken: Objective, nothing: Tree
    ) -> Tree:
        """Each of these examples once, with its places replaced: (1, rows, ...)."""
        arrays, model, points = taken.arrays, taken.model, []
        index = model.asarray(rows)

        def of_rows(leaf: Array) -> Array:
            return leaf if shape_of(leaf)[0] == 1 else arrays.take(leaf, index, axis=0)

        each = zip(
            self.layout.split(removed[None]), leaves(taken.value), leaves(nothing), strict=True
        )
        for mask, leaf, other in each:
            there = model.asarray(np.ascontiguousarray(mask))
            points.append(arrays.where(there, of_rows(other)[None, ...], leaf[None, ...]))
        return rebuild(taken.value, points)
