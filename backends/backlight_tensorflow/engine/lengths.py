"""A path as a graph of the core, with the lengths that TensorFlow infers for a few examples."""

from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf
from tensorflow.python.framework.func_graph import FuncGraph

from backlight.graph.graph import Graph
from backlight_tensorflow.capture.flattening import Tensor, Value
from backlight_tensorflow.capture.graphs import Capture, Captured
from backlight_tensorflow.capture.known import known_of
from backlight_tensorflow.capture.paths import Path
from backlight_tensorflow.capture.tracing import LOCK
from backlight_tensorflow.engine.copying import Copy
from backlight_tensorflow.engine.evaluation import given_to
from backlight_tensorflow.nets.calls import Request
from backlight_tensorflow.table.reading import Shape

FEW = 2
"""For how many examples lengths are inferred: with more than one an axis of theirs is seen."""


def captured(
    path: Path,
    request: Request,
    specs: Sequence[tf.TensorSpec],
    measure: Callable[[Sequence[Value]], Mapping[Value, Shape]],
    opens: Callable[[Graph], bool],
) -> Captured:
    """The graph for a few examples; where lengths cannot be inferred for these, for as many as there
    are.

    Args:
        specs: what the path is called with.
        measure: runs the path to find out the shapes of values.
        opens: see `Capture`.
    """
    count, arguments = path.traced.count, path.traced.arguments
    few = max(request.count, FEW) if count is None else count
    for examples in (few, request.count):
        last, graph = examples == request.count, FuncGraph("known")
        try:
            with LOCK, graph.as_default():
                given = [placeholder(spec, examples) for spec in specs]
                copy = Copy(given_to(path, False, given))
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
            found = Capture(
                path.nodes,
                path.places,
                path.sinks,
                known_of(copy.tensor, dict(shapes)),
                path.traced.place,
                kept=[value for wall in path.walls for value in (*wall.inputs, *wall.outputs)],
                rows=[
                    value
                    for value, one in zip(arguments, request.arguments, strict=True)
                    if one.rows
                ],
                opens=opens,
            ).found
        found.count = examples
        return found
    raise AssertionError("The last number of examples is that of the request.")


def placeholder(spec: tf.TensorSpec, examples: int) -> Tensor:
    shape = [examples if length is None else length for length in spec.shape]
    return tf.compat.v1.placeholder(spec.dtype, shape)


def is_unknown(tensor: Tensor) -> bool:
    numbers = tensor.dtype not in (tf.resource, tf.variant, tf.string)
    return numbers and not tensor.shape.is_fully_defined()
