"""What a model is called with: what is attributed, and what is passed through."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Generic, TypeAlias, cast, final

from backlight.values.arrays import Array, ArrayT, shape_of
from backlight.values.tree import Tree, leaves, map_leaves

Extra: TypeAlias = tuple[object, ...] | Mapping[str, object]
"""Arguments that are passed through unattributed: a tuple follows the inputs by position, a mapping
goes by name."""


@final
@dataclass(frozen=True)
class Shared:
    """Marks an extra argument that belongs to the whole batch, and is never cut along axis 0."""

    value: object


@final
@dataclass(frozen=True)
class PerExample:
    """An extra argument with one row per example. Decided once, for the whole batch: a part of the
    batch could have as many rows as an argument that has nothing to do with it."""

    value: Array

    def map(self, function: Callable[[Array], Array]) -> "PerExample":
        return PerExample(function(self.value))


@final
@dataclass(frozen=True)
class Inputs(Generic[ArrayT]):
    """Native arguments of a model.

    `attributed` is one array, passed as the only argument; a tuple, passed by position; or a dict,
    passed by name. (A Keras model takes a tuple or dict as its one structured argument, as Keras
    users do.) Extra arguments follow. An extra array whose first axis has one row per example is cut
    and repeated together with the examples, unless it is `Shared`.
    """

    attributed: Tree[ArrayT]
    positional: tuple[object, ...] = ()
    keyword: Mapping[str, object] = field(default_factory=dict)
    native: bool = False
    """Whether `Model.prepare` has seen to it: arrays native, extra arrays with examples marked."""

    @property
    def count(self) -> int:
        """The number of examples."""
        return shape_of(cast(Array, leaves(self.attributed)[0]))[0]

    def arguments(self) -> tuple[tuple[object, ...], dict[str, object]]:
        """Positional and keyword arguments of the call, all unwrapped."""
        positional = tuple(unwrapped(value) for value in self.positional)
        keyword = {name: unwrapped(value) for name, value in self.keyword.items()}
        if isinstance(self.attributed, dict):
            return positional, {**self.attributed, **keyword}
        if isinstance(self.attributed, tuple):
            return (*self.attributed, *positional), keyword
        return (self.attributed, *positional), keyword

    def with_attributed(self, attributed: Tree[ArrayT]) -> "Inputs[ArrayT]":
        """The same extra arguments with other attributed values of the same structure."""
        return replace(self, attributed=attributed)

    def map_rows(self, function: Callable[[ArrayT], ArrayT]) -> "Inputs[ArrayT]":
        """Apply `function` to every array that has one row per example, extra ones included."""

        def mapped(value: object) -> object:
            if not isinstance(value, PerExample):
                return value
            return value.map(cast(Callable[[Array], Array], function))

        return replace(
            self,
            attributed=map_leaves(function, self.attributed),
            positional=tuple(mapped(value) for value in self.positional),
            keyword={name: mapped(value) for name, value in self.keyword.items()},
        )


def unwrapped(value: object) -> object:
    return value.value if isinstance(value, (Shared, PerExample)) else value


def arrays_in(inputs: object) -> Iterator[object]:
    """What a model is fed with, of any kind: the parts of `Inputs`, of tuples, lists and mappings."""
    inputs = inputs.attributed if isinstance(inputs, Inputs) else inputs
    if isinstance(inputs, Mapping):
        inputs = tuple(inputs.values())
    if isinstance(inputs, (tuple, list)):
        for part in inputs:
            yield from arrays_in(part)
    elif inputs is not None:
        yield inputs
