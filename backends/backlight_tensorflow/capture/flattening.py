"""A traced graph as one flat list of operations, calls of inner functions opened up.

The graph is read only: what was traced stays as it is, and `copying` makes new operations from it.
"""

from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

import tensorflow as tf

Tensor: TypeAlias = tf.Tensor

CALLS = {"PartitionedCall", "StatefulPartitionedCall"}
SAME_VALUE = frozenset(
    {"Identity", "IdentityN", "Cast", "StopGradient"}
    | {"PreventGradient", "EnsureShape", "CheckNumerics"}
)
"""Operations whose first result (or each of the results) is the operand of the same place."""

SHAPE_ONLY = {"ZerosLike", "OnesLike", "Shape", "ShapeN", "Rank", "Size"}
"""Operations that look at the shape of their operands, not at the numbers."""

DROPPED_ATTRIBUTES = {"_class", "_output_shapes"}
"""Colocation with operations that are not in the copy, and shapes that are inferred anew."""


class Value:
    """A result of an operation. One operation of a function that is called twice has two of them.

    Attributes:
        tensor: the tensor in the traced graph: its dtype and what is known of its shape.
        node: what computes it; None for an argument of the graph.
    """

    __slots__ = ("node", "tensor")

    def __init__(self, tensor: Tensor, node: "Node | None" = None) -> None:
        self.tensor = tensor
        self.node = node


Scope: TypeAlias = dict[int, Value]
"""The values of one call of a function, by the identity of the tensors in the function's graph."""


@dataclass(eq=False)
class Node:
    """An operation and where its operands come from.

    Attributes:
        op: the operation in the traced graph.
        inputs: its operands, from wherever the calls around it got them.
        scope: the values of the call it is in, for gradient functions that look back at them.
        outputs: its results.
    """

    op: tf.Operation
    inputs: list[Value]
    scope: Scope = field(repr=False)
    outputs: list[Value] = field(default_factory=list)

    @cached_property
    def attributes(self) -> dict[str, Any]:
        given = self.op.node_def.attr
        return {name: given[name] for name in given if name not in DROPPED_ATTRIBUTES}

    @cached_property
    def functions(self) -> dict[str, list["Flat"]]:
        """The functions that it names (the body of a loop, branches), by attribute, opened up."""
        get = self.op.graph._get_function
        return {
            attribute: [flatten(get(name).graph) for name in names]
            for attribute, names in self.function_names.items()
        }

    @cached_property
    def function_names(self) -> dict[str, list[str]]:
        """The names of these functions in the traced graph."""
        found: dict[str, list[str]] = {}
        for attribute, value in self.attributes.items():
            listed = [value.func, *value.list.func]
            names = [function.name for function in listed if function.name]
            if names:
                found[attribute] = names
        return found


@dataclass(eq=False)
class Flat:
    """A graph without calls.

    Attributes:
        inputs: one value per argument of the graph, what it captured included.
        outputs: one value per result.
        nodes: the operations in the order in which they were made; many need not run.
        values: everything that a tensor of the graphs stands for, in the order of the calls.
    """

    inputs: list[Value]
    outputs: list[Value] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    values: dict[int, list[Value]] = field(default_factory=dict)

    def of(self, tensor: Tensor) -> list[Value]:
        return self.values.get(id(tensor), [])


def needed(
    nodes: Iterable[Node], outputs: Iterable[Value], without: Container[str] = ()
) -> list[Node]:
    """Those of the nodes that these values are computed from, in order.

    What leads there through operations of the types `without` only is left out.
    """
    found: set[Node] = set()
    waiting = [value.node for value in outputs]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in found:
            found.add(node)
            if node.op.type not in without:
                waiting.extend(value.node for value in node.inputs)
    return [node for node in nodes if node in found]


def reached(
    nodes: Iterable[Node], sources: Iterable[Value], without: Container[str] = ()
) -> set[Value]:
    """The values that hang on the sources by these nodes, in order, and the sources themselves."""
    found = set(sources)
    for node in nodes:
        if node.op.type not in without and not found.isdisjoint(node.inputs):
            found.update(node.outputs)
    return found


def flatten(graph: tf.Graph) -> Flat:
    """The graph of a function, opened up."""
    flat = Flat([Value(tensor) for tensor in graph.inputs])
    scope = extend(flat, graph, flat.inputs)
    flat.outputs = [scope[id(tensor)] for tensor in graph.outputs]
    return flat


def extend(flat: Flat, graph: tf.Graph, arguments: list[Value]) -> Scope:
    """The operations of a function's graph on these arguments, behind what is there already."""
    scope: Scope = {}
    for tensor, argument in zip(graph.inputs, arguments, strict=True):
        scope[id(tensor)] = argument
        flat.values.setdefault(id(tensor), []).append(argument)
    for op in graph.get_operations():
        if not op.outputs or id(op.outputs[0]) in scope:
            continue  # an effect without a result, or the placeholder of an argument
        if not all(id(operand) in scope for operand in op.inputs):
            continue  # it hangs on a placeholder that nothing feeds, so nothing needs it
        operands = [scope[id(operand)] for operand in op.inputs]
        if op.type in CALLS:
            inner = graph._get_function(op.get_attr("f").name).graph
            inside = extend(flat, inner, operands)
            # Once differentiated, it has more outputs than its callers know of.
            results = [inside[id(tensor)] for tensor in inner.outputs[: len(op.outputs)]]
        else:
            node = Node(op, operands, scope)
            node.outputs = results = [Value(tensor, node) for tensor in op.outputs]
            flat.nodes.append(node)
        for tensor, value in zip(op.outputs, results, strict=True):
            scope[id(tensor)] = value
            flat.values.setdefault(id(tensor), []).append(value)
    return scope


def carries_numbers(tensor: Tensor) -> bool:
    """Whether it holds floating-point numbers, or may be a list of such arrays."""
    return bool(tensor.dtype.is_floating or tensor.dtype.is_complex or tensor.dtype == tf.variant)
