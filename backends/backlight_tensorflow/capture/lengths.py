"""The lengths of values for some number of examples, from those for another number."""

from collections.abc import Callable, Sequence

import tensorflow as tf
from tensorflow.python.framework.func_graph import FuncGraph

from backlight_tensorflow.capture.flattening import Tensor, Value
from backlight_tensorflow.engine.copying import Copy

FEW = 2
"""For how many examples lengths are inferred: with more than one an axis of theirs is seen."""


class Lengths:
    """What TensorFlow infers of a network on some number of examples; nothing is run.

    Attributes:
        count: how many.
        graph: where operations are made, as far as they are asked for.
        made: what is made already, also of the arguments.
    """

    def __init__(
        self,
        given: Callable[[Sequence[Tensor]], dict[Value, Tensor]],
        specs: Sequence[tf.TensorSpec],
        count: int,
    ) -> None:
        self.count, self.graph = count, FuncGraph("lengths")
        with self.graph.as_default():
            self.made = given(list(map(self.argument, specs)))

    def argument(self, spec: tf.TensorSpec) -> Tensor:
        """An argument for as many examples, in the graph that is being built."""
        shape = [self.count if length is None else length for length in spec.shape]
        return tf.compat.v1.placeholder(spec.dtype, shape)

    def shape(self, count: int, value: Value) -> tuple[int, ...] | None:
        """The shape of a value for some number of examples; None if unsure. The graph is to be the
        default one: what the value is computed from may have to be made."""
        try:
            found = Copy(self.made).tensor(value).shape
        except ValueError:
            return None  # it may need to know the number of examples
        if not found.is_fully_defined():
            return None
        return shape_for(count, value.tensor.shape, self.count, tuple(found))


def shape_for(
    count: int, static: tf.TensorShape, seen_count: int, seen: tuple[int, ...]
) -> tuple[int, ...] | None:
    """The shape for `count` examples of what had the shape `seen` for others; None if unsure."""
    if count == seen_count:
        return seen
    if static.rank is None or None in static[1:]:
        return None
    if static.rank == 0 or static[0] is not None:
        return seen
    return (count, *seen[1:]) if seen[0] == seen_count else None
