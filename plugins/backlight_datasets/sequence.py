"""Arrays in memory, or anything else that gives examples by their number."""

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from backlight.errors import InputError, reason
from backlight.values.examples import labels_of
from backlight_datasets.digests import digest_of_arrays
from backlight_datasets.source import Batch, Skipped, Source, check_range, ids_between, numbered

Examples: TypeAlias = NDArray[Any] | Sequence[NDArray[Any]]
"""An array, mapped from a file maybe, or a sequence with an array for each number."""


@final
class SequenceSource(Source):
    """Examples in memory, or in a sequence that makes them when they are asked for.

    An example that raises an error when it is asked for is skipped by name. A pickle holds all that the
    sequence holds: for several processes, files are better.
    """

    def __init__(
        self,
        x: Examples,
        labels: Sequence[int] | NDArray[Any],
        classes: Sequence[str] = (),
        names: Sequence[str] = (),
        left_out: Sequence[str] = (),
    ) -> None:
        """
        Args:
            x: examples by their number, all of one shape and dtype.
            labels: the true class of each; or, see `Labels`, 0 or 1 for each of several labels, or
                numbers.
            classes: names of the classes, or of the labels or numbers of each example.
            names: one per example; their numbers where there are none.
            left_out: what is known not to be among them, with the reason.

        Raises:
            InputError: there are not as many labels, or names, as examples; or labels are no numbers.
        """
        self._labels = labels_of(labels)
        check_counts(len(x), len(self._labels), len(names))
        self._x, self._names = x, tuple(names)
        self._classes, self._left_out = tuple(classes), tuple(left_out)

    def __len__(self) -> int:
        return len(self._labels)

    @property
    def classes(self) -> tuple[str, ...]:
        return self._classes

    @property
    def left_out(self) -> tuple[str, ...]:
        return self._left_out

    def fingerprint(self) -> str:
        """Of every example, for which each is read once, of the labels, the classes and the names."""
        return digest_of_arrays(self._named())

    def names(self, start: int, stop: int) -> tuple[str, ...]:
        check_range(start, stop, len(self))
        return self._names[start:stop] if self._names else numbered(start, stop)

    def read(self, start: int, stop: int) -> Batch:
        check_range(start, stop, len(self))
        ids = ids_between(start, stop)
        if isinstance(self._x, np.ndarray):
            return Batch(np.array(self._x[start:stop]), self._labels[start:stop], ids)
        found: list[NDArray[Any]] = []
        skipped: list[Skipped] = []
        for number in range(start, stop):
            try:
                found.append(np.asarray(self._x[number]))
            except Exception as error:  # it is the user's code, which may fail in any way
                skipped.append(Skipped(number, self.names(number, number + 1)[0], reason(error)))
        kept = np.setdiff1d(ids, [one.id for one in skipped])
        for number, one in zip(kept, found, strict=True):
            if (one.shape, one.dtype) != (found[0].shape, found[0].dtype):
                raise InputError(
                    f"Examples must have one shape and dtype: number {kept[0]} has {found[0].shape} "
                    f"and {found[0].dtype}, number {number} {one.shape} and {one.dtype}."
                )
        x = np.stack(found) if found else np.empty((0,))
        return Batch(x, self._labels[kept], kept, tuple(skipped))

    def _named(self) -> Iterator[tuple[str, NDArray[Any]]]:
        yield "labels", self._labels
        yield "classes", np.array(self._classes, dtype=str)
        yield "names", np.array(self._names, dtype=str)
        if isinstance(self._x, np.ndarray):
            yield "x", self._x
            return
        for number in range(len(self)):
            batch = self.read(number, number + 1)
            yield f"x/{number}", batch.x


def check_counts(examples: int, labels: int, names: int = 0) -> None:
    if examples != labels or names not in (0, examples):
        named = f" and {names} names" if names else ""
        raise InputError(
            f"There are {examples} examples with {labels} labels{named}; each needs one of its own."
        )
