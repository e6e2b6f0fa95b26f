"""Small ONNX models, written operation by operation."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from tests.study.nets import HEAD, KERNEL

DTYPES = {"float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE, "int64": TensorProto.INT64}


def model(
    nodes: Sequence[Any],
    inputs: dict[str, tuple[str, Sequence[Any]]],
    outputs: dict[str, tuple[str, Sequence[Any]] | None],
    **weights: Any,
) -> bytes:
    """A file with these nodes.

    Args:
        inputs, outputs: dtype and shape by name, lengths by name where any is taken; None for an output
            of another type.
    """

    def told(name: str, what: tuple[str, Sequence[Any]] | None) -> Any:
        if what is None:
            return helper.make_empty_tensor_value_info(name)
        return helper.make_tensor_value_info(name, DTYPES[what[0]], what[1])

    graph = helper.make_graph(
        nodes,
        "net",
        [told(*one) for one in inputs.items()],
        [told(*one) for one in outputs.items()],
        [numpy_helper.from_array(values, name) for name, values in weights.items()],
    )
    versions = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    made: bytes = helper.make_model(graph, opset_imports=versions, ir_version=9).SerializeToString()
    return made


def picture_net(batch: Any = "N") -> bytes:
    """The net of the studies' tests, pictures (N, 1, 8, 8)."""
    node = helper.make_node
    nodes = [
        node("Conv", ["x", "kernel"], ["convolved"], pads=[1, 1, 1, 1]),
        node("Relu", ["convolved"], ["positive"]),
        node("Flatten", ["positive"], ["flat"]),
        node("MatMul", ["flat", "head"], ["scores"]),
    ]
    return model(
        nodes,
        {"x": ("float32", [batch, 1, 8, 8])},
        {"scores": ("float32", [batch, 3])},
        kernel=KERNEL,
        head=HEAD,
    )


def dense(weight: Any, dtype: str = "float32", batch: Any = "N", name: str = "dense") -> bytes:
    rows, columns = weight.shape
    return model(
        [helper.make_node("MatMul", ["x", "w"], ["y"], name=name)],
        {"x": (dtype, [batch, rows])},
        {"y": (dtype, [batch, columns])},
        w=weight.astype(dtype),
    )


def two_inputs() -> bytes:
    """scores = a + table[ids], and twice that."""
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["rows"]),
        helper.make_node("Add", ["a", "rows"], ["scores"]),
        helper.make_node("Add", ["scores", "scores"], ["twice"]),
    ]
    taken = {"a": ("float32", ["N", 3]), "ids": ("int64", ["N"])}
    given: dict[str, Any] = {"scores": ("float32", ["N", 3]), "twice": ("float32", ["N", 3])}
    return model(nodes, taken, given, table=np.arange(12, dtype=np.float32).reshape(4, 3))


def by_class() -> bytes:
    """Softmax of x, as a mapping from classes to probabilities for each row."""
    nodes = [
        helper.make_node("Softmax", ["x"], ["p"], axis=1),
        helper.make_node(
            "ZipMap", ["p"], ["rows"], domain="ai.onnx.ml", classlabels_int64s=[7, 2, 5]
        ),
    ]
    return model(nodes, {"x": ("float32", ["N", 3])}, {"rows": None})
