"""Zeros in an attribution: those that mean nothing are never shown in silence."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from numpy.typing import NDArray

from backlight.errors import BacklightError, NoGradientError
from backlight.explaining.completeness import examples, listed
from backlight.explaining.connection import (
    ADVICE,
    connection_of,
    cut_notes,
    cuts_listed,
    named_parts,
    unreached_notes,
    unreached_objection,
)
from backlight.explaining.objective import Objective
from backlight.graph.dependence.cuts import Connection, Cut
from backlight.model.model import Model
from backlight.rules.rules import Rules
from backlight.values.arrays import Array, shape_of
from backlight.values.tree import Tree, leaves, rebuild

Flags = NDArray[np.bool_]
Numbers = NDArray[np.float64]


@final
@dataclass(frozen=True)
class NonZero:
    """Where an attribution is not exactly 0.

    Attributes:
        examples: for each example and leaf, whether any of its values is not; shape (N, leaves).
        elements: for each leaf, whether the value there is not 0 in some example; shape (...) each.
    """

    examples: Flags
    elements: tuple[Flags, ...]

    @staticmethod
    def of(values: Tree, model: Model) -> "NonZero":
        sizes = [model.arrays.abs(leaf) for leaf in leaves(values)]
        flags = [largest(size, tuple(range(1, size.ndim)), model) for size in sizes]
        return NonZero(np.stack(flags, axis=1), tuple(largest(size, 0, model) for size in sizes))

    @staticmethod
    def joined(parts: "Sequence[NonZero]") -> "NonZero":
        """Of one batch, from those of its blocks."""
        columns = zip(*(part.elements for part in parts), strict=True)
        return NonZero(
            np.concatenate([part.examples for part in parts]),
            tuple(np.logical_or.reduce(column) for column in columns),
        )


def largest(sizes: Array, axis: int | tuple[int, ...], model: Model) -> Flags:
    """Whether any of these sizes along the axes is above 0."""
    if axis != () and 0 not in shape_of(sizes):
        sizes = model.arrays.max(sizes, axis=axis)
    return numbers(model, sizes) > 0


def zero_notes(
    objective: Objective,
    block: NDArray[np.int64],
    nonzero: NonZero,
    differentiates: bool,
    rules: Rules | None,
    is_exact: bool,
) -> tuple[str, ...]:
    """What is to be said about the zeros of an attribution, and about what is not in its values.

    Args:
        objective: of the whole batch.
        block: rows that go through the model together.
        nonzero: where the attribution is not 0.
        differentiates: whether it was made by gradients with respect to the objective's value.
        rules: that its backward pass obeyed.
        is_exact: whether its values sum to what they should, so that no cut has taken anything.

    Raises:
        NoGradientError: no gradient reaches anything of what is explained.
    """
    found: tuple[str, ...] = ()
    cuts: tuple[Cut, ...] = ()
    if differentiates and all(one.all() for one in nonzero.elements):
        found = () if is_exact else cuts_beside(objective.take(block), rules)
    elif differentiates:
        part = objective.take(block)
        connection = connection_of(part, rules)
        if not any(connection.reached):
            connection = replace(connection, depends=tried(part, connection))
        what = named_parts(part, connection)
        refused = unreached_objection(connection, what)
        if refused is not None:
            raise NoGradientError(refused)
        cuts = connection.cuts
        found = unreached_notes(connection, what)
        if cuts:
            found += cut_elements(part, connection, nonzero)
        found = found or (() if is_exact else cut_notes(connection))
    nothing = np.flatnonzero(~nonzero.examples.any(axis=1))
    if not len(nothing):
        return found
    if not differentiates:
        return (
            *found,
            f"Every value is exactly 0 for {examples(nothing)}: nothing that the technique covered or "
            "changed there changes the score.",
        )
    return found + zero_examples(objective, nothing, len(block), cuts)


def cuts_beside(objective: Objective, rules: Rules | None) -> tuple[str, ...]:
    """What is to be said about ways that are cut beside others, where a gradient arrives everywhere."""
    try:
        return cut_notes(connection_of(objective, rules))
    except BacklightError as error:  # the values are what they are
        return (f"Whether some ways of the gradient are cut could not be looked into: {error}",)


def zero_examples(
    objective: Objective, rows: NDArray[np.int64], most: int, cuts: Sequence[Cut]
) -> tuple[str, ...]:
    """Why these examples, of which at most `most` go through the model together, have nothing but 0."""
    flat, left = [], []
    for start in range(0, len(rows), most):
        some = rows[start : start + most]
        run = np.arange(objective.count) if objective.whole else some
        gradient = objective.take(run).gradient().gradient
        slopes = NonZero.of(gradient, objective.model).examples[np.isin(run, some)].any(axis=1)
        left += some[slopes].tolist()
        flat += some[~slopes].tolist()
    found = []
    if flat:
        beside = f"; some ways are cut{cuts_listed(cuts)}" if cuts else ""
        found.append(
            f"Every value is exactly 0 for {examples(flat)}: the gradient of the score is 0 there, as "
            f"behind a rectifier that is off or at a saturated output{beside}. Explain the value before "
            "it, or use a technique that looks further, such as occlusion."
        )
    if left:
        found.append(
            f"Every value is exactly 0 for {examples(left)}: the gradient of the score is not, but the "
            "technique leaves nothing of it: the input may be 0 or equal to its baseline, or a rule or "
            "an option takes the rest."
        )
    return tuple(found)


def cut_elements(objective: Objective, connection: Connection, nonzero: NonZero) -> tuple[str, ...]:
    """A sentence for each leaf of which parts have no gradient in any example though the score
    depends on them: a column that is cast to an index, say.

    A rectifier that is off lets nothing pass either, but does elsewhere: what has a gradient where the
    value is another one is not cut off.
    """
    value = leaves(objective.value)
    if [shape_of(leaf)[1:] for leaf in value] != [one.shape for one in nonzero.elements]:
        return ()
    here = NonZero.of(objective.gradient().gradient, objective.model).elements
    still = [~known & ~slope for known, slope in zip(nonzero.elements, here, strict=True)]
    found, place = [], cuts_listed(connection.cuts)
    before = numbers(objective.model, objective.score())
    for position, (name, reached) in enumerate(
        zip(named_parts(objective, connection), connection.reached, strict=True)
    ):
        cut, moves = still[position], False
        for points in elsewhere(objective, position, cut) if reached and cut.any() else ():
            moved = objective.at_points(points)
            try:
                moves = moves or differs(before, moved)
                slopes = NonZero.of(moved.gradient().gradient, objective.model).elements
            except BacklightError:  # an index that no row has, say: such a value says nothing
                continue
            cut = cut & ~slopes[position]
        if moves and cut.any():
            found.append(
                f"No gradient reaches {parts(cut)} of {name}, though the score depends on "
                f"{'it' if cut.sum() == 1 else 'them'}: the way is cut{place}. The "
                f"values there are 0 in every example. {ADVICE}"
            )
    return tuple(found)


def tried(objective: Objective, connection: Connection) -> tuple[bool, ...]:
    """Whether the score depends on each leaf, also where numbers leave the framework unseen."""
    found, before = list(connection.depends), numbers(objective.model, objective.score())
    for position, leaf in enumerate(leaves(objective.value)):
        everything = np.ones(shape_of(leaf)[1:], dtype=np.bool_)
        for points in () if found[position] else elsewhere(objective, position, everything):
            with suppress(BacklightError):  # such a value says nothing
                found[position] = found[position] or differs(before, objective.at_points(points))
    return tuple(found)


def elsewhere(objective: Objective, position: int, flags: Flags) -> Iterator[Tree]:
    """The value with these elements of a leaf set to another example's, to 0, and to their negative,
    as points of shape (1, N, ...)."""
    model, arrays, tree = objective.model, objective.arrays, objective.value
    value = leaves(tree)
    leaf = value[position]
    mask = arrays.broadcast_to(model.asarray(flags[None]), shape_of(leaf))
    order = model.asarray(np.roll(np.arange(objective.count), 1))
    for other in (arrays.take(leaf, order, axis=0), arrays.zeros_like(leaf), -leaf):
        moved = list(value)
        moved[position] = arrays.where(mask, other, leaf)
        yield rebuild(tree, [one[None, ...] for one in moved])


def differs(before: Numbers, moved: Objective) -> bool:
    """Whether the score of any example is another one there than before, shape (N,)."""
    score = moved.score()
    after = numbers(moved.model, score)
    # Of dtypes of 16 bits, a hundred steps would be all of the score.
    noise = min(100 * moved.precision, 1 / 16) * np.abs(before).max(initial=0.0)
    return bool((np.abs(after - before) > noise).any())


def numbers(model: Model, array: Array) -> Numbers:
    """The numbers of an array on the host, as float64; NaN where they are not known yet."""
    if not model.has_numbers(array):
        return np.full(shape_of(array), np.nan)
    return model.to_numpy(array).astype(np.float64)


def parts(flags: Flags) -> str:
    """`columns 1, 5` of a table's row; `12 of the 784 numbers (the first at index (0, 3))` elsewhere."""
    where = np.argwhere(flags)
    if flags.ndim == 1:
        columns = [str(int(column)) for (column,) in where]
        return f"column{'s' if len(columns) > 1 else ''} {listed(columns)}"
    first = tuple(int(place) for place in where[0])
    return f"{len(where)} of the {flags.size} numbers (the first at index {first})"
