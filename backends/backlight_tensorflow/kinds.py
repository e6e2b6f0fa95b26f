"""What an output holds, read off the operation that makes it."""

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from backlight.outputs import OutputKind
from backlight_tensorflow.copying import Copy
from backlight_tensorflow.flattening import SAME_VALUE, SHAPE_ONLY, Value

LAST: dict[str, OutputKind] = {"Softmax": "probabilities", "LogSoftmax": "log_probabilities"}


MOVED = {"ExpandDims", "GatherV2", "Reshape", "Slice", "Squeeze", "StridedSlice", "Transpose"}
"""Operations whose result holds numbers of their first operand, wherever they are now."""


def kind_of(value: Value) -> OutputKind:
    """`probabilities` after a softmax over axis 1, the classes, `log_probabilities` likewise;
    `sigmoid` after one."""
    if is_sigmoid(value):
        return "sigmoid"
    rank = value.tensor.shape.rank
    axis = 1
    while value.node is not None:
        node = value.node
        if node.op.type in SAME_VALUE:
            value = node.inputs[node.outputs.index(value)]
        elif node.op.type == "Transpose":
            # A softmax over an axis that is not the last stands between two transpositions.
            order = constant(node.inputs[1])
            if order is None:
                break
            axis = int(order[axis])
            value = node.inputs[0]
        else:
            over_classes = rank is not None and axis == rank - 1
            return LAST.get(node.op.type, "logits") if over_classes else "logits"
    return "logits"


def is_sigmoid(value: Value) -> bool:
    """Whether each number is a sigmoid's, wherever it stands."""
    while value.node is not None and value.node.op.type in SAME_VALUE | MOVED:
        same = value.node.op.type in SAME_VALUE
        value = value.node.inputs[value.node.outputs.index(value) if same else 0]
    return value.node is not None and value.node.op.type == "Sigmoid"


def constant(value: Value) -> NDArray[np.generic] | None:
    """What a value is always; None if it hangs on an argument."""
    try:
        found = tf.function(lambda: Copy({}).tensor(value), autograph=False)()
    except LookupError:
        return None
    return np.asarray(found)
