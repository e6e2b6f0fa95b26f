"""Softmax and its kin, told by what a region does to random numbers."""

from collections.abc import Iterator

import numpy as np

from backlight.graph.evaluation import Region
from backlight.graph.graph import Numbers
from backlight.graph.primitives import log_softmax, logsumexp
from backlight.rules.operations import Kind

EXPONENTIALS = frozenset({"exp", "exp2", "expm1", "softmax", "log_softmax", "logsumexp", "call"})
"""Of which a spelling has one."""

SUMMING = frozenset({"sum", "mean", "logsumexp", "softmax", "log_softmax", "max", "cumsum"})


def softmax_of(region: Region) -> tuple[Kind, tuple[int, ...]] | None:
    """Which of softmax, its logarithm and the logarithm of its sum a region is, and along which axes."""
    if EXPONENTIALS.isdisjoint(node.primitive for node in region.nodes):
        return None
    if set(region.constants) - set(region.stops):
        return None
    return next((found for axes in summed(region) if (found := along(region, axes))), None)


def summed(region: Region) -> Iterator[tuple[int, ...]]:
    """The axes of the entry that something inside is summed over."""
    rank = len(region.flow.shape(region.entry))
    seen: set[tuple[int, ...]] = set()
    for node in region.nodes:
        axes = tuple(sorted(node.attributes.get("axes", ()) or ()))
        same = len(region.flow.shape(node.operands[0])) == rank if node.operands else False
        if node.primitive in SUMMING and same and axes and axes not in seen:
            seen.add(axes)
            yield axes


def along(region: Region, axes: tuple[int, ...]) -> tuple[Kind, tuple[int, ...]] | None:
    for x in region.sample(0, axes):
        x = 3 * x
        found = region.result(x, region.stand_ins(x, 1))
        if found is None:
            continue
        # What is taken away from all alike changes nothing, be it the largest number or another.
        again = region.result(x, region.stand_ins(x, 2)) if region.stops else found
        same = again is not None and close(again, found)
        kind = next((one for one, wanted in spelled(x, axes) if close(found, wanted)), None)
        return (kind, axes) if kind is not None and same else None
    return None


def spelled(x: Numbers, axes: tuple[int, ...]) -> Iterator[tuple[Kind, Numbers]]:
    logarithm = log_softmax({"axes": axes}, x)
    yield Kind.SOFTMAX, np.exp(logarithm)
    yield Kind.LOG_SOFTMAX, logarithm
    yield Kind.LOGSUMEXP, logsumexp({"axes": axes, "keepdims": True}, x)
    yield Kind.LOGSUMEXP, logsumexp({"axes": axes, "keepdims": False}, x)


def close(found: Numbers, wanted: Numbers) -> bool:
    return found.shape == wanted.shape and np.allclose(found, wanted, rtol=1e-6, atol=1e-9)
