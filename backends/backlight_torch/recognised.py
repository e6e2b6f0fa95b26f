"""What operations were found to compute."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias, final

import torch

from backlight.operations import Kind

Slope: TypeAlias = Callable[[torch.Tensor], torch.Tensor]
"""The derivative of a function of each number by itself."""


@final
@dataclass
class Recognised:
    """What an operation computes.

    Attributes:
        kind: of operation.
        type: the framework's word for it.
        weight, bias: which operands these are, of a linear operation.
        slope: the derivative where autograd's own takes another side at a kink.
        axes: that it sums, or takes a maximum, over.
        replayable: whether it gives the same when it runs again.
        opened: whether it is always shown as what it consists of.
        condition: what it chooses by, if that is a comparison of one value.
    """

    kind: Kind
    type: str = ""
    weight: int | None = None
    bias: int | None = None
    slope: Slope | None = None
    axes: tuple[int, ...] = ()
    replayable: bool = True
    opened: bool = False
    condition: "Condition | None" = None


@final
@dataclass(frozen=True)
class Condition:
    """A comparison of a value with a number: its result, which value, how, with what."""

    result: torch.Tensor
    edge: tuple[Any, int]
    comparison: str
    level: float

    @property
    def above(self) -> bool:
        """Whether it holds above 0."""
        return self.comparison in ("gt", "ge") and self.level == 0

    @property
    def below(self) -> bool:
        return self.comparison in ("lt", "le") and self.level == 0

    def holds(self, x: torch.Tensor) -> torch.Tensor:
        held: torch.Tensor = getattr(torch, self.comparison)(x, self.level)
        return held


COMPARISONS = frozenset({"gt", "ge", "lt", "le"})


@final
@dataclass(frozen=True)
class Decided:
    """A mask or an index that depends on the explained value, or what is made of such alone.

    Attributes:
        array: it.
        operation: what decided, as in `cut_at`.
        place: where in the model.
    """

    array: torch.Tensor
    operation: str
    place: str


def cut_at(name: str, result: torch.Tensor) -> str:
    """What an operation is called whose result has no derivative: `cast to int64`, `argmax`."""
    casts = name in ("_to_copy", "copy", "to") or name.startswith("quantize")
    return f"cast to {str(result.dtype).removeprefix('torch.')}" if casts else name
