"""The lengths of values for some number of examples, from those for another number."""

from collections.abc import Callable, Sequence

import tensorflow as tf
from tensorflow.python.framework.func_graph import FuncGraph

from backlight_tensorflow.capture.flattening import Tensor, Value
from backlight_tensorflow.engine.copying import Copy

FEW = 2
"""For how many examples lengths are inferred: with more than one an axis of theirs is seen."""


class Inferred:
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

    def shapes(self, values: Sequence[Value], count: int) -> list[tuple[int, ...]] | None:
        """The shapes of values for some number of examples; None if unsure."""
        try:
            with self.graph.as_default():
                found = [tensor.shape for tensor in Copy(self.made).tensors(values)]
        except ValueError:
            return None  # it may need to know the number of examples
        if not all(shape.is_fully_defined() for shape in found):
            return None
        pairs = zip(values, found, strict=True)
        shapes = [shape_for(count, one.tensor.shape, self.count, tuple(its)) for one, its in pairs]
        return None if None in shapes else [shape for shape in shapes if shape is not None]


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
