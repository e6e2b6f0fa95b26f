"""Nets made by hand as graphs, that run in NumPy: the judges of what is said about their axes."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from backlight.graph.graph import DType, Graph, dtype_of
from backlight.graph.primitives import evaluated

Array = np.ndarray
Run = Callable[..., Array]


class Net:
    """A graph that grows operation by operation, and the numbers in it."""

    def __init__(self, *shapes: Sequence[int]) -> None:
        self.graph = Graph()
        self.numbers: dict[int, Array] = {}
        rng = np.random.default_rng(0)
        self.inputs = [self._value(rng.normal(size=shape)) for shape in shapes]
        self.graph.sources = tuple(self.inputs)
        self.runs: list[tuple[Any, Run | None]] = []

    def _value(self, array: Array, learned: bool = False) -> int:
        value = self.graph.value(array.shape, dtype_of(array.dtype), learned=learned)
        self.numbers[value] = array
        return value

    def weight(self, *shape: int, of: float = 1.0) -> int:
        """A constant, the same number throughout, which the graph is not told."""
        return self._value(np.full(shape, of), learned=True)

    def array(self, array: Array) -> int:
        return self._value(array)

    def op(self, primitive: str, *operands: int, place: str = "", **attributes: Any) -> Any:
        """One operation: its result, or all of them where it has several."""
        run = RUNS.get(primitive)
        node = self.graph.node(primitive, operands, (), attributes, place=place)
        arrays = self._run(node, run, self.numbers)
        results = tuple(self._value(array) for array in arrays)
        self.graph.nodes[-1] = node = type(node)(
            primitive, tuple(operands), results, attributes, primitive, place
        )
        self.runs.append((node, run))
        for value in results:
            self.graph.sites[place or f"{primitive} {value}"] = value
        return results[0] if len(results) == 1 else results

    def targets(self, *values: int) -> Graph:
        self.graph.targets = values
        return self.graph

    def relu(self, x: int, place: str = "") -> int:
        return self.op("relu", x, place=place)

    def linear(self, x: int, width: int, place: str = "") -> int:
        """Over the last axis."""
        letters = "nabc"[: len(self.graph.shape(x)) - 1]
        weight = self.weight(self.graph.shape(x)[-1], width, of=0.1)
        return self.dot(f"{letters}y,yz->{letters}z", x, weight, place=place)

    def norm(self, x: int, place: str = "") -> int:
        """Over the last axis."""
        last = len(self.graph.shape(x)) - 1
        return self.op("normalize", x, axes=(last,), epsilon=1e-5, centred=True, place=place)

    def score(self, x: int) -> Graph:
        """The first number of each row of (N, classes)."""
        self.graph.kept = frozenset({x})
        return self.targets(self.op("index", x, axis=1, at=0))

    def run(self, inputs: Sequence[Array]) -> dict[int, Array]:
        """All numbers at other inputs."""
        numbers = {**self.numbers, **dict(zip(self.inputs, inputs, strict=True))}
        for node, run in self.runs:
            for value, array in zip(node.results, self._run(node, run, numbers), strict=True):
                numbers[value] = array
        return numbers

    @staticmethod
    def _run(node: Any, run: Run | None, numbers: dict[int, Array]) -> list[Array]:
        given = [numbers[value] for value in node.operands]
        if run is not None:
            found = run(node.attributes, *given)
            return found if isinstance(found, list) else [found]
        found = evaluated(node, given)
        assert found is not None, node.primitive
        return found

    def conv(self, x: int, *, channels: int = 2, size: Any = 3, stride: Any = 1, pad: Any = 0,
             dilation: Any = 1, groups: int = 1, transposed: bool = False, base: Any = 1,
             place: str = "") -> int:  # fmt: skip
        """A convolution of (N, C, *places) by ones; a number stands for all places."""
        shape = self.graph.shape(x)
        count = len(shape) - 2
        size, stride, dilation, base = (
            several(one, count) for one in (size, stride, dilation, base)
        )
        pads = tuple(one if isinstance(one, tuple) else (one, one) for one in several(pad, count))
        outer, inner = channels, shape[1] // groups
        if transposed:
            weight, axes = self.weight(shape[1], channels, *size), (1, 0, *range(2, 2 + count))
        else:
            weight, axes = self.weight(outer, inner, *size), tuple(range(2 + count))
        return self.op("conv", x, weight, strides=stride, padding=pads, dilation=dilation,
                       base_dilation=base, groups=groups, transposed=transposed,
                       x_axes=tuple(range(2 + count)), weight_axes=axes,
                       result_axes=tuple(range(2 + count)), place=place)  # fmt: skip

    def pool(self, x: int, size: int, stride: int, pad: int = 0, kind: str = "max_pool") -> int:
        count = len(self.graph.shape(x)) - 2
        ones, none = (1, 1), ((0, 0), (0, 0))
        return self.op(kind, x, window=ones + (size,) * count, strides=ones + (stride,) * count,
                       padding=none + ((pad, pad),) * count, dilation=(1,) * (2 + count))  # fmt: skip

    def mean(self, x: int, *axes: int, keepdims: bool = False, place: str = "") -> int:
        return self.op("mean", x, axes=axes, keepdims=keepdims, place=place)

    def dot(self, equation: str, a: int, b: int, place: str = "") -> int:
        return self.op("dot", a, b, equation=equation, place=place)

    def reshape(self, x: int, *shape: int) -> int:
        return self.op("reshape", x, shape=shape)

    def transpose(self, x: int, *order: int) -> int:
        return self.op("transpose", x, permutation=order)

    def slice(self, x: int, axis: int, start: int, limit: int, step: int = 1) -> int:
        shape = self.graph.shape(x)
        starts, limits, steps = [0] * len(shape), list(shape), [1] * len(shape)
        starts[axis], limits[axis], steps[axis] = start, limit, step
        return self.op("slice", x, starts=tuple(starts), limits=tuple(limits), strides=tuple(steps))


def several(one: Any, count: int) -> tuple[Any, ...]:
    return one if isinstance(one, tuple) and len(one) == count else (one,) * count


def patches(x: Array, window: Any, strides: Any, padding: Any, dilation: Any, fill: float) -> Array:
    """(*results, *window) of an array of places alone."""
    x = np.pad(x, padding, constant_values=fill)
    spans = [(size - 1) * step + 1 for size, step in zip(window, dilation, strict=True)]
    seen = np.lib.stride_tricks.sliding_window_view(x, spans)
    starts = tuple(slice(None, None, stride) for stride in strides)
    return seen[starts + tuple(slice(None, None, step) for step in dilation)]


def conv(a: Any, x: Array, weight: Array) -> Array:
    assert a["x_axes"] == a["result_axes"] == tuple(range(x.ndim))
    count = x.ndim - 2
    ones = (1,) * count
    if a["transposed"]:
        spread = spaced(x, a["strides"])
        spans = [
            (size - 1) * step for size, step in zip(weight.shape[2:], a["dilation"], strict=True)
        ]
        pads = [
            (span - low, span - high) for span, (low, high) in zip(spans, a["padding"], strict=True)
        ]
        weight = np.swapaxes(weight, 0, 1)[(..., *[slice(None, None, -1)] * count)]
        x, strides = spread, ones
    else:
        x, pads, strides = spaced(x, a["base_dilation"]), a["padding"], a["strides"]
    whole = [(0, 0), (0, 0), *pads]
    seen = patches(
        x, (1, 1, *weight.shape[2:]), (1, 1, *strides), whole, (1, 1, *a["dilation"]), 0.0
    )
    seen = seen.reshape(*x.shape[:2], *seen.shape[2 : 2 + count], *weight.shape[2:])
    groups = a["groups"]
    parts = [
        np.tensordot(block, kernel, [(1, *range(2 + count, 2 + 2 * count)), range(1, 2 + count)])
        for block, kernel in zip(
            np.split(seen, groups, axis=1), np.split(weight, groups, axis=0), strict=True
        )
    ]
    return np.moveaxis(np.concatenate(parts, axis=-1), -1, 1)


def spaced(x: Array, steps: Sequence[int]) -> Array:
    for axis, step in enumerate(steps, 2):
        shape = list(x.shape)
        shape[axis] = (shape[axis] - 1) * step + 1
        wide = np.zeros(shape)
        wide[(slice(None),) * axis + (slice(None, None, step),)] = x
        x = wide
    return x


def pool(reduce: Any, fill: float) -> Run:
    def run(a: Any, x: Array) -> Array:
        seen = patches(x, a["window"], a["strides"], a["padding"], a["dilation"], fill)
        return reduce(seen, axis=tuple(range(x.ndim, 2 * x.ndim)))

    return run


def resized(a: Any, x: Array) -> Array:
    for axis, length in zip(a["axes"], a["lengths"], strict=True):
        size = x.shape[axis]
        at = np.arange(length)
        if a["aligned"]:
            at = at * (size - 1) / (length - 1)
        else:
            at = np.clip((at + 0.5) * size / length - 0.5, 0, size - 1)
        tents = np.maximum(0, 1 - np.abs(at[:, None] - np.arange(size)))
        x = np.moveaxis(np.tensordot(tents, x, [1, axis]), 0, axis)
    return x


def adaptive(a: Any, x: Array) -> Array:
    for axis, length in zip(a["axes"], a["lengths"], strict=True):
        parts = [
            x.take(range(i * x.shape[axis] // length, -(-(i + 1) * x.shape[axis] // length)), axis)
            for i in range(length)
        ]
        x = np.stack([part.mean(axis) for part in parts], axis)
    return x


def windows(a: Any, x: Array) -> Array:
    """Patches of (N, C, *places) or (N, *places, C)."""
    full = {axis: number for number, axis in enumerate(a["axes"])}
    pick = lambda name, idle: [a[name][full[i]] if i in full else idle for i in range(x.ndim)]  # noqa: E731
    seen = patches(
        x, pick("window", 1), pick("strides", 1), pick("padding", (0, 0)), pick("dilation", 1), 0.0
    )
    taps = seen.reshape(*seen.shape[: x.ndim], *a["window"])
    n, axes = x.ndim, list(a["axes"])
    others = [axis for axis in range(1, n) if axis not in axes]
    if a["layout"] == "channels and taps, then starts":
        moved = taps.transpose(0, *others, *range(n, taps.ndim), *axes)
        inside = int(np.prod([x.shape[axis] for axis in others])) * int(np.prod(a["window"]))
        return moved.reshape(x.shape[0], inside, -1)
    if a["layout"] == "places, taps, channels":
        moved = taps.transpose(0, *axes, *range(n, taps.ndim), *others)
        return moved.reshape(x.shape[0], *(seen.shape[axis] for axis in axes), -1)
    return taps


def attention(a: Any, query: Array, key: Array, value: Array) -> Array:
    logits = query @ np.swapaxes(key, -1, -2)
    weights = np.exp(logits - logits.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True) @ value


def updated(a: Any, x: Array, part: Array) -> Array:
    found = x.copy()
    ranges = zip(a["starts"], part.shape, strict=True)
    found[tuple(slice(start, start + length) for start, length in ranges)] = part
    return found


RUNS: dict[str, Run] = {
    "conv": conv,
    "max_pool": pool(np.max, -np.inf),
    "avg_pool": pool(np.mean, 0.0),
    "resize": resized,
    "adaptive_avg_pool": adaptive,
    "windows": windows,
    "attention": attention,
    "update": updated,
    "random": lambda a: np.zeros(a["shape"]),
    "other": lambda a, x: x,
}


def influence(net: Net, value: int, axis: tuple[int, int]) -> Array:
    """How much each place along an axis of an input changes each number of a value: (places, *value)."""
    source, place = axis
    inputs = [net.numbers[one] for one in net.inputs]
    before = net.run(inputs)[value]
    changes = []
    for at in range(inputs[source].shape[place]):
        moved = inputs[source].copy()
        np.moveaxis(moved, place, 0)[at] += 1e3
        changed = [*inputs]
        changed[source] = moved
        changes.append(np.abs(net.run(changed)[value] - before))
    return np.stack(changes)


def everywhere(shape: Sequence[int]) -> Any:
    return itertools.product(*map(range, shape))


__all__ = ["DType", "Net", "everywhere", "influence"]
