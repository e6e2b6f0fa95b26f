"""Names of classes and files: found, listed, and made legible, as names of files may be no UTF-8."""

import os
from collections.abc import Sequence
from typing import TypeVar, cast

Value = TypeVar("Value")

LONGEST = 48
"""How many characters of a name stand in a table, a list or a sentence."""


def legible(text: str) -> str:
    """The text, with bytes that are no UTF-8 written as `\\xe9`."""
    try:
        text.encode()
    except UnicodeEncodeError:
        pass
    else:
        return text
    try:
        return os.fsencode(text).decode(errors="backslashreplace")
    except UnicodeEncodeError:  # it does not come from a file's name
        return text.encode(errors="backslashreplace").decode()


def all_legible(value: Value) -> Value:
    """The same lists and dicts with legible texts."""
    if isinstance(value, str):
        return cast(Value, legible(value))
    if isinstance(value, dict):
        return cast(Value, {all_legible(key): all_legible(one) for key, one in value.items()})
    if isinstance(value, list | tuple):
        return cast(Value, type(value)(all_legible(one) for one in value))
    return value


def short(name: str) -> str:
    """The first of a class's synonyms, cut where it is too long to stand in a row of others."""
    first = name.partition(",")[0].strip() or name.strip() or "(no name)"
    return first if len(first) <= LONGEST else f"{first[: LONGEST - 1]}\N{HORIZONTAL ELLIPSIS}"


def named(text: str, classes: Sequence[str]) -> list[int]:
    """The classes of this name; where none is, those of which it is the first of several synonyms."""
    whole = [k for k, name in enumerate(classes) if name == text]
    return whole or [k for k, name in enumerate(classes) if name.partition(",")[0].strip() == text]


def listed(things: Sequence[object]) -> str:
    """One or more things in a row: a, b and c."""
    first, last = things[:-1], things[-1]
    return f"{', '.join(map(str, first))} and {last}" if first else str(last)
