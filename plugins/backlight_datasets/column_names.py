"""Which columns of a table, or entries of an example that is a dict, hold what."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self, final

from backlight.errors import InputError, UnknownNameError

X = ("x", "image", "img", "picture", "pixel_values", "file", "file_name", "filename", "path")
TEXTS = ("text", "sentence", "review", "comment", "content", "document", "snippet", "message")
LABELS = ("label", "labels", "y", "target")
NAMES = ("id", "__key__")


@final
@dataclass(frozen=True)
class ColumnNames:
    """Names of columns; those that are not said are looked for under usual names.

    Attributes:
        x: features in the model's order, or the one column of pictures, their files' names, or arrays.
            If none is said: the first of `x`, `image`, `img`, `picture`, `pixel_values`, `file`,
            `file_name`, `filename` and `path` that is there, or else all that are neither label nor name.
            Of texts: the first of `text`, `sentence`, `review`, `comment`, `content`, `document`,
            `snippet` and `message`, or else the only one that is left.
        label: if not said, the first of `label`, `labels`, `y` and `target`; "" takes no labels. Several
            say one label of each example each: 0 or 1, true or false, or numbers.
        name: what examples are called, each differently. If not said, `id` or `__key__`; "" takes their
            numbers.
        label_separator: what is between the names of several labels in one cell, ";" or "|" say; "" where
            a cell is one label. An empty cell is an example without any of them.
    """

    x: tuple[str, ...] = ()
    label: str | tuple[str, ...] | None = None
    name: str | None = None
    label_separator: str = ""

    @classmethod
    def said(
        cls,
        x: Sequence[str] | None,
        label: Sequence[str] | None,
        label_separator: str = "",
        name: str | None = None,
    ) -> Self:
        """Those of a command line, where each is said once or more often."""
        several = tuple(label or ())
        one = several if len(several) > 1 else next(iter(several), None)
        return cls(tuple(x or ()), one, name, label_separator)

    def __post_init__(self) -> None:
        if self.label_separator and len(self.labels) > 1:
            raise InputError(
                f"A separator is of names in one column; the labels are in {', '.join(self.labels)}."
            )

    @property
    def labels(self) -> tuple[str, ...]:
        """The columns of labels that are said; none where none is."""
        return (
            (self.label,) if isinstance(self.label, str) and self.label else tuple(self.label or ())
        )

    def refuse(self, text: str) -> None:
        """Raise InputError where some are said of what has none."""
        if self != ColumnNames():
            raise InputError(
                f"Columns can be said for tables and for examples that are dicts only; {text} has none."
            )

    def among(self, known: Sequence[str], texts: bool = False) -> "ColumnNames":
        """The columns of a table that are meant, all three said; "" for a label or name that is not
        there.

        Args:
            known: all columns.
            texts: whether x is a column of texts.

        Raises:
            UnknownNameError: one that is said is not there.
            InputError: no column is left for x, or several that may hold its texts.
        """
        for said in (*self.x, *self.labels, self.name):
            if said and said not in known:
                raise UnknownNameError("column", said, known)
        free = [one for one in known if one not in self.x]
        label = self.label if self.label is not None else first(LABELS, free)
        name = self.name if self.name is not None else first(NAMES, free)
        left = [one for one in free if one not in (*replace(self, label=label).labels, name)]
        usual = first(TEXTS if texts else X, left)
        x = self.x or ((usual,) if usual else tuple(left))
        if not x:
            raise InputError(f"No column is left for the examples; there are {', '.join(known)}.")
        if texts and len(x) > 1:
            raise InputError(
                f"The texts may be in any of the columns {', '.join(x)}: say in which one, --x COLUMN."
            )
        return replace(self, x=x, label=label, name=name)


def first(usual: Sequence[str], known: Sequence[str]) -> str:
    return next((one for one in usual if one in known), "")
