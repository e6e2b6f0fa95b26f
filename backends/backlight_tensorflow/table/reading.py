"""An operation of TensorFlow as the table reads it, and what the table makes of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, final

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

Shape: TypeAlias = tuple[int, ...]
BEFORE = -1
"""In the operands of a step: the result of the step before."""


@final
class UnknownError(Exception):
    """What an operation does is not known: an axis, say, is computed."""


@final
@dataclass(frozen=True)
class Step:
    """A primitive of the core.

    Attributes:
        operands: which of the operation's operands it reads, `BEFORE` for the step before.
        shape: of its result, where another step follows.
    """

    primitive: str
    operands: tuple[int, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    shape: Shape = ()


Steps: TypeAlias = list[Step]


@final
@dataclass(frozen=True)
class Reading:
    """An operation with the lengths of what it reads and gives.

    Attributes:
        op: in the traced graph.
        shapes, results: of its operands and results; -1 for lengths that are not known.
        constant: what an operand always is; None where it is not known.
    """

    op: tf.Operation
    shapes: Sequence[Shape]
    results: Sequence[Shape]
    constant: Callable[[int], NDArray[Any] | None]

    @property
    def rank(self) -> int:
        return len(self.shapes[0])

    @property
    def type(self) -> str:
        return str(self.op.type)

    @property
    def result(self) -> Shape:
        """The lengths of the first result."""
        return self.results[0]

    @property
    def channels_first(self) -> bool:
        return self.word("data_format").startswith(("NC", "CHANNELS_FIRST"))

    def attribute(self, name: str) -> Any:
        return self.op.get_attr(name)

    def word(self, name: str) -> str:
        return str(self.op.get_attr(name).decode())

    def numbers(self, place: int) -> tuple[int, ...]:
        """The whole numbers of an operand that says axes or lengths."""
        found = self.constant(place)
        if found is None:
            raise UnknownError
        return tuple(int(each) for each in np.ravel(found))

    def axes(self, place: int, rank: int | None = None) -> tuple[int, ...]:
        """An operand that says axes, counted from 0, in order."""
        rank = self.rank if rank is None else rank
        return tuple(sorted(axis % rank for axis in self.numbers(place)))

    def axis(self, place: int, rank: int | None = None) -> int:
        return self.axes(place, rank)[0]

    def step(self, primitive: str, *operands: int, **attributes: Any) -> Steps:
        """The operation as one primitive, of all operands where none are said."""
        return [Step(primitive, operands or tuple(range(len(self.shapes))), attributes)]
