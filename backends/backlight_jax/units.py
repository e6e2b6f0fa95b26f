"""A recognised operation: the equations it is made of, and what they read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, final

from jax import lax

from backlight.operations import Kind, Operation
from backlight_jax.activations import Activation
from backlight_jax.program import Node, run


@final
@dataclass(frozen=True, eq=False)
class Affine:
    """One step behind a linear equation: what is done to its result z, which it names last.

    Attributes:
        node: the equation.
        place: which of its operands z is.
        varies: the axes of the step's result along which the constant differs.
        moves: of a step that only moves numbers: for each axis of the result, which axis it was; None
            for new ones, of length 1.
    """

    node: Node
    place: int
    varies: frozenset[int] = frozenset()
    moves: tuple[int | None, ...] | None = None


@final
@dataclass(frozen=True, eq=False)
class Linear:
    """A matrix product or convolution by constants, with what is folded into it.

    Attributes:
        node: the product.
        weight: which of its operands has the weights.
        axes: for each axis of the result, which axis of the weight it comes from, if any.
        steps: scales and shifts by constants behind it, and what only moves numbers between them.
    """

    node: Node
    weight: int
    axes: tuple[int | None, ...]
    steps: tuple[Affine, ...] = ()


@final
@dataclass(frozen=True, eq=False)
class Unit:
    """An operation in a program.

    Attributes:
        kind: what it computes.
        nodes: its equations, in order.
        arguments: the values in the equations that stand for the operands.
        inputs: the operands that gradients flow to, by number; one may occur twice.
        outputs: its results that gradients flow from.
        positions: where in the program the equations are.
        type: the framework's word.
        axes: of a softmax and its kin.
        replayable: whether it can be run again.
        activation: the function, of a recognised one.
        size: the value that a normalisation divides by, or multiplies with.
        linear: of a linear operation: its weights.
        parts: of a neuron: the two units.
        operation: as rules see it; known once all units are.
    """

    kind: Kind
    nodes: tuple[Node, ...]
    arguments: tuple[int, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    positions: tuple[int, ...]
    type: str
    axes: tuple[int, ...] = ()
    replayable: bool = True
    activation: Activation | None = None
    size: int | None = None
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

    def named(self, operation: Operation) -> "Unit":
        return replace(self, operation=operation)

    def constants(self) -> list[int]:
        """The values that its equations read beside the operands."""
        own = {value for node in self.nodes for value in node.outputs} | set(self.arguments)
        read = (value for node in self.nodes for value in node.values)
        return [value for value in dict.fromkeys(read) if value not in own]

    def results(
        self, known: Mapping[int, Any], inputs: Sequence[Any], frozen: bool = False
    ) -> tuple[Any, ...]:
        """The results for other operands, all else as known."""
        values = {value: known[value] for value in self.constants()}
        values.update(zip(self.arguments, inputs, strict=True))
        for node in self.nodes:
            run([node], values)
            if frozen and self.size in node.outputs:
                values[self.size] = lax.stop_gradient(values[self.size])
        return tuple(values[value] for value in self.outputs)
