"""The ways that numbers and derivatives can take, and how those of loops and choices are made."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias, final

from backlight.graph.dependence.moves import Moves

Places: TypeAlias = frozenset[int]
"""Which operands, or which results, by their places in a list."""

NOWHERE: Places = frozenset()


@final
@dataclass(frozen=True)
class End:
    """A node that derivatives cannot pass, though numbers do.

    Attributes:
        position: of the node, or of the outermost loop or call that it is in.
        type: what it is, in the framework's words.
        is_minor: whether it only compares numbers, or keeps them safe: derivatives by what it gives are
            zero.
        before: the operands of the whole from which derivatives would come this far.
        behind: the results of the whole that depend on what it gives.
        moves: how the results of the whole move with what it gives: one or the other.
    """

    position: int
    type: str
    is_minor: bool
    before: Places
    behind: Places
    moves: tuple[Moves, ...] = ()


@final
@dataclass(frozen=True)
class Ways:
    """The ways from operands to results.

    Attributes:
        passing: for each result, the operands that derivatives can pass to.
        depending: for each result, the operands that it depends on.
        ends: where ways end for derivatives, in the order of computation.
    """

    passing: tuple[Places, ...]
    depending: tuple[Places, ...]
    ends: tuple[End, ...] = ()


def chosen(branches: Sequence[Ways]) -> Ways:
    """Of a choice between branches: its first operand chooses, and all results depend on it."""
    results = range(len(branches[0].passing))
    ends = [
        replace(end, before=shifted(end.before, 1)) for branch in branches for end in branch.ends
    ]
    return Ways(
        tuple(union(shifted(one.passing[at], 1) for one in branches) for at in results),
        tuple(union(shifted(one.depending[at], 1) for one in branches) | {0} for at in results),
        tuple(ends),
    )


def looped(body: Ways, constants: int, carried: int) -> Ways:
    """Of a body that is run again and again with what it gave before: any number of times."""

    def closed(given: tuple[Places, ...]) -> tuple[list[Places], Callable[[Places], Places]]:
        carry = [frozenset([constants + at]) for at in range(carried)]

        def outside(places: Places) -> Places:
            return union(
                carry[at - constants] if constants <= at < constants + carried else frozenset([at])
                for at in places
            )

        changed = True
        while changed:
            after = [carry[at] | outside(given[at]) for at in range(carried)]
            changed = after != carry
            carry[:] = after
        return [outside(places) for places in given], outside

    passing, outside = closed(body.passing)
    depending, _ = closed(body.depending)
    ends = []
    for end in body.ends:
        later = {constants + at for at in end.behind if at < carried}
        behind = end.behind | {at for at, places in enumerate(depending) if places & later}
        ends.append(replace(end, before=outside(end.before), behind=behind))
    return Ways(tuple(passing), tuple(depending), tuple(ends))


def tested(test: Ways, body: Ways, counts: tuple[int, int]) -> Ways:
    """Of a body that is run while a test holds, at least once, which everything that comes out depends
    on: what is cut in the body is cut, though a loop that is never entered hands on what it was given.

    Args:
        test: of its constants and what is carried.
        body: of its constants and what is carried, run any number of times.
        counts: how many constants each has; the test's come first.
    """
    first, held = counts
    carried = range(len(body.passing))

    def once(given: tuple[Places, ...]) -> list[Places]:
        return [shifted(given[at], first) | {first + held + at} for at in carried]

    def outside(places: Places, carry: Sequence[Places]) -> Places:
        return union(frozenset([at]) if at < first else carry[at - first] for at in places)

    seen, depending = once(body.passing), once(body.depending)
    found = outside(test.depending[0], depending)
    everything = frozenset(carried)
    ends = [replace(end, before=outside(end.before, seen), behind=everything) for end in test.ends]
    ends += [replace(end, before=shifted(end.before, first)) for end in body.ends]
    passing = tuple(shifted(places, first) for places in body.passing)
    return Ways(passing, tuple(places | found for places in depending), tuple(ends))


def shifted(places: Places, by: int) -> Places:
    return frozenset(at + by for at in places)


def union(parts: Iterable[Places]) -> Places:
    return NOWHERE.union(*parts)
