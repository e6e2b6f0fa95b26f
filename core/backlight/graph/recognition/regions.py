"""Regions that make one function with a name, whatever they are spelled in: recognised by behaviour."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import final

import numpy as np

from backlight.graph.dependence.dependence import Dependence
from backlight.graph.evaluation import Region, is_runnable
from backlight.graph.graph import DType, Node, Numbers
from backlight.graph.primitives import Family, family
from backlight.graph.recognition import functions
from backlight.graph.recognition.functions import PROBES
from backlight.graph.recognition.normalizations import normalization_sizes
from backlight.graph.recognition.softmaxes import softmax_of
from backlight.memory.recent import Recent
from backlight.rules.operations import Kind

LONGEST = 28
"""How many dominators apart the ends of a region may be."""

MOST = 64
"""How many nodes a region may have."""

KEPT = 8192
"""How many regions are remembered."""

ENDS = frozenset({Family.POINTWISE, Family.TEST, Family.COMPOSITE, Family.OPAQUE})
"""What a function may end in: a move behind it is not part of it."""


@final
@dataclass(frozen=True)
class Found:
    """What a region computes.

    Attributes:
        kind: of the function.
        axes: that it sums over.
        constant: see `functions.Function`.
        sizes: of a normalisation: the places among the region's nodes of those that give its size.
    """

    kind: Kind
    axes: tuple[int, ...] = ()
    constant: float | None = None
    sizes: tuple[int, ...] = ()


_remembered: Recent[Found | None] = Recent(KEPT)


def largest_named(
    flow: Dependence, position: int, taken: Collection[int], allowed: Callable[[Kind], bool]
) -> tuple[Region, Found] | None:
    """The largest region with a name that ends in a node.

    Args:
        flow: of the graph.
        position: of the node.
        taken: nodes that are in other regions.
        allowed: which kinds are looked for.
    """
    best: tuple[Region, Found] | None = None
    for region in closed_regions(flow, position, taken):
        found = recognised(region)
        if found is not None and allowed(found.kind):
            best = region, found
    return best


def closed_regions(
    flow: Dependence, position: int, taken: Collection[int], narrower: bool = False
) -> Iterator[Region]:
    """The regions that end in a node, smaller ones first, of nodes that NumPy can run.

    What comes out is as wide as what goes in, as rules compute with both; or narrower, if they may.
    """
    node = flow.nodes[position]
    if len(node.results) != 1 or not (is_end(node) or is_rounding(flow, node)):
        return
    sink = node.result
    entry = flow.dominators.get(sink)
    steps = 0
    while entry is not None and steps < LONGEST:
        steps += 1
        region = flow.region(entry, sink, MOST)
        if region is None or not all(
            at not in taken and is_runnable(flow.nodes[at]) for at in region
        ):
            return
        more = flow.values[entry].bits - flow.values[sink].bits
        if entry in flow.active and (more == 0 or (narrower and more > 0)):
            leaks = flow.leaks(region, sink)
            if not leaks:
                yield Region(flow, tuple(region), entry, sink)
            elif all(is_highest(flow, value, entry) for value in leaks):
                inner = flow.region(entry, sink, MOST, leaks)
                if inner is not None and not flow.leaks(inner, sink):
                    yield Region(flow, tuple(inner), entry, sink, tuple(leaks))
        entry = flow.dominators.get(entry)


def is_end(node: Node) -> bool:
    return family(node) in ENDS and (family(node) is not Family.OPAQUE or node.primitive == "call")


def is_rounding(flow: Dependence, node: Node) -> bool:
    """Whether numbers go back from float32 to 16 bits, after a function that was computed in more."""
    if node.primitive != "convert" or node.attributes["to"] is not DType.FLOAT:
        return False
    return flow.values[node.result].bits < flow.values[node.operands[0]].bits


def is_highest(flow: Dependence, value: int, entry: int) -> bool:
    """Whether a value is the largest number of another, perhaps moved: what a softmax takes away,
    shared with something else."""
    node = flow.producer(value)
    while node is not None and family(node) is Family.MOVE and len(node.operands) == 1:
        node = flow.producer(node.operands[0])
    return node is not None and node.primitive == "max" and node.operands[0] == entry


def recognised(region: Region) -> Found | None:
    """What a region computes; None if it has no name."""
    return _remembered.recall(region.key(), lambda: _recognised(region))


def _recognised(region: Region) -> Found | None:
    if not region.stops and region.is_pointwise:
        return pointwise(region)
    alone = len(region.positions) == 1 and family(region.nodes[0]) is Family.COMPOSITE
    if alone:
        return None  # a node of its own kind
    softmax = softmax_of(region)
    if softmax is not None:
        return Found(*softmax)
    if region.stops:
        return None
    sizes = normalization_sizes(region)
    if sizes:
        return Found(Kind.NORMALIZATION, sizes=sizes)
    return through_views(region)


def pointwise(region: Region) -> Found | None:
    """A function of each number by itself, node by node."""
    constants = region.constants
    if not constants:
        coarse = region.flow.values[region.sink].bits <= 16
        return described(region.result(PROBES), coarse)
    if len(constants) == 1 and len(region.positions) > 1:
        (slope,) = constants
        known = functions.is_prelu(lambda number: region.result(PROBES, {slope: number}))
        return Found(Kind.PRELU) if known else None
    return None


def through_views(region: Region) -> Found | None:
    """A function of each number by itself whose parts are laid out in other ways on the way."""
    shape = region.flow.shape(region.entry)
    if region.flow.shape(region.sink) != shape or region.constants or region.is_stopped:
        return None
    for like in region.sample(0):
        found: list[Numbers] = []
        for start in range(0, len(PROBES), like.size):
            part = np.resize(PROBES[start : start + like.size], like.size).reshape(like.shape)
            result = region.result(part)
            if result is None or result.shape != like.shape:
                return None
            found.append(result.ravel()[: len(PROBES[start : start + like.size])])
        coarse = region.flow.values[region.sink].bits <= 16
        return described(np.concatenate(found), coarse)
    return None


def described(found: Numbers | None, coarse: bool) -> Found | None:
    if found is None or found.shape != PROBES.shape or found.dtype.kind == "c":
        return None
    function = functions.named(np.asarray(found, dtype=float), coarse)
    return None if function is None else Found(function.kind, (), function.constant)
