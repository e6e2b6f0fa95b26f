"""A path as a graph of the core, with the lengths that TensorFlow infers for a few examples."""

from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf

from backlight.graph.graph import Graph
from backlight_tensorflow.capture.flattening import Tensor, Value
from backlight_tensorflow.capture.graphs import Capture, Captured
from backlight_tensorflow.capture.known import known_of
from backlight_tensorflow.capture.paths import Path
from backlight_tensorflow.capture.tracing import LOCK
from backlight_tensorflow.engine.copying import Copy
from backlight_tensorflow.nets.calls import Request
from backlight_tensorflow.table.reading import Shape


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
    traced = path.traced
    for exactly in (False, True):
        lengths = traced.lengths(request, exactly)
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
            found = Capture(
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
            ).found
        found.count = lengths.count
        return found
    raise AssertionError("The last number of examples is that of the request.")


def is_unknown(tensor: Tensor) -> bool:
    numbers = tensor.dtype not in (tf.resource, tf.variant, tf.string)
    return numbers and not tensor.shape.is_fully_defined()
