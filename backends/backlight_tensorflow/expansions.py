"""Which functions, loops and choices are kept whole, and which are looked into."""

from collections.abc import Callable

import tensorflow as tf

from backlight_tensorflow.capture.flattening import Flat, Node, Value
from backlight_tensorflow.capture.grouping import Group, Surroundings, whole
from backlight_tensorflow.engine.copying import users_gradient

LOOPS = frozenset({"While", "StatelessWhile"})
CHOICES = frozenset({"If", "StatelessIf", "Case", "StatelessCase"})
FROM_ARRAYS, TO_ARRAYS = "TensorListFromTensor", "TensorListStack"
"""What turns arrays into the lists that loops work on, and back."""


def kept_whole(around: Surroundings, node: Node, opens: Callable[[Group], bool]) -> Group | None:
    """A loop, a choice, or a function with a gradient of the user's own.

    Args:
        opens: whether such a function is to be looked into.
    """
    if node.op.type in LOOPS:
        return loop(around, node)
    if node.op.type in CHOICES:
        return whole("loop", [node], node, node.inputs, node.outputs)
    if node.op.type != "IdentityN" or not users_gradient(node) is not None:
        return None
    found = function(around, node)
    return None if found is not None and found.body is not None and opens(found) else found


def function(around: Surroundings, node: Node) -> Group | None:
    """A function with a gradient of the user's own, from its arguments to its results, as far as nothing
    looks into it; None where no argument depends on what is explained.

    TensorFlow has one operation behind it that hands on the results, then the arguments, which nothing
    uses.
    """
    pairs = list(zip(node.inputs, node.outputs, strict=True))
    used = [pair for pair in pairs if around.is_used(pair[1])]
    results, outputs = [value for value, _ in used], [result for _, result in used]
    arguments = [value for value, result in pairs if not around.is_used(result)]
    if around.touched.isdisjoint(arguments):
        return None
    inside, complete = {node}, True
    waiting = [value for value in results if value in around.touched]
    while waiting:
        value = waiting.pop()
        before = value.node
        if value in arguments or before in inside:
            continue
        if before is None or value in around.sources:
            complete = False
            continue
        inside.add(before)
        waiting.extend(each for each in before.inputs if each in around.touched)
    hidden = [value for each in inside - {node} for value in each.outputs]
    if not complete or not all(is_hidden(around, value, inside) for value in hidden):
        return whole("other", [node], node, node.inputs, node.outputs, replayable=False)
    nodes = [each for each in around.nodes if each in inside]
    body = Flat(arguments, results, list(around.nodes))
    return whole("call", nodes, node, arguments, outputs, body=body)


def is_hidden(around: Surroundings, value: Value, inside: set[Node]) -> bool:
    return value not in around.fixed and inside.issuperset(around.users.get(value, ()))


def loop(around: Surroundings, node: Node) -> Group:
    """A loop, which takes and gives arrays where it works on lists of them."""
    nodes, inputs, outputs = [node], list(node.inputs), list(node.outputs)
    for at, value in enumerate(node.inputs):
        before = around.only_for(value, node)
        if before is not None and before.op.type == FROM_ARRAYS:
            nodes.insert(0, before)
            inputs[at] = before.inputs[0]
    for at, value in enumerate(node.outputs):
        behind = around.sole_user(value)
        if behind is not None and behind.op.type == TO_ARRAYS:
            nodes.append(behind)
            outputs[at] = behind.outputs[0]
    lists = [
        value for value in (*inputs, *filter(around.is_used, outputs))
        if value.tensor.dtype == tf.variant and value in around.touched
    ]  # fmt: skip
    return whole("loop", nodes, node, inputs, outputs, replayable=not lists)
