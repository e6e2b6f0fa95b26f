"""What a technique explains: a score as a function of one value, at the input or inside the model."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from typing import cast, final

import numpy as np
from numpy.typing import NDArray

from backlight.errors import CoverageError, TargetError
from backlight.explaining.references import references_of
from backlight.explaining.rows import take_rows
from backlight.explaining.structure import NetStructure, UnknownStructure, net_structure
from backlight.explaining.token_ids import with_token
from backlight.model.model import Gradient, Model
from backlight.rules.operations import Operation
from backlight.rules.rules import Rules
from backlight.scores.scores import Score
from backlight.scores.several import Stacked, stackable
from backlight.values.arrays import SINGLE, Array, Arrays, precision, shape_of, widened
from backlight.values.baselines import Baseline
from backlight.values.inputs import Inputs
from backlight.values.layout import Layout, guessed, layout_by_places, site_layout
from backlight.values.tree import Tree, leaves, map_leaves

GRADIENTS_PER_PASS = 8
"""For how many scores the gradients of one forward pass are taken, and held, at once."""

VALUES_PER_PASS = 2**21
"""How many input numbers one pass takes by default: 2 million, 8 MB of float32."""


HALF = 2.0**-7
"""The distance from 1 to the next larger number of bfloat16, the coarser of the dtypes of 16 bits."""


def default_batch_size(inputs: Inputs) -> int:
    """How many rows a pass takes where the user does not say: 1 to 256, fewer for larger inputs."""
    per_example = sum(prod(shape_of(leaf)[1:]) for leaf in leaves(inputs.attributed))
    return min(256, max(1, VALUES_PER_PASS // max(per_example, 1)))


@final
@dataclass(frozen=True)
class Objective:
    """The score of some examples as a function of `value`: their inputs, or their activation at `at`.

    Techniques see nothing else of a model. Where a net computes in bfloat16 or float16, they see float32:
    values, gradients and scores are widened on the way to them, and points rounded on the way back, so
    that sums and differences of many lose no more digits.

    A technique is handed at most `batch_size` examples; where it wants many points per example it asks
    `chunks` how many to send at a time, so that no pass is larger than `batch_size` rows and memory does
    not grow with the number of points.

    Attributes:
        model: the model.
        inputs: native inputs of these examples.
        target: the bound score of these examples.
        at: the inner site, or None for the input.
        beside: further sites, whose gradients are taken in the same pass.
        batch_size: most rows in one pass.
        rows: where these examples are in the user's batch, of `total` examples: which rows of a
            baseline with one row per example are theirs.
        moved: the site's value to explain at, where it is not the model's own: a noisy one, say.
        whole: whether rows look at each other: each pass then has these examples once and no others,
            and a reference has a row for each.
    """

    model: Model
    inputs: Inputs
    target: Score
    at: str | None
    batch_size: int
    rows: NDArray[np.int64]
    total: int
    moved: Tree | None = None
    whole: bool = False
    beside: tuple[str | None, ...] = ()

    @cached_property
    def structure_or_reason(self) -> NetStructure | UnknownStructure:
        """What the net's graph shows, or why it shows nothing."""
        return net_structure(self.model, self.inputs, self.target)

    @property
    def structure(self) -> NetStructure | None:
        """What the net's graph shows; None where it shows nothing."""
        found = self.structure_or_reason
        return found if isinstance(found, NetStructure) else None

    @property
    def sites(self) -> tuple[str | None, ...]:
        """Where gradients are taken: at `at`, and at those beside it."""
        return (self.at, *self.beside)

    @property
    def arrays(self) -> Arrays:
        return self.model.arrays

    @property
    def count(self) -> int:
        """The number of examples."""
        return self.inputs.count

    @cached_property
    def value(self) -> Tree:
        """The value to explain at, shape (N, ...): the input, or the activation at the site."""
        return self._widened(self._own_value)

    @cached_property
    def _own_value(self) -> Tree:
        """The value in the net's own dtype."""
        if self.moved is not None:
            return self.moved
        if self.at is None:
            return self.inputs.attributed
        return self.model.activation(self.inputs, self.at)

    def _widened(self, tree: Tree) -> Tree:
        return map_leaves(lambda leaf: widened(leaf, self.arrays), tree)

    def _narrowed(self, points: Tree, own: Tree) -> Tree:
        """Points in the dtypes of the net's own values, where those are narrower than float32."""

        def narrowed(point: Array, own: Array) -> Array:
            return self.arrays.astype(point, own.dtype) if precision(own) > SINGLE else point

        return map_leaves(narrowed, points, own)

    @cached_property
    def precision(self) -> float:
        """The distance from 1 to the next larger number of the dtype that the net computes in: of the
        value's, or of a coarser one on the way to the score, as under autocast."""
        own = max(precision(leaf) for leaf in leaves(self._own_value))
        coarse = self.structure is not None and self.structure.is_coarse
        return max(own, HALF) if coarse and own <= SINGLE else own

    @property
    def input_layout(self) -> Layout | None:
        """Where the (first) input has its channels and its places; None if it has no space."""
        return self._layout(shape_of(leaves(self.inputs.attributed)[0]), first=True)

    def layout_of(self, value: Array) -> Layout | None:
        """Where this value (the input's, or the site's) has its channels and places, if it has any."""
        shape = shape_of(value)
        first = shape == shape_of(leaves(self.inputs.attributed)[0])
        return self._layout(shape, first) if self.at is None else self.inner_layout(shape)

    def _layout(self, shape: tuple[int, ...], first: bool) -> Layout | None:
        """Of an input: as the user has said, or as the graph shows of the first one, or by its shape."""
        known = self.known_layout(shape) if first else None
        return known or self.model.input_layout(shape)

    def known_layout(self, shape: tuple[int, ...]) -> Layout | None:
        """The layout of the first input as the graph shows it; None where it does not, or the user has
        said it."""
        if self.model.declared_channels is not None or self.structure is None:
            return None
        return layout_by_places(shape, self.structure.place_axes)

    def inner_layout(self, shape: tuple[int, ...]) -> Layout | None:
        """The layout of an inner value of this shape over the (first) input, if it has one."""
        layout = self.input_layout
        if layout is None:
            return None
        if layout.channel_axis is None and shape[1:] == layout.grid:
            return layout
        return site_layout(shape, layout.grid, self.model.channels, self.count)

    def guess(self, value: Array) -> str | None:
        """What to say where only a guess tells which axes of this input are places; else None."""
        shape = shape_of(value)
        layout = self.layout_of(value)
        known = self.at is not None or layout is None or self.model.signals
        if known or layout is None or not guessed(shape, self.model.declared_channels):
            return None
        if self.known_layout(shape) is not None:
            return None
        return (
            f"An input of shape {shape} may be signals or pictures without channels; it was taken for "
            f"signals with the channels on axis {layout.channel_axis}. Say which it is: "
            "backlight.wrap(net, channels='none') for pictures (N, H, W), 'first' or 'last' for signals."
        )

    def gradient(self, points: Tree | None = None) -> Gradient:
        """Score and gradient at the value itself, or at points of shape (samples, N, ...).

        The result has the points' leading axes: score (samples, N), gradient (samples, N, ...).
        """
        if points is None:
            found = self.model.gradient(self.inputs, self.target, at=self.at, value=self.moved)
            return self._given(found)
        return self._folded(self.at_points(points).gradient(), points)

    def gradients(self, targets: Sequence[Score], points: Tree | None = None) -> list[Gradient]:
        """The same for several bound scores of these examples, in their order, for each at all `sites` in
        theirs: scores of classes cost one forward pass together, and a backward pass each."""
        found: dict[int, list[Gradient]] = {}
        for group in stackable(targets, GRADIENTS_PER_PASS):
            if len(group) == 1 and not self.beside:
                found[group[0]] = [self.with_target(targets[group[0]]).gradient(points)]
                continue
            asked = self.with_target(Stacked(tuple(targets[position] for position in group)))
            there = asked if points is None else asked.at_points(points)
            scores = cast(Stacked, there.target).scores
            each = there.model.gradients(there.inputs, scores, sites=there.sites, value=there.moved)
            given = [
                one if points is None else self._folded(one, points)
                for one in map(there._given, each)
            ]
            for at, position in enumerate(group):
                found[position] = given[at * len(self.sites) : (at + 1) * len(self.sites)]
        return [one for position in range(len(targets)) for one in found[position]]

    def gradients_of_inputs(self, targets: Sequence[Score], points: Tree) -> list[Gradient]:
        """The same for other inputs: points of shape (samples, N, ...), whatever the sites are. Values
        and gradients have the points' leading axes."""
        moved, samples = self.with_inputs(points), samples_of(points)
        rows = np.tile(np.arange(self.count), samples)

        def fold(leaf: Array) -> Array:
            return self._fold(leaf, samples)

        return [
            Gradient(
                fold(found.score), map_leaves(fold, found.value), map_leaves(fold, found.gradient)
            )
            for found in moved.gradients([target.take(rows) for target in targets])
        ]

    def _folded(self, found: Gradient, points: Tree) -> Gradient:
        """What was found at points, with their leading axes."""
        samples = samples_of(points)
        return Gradient(
            self._fold(found.score, samples),
            points,
            map_leaves(lambda leaf: self._fold(leaf, samples), found.gradient),
        )

    def operations(self, rules: Rules | None = None) -> tuple[Operation, ...]:
        """What is between the value itself and the score, in the order in which it is computed, as
        these rules see it."""
        return self.model.operations(self.inputs, score=self.target, at=self.at, rules=rules)

    def ruled(self, rules: Rules, reference: Tree | None = None) -> Gradient:
        """Score and gradient at the value itself, by a backward pass that obeys the rules.

        Args:
            rules: what it does where.
            reference: one of `references`, for rules that compare with a baseline.

        Raises:
            CoverageError: the rules say that the result would be meaningless on this model.
        """
        found = self.model.gradient(
            self.inputs,
            self.target,
            at=self.at,
            value=self.moved,
            rules=rules,
            reference=None if reference is None else self._narrowed(reference, self._own_value),
        )
        objection = rules.objection(found.operations)
        if objection is not None:
            raise CoverageError(objection)
        return self._given(found)

    def _given(self, found: Gradient) -> Gradient:
        """What a pass gave, as techniques see it."""
        start = found.reference_score
        return replace(
            found,
            score=self._numbers(found.score),
            value=self._widened(found.value),
            gradient=self._widened(found.gradient),
            reference_score=None if start is None else self._numbers(start),
        )

    def score(self, points: Tree | None = None) -> Array:
        """The score at the value itself, shape (N,), or at points (samples, N, ...): (samples, N)."""
        if points is None:
            score = self.model.score(self.inputs, self.target, at=self.at, value=self.moved)
            return self._numbers(score)
        return self._fold(self.at_points(points).score(), samples_of(points))

    def scores(self, targets: Sequence[Score], points: Tree | None = None) -> list[Array]:
        """The same for several bound scores of these examples, one array for each: scores of classes cost
        one pass together."""
        found: dict[int, Array] = {}
        for group in stackable(targets):
            if len(group) == 1:
                found[group[0]] = self.with_target(targets[group[0]]).score(points)
                continue
            asked = self.with_target(Stacked(tuple(targets[position] for position in group)))
            there = asked if points is None else asked.at_points(points)
            columns = there.model.score(there.inputs, there.target, at=there.at, value=there.moved)
            for column, position in enumerate(group):
                one = there._numbers(columns[:, column])
                found[position] = one if points is None else self._fold(one, samples_of(points))
        return [found[position] for position in range(len(targets))]

    def with_target(self, target: Score) -> "Objective":
        """The same examples and value, explained for another bound score."""
        return self if target is self.target else replace(self, target=target)

    def at_points(self, points: Tree) -> "Objective":
        """The same score explained at other points, shape (samples, N, ...), as samples x N examples."""
        if self.at is None:
            return self.with_inputs(points)
        moved = self._narrowed(self._flat(points), self._own_value)
        return replace(self.repeated(samples_of(points)), moved=moved)

    def with_inputs(self, points: Tree) -> "Objective":
        """The same score, explained at the same site, for other inputs of shape (samples, N, ...)."""
        repeated = self.repeated(samples_of(points))
        flat = self._narrowed(self._flat(points), self.inputs.attributed)
        return replace(repeated, inputs=repeated.inputs.with_attributed(flat), moved=None)

    def repeated(self, samples: int) -> "Objective":
        """The same examples `samples` times over, as samples x N examples."""
        if samples == 1:
            return self
        if self.whole:
            raise AssertionError("points of rows that look at each other go one by one: see chunks")
        tiled = self._tiled(samples)
        return replace(
            self,
            inputs=self.inputs.map_rows(tiled),
            target=self.target.take(np.tile(np.arange(self.count), samples)),
            rows=np.tile(self.rows, samples),
            moved=None if self.moved is None else map_leaves(tiled, self.moved),
        )

    def take(self, rows: NDArray[np.int64]) -> "Objective":
        """The same objective for some of the examples: `rows` of these."""
        return replace(
            self,
            inputs=take_rows(self.model, self.inputs, rows),
            target=self.target.take(rows),
            rows=self.rows[rows],
            moved=None
            if self.moved is None
            else map_leaves(lambda leaf: self._rows(leaf, rows), self.moved),
        )

    def settled(self) -> "Objective":
        """The same, the site's value written down: explaining some of its rows runs nothing for it."""
        return self if self.at is None else replace(self, moved=self._own_value)

    def at_site(self, at: str | None, *beside: str | None) -> "Objective":
        """The same examples and score, explained at another site, or at several."""
        return replace(self, at=at, beside=beside, moved=None)

    def apart(self) -> "list[Objective]":
        """Of each site by itself."""
        return [self.at_site(site) for site in self.sites] if self.beside else [self]

    def chunks(self, samples: int) -> Iterator[range]:
        """Ranges that together cover `samples` points per example, each within `batch_size` rows.

        They are of equal length where at most half as many again allow it, else of nearly equal length:
        a compiled model sees one batch size, or two.
        """
        most = 1 if self.whole else max(1, self.batch_size // self.count)
        fewest = -(-samples // most)
        equal = (pieces for pieces in range(fewest, fewest * 3 // 2 + 1) if samples % pieces == 0)
        pieces = next(equal, fewest)
        for piece in range(pieces):
            yield range(samples * piece // pieces, samples * (piece + 1) // pieces)

    def summed(self, samples: int, part: Callable[[range], Tree]) -> Tree:
        """The sum of what `part` gives for each chunk of the samples, held one chunk at a time.

        What each addition rounds away is put back with the next (Kahan, 1965): a thousand chunks lose
        no more digits than one.
        """
        first, *rest = self.chunks(samples)
        total = part(first)
        excess = map_leaves(self.arrays.zeros_like, total)
        for chunk in rest:
            more = map_leaves(lambda new, over: new - over, part(chunk), excess)
            before, total = total, map_leaves(lambda old, new: old + new, total, more)
            excess = map_leaves(lambda new, old, added: (new - old) - added, total, before, more)
        return total

    def references(self, baseline: Baseline) -> list[Tree]:
        """The baselines as trees of native arrays, with axis 0 of length 1 where all examples share one:
        such a reference costs one row, not N."""
        if id(baseline) not in self._references:  # kept with it: no other gets its id
            found = references_of(
                baseline,
                self.value,
                self.model,
                self.rows,
                self.total,
                self.layout_of,
                lambda token, number: self._widened(
                    with_token(self.model, self.inputs, self.at, token, number)
                ),
            )
            wide = [self._as_wide(one) for one in found] if self.whole else found
            self._references[id(baseline)] = baseline, wide
        return self._references[id(baseline)][1]

    @cached_property
    def _references(self) -> dict[int, tuple[Baseline, list[Tree]]]:
        """Those that were asked for: what draws or computes them does it once."""
        return {}

    def _as_wide(self, reference: Tree) -> Tree:
        """A reference with a row for each example."""
        return map_leaves(
            lambda b, x: self.arrays.broadcast_to(b, shape_of(x)), reference, self.value
        )

    def stacked(self, references: Sequence[Tree]) -> Tree:
        """Some of the `references`, one for each sample, as an array that broadcasts against points
        (samples, N, ...)."""
        first = references[0]
        if all(one is first for one in references):
            return map_leaves(lambda leaf: leaf[None, ...], first)

        def stack(*ones: Array) -> Array:
            rows = max(shape_of(one)[0] for one in ones)
            alike = [self.arrays.broadcast_to(one, (rows, *shape_of(one)[1:])) for one in ones]
            return self.arrays.concat([one[None, ...] for one in alike], axis=0)

        return map_leaves(stack, *references)

    def column(self, numbers: NDArray[np.float64], like: Array) -> Array:
        """Numbers, one per sample, as a native array that broadcasts against points (samples, N, ...)
        of the value `like` (N, ...)."""
        return self.model.asarray(numbers.reshape(-1, *(1,) * like.ndim), like=like)

    def _numbers(self, score: Array) -> Array:
        """A score as it came, checked; integers and truth values, which have no differences and means
        of their own, as floating-point numbers."""
        if shape_of(score) != (self.count,):
            raise TargetError(
                f"A score must be one number per example, shape ({self.count},), got "
                f"{shape_of(score)} from {self.target!r}."
            )
        if self.model.is_floating(score):
            return widened(score, self.arrays)
        host = self.model.to_numpy(score)
        if host.dtype.kind not in "biu":
            raise TargetError(
                f"A score must be real numbers, got {host.dtype} from {self.target!r}. Of complex "
                "numbers, score the magnitude or a part."
            )
        floating = (leaf for leaf in leaves(self.value) if self.model.is_floating(leaf))
        return self.model.asarray(host.astype(np.float64), like=next(floating, None))

    def _flat(self, points: Tree) -> Tree:
        return map_leaves(lambda leaf: self.arrays.reshape(leaf, (-1, *shape_of(leaf)[2:])), points)

    def _rows(self, leaf: Array, rows: NDArray[np.int64]) -> Array:
        return self.arrays.take(leaf, self.model.asarray(rows), axis=0)

    def _fold(self, array: Array, samples: int) -> Array:
        return self.arrays.reshape(array, (samples, self.count, *shape_of(array)[1:]))

    def _tiled(self, samples: int) -> Callable[[Array], Array]:
        def tile(array: Array) -> Array:
            shape = shape_of(array)
            repeated = self.arrays.broadcast_to(
                self.arrays.expand_dims(array, axis=0), (samples, *shape)
            )
            return self.arrays.reshape(repeated, (samples * shape[0], *shape[1:]))

        return tile


def samples_of(points: Tree) -> int:
    return shape_of(leaves(points)[0])[0]
