"""Softmax and its kin, and normalisations, that are written in several operations."""

from collections.abc import Callable, Container

import numpy as np

from backlight.operations import Kind
from backlight_tensorflow.flattening import Node
from backlight_tensorflow.linear_units import same_for_all
from backlight_tensorflow.operators import EACH_BY_ITSELF, PRODUCTS
from backlight_tensorflow.paths import Path
from backlight_tensorflow.probing import RESHAPES, Numbers, evaluate
from backlight_tensorflow.regions import Region, closed, regions
from backlight_tensorflow.units import Unit, constant_array, number

SOFTMAX_ENDS = {"RealDiv", "Mul", "Sub", "AddV2", "Log"}
ALLOWED = {*EACH_BY_ITSELF, *RESHAPES, "Mean", "Sum", "Max"}
SIZES = {"Rsqrt", "Sqrt"}
LINEAR_IN_SIZE = {
    *("Add", "AddV2", "Sub", "Neg", "Mul", "RealDiv", "Mean", "Sum", "Square", "Identity"),
    *("SquaredDifference", "StopGradient", "Cast", "Maximum", "Pow", *RESHAPES),
}
"""What a normalisation is made of, but for the root."""


def softmax(path: Path, last: Node, claimed: Container[Node]) -> Unit | None:
    """The largest region that ends in this operation and is a softmax, its logarithm, or the
    logarithm of its sum."""
    if last.op.type not in SOFTMAX_ENDS:
        return None
    found = None
    for region in regions(path, last, ALLOWED, claimed, beyond=5):
        types = region.types
        if types.count("Exp") != 1 or types.count("Sum") != 1:
            continue
        (total,) = [node for node in region.nodes if node.op.type == "Sum"]
        axes = constant_array(path, total.inputs[1])
        rank = region.entry.tensor.shape.rank
        if axes is None or not rank or rank > 5:
            continue
        over = tuple(sorted(int(axis) % rank for axis in np.ravel(axes)))
        kind = name(path, region, rank, over)
        if kind is not None:
            found = Unit(kind, region.nodes, [region.entry], last.outputs[0], last, axes=over)
    return found


def name(path: Path, region: Region, rank: int, axes: tuple[int, ...]) -> Kind | None:
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5, 6)[:rank])
    found = evaluate(path, region, x)
    if found is None:
        return None
    total = np.log(np.sum(np.exp(x), axis=axes, keepdims=True))
    wanted: dict[Kind, Numbers] = {
        Kind.SOFTMAX: np.exp(x - total),
        Kind.LOG_SOFTMAX: x - total,
        Kind.LOGSUMEXP: total,
    }
    for kind, numbers in wanted.items():
        for each in (numbers, np.squeeze(numbers, axes)) if kind is Kind.LOGSUMEXP else (numbers,):
            if found.shape == each.shape and np.allclose(found, each, rtol=1e-5, atol=1e-6):
                return kind
    return None


def normalization(path: Path, size: Node, claimed: Container[Node]) -> Unit | None:
    """The smallest region that divides a value by a size that is computed from it by this root."""
    if not is_root(path, size):
        return None
    start = path.position[size]
    for last in path.needed[start + 1 : start + 1 + MOST_BEHIND]:
        if last.op.type not in {"Mul", "RealDiv", "AddV2", "Add", "Sub"}:
            continue
        if last in claimed or path.active.isdisjoint(last.outputs):
            continue
        allowed = LINEAR_IN_SIZE | {size.op.type}
        for region in regions(path, last, allowed, claimed, beyond=0):
            roots = [node for node in region.nodes if is_root(path, node)]
            if roots == [size] and not {"Mean", "Sum"}.isdisjoint(region.types):
                nodes = with_affine(path, region.nodes, claimed)
                output = nodes[-1].outputs[0]
                held = frozenset({size})
                return Unit(Kind.NORMALIZATION, nodes, [region.entry], output, size, held=held)
    return None


MOST_BEHIND = 60
"""How far behind its root a normalisation is looked for."""


def is_root(path: Path, node: Node) -> bool:
    if path.active.isdisjoint(node.inputs):
        return False
    if node.op.type == "Pow":
        return number(path, node.inputs[1]) in (0.5, -0.5)
    return node.op.type in SIZES


def with_affine(path: Path, nodes: list[Node], claimed: Container[Node]) -> list[Node]:
    """The learned scale and shift behind a normalisation belong to it."""
    found = list(nodes)
    while True:
        value = found[-1].outputs[0]
        node = path.only_user(value)
        if node is None or node in claimed or node in path.walls:
            return found
        if node.op.type not in {*PRODUCTS, "Add", "AddV2", "Cast"}:
            return found
        others = [each for each in node.inputs if each is not value]
        fits = all(same_for_all(path, each, value, node) for each in others)
        learned = all(each.tensor.shape.num_elements() != 1 for each in others)
        if not fits or not learned or len(others) > 1:
            return found
        found.append(node)


Opens = Callable[[Node], bool]


def custom(path: Path, node: Node, claimed: Container[Node]) -> Unit | None:
    """A function with a gradient of the user's own, as one unit, or what can be told of it."""
    used = [bool(path.users.get(value)) or path.is_sink(value) for value in node.outputs]
    results = [value for value, is_used in zip(node.inputs, used, strict=True) if is_used]
    arguments = [value for value, is_used in zip(node.inputs, used, strict=True) if not is_used]
    inputs = [value for value in dict.fromkeys(arguments) if value in path.active]
    output = next((v for v, u in zip(node.outputs, used, strict=True) if u), node.outputs[0])
    nodes, waiting, whole = {node}, [each for each in results if each in path.touched], True
    while waiting:
        value = waiting.pop()
        if value in arguments:
            continue
        before = value.node
        if before is None or value in path.places or before in claimed or before in path.walls:
            whole = False
            continue
        if before not in nodes:
            nodes.add(before)
            waiting.extend(each for each in before.inputs if each in path.touched)
    whole = whole and closed(path, nodes, node)
    if not inputs:
        return None
    ordered = sorted(nodes if whole else {node}, key=path.position.__getitem__)
    return Unit(Kind.OTHER, ordered, inputs, output, node, replayable=whole)
