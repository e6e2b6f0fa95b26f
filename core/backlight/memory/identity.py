"""What a net or a function is made of, read anew at each call: is it still what was remembered?

Plain values, NumPy's arrays and containers are read by value; functions by their code and by what they
read beside their arguments, at any depth; objects by their class, its methods that can be reached, and
their attributes; frameworks' arrays by what the backends say (`reads`), and not at all where they are
arguments of what runs.

Not seen are: the insides of what is written in C; what a framework has frozen itself, such as the
closure of a jitted function; globals and classes of installed packages; attributes whose names are put
together as the code runs; and records that the net keeps of its own calls: an integer that went up in
one, or a list or set of plain values that grew.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import TypeAlias, final

from backlight.memory.reading import PLAIN, Reading

Told: TypeAlias = tuple[object, ...]

RECORDS = 256
"""How many objects are known that keep records of calls."""

_records: OrderedDict[int, tuple[object, frozenset[object] | None]] = OrderedDict()
"""By id: an object, and which of its attributes or keys do not count; None for all that it holds."""


@final
class Identity:
    """Equal while nothing has changed. It keeps what it tells apart by identity, so that nothing new is
    taken for what was there before."""

    __slots__ = ("_hash", "_reading", "told")

    def __init__(self, reading: Reading) -> None:
        self.told: Told = tuple(reading.told)
        self._reading = reading
        self._hash: int | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Identity) and self.told == other.told

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash(self.told)
        return self._hash

    def segments(self) -> Iterator[tuple[object, Told]]:
        """What was told of each object by itself."""
        ends = [start for _, start in self._reading.entered[1:]] + [len(self.told)]
        for (value, start), end in zip(self._reading.entered, ends, strict=True):
            yield value, self.told[start:end]


def identity_of(*roots: object, arguments: tuple[type, ...] = ()) -> Identity:
    """The identity of some objects.

    Args:
        roots: nets, functions, or parts of them.
        arguments: kinds of object that are arguments of what runs: how many there are and where counts,
            not what they hold.
    """
    reading = Reading(arguments, _records)
    reading.read(roots)
    return Identity(reading)


def identity_beside(
    own: Iterable[object], arrays: tuple[type, ...], *roots: object
) -> tuple[Identity, Identity]:
    """The identity of a net whose own arrays are arguments of what runs; what it reads beside them, such
    as arrays of a closure, is part of what is remembered, and counts.

    Args:
        own: the arrays that are arguments.
        arrays: kinds of array.
        roots: see `identity_of`.
    """
    found, held = identity_of(*roots, arguments=arrays), set(map(id, own))
    told = (value for value, _ in found.segments())
    beside = [one for one in told if isinstance(one, arrays) and id(one) not in held]
    return found, identity_of(*beside)


def note_records(before: object, after: object) -> bool:
    """Note what a call has recorded of itself, by the identities before and after it; whether any."""
    if isinstance(before, tuple) and isinstance(after, tuple):
        # Of all of them, not of the first alone.
        return sum(note_records(*both) for both in zip(before, after, strict=True)) > 0
    if not (isinstance(before, Identity) and isinstance(after, Identity)) or before == after:
        return False
    held = {id(value): told for value, told in before.segments()}
    found = False
    for value, told in after.segments():
        old = held.get(id(value), told)
        known = _records.get(id(value), (value, frozenset()))[1]
        if told == old or known is None:
            continue
        if isinstance(value, (list, set)) and is_log(value) and told[1] > old[1]:  # type: ignore[operator]
            _records[id(value)] = value, None
            found = True
        elif names := counted(old, told):
            _records[id(value)] = value, known | names
            found = True
    while len(_records) > RECORDS:
        _records.popitem(last=False)
    return found


def is_log(value: list[object] | set[object]) -> bool:
    """Whether it holds nothing that a net could compute with but numbers, words and tuples."""
    return all(type(part) in (*PLAIN, float, tuple) for part in value)


def counted(old: Told, new: Told) -> frozenset[object]:
    """The names of integers that went up."""
    return frozenset(
        new[at - 2]
        for at in range(2, min(len(old), len(new)))
        if new[at - 2 : at] == old[at - 2 : at]
        and new[at - 1] is int
        and type(new[at]) is type(old[at]) is int
        and new[at] > old[at]  # type: ignore[operator]
    )


def forget_records() -> None:
    _records.clear()
