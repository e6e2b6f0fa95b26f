"""Examples that come in an order only, as a source."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from typing import Any, TypeAlias, final

import numpy as np

from backlight.errors import InputError, reason
from backlight_datasets.element_reader import ElementReader
from backlight_datasets.gathering import Example, Form, first_form, gathered
from backlight_datasets.items import check_pickles
from backlight_datasets.read_on import ReadOn
from backlight_datasets.source import Batch, Source, check_range, numbered
from backlight_datasets.walking import content

Stream: TypeAlias = Iterable[Any] | Callable[[], Iterable[Any]]
"""Something that can be iterated over again and again, each time from the beginning; or a function that
begins a pass over it."""


@final
class StreamSource(Source):
    """ElementReader by their place in a stream, which gives the same ones in the same order at each pass.

    Ranges that rise cost one pass in all, a lower one begins another; each of several processes reads the
    whole stream. Where it raises an error or ends too early, all that it still owes is skipped with the
    reason.
    """

    def __init__(
        self,
        stream: Stream,
        count: int | None = None,
        batched: bool = False,
        reader: ElementReader = ElementReader(),
        classes: Sequence[str] = (),
    ) -> None:
        """
        Args:
            stream: of elements, or of batches of them.
            count: how many examples it has; None counts them, for which it is read once.
            batched: whether what comes are batches: `(x, labels)`, a dict of arrays, or x alone.
            reader: how an element becomes an example.
            classes: names of the classes, or of the labels or numbers of each example.

        Raises:
            InputError: it gives nothing that can be read, begins otherwise when it is read again, or can
                be read once only.
        """
        if isinstance(stream, Iterator):
            raise InputError(
                f"A {type(stream).__qualname__} can be read once only. Give a function that makes a new "
                "one each time."
            )
        self._stream, self._batched, self._reader = stream, batched, reader
        self._classes, self._count = tuple(classes), count
        self._failure = ""
        first = self._begins_the_same()
        self._form: Form = first_form(len(first), lambda number: reader.example(first[number]))
        self._rows = ReadOn(self._pieces)

    def __len__(self) -> int:
        if self._count is None:
            self._count = sum(map(len, self._pieces()))
            if self._failure:
                raise InputError(f"The examples cannot be counted: {self._failure}.")
        return self._count

    @property
    def classes(self) -> tuple[str, ...]:
        return self._classes

    @property
    def labelled(self) -> bool:
        """Whether the first example has a label."""
        return self._form.labelled

    def fingerprint(self) -> str:
        """Of every example, for which the stream is read once, and of the classes."""
        return self._content

    @cached_property
    def _content(self) -> str:
        return content(self)

    def names(self, start: int, stop: int) -> tuple[str, ...]:
        check_range(start, stop, len(self))
        return numbered(start, stop)

    def read(self, start: int, stop: int) -> Batch:
        check_range(start, stop, len(self))
        found = [element for piece in self._rows.rows(start, stop) for element in piece]
        if stop == len(self) and not self._failure and self._rows.rows(stop, stop + 1):
            raise InputError(
                f"The stream has more than the {stop} examples that it is said to have; give the right "
                "count, or none."
            )

        def example(number: int) -> Example:
            if number - start >= len(found):
                raise InputError(self._failure or "the stream ended before it")
            return self._reader.example(found[number - start])

        return gathered(start, stop, example, str, self._form)

    def _pieces(self) -> Iterator[list[Any]]:
        self._failure = ""
        try:
            begun = self._stream() if callable(self._stream) else self._stream
            for element in begun:
                yield rows_of_batch(element) if self._batched else [element]
        except Exception as error:  # it is the user's code, which may fail in any way
            self._failure = f"the stream failed before it with {reason(error)}"

    def _begins_the_same(self) -> list[Any]:
        """The first elements, once two passes were seen to begin with the same."""
        first, again = ([*islice(self._pieces(), 4)] for _ in range(2))
        elements = [element for piece in first for element in piece]
        others = [element for piece in again for element in piece]
        if not elements:
            raise InputError(f"The stream is empty{': ' if self._failure else ''}{self._failure}.")
        if not all(map(self._same, elements, others)):
            raise InputError(
                "The stream begins with other examples when it is read again, so that their places mean "
                "nothing: it must not be shuffled, or be shuffled in the same way each time."
            )
        return elements

    def _same(self, one: object, other: object) -> bool:
        try:
            x, y = self._reader.example(one).x, self._reader.example(other).x
        except Exception:  # what cannot be read is said when it is read
            return True
        return np.array_equal(x, y, equal_nan=x.dtype.kind in "fc")

    def __getstate__(self) -> dict[str, Any]:
        check_pickles(self._stream)
        return {name: value for name, value in vars(self).items() if name != "_rows"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._rows = ReadOn(self._pieces)


def rows_of_batch(batch: Any) -> list[Any]:
    """The elements of a batch: `(x, labels)`, a dict of arrays, or an array."""
    if isinstance(batch, Mapping):
        columns = list(batch.values())
        return [dict(zip(batch, row, strict=True)) for row in zip(*columns, strict=True)]
    if isinstance(batch, tuple | list):
        return list(zip(*map(np.asarray, batch), strict=True))
    return list(np.asarray(batch))
