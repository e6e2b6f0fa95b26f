"""A recognised operation: the nodes that it is made of, and what they read and give."""

from dataclasses import dataclass, field
from typing import final

from backlight.rules.operations import Kind, Operation


@final
@dataclass(frozen=True, eq=False)
class Step:
    """What happens to a linear operation's result z behind it, in one node of the same unit.

    Attributes:
        position: of the node.
        place: which of its operands z is.
        effect: `move`, `shift` (z + c), `reversed shift` (c - z), `scale` (z c), `quotient` (z / c),
            `negation` or `batch_norm`.
        constant: the value of c, where there is one.
        varies: the axes of the step's result along which c differs.
        moves: of a move: for each axis of the result, which axis it was; None for new ones, of
            length 1.
    """

    position: int
    place: int
    effect: str
    constant: int | None = None
    varies: frozenset[int] = frozenset()
    moves: tuple[int | None, ...] | None = None


@final
@dataclass(frozen=True, eq=False)
class Linear:
    """A product or convolution by constants, with what is folded into it.

    Attributes:
        position: of the product.
        weight: the value of the weights.
        place: which operand of the product they are.
        bias: the value of the product's own bias, None for none.
        axes: for each axis of the product's result, the axis of the weight that it comes from, None for
            those of x.
        steps: scales and shifts by constants behind it, and what only moves numbers between them.
    """

    position: int
    weight: int
    place: int
    axes: tuple[int | None, ...]
    bias: int | None = None
    steps: tuple[Step, ...] = ()


@final
@dataclass(frozen=True, eq=False)
class Unit:
    """An operation as rules see it.

    Attributes:
        kind: what it computes.
        positions: of its nodes in the graph, in order.
        inputs: the operands that gradients flow to, by number. A value that one node reads twice
            (x * x) occurs twice.
        outputs: its results that gradients flow from; the first is the operation's.
        core: the position of the node that it is named by.
        axes: of a softmax and its kin, and of a maximum over axes.
        replayable: whether it can be run again.
        constant: of a rectifier: where it is cut off, or its slope below 0.
        sizes: of a normalisation: the values that it divides by, or multiplies with: one, written
            several times perhaps.
        linear: of a linear operation: its weights.
        parts: of a neuron: the two units.
        operation: as rules see it; known once all units are.
    """

    kind: Kind
    positions: tuple[int, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    core: int
    axes: tuple[int, ...] = ()
    replayable: bool = True
    constant: float | None = None
    sizes: tuple[int, ...] = ()
    linear: Linear | None = None
    parts: "tuple[Unit, ...]" = ()
    operation: Operation | None = field(default=None, repr=False)

    @property
    def output(self) -> int:
        return self.outputs[0]

    @property
    def described(self) -> Operation:
        assert self.operation is not None
        return self.operation
