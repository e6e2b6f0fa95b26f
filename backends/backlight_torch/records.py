"""Operations as they were recorded, with what they were called with."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias, final

import torch

from backlight_torch.recognised import Recognised

Node: TypeAlias = Any
"""A node of autograd's graph."""


@final
@dataclass(eq=False)
class Operand:
    """A tensor that an operation was called with.

    Attributes:
        tensor: its value; None where it depends on the explained value and no rule looks at it.
        active: whether it depends on the explained value.
        edge: which result of which node it is, where it is active.
        shape: of the tensor.
    """

    tensor: torch.Tensor | None
    active: bool
    edge: tuple[Node, int] | None
    shape: tuple[int, ...]


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
    """One operation that depends on the explained value.

    Attributes:
        func: the ATen operation.
        name: of it, without the underscore of those that write in place.
        args, kwargs: what it was called with, with an `Operand` for each tensor.
        operands: all of these.
        found: what it computes.
        place: where in the model.
        shape, dtype: of its first result.
        output: its first result; None where no rule looks at it.
        node: its node in autograd's graph.
        view: the part of a larger array that it wrote into, if it did; its node then is one of the
            whole array.
        needs: which of inputs and output are kept.
        places: of a maximum over windows, where each was found.
    """

    func: Any
    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    operands: list[Operand]
    found: Recognised
    place: str
    shape: tuple[int, ...] = ()
    output: torch.Tensor | None = None
    node: Node = None
    view: "View | None" = None
    needs: frozenset[str] = frozenset()
    places: torch.Tensor | None = None

    @property
    def active(self) -> list[Operand]:
        return [operand for operand in self.operands if operand.active]

    def run(
        self, inputs: Iterable[torch.Tensor], constants: dict[int, torch.Tensor | None]
    ) -> torch.Tensor:
        """The first result for other active operands, and other constants by their number."""
        given = iter(inputs)
        values: dict[int, torch.Tensor | None] = {}
        for number, operand in enumerate(self.operands):
            if operand.active:
                values[id(operand)] = next(given)
            else:
                values[id(operand)] = constants.get(number, operand.tensor)

        def filled(value: Any) -> Any:
            if isinstance(value, Operand):
                return values[id(value)]
            if isinstance(value, (list, tuple)):
                return [filled(item) for item in value]
            return value

        args = [filled(value) for value in self.args]
        kwargs = {name: filled(value) for name, value in self.kwargs.items()}
        if self.func._schema.is_mutable:
            args[0] = args[0].clone()
        result = self.func(*args, **kwargs)
        first: torch.Tensor = result[0] if isinstance(result, (tuple, list)) else result
        return first
