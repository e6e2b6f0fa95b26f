"""The programs of a path: its score, and gradients of that, TensorFlow's own or under rules.

What they are called with stands for the arguments of the trace, then the operands of the score, then, if
one is given, the value at the site, then what is in the value's place in the pass over a reference.
"""

from collections.abc import Sequence
from typing import TypeAlias, cast

import numpy as np
import tensorflow as tf

from backlight.errors import InputError
from backlight.rules.rules import Incoming, Rule
from backlight.values.arrays import shape_of
from backlight_tensorflow import derivatives
from backlight_tensorflow.capture.flattening import Tensor, Value, reached
from backlight_tensorflow.capture.paths import Path
from backlight_tensorflow.engine.applications import Applied
from backlight_tensorflow.engine.backward import Gradients, dense, gradients_of
from backlight_tensorflow.engine.copying import Copy
from backlight_tensorflow.engine.plans import Operations, Plan
from backlight_tensorflow.nets.calls import Request

Evaluated: TypeAlias = tuple[Tensor, list[Tensor], list[Tensor], list[Tensor]]
"""The scores, the gradients, what they were taken at, and the scores at the reference."""


def given_to(path: Path, replaced: bool, tensors: Sequence[Tensor]) -> dict[Value, Tensor]:
    """What a copy on these tensors begins with."""
    given = [*path.traced.arguments, *path.operands, *(path.places if replaced else ())]
    known = {**path.traced.captured, **path.captured}
    return {**known, **dict(zip(given, tensors, strict=False))}


def evaluated(differentiated: bool, path: Path, replaced: bool, *tensors: Tensor) -> Evaluated:
    """Without rules."""
    copy = Copy(given_to(path, replaced, tensors))
    places, (scores,) = copy.tensors(path.places), copy.tensors(path.sinks)
    return scores, gradients_of(scores, places) if differentiated else [], places, []


def evaluated_under(
    plan: Plan,
    operations: Operations,
    referred: int,
    path: Path,
    replaced: bool,
    *tensors: Tensor,
) -> Evaluated:
    """Under rules; the last tensors, as many as `referred` says, are the reference."""
    copy, (sink,), reference = Copy(given_to(path, replaced, tensors)), path.sinks, None
    places, scores, starting = copy.tensors(path.places), copy.tensor(sink), []
    if referred:
        starts = dict(zip(path.places, tensors[-referred:], strict=True))
        # The weights, and all else that does not depend on the places, are there.
        reference = copy.again(reached(path.nodes, path.places), starts)
        repeat(path, reference, tf.shape(places[0])[0])
        starting = [reference.tensor(sink)]
    gradients = Gradients(copy, plan, {sink: tf.ones_like(scores)})
    ends, ruled = {}, set()
    for unit, rule in plan.chosen(operations).items():
        op = Applied(plan, unit, operations, copy, reference)
        ends[op.nodes[-1]] = op, rule
        if not is_incoming(op, rule):
            ruled.update(op.nodes)
    for node in reversed(plan.route):
        if node in ends:
            apply(*ends[node], gradients)
        if node not in ruled:
            gradients.back(node)
    found = [dense(gradients[value], x) for value, x in zip(path.places, places, strict=True)]
    return scores, found, places, starting


def repeat(path: Path, reference: Copy, count: Tensor) -> None:
    """Let what enters the score in a pass over one row be there for all examples, as each has a class of
    its own."""
    for wall in path.walls:
        (value,), (result,) = wall.inputs, wall.outputs
        one = reference.tensor(value)
        if value in path.touched and one.shape.rank != 0:
            repeated = tf.broadcast_to(one, tf.concat([[count], tf.shape(one)[1:]], 0))
            repeated.set_shape([None, *one.shape[1:]] if one.shape.rank else None)
            reference.replace(result, repeated)


def apply(op: Applied, rule: Rule, gradients: Gradients) -> None:
    """Let a rule say what goes back to an operation's inputs, or change what comes in."""
    grad = gradients[op.results[0]]
    if grad is None:
        grad = tf.zeros_like(op.output)
    if is_incoming(op, rule):
        gradients.replace(op.results[0], cast(Incoming, rule).incoming(op, grad))
        return
    others = {value: also for value in op.results[1:] if (also := gradients[value]) is not None}
    for value, each in zip(op.operands, rule(op, grad), strict=True):
        gradients.add(value, each)
    if others:
        more = op.back(gradients.copy, others)
        for value in op.operands:
            if (also := more[value]) is not None:
                gradients.add(value, also)


def is_incoming(op: Applied, rule: Rule) -> bool:
    """Whether a rule changes what comes in, and leaves the rest to TensorFlow."""
    return isinstance(rule, Incoming) and not derivatives.has_own(op)


def reference_arrays(
    given: Sequence[object], path: Path, shared: bool, request: Request
) -> list[Tensor]:
    """One row each if all examples can share it, else one per example.

    Args:
        given: an array for each of the path's places.
        shared: whether all examples can share one row.
    """
    count = request.count
    found = [fitting(each, value, count) for each, value in zip(given, path.places, strict=True)]
    if not shared or any(each.shape[0] != 1 for each in found):
        found = [tf.broadcast_to(each, (count, *each.shape[1:])) for each in found]
    return found


def fitting(given: object, value: Value, count: int) -> Tensor:
    dtype, wanted = value.tensor.dtype, value.tensor.shape[1:]
    tensor = tf.convert_to_tensor(given, dtype if isinstance(given, np.ndarray) else None)
    fits = tensor.shape.rank and wanted.is_compatible_with(tensor.shape[1:])
    if not fits or tensor.dtype != dtype or tensor.shape[0] not in (1, count):
        raise InputError(
            f"A reference here holds {dtype.name} of shape {(count, *tuple(wanted))}, or one "
            f"row of that; got {tensor.dtype.name} of shape {shape_of(tensor)}."
        )
    return tensor


def can_share(path: Path, request: Request) -> bool:
    """Whether a pass over one row can be held against one over all examples, whose values have a row
    for each."""
    if request.count == 1 or path.traced.count is not None:
        return request.count == 1
    return not path.beside and not any(each.rows for each in request.arguments[request.width :])
