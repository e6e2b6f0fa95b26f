"""Operations as they were recorded, with what they were called with."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, final

import torch

Node: TypeAlias = Any
"""A node of autograd's graph."""

Parts: TypeAlias = Callable[[dict[str, Any], bool], list[torch.Tensor | None]]
"""The results of an operation from its arguments by name, computed in others: with what a
normalisation divides by held constant, where that is asked for."""


@final
@dataclass(frozen=True, eq=False, slots=True)
class Operand:
    """A tensor among the arguments of an operation.

    Attributes:
        value: its number in the graph.
        shape, dtype: its own.
        edge: which result of which node of autograd's it is, where derivatives flow from it to a start.
    """

    value: int
    shape: tuple[int, ...]
    dtype: torch.dtype
    edge: tuple[Node, int] | None = None

    @property
    def active(self) -> bool:
        return self.edge is not None


@final
@dataclass(frozen=True)
class View:
    """A part of an array: size, strides and offset of both, the offset counted from the array's."""

    size: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int
    whole_size: tuple[int, ...]
    whole_strides: tuple[int, ...]

    def part(self, whole: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """A copy of an array shaped like the whole, and the part of it."""
        own = torch.empty_strided(
            self.whole_size, self.whole_strides, dtype=whole.dtype, device=whole.device
        )
        own.copy_(whole)
        return own, own.as_strided(self.size, self.strides, self.offset)


@final
@dataclass(eq=False)
class Record:
    """One operation that depends on what the graph starts from.

    Attributes:
        func: the ATen operation; None for a node of autograd's that no operation was seen for.
        name: of it, without the underscore of those that write in place.
        args, kwargs: what it was called with, with an `Operand` for each tensor.
        operands: all of these.
        results: its results, by number.
        node: its node in autograd's graph.
        view: the part of a larger array that it wrote into, if it did; its node then is one of the
            whole array.
    """

    func: Any
    name: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] | None = None
    operands: tuple[Operand, ...] = ()
    results: tuple[int, ...] = ()
    node: Node = None
    view: View | None = None

    @property
    def active(self) -> bool:
        """Whether derivatives flow from any operand."""
        return any(one.active for one in self.operands)

    def given(self, values: Mapping[int, Any] | None = None) -> dict[str, Any]:
        """Its arguments by name; in place of operands their values, where these are given."""
        found: dict[str, Any] = {}
        kwargs = self.kwargs or {}
        for number, argument in enumerate(self.func._schema.arguments):
            if number < len(self.args):
                found[argument.name] = filled(self.args[number], values)
            elif argument.name in kwargs:
                found[argument.name] = filled(kwargs[argument.name], values)
            else:
                found[argument.name] = argument.default_value
        return found

    def run_with(
        self, values: Mapping[int, torch.Tensor], inputs: Iterable[torch.Tensor]
    ) -> torch.Tensor:
        """The first result for other active operands, of which several may be one value."""
        own = {-1 - at: one for at, one in enumerate(inputs)}
        places = iter(own)
        apart = {id(one): next(places) if one.active else one.value for one in self.operands}

        def parted(argument: Any) -> Any:
            if isinstance(argument, Operand):
                return replace(argument, value=apart[id(argument)])
            return list(map(parted, argument)) if isinstance(argument, list) else argument

        named = {name: parted(value) for name, value in (self.kwargs or {}).items()}
        copy = Record(self.func, self.name, tuple(map(parted, self.args)), named)
        return copy.run({**values, **own})[0]

    def run(self, values: Mapping[int, torch.Tensor]) -> list[torch.Tensor]:
        """The results for other values of its operands."""
        args = [filled(value, values) for value in self.args]
        kwargs = {name: filled(value, values) for name, value in (self.kwargs or {}).items()}
        if self.func._schema.is_mutable:
            args[0] = args[0].clone()
        return tensors_in(self.func(*args, **kwargs))


def filled(argument: Any, values: Mapping[int, Any] | None) -> Any:
    if values is None:
        return argument
    if isinstance(argument, Operand):
        return values[argument.value]
    if isinstance(argument, (list, tuple)):
        return [filled(item, values) for item in argument]
    return argument


def tensors_in(result: Any) -> list[torch.Tensor]:
    """The tensors among results or arguments, in lists or not."""
    if isinstance(result, torch.Tensor):
        return [result]
    if isinstance(result, (list, tuple)):
        return [one for item in result for one in tensors_in(item)]
    return []
