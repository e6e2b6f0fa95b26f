"""Activations that are written in several operations, told by what they compute."""

from collections.abc import Callable, Collection, Container, Mapping

import numpy as np

from backlight.operations import Kind
from backlight_tensorflow.flattening import Node, Value
from backlight_tensorflow.flattening import SAME_VALUE
from backlight_tensorflow.operators import EACH_BY_ITSELF, UNARY_TYPES
from backlight_tensorflow.paths import Path
from backlight_tensorflow.probing import Numbers, elu, erf, evaluate, sigmoid, softplus
from backlight_tensorflow.regions import Region, regions
from backlight_tensorflow.units import Unit, constant_array

PROBES = np.concatenate([np.linspace(-7.3, 7.1, 37), [0.0, -20.0, 20.0, -1e-3, 1e-3]])
FAR = np.array([-1e9, 1e9])


NAMED: Mapping[Kind, tuple[Callable[[Numbers], Numbers], ...]] = {
    Kind.RELU: (lambda x: np.maximum(x, 0),),
    Kind.GELU: (
        lambda x: x * (1 + erf(x / np.sqrt(2))) / 2,
        lambda x: x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))) / 2,
        lambda x: x * sigmoid(1.702 * x),
    ),
    Kind.SILU: (lambda x: x * sigmoid(x),),
    Kind.MISH: (lambda x: x * np.tanh(softplus(x)),),
    Kind.HARD_SWISH: (lambda x: x * np.clip(x + 3, 0, 6) / 6,),
    Kind.HARD_SIGMOID: (lambda x: np.clip(x + 3, 0, 6) / 6,),
    Kind.SIGMOID: (sigmoid,),
    Kind.TANH: (np.tanh,),
    Kind.SOFTPLUS: (softplus,),
    Kind.SOFTSIGN: (lambda x: x / (1 + np.abs(x)),),
    Kind.LOG_SIGMOID: (lambda x: -softplus(-x),),
    Kind.ELU: (elu,),
    Kind.SELU: (lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * elu(x)),),
    Kind.ABS: (np.abs,),
}

ENDS = EACH_BY_ITSELF - SAME_VALUE | {"IdentityN"}
"""What an activation may end in: an identity behind it is not part of it."""

SLOPE = 0.37
"""What a learned slope is taken for."""


def activation(path: Path, last: Node, claimed: Container[Node]) -> Unit | None:
    """The largest region that ends in this operation and is an activation of many names."""
    if last.op.type not in ENDS:
        return None
    found = None
    for region in regions(path, last, EACH_BY_ITSELF, claimed, beyond=4):
        if len(telling(region)) < 2 or not same_shape(region):
            continue
        kind, limit = name(path, region)
        if kind is not None:
            found = unit(region, kind)
            found.limit = limit
    return found


def elementwise(
    path: Path, last: Node, claimed: Container[Node], ruled: Callable[[Node], bool]
) -> Unit | None:
    """The smallest region that ends in an operation which depends on the value by tests too, so that
    it makes no sense alone."""
    if last.op.type not in EACH_BY_ITSELF:
        return None
    if not any(value in path.touched and value not in path.active for value in last.inputs):
        return None
    for region in regions(path, last, EACH_BY_ITSELF, claimed, beyond=0):
        if same_shape(region) and not any(ruled(node) for node in region.nodes):
            return unit(region, Kind.ELEMENTWISE)
    return None


def unit(region: Region, kind: Kind) -> Unit:
    last = region.nodes[-1]
    return Unit(kind, region.nodes, [region.entry], last.outputs[0], last)


def telling(region: Region) -> list[Node]:
    """Its operations but for those that hand on what they get."""
    return [node for node in region.nodes if node.op.type not in SAME_VALUE - {"Cast"}]


def same_shape(region: Region) -> bool:
    before, after = region.entry.tensor.shape, region.nodes[-1].outputs[0].tensor.shape
    return bool(before.rank == after.rank and list(before)[1:] == list(after)[1:])


def name(path: Path, region: Region) -> tuple[Kind | None, float | None]:
    """What a region computes, if it has a name of its own; and where a rectifier is cut off."""
    if all(node.op.type not in CURVED for node in region.nodes):
        return None, None
    unknown = unwritten(path, region)
    if unknown:
        leaky = np.where(PROBES > 0, PROBES, SLOPE * PROBES)
        learned = len(unknown) == 1 and any(
            is_function(evaluate(path, region, PROBES, dict.fromkeys(unknown, slope)), leaky)
            for slope in (SLOPE, -SLOPE)  # a slope may have been negated on its way
        )
        return (Kind.PRELU if learned else None), None
    found, ends = evaluate(path, region, PROBES), evaluate(path, region, FAR)
    if found is None or found.shape != PROBES.shape or ends is None:
        return None, None
    low, high = (float(end) for end in ends)
    for kind, functions in NAMED.items():
        fits = any(is_function(found, function(PROBES)) for function in functions)
        if fits and (kind is not Kind.RELU or high == FAR[1]):
            return kind, None
    return with_constant(found, low, high)


def with_constant(found: Numbers, low: float, high: float) -> tuple[Kind | None, float | None]:
    """Names of functions with a constant of their own, from what they are far out."""
    if low == 0 < high < FAR[1] and is_function(found, np.clip(PROBES, 0, high)):
        return Kind.RELU6, high
    if FAR[0] < low < 0 < high < FAR[1] and is_function(found, np.clip(PROBES, low, high)):
        return Kind.HARD_TANH, None
    slope = low / FAR[0]
    if slope not in (0.0, 1.0) and is_function(found, np.where(PROBES > 0, PROBES, slope * PROBES)):
        return Kind.LEAKY_RELU, None
    if low < 0:
        if is_function(found, np.where(PROBES > 0, PROBES, -low * elu(PROBES))):
            return Kind.ELU, None
        if is_function(found, np.where(PROBES > 0, PROBES, -low * elu(PROBES / -low))):
            return Kind.CELU, None
    return None, None


def is_function(found: Numbers | None, wanted: Numbers) -> bool:
    if found is None or found.shape != wanted.shape:
        return False
    return bool(np.allclose(found, wanted, rtol=2e-6, atol=2e-7))


def unwritten(path: Path, region: Region) -> set[Value]:
    """The constants whose numbers the graph does not say."""
    made = {value for node in region.nodes for value in node.outputs}
    return {
        value
        for node in region.nodes
        for value in node.inputs
        if value not in made
        and value is not region.entry
        and value not in path.touched
        and node.op.type != "IdentityN"
        and constant_array(path, value) is None
    }


CURVED: Collection[str] = {
    *UNARY_TYPES,
    *("Maximum", "Minimum", "Select", "SelectV2", "Pow", "Cast"),
}
"""Types of which a region must have one to be more than a scale and a shift."""
