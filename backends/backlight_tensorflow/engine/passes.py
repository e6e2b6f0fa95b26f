"""The programs of a path: its score, and gradients of that, TensorFlow's own or under rules.

What they are called with stands for the arguments of the trace, then the operands of the score, then, if
one is given, the value at the site, then what is in the value's place in the pass over a reference.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias, cast

import tensorflow as tf

from backlight.engine.explained import Explained, parts_of
from backlight.engine.passes import ruled
from backlight.engine.reference import reference_for
from backlight.engine.runner import Values
from backlight.rules.rules import Rules
from backlight_tensorflow.capture.flattening import Node, Tensor, Value
from backlight_tensorflow.engine.copying import Copy
from backlight_tensorflow.engine.gradients import gradients_of
from backlight_tensorflow.engine.runner import TensorFlowRunner

if TYPE_CHECKING:
    from backlight_tensorflow.capture.graphs import Capture
    from backlight_tensorflow.capture.paths import Path

Evaluated: TypeAlias = tuple[list[Tensor], list[list[Tensor]], list[Tensor], list[Tensor]]
"""Scores, the gradients of each, what they were taken at, and the scores at the reference; of several
sites one after the other."""


def given_to(path: "Path", replaced: bool, tensors: Sequence[Tensor]) -> dict[Value, Tensor]:
    """What a copy on these tensors begins with."""
    given = [*path.traced.arguments, *path.operands, *(path.places if replaced else ())]
    known = {**path.traced.captured, **path.captured}
    return {**known, **dict(zip(given, tensors, strict=False))}


def score_of(path: "Path", replaced: bool, *tensors: Tensor) -> Evaluated:
    """The score alone."""
    copy = Copy(given_to(path, replaced, tensors))
    return copy.tensors(path.sinks), [], copy.tensors(path.places), []


def differentiated(
    sites: Sequence[Sequence[Value]], path: "Path", replaced: bool, *tensors: Tensor
) -> Evaluated:
    """The score, or each of several side by side, and the gradients of each at all values of the sites.

    What is computed after all of a site's values reads copies of them: what one site does by way of
    another counts for both, but not what an array of a layer does by way of another of its arrays.
    """
    copy = Copy(given_to(path, replaced, tensors))
    order: dict[Node | None, int] = {node: at for at, node in enumerate(path.nodes)}
    ends = [max(order.get(value.node, -1) for value in site) for site in sites]
    starts: dict[int, list[Tensor]] = {}
    for at in sorted(range(len(sites)), key=ends.__getitem__):
        starts[at] = [tf.identity(tensor) for tensor in copy.tensors(sites[at])]
        for value, tensor in zip(sites[at], starts[at], strict=True):
            copy.put(value, tensor)
    places, (score,) = (
        [one for at in range(len(sites)) for one in starts[at]],
        copy.tensors(path.sinks),
    )
    scores = tf.unstack(score, axis=1) if score.shape.rank == 2 else [score]
    return scores, [gradients_of(one, places) for one in scores], places, []


def evaluated_under(
    rules: Rules,
    captured: "Capture",
    found: Explained,
    referred: int,
    path: "Path",
    replaced: bool,
    *tensors: Tensor,
) -> Evaluated:
    """Under rules; the last tensors, as many as `referred` says, are the reference."""
    beside, (target,) = Copy(given_to(path, replaced, tensors)), found.graph.targets
    places = beside.tensors(path.places)
    runner = TensorFlowRunner(
        captured, (node for step in found.steps for node in step.nodes), path.dependent, beside
    )

    def beginning(arrays: Sequence[Tensor]) -> Values:
        """What is known of a pass over some arrays."""
        return {**runner.constants, **cast(Values, dict(zip(found.places, arrays, strict=True)))}

    values, reference, there = beginning(places), None, None
    if referred:
        reference, there = reference_for(found, None), beginning(tensors[-referred:])
    parts = parts_of(runner, found, rules)
    gradients, after = ruled(runner, found, parts, values, reference, there)
    arrived = [
        gradients[value] if value in gradients else tf.zeros_like(place)
        for value, place in zip(found.places, places, strict=True)
    ]
    starting = [] if after is None else [after[target]]
    return cast(Evaluated, ([values[target]], [arrived], places, starting))
