"""The lengths of values: inferred for some number of examples, and told for others.

Nothing is run, but where lengths hang on the numbers of arrays.
"""

from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf
from tensorflow.python.framework.func_graph import FuncGraph

from backlight.graph.graph import Graph
from backlight_tensorflow.capture.flattening import Tensor, Value
from backlight_tensorflow.capture.graphs import Capture
from backlight_tensorflow.capture.known import known_of
from backlight_tensorflow.capture.paths import Path
from backlight_tensorflow.capture.tracing import LOCK, Trace
from backlight_tensorflow.engine.copying import Copy
from backlight_tensorflow.nets.calls import Request
from backlight_tensorflow.table.reading import Shape

FEW = 2
"""For how many examples lengths are inferred: with more than one an axis of theirs is seen."""


class Inferred:
    """What TensorFlow infers of a network on some number of examples.

    Attributes:
        count: how many.
        graph: where operations are made, as far as they are asked for.
        made: what is made already, also of the arguments.
    """

    def __init__(self, traced: Trace, request: Request, count: int) -> None:
        self.count, self.graph = count, FuncGraph("lengths")
        with self.graph.as_default():
            self.made = traced.given(list(map(self.argument, request.specs(traced.count))))

    def argument(self, spec: tf.TensorSpec) -> Tensor:
        """An argument for as many examples, in the graph that is being built."""
        shape = [self.count if length is None else length for length in spec.shape]
        return tf.compat.v1.placeholder(spec.dtype, shape)


def captured(
    path: Path,
    request: Request,
    specs: Sequence[tf.TensorSpec],
    measure: Callable[[Sequence[Value]], Mapping[Value, Shape]],
    opens: Callable[[Graph], bool],
) -> Capture:
    """The graph for a few examples; where lengths cannot be inferred for these, for as many as there
    are.

    Args:
        specs: what the path is called with.
        measure: runs the path to find out the shapes of values.
        opens: see `Capture`.
    """
    traced = path.traced
    count = max(request.count, FEW) if traced.count is None else traced.count
    # As many as in the first request, where that had several.
    few = traced.kept("lengths", lambda: Inferred(traced, request, count))
    for exactly in (False, True):
        lengths = Inferred(traced, request, request.count) if exactly else few
        last, graph = lengths.count == request.count, lengths.graph
        try:
            with LOCK, graph.as_default():
                Copy(lengths.made).tensors(traced.output_values)  # the same for all paths
                operands = map(lengths.argument, specs[len(traced.arguments) :])
                scored = dict(zip(path.operands, operands, strict=True))
                copy = Copy({**lengths.made, **path.captured, **scored})
                values = [value for node in path.needed for value in node.outputs]
                unknown = [value for value in values if is_unknown(copy.tensor(value))]
        except ValueError:
            if last:
                raise
            continue  # it may need to know the number of examples
        if unknown and not last:
            continue
        shapes = measure(unknown) if unknown else {}
        with graph.as_default():
            return Capture(
                path.nodes,
                path.places,
                path.sinks,
                known_of(copy.tensor, dict(shapes)),
                traced.place,
                kept=[value for wall in path.walls for value in (*wall.inputs, *wall.outputs)],
                rows=[
                    value
                    for value, one in zip(traced.arguments, request.arguments, strict=True)
                    if one.rows
                ],
                opens=opens,
                count=lengths.count,
            )
    raise AssertionError("The last number of examples is that of the request.")


def is_unknown(tensor: Tensor) -> bool:
    numbers = tensor.dtype not in (tf.resource, tf.variant, tf.string)
    return numbers and not tensor.shape.is_fully_defined()


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
