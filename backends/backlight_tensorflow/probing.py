"""Regions evaluated in NumPy, to tell by numbers what function they are, however it is written."""

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from backlight_tensorflow.flattening import Node, Value
from backlight_tensorflow.paths import Path
from backlight_tensorflow.regions import Region
from backlight_tensorflow.units import constant_array

Numbers: TypeAlias = NDArray[Any]

erf = np.vectorize(math.erf, otypes=[np.float64])


def sigmoid(x: Numbers) -> Numbers:
    return np.asarray(np.exp(-np.logaddexp(0.0, -x)))


def softplus(x: Numbers) -> Numbers:
    return np.asarray(np.logaddexp(0.0, x))


def elu(x: Numbers) -> Numbers:
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "Relu": lambda x: np.maximum(x, 0),
    "Relu6": lambda x: np.clip(x, 0, 6),
    "Elu": elu,
    "Selu": lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * elu(x)),
    "Sigmoid": sigmoid,
    "Tanh": np.tanh,
    "Softplus": softplus,
    "Softsign": lambda x: x / (1 + np.abs(x)),
    "Exp": np.exp,
    "Expm1": np.expm1,
    "Log": np.log,
    "Log1p": np.log1p,
    "Sqrt": np.sqrt,
    "Rsqrt": lambda x: 1 / np.sqrt(x),
    "Square": np.square,
    "Reciprocal": lambda x: 1 / x,
    "Inv": lambda x: 1 / x,
    "Abs": np.abs,
    "Sign": np.sign,
    "Erf": erf,
    "Erfc": lambda x: 1 - erf(x),
    "Neg": np.negative,
    "Add": np.add,
    "AddV2": np.add,
    "AddN": lambda *x: sum(x),
    "Sub": np.subtract,
    "Mul": np.multiply,
    "RealDiv": np.divide,
    "Div": np.divide,
    "DivNoNan": np.divide,
    "Pow": np.power,
    "SquaredDifference": lambda x, y: np.square(x - y),
    "Maximum": np.maximum,
    "Minimum": np.minimum,
    "ClipByValue": np.clip,
    "Greater": np.greater,
    "GreaterEqual": np.greater_equal,
    "Less": np.less,
    "LessEqual": np.less_equal,
    "Equal": np.equal,
    "NotEqual": np.not_equal,
    "LogicalAnd": np.logical_and,
    "LogicalOr": np.logical_or,
    "LogicalNot": np.logical_not,
    "IsFinite": np.isfinite,
    "Select": np.where,
    "SelectV2": np.where,
    "Identity": lambda x: x,
    "IdentityN": lambda x, *_: x,
    "StopGradient": lambda x: x,
    "Cast": lambda x: x * 1.0,
}


def evaluate(
    path: Path, region: Region, x: Numbers, given: Mapping[Value, float] | None = None
) -> Numbers | None:
    """The region's result for these numbers; None where NumPy cannot follow.

    Args:
        given: numbers in the place of constants that are not written in the graph.
    """
    known: dict[Value, Any] = {region.entry: x, **(given or {})}
    for node in region.nodes:
        operands = []
        for value in node.inputs:
            if value not in known:
                constant = constant_array(path, value)
                if constant is None or (constant.size != 1 and value not in axes_of(node)):
                    if node.op.type == "IdentityN":
                        continue
                    if not axes_of(node):
                        return None
                known[value] = constant if value in axes_of(node) else scalar(constant)
            operands.append(known[value])
        with np.errstate(all="ignore"):
            found = apply(node, operands)
        if found is None:
            return None
        known[node.outputs[0]] = found
    return np.asarray(known[region.nodes[-1].outputs[0]])


def scalar(constant: Numbers | None) -> Numbers | None:
    return None if constant is None else constant.reshape(())


def axes_of(node: Node) -> list[Value]:
    """The operands that say along which axes."""
    return node.inputs[1:] if node.op.type in {*REDUCTIONS, *RESHAPES} else []


REDUCTIONS: Mapping[str, Callable[..., Any]] = {"Sum": np.sum, "Max": np.max, "Mean": np.mean}
RESHAPES = {"Reshape", "Squeeze", "ExpandDims"}


def apply(node: Node, operands: list[Any]) -> Any:
    type_ = node.op.type
    if type_ in REDUCTIONS:
        if operands[1] is None:
            return None
        axes = tuple(int(axis) for axis in np.ravel(operands[1]))
        return REDUCTIONS[type_](operands[0], axis=axes, keepdims=node.op.get_attr("keep_dims"))
    if type_ == "ExpandDims":
        return None if operands[1] is None else np.expand_dims(operands[0], int(operands[1]))
    if type_ in RESHAPES:
        return np.squeeze(operands[0]) if node.outputs[0].tensor.shape.rank is not None else None
    if type_ == "LeakyRelu":
        return np.where(operands[0] > 0, operands[0], node.op.get_attr("alpha") * operands[0])
    if type_ not in FUNCTIONS or any(each is None for each in operands):
        return None
    return FUNCTIONS[type_](*operands)
