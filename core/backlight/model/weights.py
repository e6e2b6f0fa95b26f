"""A net's weights by name, and where it keeps them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar, final

from backlight.memory.identity import identity_of
from backlight.values.arrays import ArrayT

if TYPE_CHECKING:
    from backlight.model.model import Model

T = TypeVar("T")


@final
@dataclass(frozen=True)
class Weights(Generic[ArrayT]):
    """The arrays that a net keeps, native ones, which are not to be written to.

    Attributes:
        parameters: of floating point, that it learns, by names such as `layer.weight`, in its own order,
            from the inputs on where it has one; of a plain function, those that it reads.
        buffers: all others: running statistics, tables, whole numbers.
    """

    parameters: Mapping[str, ArrayT]
    buffers: Mapping[str, ArrayT] = field(default_factory=dict)


@final
@dataclass(frozen=True)
class Storage:
    """Where a net keeps its weights.

    Attributes:
        weights: what is there now.
        put: writes arrays of these names there, NumPy's or what `copied` gave, in the dtypes of those
            that are there; or gives another model that has them, where the net's own stay as they are.
        copied: what a weight can be put back from, bit for bit.
    """

    weights: Weights
    put: "Callable[[Mapping[str, Any]], Model | None]"
    copied: Callable[[Any], Any]


def owner_of(net: object) -> object:
    """The object behind partial functions and bound methods."""
    while isinstance(net, partial):
        net = net.func
    return getattr(net, "__self__", net)


def read_by(net: object, *kinds: type[T]) -> list[T]:
    """The objects of some kinds that a function reads, as far as its identity tells, each once."""
    return [value for value, _ in identity_of(net).segments() if isinstance(value, kinds)]


def by_name(named: Sequence[tuple[str, T]]) -> dict[str, T]:
    """Each under its name; under its place and its name where several have the same."""
    found = dict(named)
    if len(found) == len(named):
        return found
    return {f"{place}.{name}": one for place, (name, one) in enumerate(named)}


def numbered(arrays: Sequence[T]) -> dict[str, T]:
    """By their places, for want of names."""
    return {str(place): one for place, one in enumerate(arrays)}
