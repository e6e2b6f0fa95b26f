"""Cells of the confusion matrix, and classes, as users name them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from backlight.errors import InputError, UnknownNameError
from backlight_loading.names import listed, named

Said: TypeAlias = str | int | Sequence[str | int] | None
"""One class or several, each by name or number."""

ANY = "*"


@final
@dataclass(frozen=True)
class Cell:
    """Examples of a true class that the model calls another, or, where it is said, rightly.

    Attributes:
        true, predicted: the classes; None for any but the other one.
    """

    true: int | None
    predicted: int | None

    def holds(self, labels: NDArray[np.int64], predicted: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which examples, (N,), are in the cell."""
        fits = np.ones(len(labels), dtype=bool)
        if self.true is None or self.predicted is None:
            fits &= labels != predicted
        if self.true is not None:
            fits &= labels == self.true
        if self.predicted is not None:
            fits &= predicted == self.predicted
        return fits

    def named(self, classes: Sequence[str]) -> str:
        """As users write it."""
        sides = (ANY if k is None else classes[k] for k in (self.true, self.predicted))
        return ":".join(sides)

    def described(self, classes: Sequence[str]) -> str:
        true = "of any class" if self.true is None else f"of {classes[self.true]}"
        said = "something else" if self.predicted is None else classes[self.predicted]
        return f"{true} called {said}"


def cell(said: str, classes: Sequence[str]) -> Cell:
    """A cell from `TRUE:PREDICTED`, classes by name or number; `*` is any other class.

    Raises:
        InputError: it is no such pair, or more than one.
        UnknownNameError: no such class, with the nearest names.
    """
    places = [at for at, sign in enumerate(said) if sign == ":"]
    if not places:
        raise InputError(
            f"A cell of the confusion matrix is TRUE:PREDICTED, such as battery:metal or plastic:*; got "
            f"{said!r}."
        )
    found, errors = [], []
    for at in places:
        try:
            found.append(Cell(*(side(part, classes) for part in (said[:at], said[at + 1 :]))))
        except UnknownNameError as error:
            errors.append(error)
    if not found:
        raise errors[0]
    if len(found) > 1:
        raise InputError(f"{said!r} may be several cells, as classes have colons: say numbers.")
    return found[0]


def side(text: str, classes: Sequence[str]) -> int | None:
    return None if text.strip() == ANY else class_number(text, classes)


@final
@dataclass(frozen=True)
class PartCell:
    """Cases of a part of an answer, a label or one of several numbers, that is right or wrong in one way.

    Attributes:
        part: its number; None for any.
        kind: in which way, "fp" say; None for any mistake.
    """

    part: int | None
    kind: str | None

    def within(self, cases: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Those of some cases, (N, parts), that are of its part."""
        if self.part is None:
            return cases
        return np.asarray(cases & (np.arange(cases.shape[1]) == self.part))

    def named(self, names: Sequence[str]) -> str:
        """As users write it."""
        return f"{ANY if self.part is None else names[self.part]}:{self.kind or ANY}"


def part_cells(
    said: str | Sequence[str], names: Sequence[str], kinds: Mapping[str, str]
) -> tuple[PartCell, ...]:
    """Cells that users write as `NAME:KIND`, each once; `*` is any.

    Args:
        names: of the parts.
        kinds: in which way they may be right or wrong, with what that is in words.

    Raises:
        InputError: it is no such pair.
        UnknownNameError: no such name, or no such kind.
    """
    found = []
    for one in (said,) if isinstance(said, str) else said:
        name, sign, kind = one.rpartition(":")
        if not sign:
            known = ", ".join(f"{key} ({words})" for key, words in kinds.items())
            raise InputError(
                f"Here a cell is NAME:KIND, with a kind of {known} or {ANY}; got {one!r}."
            )
        if kind.strip() not in (*kinds, ANY):
            raise UnknownNameError("kind", kind.strip(), [*kinds, ANY])
        asked = None if kind.strip() == ANY else kind.strip()
        found.append(PartCell(side(name, names), asked))
    return tuple(dict.fromkeys(found))


def cells(said: str | Sequence[str], classes: Sequence[str]) -> tuple[Cell, ...]:
    """Cells that users name, each once; see `cell`."""
    given = (said,) if isinstance(said, str) else said
    return tuple(dict.fromkeys(cell(one, classes) for one in given))


def class_numbers(said: Said, classes: Sequence[str]) -> tuple[int, ...]:
    """The numbers of these classes, each once; none where nothing is said."""
    given = () if said is None else (said,) if isinstance(said, str | int) else said
    return tuple(dict.fromkeys(class_number(one, classes) for one in given))


def class_number(said: str | int, classes: Sequence[str]) -> int:
    """A class by its name, by the first of its synonyms ("tabby" of "tabby, tabby cat") or by number.

    Raises:
        UnknownNameError: no such class, with the nearest names.
        InputError: several classes of this name.
    """
    text = str(said).strip()
    found = named(text.casefold(), [name.casefold() for name in classes])
    if len(found) > 1:
        raise InputError(
            f"The classes {listed(found)} are all called {text!r}: say the number of the one you mean."
        )
    if found:
        return found[0]
    if text.isdecimal() and int(text) < len(classes):
        return int(text)
    raise UnknownNameError("class", said, classes, f"Or a number from 0 to {len(classes) - 1}.")
