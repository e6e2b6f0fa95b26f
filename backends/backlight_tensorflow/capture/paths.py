"""The way from the differentiated values to the score: the network's flat graph and the score's."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, cast

import tensorflow as tf
from tensorflow.python.framework.func_graph import FuncGraph

from backlight.engine.explained import Explained
from backlight.graph.recognition.recognition import recognise
from backlight.rules.rules import Rules
from backlight.scores.scores import Score
from backlight.values.arrays import Array, Arrays
from backlight_tensorflow import arrays as array_functions
from backlight_tensorflow.capture.flattening import (
    SHAPE_ONLY,
    Flat,
    Node,
    Tensor,
    Value,
    extend,
    needed,
    reached,
)
from backlight_tensorflow.capture.grouping import Group

if TYPE_CHECKING:
    from backlight_tensorflow.capture.graphs import Capture
    from backlight_tensorflow.capture.tracing import Trace

SCORE = "score_of_the_target"
"""What the operations of a score are called in graphs: an error at one is not the network's."""


@dataclass(eq=False)
class Path:
    """What lies between places and sinks.

    Attributes:
        traced: the network.
        places: what is differentiated at.
        sinks: the score, or the outputs where none was asked for.
        nodes: all operations, the network's and then the score's.
        walls: the operations through which the network's outputs enter the score. There a reference
            that all examples share is repeated for each of them.
        operands: the arguments of the score.
        captured: tensors from outside that the score uses.
    """

    traced: "Trace"
    places: list[Value]
    sinks: list[Value]
    nodes: list[Node]
    walls: frozenset[Node]
    operands: list[Value]
    captured: dict[Value, Tensor]

    @cached_property
    def needed(self) -> list[Node]:
        """The operations that the sinks are computed from, in order."""
        return needed(self.nodes, self.sinks, SHAPE_ONLY)

    @cached_property
    def touched(self) -> set[Value]:
        """The values that depend on the places."""
        return reached(self.needed, self.places, SHAPE_ONLY)

    @cached_property
    def varying(self) -> set[Value]:
        """The values that depend on any argument."""
        return reached(self.nodes, [*self.traced.arguments, *self.operands], SHAPE_ONLY)

    @cached_property
    def dependent(self) -> set[Value]:
        """The values that depend on the places, be it by shape alone."""
        return reached(self.nodes, self.places)


def path_to_score(
    traced: "Trace",
    places: list[Value],
    score: Score,
    scored: Value | None,
    operands: Sequence[tf.TensorSpec],
) -> Path:
    """The way to the score of the outputs, or of an inner value."""
    graph = FuncGraph("score")
    with graph.as_default():
        outputs: dict[Value, Tensor] = {}
        walls: list[Tensor] = []

        def enter(value: Value) -> Tensor:
            if value not in outputs:
                outputs[value] = tf.compat.v1.placeholder(value.tensor.dtype, value.tensor.shape)
            walls.append(tf.identity(outputs[value]))
            return walls[-1]

        entered = enter(scored) if scored is not None else traced.outputs_with(enter)
        arguments = [tf.compat.v1.placeholder(spec.dtype, spec.shape) for spec in operands]
        scores = tf.identity(scores_of(score, entered, arguments))
    captures = list(graph.captures)
    graph.inputs = [*outputs.values(), *arguments, *(inside for _, inside in captures)]
    flat = Flat([])
    beginning = [Value(tensor) for tensor in graph.inputs[len(outputs) :]]
    scope = extend(flat, graph, [*outputs, *beginning])
    return Path(
        traced,
        places,
        [scope[id(scores)]],
        [*traced.flat.nodes, *flat.nodes],
        frozenset(node for wall in walls if (node := scope[id(wall)].node) is not None),
        beginning[: len(arguments)],
        dict(zip(beginning[len(arguments) :], (outside for outside, _ in captures), strict=True)),
    )


def path_to_outputs(traced: "Trace", places: list[Value]) -> Path:
    """The way to all floating-point outputs."""
    found = [value for value in traced.output_values if value.tensor.dtype.is_floating]
    return Path(traced, places, found, traced.flat.nodes, frozenset(), [], {})


def score_arguments(score: Score) -> tuple[list[Tensor], list[tf.TensorSpec]]:
    """The operands of a score as arguments of a program."""
    tensors = [tf.convert_to_tensor(operand) for operand in score.operands()]
    return tensors, [tf.TensorSpec((None, *each.shape[1:]), each.dtype) for each in tensors]


def scores_of(score: Score, outputs: object, operands: Sequence[Tensor]) -> Tensor:
    """The score of each example, from outputs and operands of a graph that is being built."""
    given = cast(Sequence[Array], operands)
    with tf.name_scope(SCORE):
        found = tf.convert_to_tensor(score.evaluate(outputs, given, cast(Arrays, array_functions)))
    # A score of integers, an argmax say, is a score that does not depend on the value.
    kept = found.dtype.is_floating or found.dtype.is_complex
    return found if kept else tf.cast(found, tf.float32)


def explained(path: Path, found: "Capture", rules: Rules) -> Explained:
    """The operations, as rules see them."""
    numbers, graph = found.numbers, found.graph
    read = tuple(numbers[wall.inputs[0]] for wall in path.walls if wall.inputs[0] in path.touched)
    of_score = set(path.nodes[len(path.traced.flat.nodes) :])
    groups = (cast(Group | None, node.native) for node in graph.nodes)
    score = (at for at, group in enumerate(groups) if group is not None and group.core in of_score)
    places = tuple(numbers[place] for place in path.places)
    return Explained(recognise(graph, rules), places, read, next(score, len(graph.nodes)))
