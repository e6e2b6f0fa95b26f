"""What a framework does with the operations of a graph."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from backlight.engine.conventions import of_extremum
from backlight.graph.graph import Node
from backlight.values.arrays import Array, Arrays, shape_of

if TYPE_CHECKING:
    from backlight.engine.application import Applied

Values: TypeAlias = dict[int, Array]
"""The values of a graph that are known, by number."""

Pullback: TypeAlias = Callable[[Sequence[Array]], Sequence[Array]]
"""From the gradients of a function's results to those of its operands."""

Differentiable: TypeAlias = Callable[[Sequence[Array]], tuple[Sequence[Array], Values]]
"""Of some arrays: results that derivatives are taken of, and what else was computed."""


class Runner(ABC):
    """Runs operations on a framework's arrays, and differentiates what it runs.

    Attributes:
        arrays: the framework's array functions.
        keeps: whether a pullback keeps what it needs of the forward pass. Where it runs that again,
            operations are differentiated one by one.
        records: whether what has been run can be differentiated without another run.
    """

    arrays: Arrays
    keeps: bool = True
    records: bool = False

    @abstractmethod
    def run(self, nodes: Iterable[Node], values: Values, frozen: bool = False) -> None:
        """Run operations on the values known so far, and add theirs.

        Args:
            nodes: in order.
            values: by number.
            frozen: whether what a normalisation that is one of the nodes divides by is held constant.
        """

    @abstractmethod
    def vjp(
        self, function: Differentiable, operands: Sequence[Array]
    ) -> tuple[Pullback, Sequence[Array], Values]:
        """The pullback of a function, and what it gives."""

    def fitted(self, array: Array, like: Array) -> Array:
        """An array with the shape and dtype of another, that it broadcasts against."""
        return self.arrays.astype(self.arrays.broadcast_to(array, shape_of(like)), like.dtype)

    def repeated(self, array: Array, like: Array) -> Array:
        """The same where what is known of both does not say which has one row for all examples."""
        return self.fitted(array, like)

    def constant(self, held: object, like: Array) -> Array:
        """A constant that is used beside another, an array or a number: as an array that goes with it,
        without axes where it is a number."""
        arrays: Any = self.arrays
        return cast(Array, held if hasattr(held, "shape") else arrays.asarray(held, like.dtype))

    @abstractmethod
    def stopped(self, array: Array) -> Array:
        """The array as one that no derivative passes."""

    def derivative(
        self, op: "Applied", inputs: Sequence[Array], grad: Array
    ) -> Sequence[Array] | None:
        """The gradients of an operation's inputs in closed form; None where the framework's own
        derivative is as good. Of several largest numbers, over axes or windows, the first gets all:
        here, over axes.

        Args:
            op: the operation.
            inputs: where it is taken.
            grad: of the result.
        """
        found = of_extremum(op.unit, op.nodes[0], inputs[0], grad, self.arrays)
        return None if found is None else (found,)

    def transposed(self, op: "Applied", x: Array, weight: Array, grad: Array) -> Array | None:
        """The gradient of x of a linear operation with these weights, in closed form; None where the
        framework's own derivative is as good."""
        return None

    def has_own_derivative(self, nodes: Sequence[Node]) -> bool:
        """Whether the user has written the derivative of one of some operations, or the framework's own
        is what the convention says."""
        return False

    def pullback(self, results: Sequence[Array], operands: Sequence[Array]) -> Pullback:
        """The pullback of what has been run already, from its results to its operands, where that is
        recorded."""
        raise NotImplementedError

    def after(self, arrays: Sequence[Array]) -> AbstractContextManager[object]:
        """Within it, whatever is computed is computed after some arrays: for a framework that computes
        what it can as soon as it can, and would keep what rules make of values till gradients arrive."""
        return nullcontext()

    def added(self, one: Array, other: Array) -> Array:
        """The sum of two gradients."""
        return one + other

    def is_array(self, value: int) -> bool:
        """Whether a value is an array of real numbers, which rules are for."""
        return True

    def along(
        self,
        operations: Sequence[Node],
        derivative: Callable[[Sequence[Array]], Sequence[Array]],
        starts: Sequence[Array],
        ends: Sequence[Array],
        nodes: Sequence[float],
        weights: Sequence[float],
    ) -> Sequence[Array] | None:
        """What `AppliedOperation.vjp_along` says, built once for the whole way, where some operations
        take longer to build again than to run; None where they do not.

        Args:
            operations: what is differentiated.
            derivative: theirs at some values.
            starts, ends: of the way.
            nodes, weights: places on the way, from 0 to 1, and their weights.
        """
        return None

    def reading(self, node: Node, operands: Mapping[int, int]) -> Node:
        """A node that reads other values, by the places of its operands."""
        numbers = (operands.get(at, value) for at, value in enumerate(node.operands))
        return replace(node, operands=tuple(numbers))
