"""Examples of a range read one by one: those that fail, or are unlike the first, are skipped."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from backlight.errors import InputError, reason, shown
from backlight.values.examples import UNKNOWN, Labels
from backlight_datasets.source import Batch, Skipped

FEW, LOOKED = 3, 1000
"""How many reasons are told, and how many candidates are tried in search of one that can be read."""


@final
@dataclass(frozen=True, eq=False)
class Example:
    """One example.

    Attributes:
        x: the model's input.
        label: a whole number or NaN, or an array of these, (L,); None where nothing is said.
    """

    x: NDArray[Any]
    label: NDArray[Any] | None = None


ReadOne: TypeAlias = Callable[[int], Example]
"""Gives the example of a number, or raises an error of any kind."""


@final
@dataclass(frozen=True)
class Form:
    """What all examples of a source are like: its first one that can be read.

    Attributes:
        shape, dtype: of x.
        labelled: whether it has a label.
        label_shape, label_dtype: of a label; () and int64 where it has none.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    labelled: bool
    label_shape: tuple[int, ...]
    label_dtype: np.dtype[Any]

    def label(self, label: NDArray[Any] | None) -> NDArray[Any]:
        """A label as the others are; unknown where there is none.

        Raises:
            InputError: it is no such label.
        """
        unknown = np.nan if self.label_dtype.kind == "f" else UNKNOWN
        if label is None or (label.ndim == 0 and label.dtype.kind == "f" and np.isnan(label)):
            if self.label_dtype == np.bool_:
                raise InputError(
                    "it has no truth values; write labels as 0 and 1, and -1 for unknown"
                )
            return np.full(self.label_shape, unknown, dtype=self.label_dtype)
        if label.shape != self.label_shape or not np.can_cast(label.dtype, self.label_dtype):
            raise InputError(
                f"its label {shown(label.tolist())} is not of {self.label_dtype} {self.label_shape}, as "
                "the first one's is"
            )
        return label.astype(self.label_dtype)

    def check(self, x: NDArray[Any]) -> None:
        """Raise InputError for an example that cannot be stacked upon the others."""
        if (x.shape, x.dtype) != (self.shape, self.dtype):
            pictures = x.ndim == len(self.shape) == 3 and x.dtype == self.dtype == np.uint8
            advice = "; say a size and colours for all pictures" if pictures else ""
            raise InputError(
                f"it is {x.dtype} of shape {x.shape}, and the first example is {self.dtype} of "
                f"{self.shape}{advice}"
            )


def form_of(example: Example) -> Form:
    x, label = example.x, example.label
    if label is None:
        return Form(x.shape, x.dtype, False, (), np.dtype(np.int64))
    if label.dtype.kind == "U":
        raise InputError(
            f"its label {shown(label.tolist())} is a name: name the classes in the model's order, "
            "--classes FILE (classes= in Python)"
        )
    if label.dtype.kind not in "iufb" or label.ndim > 1:
        raise InputError(f"its label {shown(label.tolist())} is no number, and no list of numbers")
    kind = "truths" if label.ndim and label.dtype == np.bool_ else label.dtype.kind
    dtype = {"truths": np.bool_, "f": np.float64}.get(kind, np.int64)
    return Form(x.shape, x.dtype, True, label.shape, np.dtype(dtype))


def first_form(count: int, read: ReadOne) -> Form:
    """The form of the first example that can be read.

    Raises:
        InputError: there is none.
    """
    if not count:
        raise InputError("There are no examples.")
    reasons: list[str] = []
    for number in range(min(count, LOOKED)):
        try:
            return form_of(read(number))
        except Exception as error:  # a user's code or file, which may fail in any way
            reasons.append(f"{number}: {reason(error)}")
    said = f": {'; '.join(reasons[:FEW])}" if reasons else ""
    which = f"first {LOOKED}" if count > LOOKED else str(count)
    raise InputError(f"None of the {which} candidates could be read{said}.")


def gathered(start: int, stop: int, read: ReadOne, name: Callable[[int], str], form: Form) -> Batch:
    """The examples of a range; one that raises, or is of another form, is skipped with the reason."""
    x: list[NDArray[Any]] = []
    labels: list[NDArray[Any]] = []
    ids: list[int] = []
    skipped: list[Skipped] = []
    for number in range(start, stop):
        try:
            found = read(number)
            form.check(found.x)
            labels.append(form.label(found.label))
        except Exception as error:  # a user's code or file, which may fail in any way
            skipped.append(Skipped(number, name(number), reason(error)))
            continue
        x.append(found.x)
        ids.append(number)
    known: Labels = np.array(labels, dtype=form.label_dtype).reshape(len(ids), *form.label_shape)
    together = np.stack(x) if x else np.empty((0, *form.shape), dtype=form.dtype)
    return Batch(together, known, np.array(ids, dtype=np.int64), tuple(skipped))
