"""What an output of a net holds, by the operations that made it."""

from dataclasses import replace

from backlight.graph.dependence.dependence import Dependence
from backlight.graph.graph import DType, Graph, Node
from backlight.graph.primitives import Family, family
from backlight.graph.recognition.recognition import recognise
from backlight.graph.unit import Unit
from backlight.rules.operations import Kind
from backlight.rules.rules import NoRules
from backlight.values.outputs import OutputKind

SAME = frozenset({"identity", "convert", "stop_gradient"})
"""Nodes whose result is their operand."""

MOVED = SAME | {
    "broadcast",
    "gather",
    "index",
    "reshape",
    "slice",
    "split",
    "take",
    "transpose",
    "unstack",
}
"""Nodes whose result holds numbers of their first operand, wherever they are now."""

SOFTMAXES: dict[Kind, OutputKind] = {
    Kind.SOFTMAX: "probabilities",
    Kind.LOG_SOFTMAX: "log_probabilities",
}


def output_kind(graph: Graph, value: int, axis: int = 1) -> OutputKind:
    """`probabilities` after a softmax along the axis, the classes', `log_probabilities` likewise;
    `sigmoid` after one, wherever its numbers are now; `logits` after all else.

    Args:
        graph: from the inputs to the outputs.
        value: one of the outputs.
        axis: of it, where the classes are.
    """
    found = recognise(as_if_differentiable(graph), NoRules())
    units = {unit.output: unit for unit in found.units}
    if is_sigmoid(found.flow, units, value):
        return "sigmoid"
    unit = units.get(value)
    node = found.flow.producer(value)
    while unit is None and node is not None and keeps(node, found.flow):
        if node.primitive == "transpose":
            axis = node.attributes["permutation"][axis]
        value = node.operands[0]
        unit, node = units.get(value), found.flow.producer(value)
    if unit is None or unit.axes != (axis,):
        return "logits"
    return SOFTMAXES.get(unit.kind, "logits")


def as_if_differentiable(graph: Graph) -> Graph:
    """The graph with sources of whole numbers, as of words, taken for others, like what is computed of
    them at each place, and no gradient stopped: kinds are told of what derivatives pass."""
    values = list(graph.values)
    whole = {one for one in graph.sources if not values[one].dtype.differentiable}
    for node in graph.nodes:
        if family(node) in (Family.POINTWISE, Family.MOVE) and not whole.isdisjoint(node.operands):
            whole.update(one for one in node.results if values[one].dtype is DType.INTEGER)
    for value in whole.union(graph.sources):
        values[value] = replace(values[value], dtype=DType.FLOAT)
    nodes = [
        replace(node, primitive="identity") if node.primitive == "stop_gradient" else node
        for node in graph.nodes
    ]
    return replace(graph, values=values, nodes=nodes)


def keeps(node: Node, flow: Dependence) -> bool:
    """Whether the numbers of its operand are all there, at most in another order of axes."""
    same = flow.shape(node.operands[0]) == flow.shape(node.result) if node.operands else False
    return node.primitive in SAME | {"transpose"} or (
        node.primitive in ("reshape", "slice") and same
    )


def is_sigmoid(flow: Dependence, units: dict[int, Unit], value: int) -> bool:
    """Whether each number is a sigmoid's, wherever it stands."""
    while value not in units:
        node = flow.producer(value)
        if node is None or node.primitive not in MOVED:
            return False
        value = node.operands[0]
    return units[value].kind is Kind.SIGMOID
