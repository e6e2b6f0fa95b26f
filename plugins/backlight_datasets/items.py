"""Data sets that give an example for each number: PyTorch's, Hugging Face's, any sequence."""

import pickle
from collections.abc import Sequence
from typing import Any, Protocol, final, runtime_checkable

from backlight.errors import InputError, reason
from backlight_datasets.element_reader import ElementReader
from backlight_datasets.gathering import Example, Form, first_form, gathered
from backlight_datasets.naming import Seen
from backlight_datasets.sequence import check_counts
from backlight_datasets.source import Batch, Source, check_range, numbered
from backlight_datasets.walking import content


@runtime_checkable
class Items(Protocol):
    """What has a length, and an element for each number below it: `(x, label)`, a dict, or x alone."""

    def __len__(self) -> int: ...

    def __getitem__(self, number: int, /) -> object: ...


@final
class ItemsSource(Source):
    """A data set that is asked for each example by its number.

    An example that raises an error, is unlike the first one that can be read, or is not there though the
    length says so, is skipped with the reason. A pickle is that of the data set.
    """

    def __init__(
        self,
        items: Items,
        reader: ElementReader = ElementReader(),
        classes: Sequence[str] = (),
        names: Sequence[str] = (),
        features: Sequence[str] = (),
    ) -> None:
        """
        Args:
            items: a map-style data set of PyTorch's, one of Hugging Face's, or any sequence.
            reader: how its elements become examples.
            classes: names of the classes, or of the labels or numbers of each example.
            names: one per example; their numbers where there are none.
            features: names of a table's columns.

        Raises:
            InputError: there are no examples, none can be read, or two have the same name.
        """
        self._items, self._reader, self._classes = items, reader, tuple(classes)
        self._names, self._features = tuple(names), tuple(features)
        check_counts(len(items), len(items), len(self._names))
        Seen(self._names).check("the examples")
        self._form: Form = first_form(len(items), self._example)

    def __len__(self) -> int:
        return len(self._items)

    @property
    def classes(self) -> tuple[str, ...]:
        return self._classes

    @property
    def labelled(self) -> bool:
        """Whether the first example has a label."""
        return self._form.labelled

    @property
    def features(self) -> tuple[str, ...]:
        return self._features

    def fingerprint(self) -> str:
        """Of every example, for which each is read once, and of the classes."""
        return content(self)

    def names(self, start: int, stop: int) -> tuple[str, ...]:
        check_range(start, stop, len(self))
        return self._names[start:stop] or numbered(start, stop)

    def read(self, start: int, stop: int) -> Batch:
        check_range(start, stop, len(self))
        together = self._together(start, stop)

        def example(number: int) -> Example:
            return (
                self._reader.example(together[number - start])
                if together
                else self._example(number)
            )

        return gathered(start, stop, example, lambda k: self.names(k, k + 1)[0], self._form)

    def _example(self, number: int) -> Example:
        return self._reader.example(self._items[number])

    def _together(self, start: int, stop: int) -> Sequence[object]:
        """The elements of a range, of a data set that gives many at once as PyTorch's may; else none."""
        many = getattr(self._items, "__getitems__", None)
        try:
            found: Sequence[object] = many([*range(start, stop)]) if many else ()
        except Exception:  # one of them fails: which one, and why, is seen when each is asked for
            return ()
        return found if len(found) == stop - start else ()

    def __getstate__(self) -> dict[str, Any]:
        check_pickles(self._items)
        return vars(self)


def check_pickles(data: object) -> None:
    """Raise InputError for a data set that cannot be sent to another process, with what to do."""
    try:
        pickle.dumps(data)
    except Exception as error:  # it is the user's code, which may fail in any way
        whose = getattr(data, "__self__", data)
        kind = f"{type(whose).__module__}.{type(whose).__qualname__}"
        raise InputError(
            f"A {kind} cannot be sent to another process ({reason(error)}). Write a function that makes "
            "it, and name that: file.py:function, which each process then calls."
        ) from error
