"""Arrays in memory, or anything else that gives examples by their number."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from backlight.errors import InputError
from backlight.values.examples import labels_of
from backlight.values.layout import InputKind
from backlight_datasets.digests import digest_of_arrays, hashable
from backlight_datasets.gathering import Example, Form, first_form, gathered
from backlight_datasets.naming import Seen
from backlight_datasets.source import (
    Batch,
    Source,
    check_range,
    ids_between,
    numbered,
    unlabelled,
)

Examples: TypeAlias = NDArray[Any] | Sequence[NDArray[Any]]
"""An array, mapped from a file maybe, or a sequence with an array for each number."""


@final
class SequenceSource(Source):
    """Examples in memory, or in a sequence that makes them when they are asked for.

    An example that raises an error when it is asked for, or is unlike the first one that can be read, is
    skipped by name. A pickle holds all that the
    sequence holds: for several processes, files are better.
    """

    def __init__(
        self,
        x: Examples,
        labels: Sequence[int] | NDArray[Any] | None = None,
        classes: Sequence[str] = (),
        names: Sequence[str] = (),
        left_out: Sequence[str] = (),
        kind: InputKind | None = None,
        features: Sequence[str] = (),
    ) -> None:
        """
        Args:
            x: examples by their number, all of one shape and dtype.
            labels: the true class of each; or, see `Labels`, 0 or 1 for each of several labels, or
                numbers. None where nothing is known.
            classes: names of the classes, or of the labels or numbers of each example.
            names: one per example; their numbers where there are none.
            left_out: what is known not to be among them, with the reason.
            kind, features: see `Examples`.

        Raises:
            InputError: there are not as many labels, or names, as examples; labels are no numbers; or two
                have the same name.
        """
        self._labelled = labels is not None
        self._labels = unlabelled(len(x)) if labels is None else labels_of(labels)
        check_counts(len(x), len(self._labels), len(names))
        self._x, self._names = x, tuple(names)
        Seen(self._names).check("the examples")
        self._classes, self._left_out = tuple(classes), tuple(left_out)
        self._kind, self._features = kind, tuple(features)

    def __len__(self) -> int:
        return len(self._labels)

    @property
    def classes(self) -> tuple[str, ...]:
        return self._classes

    @property
    def labelled(self) -> bool:
        return self._labelled

    @property
    def left_out(self) -> tuple[str, ...]:
        return self._left_out

    @property
    def kind(self) -> InputKind | None:
        return self._kind

    @property
    def features(self) -> tuple[str, ...]:
        return self._features

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
        return gathered(start, stop, self._example, self._name, self._form)

    @cached_property
    def _form(self) -> Form:
        return first_form(len(self), self._example)

    def _example(self, number: int) -> Example:
        return Example(np.asarray(self._x[number]), np.asarray(self._labels[number]))

    def _name(self, number: int) -> str:
        return self._names[number] if self._names else str(number)

    def _named(self) -> Iterator[tuple[str, NDArray[Any]]]:
        yield "labels", self._labels
        yield "classes", np.array(self._classes, dtype=str)
        yield "names", np.array(self._names, dtype=str)
        if isinstance(self._x, np.ndarray):
            yield "x", hashable(self._x)
            return
        for number in range(len(self)):
            batch = self.read(number, number + 1)
            yield f"x/{number}", hashable(batch.x)


def check_counts(examples: int, labels: int, names: int = 0) -> None:
    if examples != labels or names not in (0, examples):
        named = f" and {names} names" if names else ""
        raise InputError(
            f"There are {examples} examples with {labels} labels{named}; each needs one of its own."
        )
