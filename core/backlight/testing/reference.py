"""The golden nets in NumPy, float64: outputs, and gradients by central differences.

It knows no automatic differentiation and no framework, so that nothing it says can share a bug with one.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from backlight.testing.nets import (
    EPSILON_BATCH_NORM,
    EPSILON_LAYER_NORM,
    HEADS,
    Net,
    Values,
)

STEP = 1e-5

erf = np.vectorize(math.erf)


def convolve(x: Values, kernel: Values) -> Values:
    """(N, C, H, W) with (O, C, h, w), stride 1, no padding."""
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[2:], axis=(2, 3))
    found: Values = np.einsum("nchwij,ocij->nohw", windows, kernel, optimize=True)
    return found


def pool_windows(x: Values, size: int, stride: int) -> Values:
    """(..., H, W) to (..., rows, columns, size * size): what each window holds, row by row."""
    seen = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(-2, -1))
    seen = seen[..., ::stride, ::stride, :, :]
    return seen.reshape(*seen.shape[:-2], size * size)


def softmax(x: Values, axis: int = -1) -> Values:
    high = np.exp(x - x.max(axis, keepdims=True))
    found: Values = high / high.sum(axis, keepdims=True)
    return found


def gelu(x: Values) -> Values:
    found: Values = x * (1 + erf(x / np.sqrt(2))) / 2
    return found


def sigmoid(x: Values) -> Values:
    found: Values = 1 / (1 + np.exp(-x))
    return found


def normalise(x: Values, epsilon: float) -> Values:
    """Along the last axis."""
    found: Values = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + epsilon)
    return found


@final
class NumPyLayers:
    """`Layers` on NumPy arrays, with a net's weights."""

    def __init__(self, net: Net):
        self.weights = net.weights

    def convolution(self, x: Values, name: str) -> Values:
        padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))).transpose(0, 3, 1, 2)
        kernel = self.weights[f"{name}.kernel"].transpose(3, 2, 0, 1)
        return convolve(padded, kernel).transpose(0, 2, 3, 1) + self.weights[f"{name}.bias"]

    def batch_norm(self, x: Values, name: str) -> Values:
        scale, shift, mean, variance = (
            self.weights[f"{name}.{part}"] for part in ("scale", "shift", "mean", "variance")
        )
        found: Values = (x - mean) / np.sqrt(variance + EPSILON_BATCH_NORM) * scale + shift
        return found

    def dense(self, x: Values, name: str) -> Values:
        found: Values = x @ self.weights[f"{name}.kernel"] + self.weights[f"{name}.bias"]
        return found

    def layer_norm(self, x: Values, name: str) -> Values:
        scale, shift = self.weights[f"{name}.scale"], self.weights[f"{name}.shift"]
        return normalise(x, EPSILON_LAYER_NORM) * scale + shift

    def attention(self, query: Values, key: Values, value: Values) -> Values:
        count, tokens, width = query.shape

        def heads(x: Values) -> Values:
            return x.reshape(count, tokens, HEADS, width // HEADS).transpose(0, 2, 1, 3)

        query, key, value = heads(query), heads(key), heads(value)
        shares = softmax(query @ key.swapaxes(2, 3) / np.sqrt(width // HEADS))
        return (shares @ value).transpose(0, 2, 1, 3).reshape(count, tokens, width)

    def relu(self, x: Values) -> Values:
        found: Values = np.maximum(x, 0.0)
        return found

    def gelu(self, x: Values) -> Values:
        return gelu(x)

    def sigmoid(self, x: Values) -> Values:
        return sigmoid(x)

    def softmax(self, x: Values) -> Values:
        return softmax(x)

    def max_pool(self, x: Values) -> Values:
        found: Values = pool_windows(x.transpose(0, 3, 1, 2), 2, 2).max(-1)
        return found.transpose(0, 2, 3, 1)

    def mean_of_places(self, x: Values) -> Values:
        found: Values = x.mean((1, 2))
        return found

    def mean_of_tokens(self, x: Values) -> Values:
        found: Values = x.mean(1)
        return found

    def add(self, x: Values, y: Values) -> Values:
        return x + y

    def multiply(self, x: Values, y: Values) -> Values:
        return x * y

    def concat(self, x: Values, y: Values) -> Values:
        return np.concatenate([x, y], axis=-1)


def outputs(net: Net, inputs: Sequence[Values]) -> Values:
    """What the net gives for these inputs, (N, 3)."""
    found: Values = net.run(NumPyLayers(net), *inputs)
    return found


def scores(net: Net, inputs: Sequence[Values], classes: Sequence[int]) -> Values:
    """Each example's output for its class, (N,)."""
    return outputs(net, inputs)[np.arange(len(classes)), list(classes)]


@lru_cache(maxsize=64)
def gradients(net: Net, classes: tuple[int, ...]) -> list[Values]:
    """d score / d input at the net's own inputs, for each of them, shaped like it."""

    def at(position: int) -> Callable[[Values], Values]:
        before, after = net.inputs[:position], net.inputs[position + 1 :]
        return lambda moved: scores(net, (*before, moved, *after), classes)

    return [slopes(at(position), values) for position, values in enumerate(net.inputs)]


def slopes(score: Callable[[Values], Values], values: Values) -> Values:
    """The derivative of each row's score by the numbers of its row."""
    found = np.zeros_like(values)
    for index in np.ndindex(values.shape[1:]):
        place = (slice(None), *index)
        sides = []
        for sign in (1.0, -1.0):
            moved = values.copy()
            moved[place] += sign * STEP
            sides.append(score(moved))
        found[place] = (sides[0] - sides[1]) / (2 * STEP)
    return found


class Steps:
    """NumPy's layers, which note what each gives; those that are changed give another value."""

    def __init__(self, net: Net, changed: Mapping[int, Values] | None = None):
        self.layers, self.changed, self.given = NumPyLayers(net), changed or {}, list[Values]()

    def __getattr__(self, name: str) -> Callable[..., Values]:
        layer = getattr(self.layers, name)

        def step(*operands: Values | str) -> Values:
            found: Values = self.changed.get(len(self.given), layer(*operands))
            self.given.append(found)
            return found

        return step


@lru_cache(maxsize=64)
def steps(net: Net) -> list[Values]:
    """What each layer gives at the net's own inputs, in order."""
    layers = Steps(net)
    net.run(layers, *net.inputs)
    return layers.given


def layer_of(net: Net, values: NDArray[np.floating[Any]], tolerance: float) -> int | None:
    """Which layer gives these values at the net's own inputs, up to a tolerance relative to the largest;
    None where none does."""
    for place, one in enumerate(steps(net)):
        same = one.shape == values.shape
        if same and np.abs(values - one).max() <= tolerance * np.abs(one).max():
            return place
    return None


@lru_cache(maxsize=64)
def gradient_at(net: Net, classes: tuple[int, ...], layer: int) -> Values:
    """d score / d what a layer gives, at the net's own inputs."""

    def score(moved: Values) -> Values:
        outputs: Values = net.run(Steps(net, {layer: moved}), *net.inputs)
        return outputs[np.arange(len(classes)), list(classes)]

    return slopes(score, steps(net)[layer])
