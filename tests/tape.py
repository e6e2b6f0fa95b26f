"""Array functions that remember what they did, so that a slow float64 model can obey rules.

Each function works on array-api-strict arrays as the standard's does. Given a `Traced` value it works in
NumPy, notes the operation and its derivative, written out here by hand, and gives a `Traced` value.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import wraps
from types import SimpleNamespace
from typing import cast

import array_api_strict as strict
import numpy as np

from backlight.rules.operations import Kind
from backlight.testing import reference
from backlight.values.arrays import Arrays

Raw = np.ndarray
Pull = Callable[..., Sequence[Raw | None]]


@dataclass(eq=False)
class Step:
    """An operation that ran: operands are `Traced` where they depend on the explained value."""

    kind: Kind | None
    type: str
    run: Callable[..., Raw]
    pull: Pull
    """From (gradient, output, *operands) to one gradient per operand."""
    operands: list[object]
    axes: tuple[int, ...] = ()
    name: str = ""
    frozen: Pull | None = None
    result: "Traced" = field(init=False)

    @property
    def active(self) -> list[int]:
        return [i for i, one in enumerate(self.operands) if isinstance(one, Traced)]


@dataclass(eq=False)
class Tape:
    steps: list[Step] = field(default_factory=list)
    units: frozenset[Kind] = frozenset()
    place: str = ""

    def note(self, step: Step) -> "Traced":
        step.name = self.place
        step.result = Traced(step.run(*map(raw, step.operands)), self)
        self.steps.append(step)
        return step.result


def raw(operand: object) -> Raw:
    return operand.value if isinstance(operand, Traced) else np.asarray(operand)


@dataclass(eq=False)
class Traced:
    """A value that depends on the explained one."""

    value: Raw
    tape: Tape

    __array_priority__ = 1000

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape

    @property
    def ndim(self) -> int:
        return self.value.ndim

    @property
    def dtype(self) -> object:
        return strict.float64

    def __add__(self, other: object) -> "Traced":
        return binary("add", self, other)

    __radd__ = __add__

    def __sub__(self, other: object) -> "Traced":
        return binary("sub", self, other)

    def __rsub__(self, other: object) -> "Traced":
        return binary("sub", other, self)

    def __mul__(self, other: object) -> "Traced":
        return binary("mul", self, other)

    __rmul__ = __mul__

    def __truediv__(self, other: object) -> "Traced":
        return binary("div", self, other)

    def __rtruediv__(self, other: object) -> "Traced":
        return binary("div", other, self)

    def __matmul__(self, other: object) -> "Traced":
        return matmul(self, other)

    def __pow__(self, power: int) -> "Traced":
        if power == 1:
            return self
        found = unary(Kind.POW, self, lambda x: x**power, lambda x, y: power * x ** (power - 1))
        if power == 2:
            found.tape.steps[-1].type = "square"
        return found

    def __neg__(self) -> "Traced":
        return self * -1.0

    def __getitem__(self, index: object) -> "Traced":
        def pull(grad: Raw, out: Raw, x: Raw) -> list[Raw]:
            full = np.zeros_like(x)
            np.add.at(full, index, grad)
            return [full]

        return moved(self, lambda x: x[index], pull)

    def __lt__(self, other: object) -> Raw:
        return self.value < raw(other)

    def __gt__(self, other: object) -> Raw:
        return self.value > raw(other)


def summed_to(grad: Raw, shape: tuple[int, ...]) -> Raw:
    """The gradient of something that was broadcast."""
    grad = grad.sum(axis=tuple(range(grad.ndim - len(shape))))
    axes = tuple(i for i, n in enumerate(shape) if n == 1 and grad.shape[i] != 1)
    return grad.sum(axis=axes, keepdims=True) if axes else grad


def tape_of(*operands: object) -> Tape:
    return next(one.tape for one in operands if isinstance(one, Traced))


def moved(x: Traced, run: Callable[[Raw], Raw], pull: Pull) -> Traced:
    return x.tape.note(Step(None, "move", run, pull, [x]))


def unary(kind: Kind, x: Traced, f: Callable, slope: Callable) -> Traced:
    return x.tape.note(Step(kind, kind.value, f, lambda grad, out, x: [grad * slope(x, out)], [x]))


def lifted(function: Callable[..., Traced]) -> Callable[..., object]:
    """The function of array-api-strict arrays, too, from one of `Traced` values."""

    @wraps(function)
    def either(x: object, *others: object, **options: object) -> object:
        if any(isinstance(one, Traced) for one in (x, *others)):
            return function(x, *others, **options)
        found = function(Traced(np.asarray(x), Tape()), *others, **options)
        return strict.asarray(np.array(found.value))

    return either


KINDS = {
    "add": (Kind.SHIFT, Kind.ADD),
    "sub": (Kind.SHIFT, Kind.ADD),
    "mul": (Kind.SCALE, Kind.MUL),
    "div": (Kind.SCALE, Kind.DIV),
    "matmul": (Kind.DENSE, Kind.MATMUL),
}
RUNS: dict[str, Callable[..., Raw]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
}
PULLS: dict[str, Pull] = {
    "add": lambda g, out, a, b: (g, g),
    "sub": lambda g, out, a, b: (g, -g),
    "mul": lambda g, out, a, b: (g * b, g * a),
    "div": lambda g, out, a, b: (g / b, -g * a / b**2),
}


def binary(name: str, a: object, b: object) -> Traced:
    if name == "div" and not isinstance(a, Traced):
        found = unary(Kind.POW, b, lambda x: raw(a) / x, lambda x, y: -y / x)
        found.tape.steps[-1].type = "reciprocal"
        return found
    both = isinstance(a, Traced) and isinstance(b, Traced)
    return tape_of(a, b).note(Step(KINDS[name][both], name, RUNS[name], PULLS[name], [a, b]))


@lifted
def matmul(a: object, b: object) -> Traced:
    both = isinstance(a, Traced) and isinstance(b, Traced)

    def pull(g: Raw, out: Raw, a: Raw, b: Raw) -> list[Raw]:
        return [g @ np.swapaxes(b, -1, -2), np.swapaxes(a, -1, -2) @ g]

    return tape_of(a, b).note(Step(KINDS["matmul"][both], "matmul", np.matmul, pull, [a, b]))


@lifted
def dense(x: Traced, weight: Raw, bias: Raw | None = None) -> Traced:
    """(..., features) to (..., classes)."""

    def run(x: Raw, weight: Raw, bias: Raw | float = 0.0) -> Raw:
        return x @ weight + bias

    def pull(g: Raw, out: Raw, x: Raw, weight: Raw, bias: object = None) -> list[Raw | None]:
        return [g @ weight.T, None, None]

    given = [] if bias is None else [bias]
    return x.tape.note(Step(Kind.DENSE, "dense", run, pull, [x, weight, *given]))


@lifted
def convolution(x: Traced, weight: Raw, bias: Raw | None = None, padding: int = 0) -> Traced:
    """(N, C, H, W) with (O, C, h, w), stride 1, zeros around."""
    around = ((0, 0), (0, 0), (padding, padding), (padding, padding))

    def run(x: Raw, weight: Raw, bias: Raw | None = None) -> Raw:
        out = reference.convolve(np.pad(x, around), weight)
        return out if bias is None else out + bias[:, None, None]

    def pull(g: Raw, out: Raw, x: Raw, weight: Raw, bias: object = None) -> list[Raw | None]:
        found = np.pad(np.zeros_like(x), around)
        height, width = g.shape[2:]
        for i, j in np.ndindex(weight.shape[2:]):
            share = np.einsum("nohw,oc->nchw", g, weight[:, :, i, j])
            found[:, :, i : i + height, j : j + width] += share
        rows, columns = x.shape[2:]
        return [found[:, :, padding : padding + rows, padding : padding + columns], None, None]

    given = [] if bias is None else [bias]
    return x.tape.note(Step(Kind.CONVOLUTION, "convolution", run, pull, [x, weight, *given]))


@lifted
def max_pool(x: Traced, size: int, stride: int) -> Traced:
    """Over the last two axes; of equal numbers the first wins."""

    def windows(x: Raw) -> Raw:
        return reference.pool_windows(x, size, stride)

    def pull(g: Raw, out: Raw, x: Raw) -> list[Raw]:
        winner = windows(x).argmax(-1)
        found = np.zeros_like(x)
        for place in np.ndindex(g.shape):
            row, column = divmod(int(winner[place]), size)
            found[(*place[:-2], place[-2] * stride + row, place[-1] * stride + column)] += g[place]
        return [found]

    return x.tape.note(Step(Kind.MAX_POOL, "max_pool", lambda x: windows(x).max(-1), pull, [x]))


@lifted
def softmax(x: Traced, axis: int = -1) -> Traced:
    axis %= x.ndim

    def run(x: Raw) -> Raw:
        return reference.softmax(x, axis)

    def pull(g: Raw, y: Raw, x: Raw) -> list[Raw]:
        return [y * (g - (g * y).sum(axis, keepdims=True))]

    return x.tape.note(Step(Kind.SOFTMAX, "softmax", run, pull, [x], axes=(axis,)))


@lifted
def log_softmax(x: Traced, axis: int = -1) -> Traced:
    axis %= x.ndim

    def run(x: Raw) -> Raw:
        high = x - x.max(axis, keepdims=True)
        return high - np.log(np.exp(high).sum(axis, keepdims=True))

    def pull(g: Raw, y: Raw, x: Raw) -> list[Raw]:
        return [g - np.exp(y) * g.sum(axis, keepdims=True)]

    return x.tape.note(Step(Kind.LOG_SOFTMAX, "log_softmax", run, pull, [x], axes=(axis,)))


@lifted
def logsumexp(x: Traced, axis: int = -1) -> Traced:
    axis %= x.ndim

    def run(x: Raw) -> Raw:
        high = x.max(axis, keepdims=True)
        return (high + np.log(np.exp(x - high).sum(axis, keepdims=True))).squeeze(axis)

    def pull(g: Raw, y: Raw, x: Raw) -> list[Raw]:
        return [np.expand_dims(g, axis) * np.exp(x - np.expand_dims(y, axis))]

    return x.tape.note(Step(Kind.LOGSUMEXP, "logsumexp", run, pull, [x], axes=(axis,)))


@lifted
def layer_norm(x: Traced, epsilon: float = 1e-5) -> Traced:
    """Over the last axis; a unit where rules ask for it, else arithmetic."""
    if Kind.NORMALIZATION not in x.tape.units:
        centred = x - average(x, axis=-1, keepdims=True)
        variance = average(centred * centred, axis=-1, keepdims=True)
        return centred / FUNCTIONS["sqrt"](variance + epsilon)

    def size(x: Raw) -> Raw:
        return np.sqrt(x.var(-1, keepdims=True) + epsilon)

    def frozen(g: Raw, y: Raw, x: Raw) -> list[Raw]:
        g = g / size(x)
        return [g - g.mean(-1, keepdims=True)]

    def pull(g: Raw, y: Raw, x: Raw) -> list[Raw]:
        return frozen(g - y * (g * y).mean(-1, keepdims=True), y, x)

    def run(x: Raw) -> Raw:
        return reference.normalise(x, epsilon)

    return x.tape.note(Step(Kind.NORMALIZATION, "layer_norm", run, pull, [x], frozen=frozen))


@lifted
def relu(x: Traced) -> Traced:
    return unary(Kind.RELU, x, lambda x: np.maximum(x, 0), lambda x, y: x > 0)


def elementwise(kind: Kind, f: Callable, slope: Callable) -> Callable[[Traced], Traced]:
    return lifted(lambda x: unary(kind, x, f, lambda x, y: slope(x)))


sigmoid = elementwise(
    Kind.SIGMOID,
    reference.sigmoid,
    lambda x: np.exp(-x) / (1 + np.exp(-x)) ** 2,
)
relu6 = elementwise(Kind.RELU6, lambda x: np.clip(x, 0, 6), lambda x: (x > 0) & (x < 6))
gelu = elementwise(
    Kind.GELU,
    reference.gelu,
    lambda x: (1 + reference.erf(x / np.sqrt(2))) / 2 + x * np.exp(-x * x / 2) / np.sqrt(2 * np.pi),
)
exp = elementwise(Kind.EXP, np.exp, np.exp)
tanh = elementwise(Kind.TANH, np.tanh, lambda x: 1 - np.tanh(x) ** 2)
silu = elementwise(
    Kind.SILU,
    lambda x: x / (1 + np.exp(-x)),
    lambda x: (1 + np.exp(-x) * (1 + x)) / (1 + np.exp(-x)) ** 2,
)


@lifted
def swirl(x: Traced) -> Traced:
    """x times the sine of its neighbour: an operation without a kind of its own."""

    def pull(g: Raw, out: Raw, x: Raw) -> list[Raw]:
        beside = np.roll(x, 1, -1)
        return [g * np.sin(beside) + np.roll(g * x * np.cos(beside), -1, -1)]

    return x.tape.note(
        Step(Kind.OTHER, "swirl", lambda x: x * np.sin(np.roll(x, 1, -1)), pull, [x])
    )


# The array API standard's functions, as far as models and scores use them


def untraced_or(name: str, traced: Callable[..., Traced]) -> Callable[..., object]:
    def function(*arguments: object, **options: object) -> object:
        found = arguments[0] if isinstance(arguments[0], (list, tuple)) else arguments
        if not any(isinstance(one, Traced) for one in found):
            return getattr(strict, name)(*arguments, **options)
        return traced(*arguments, **options)

    return function


def kept(grad: Raw, x: Raw, axis: object, keepdims: bool) -> Raw:
    """The gradient of a reduction, with the axes it took out."""
    if axis is None:
        return grad.reshape((1,) * x.ndim)
    return grad if keepdims else np.expand_dims(grad, axis)


def total(x: Traced, axis: object = None, keepdims: bool = False) -> Traced:
    return x.tape.note(
        Step(
            Kind.SUM,
            "sum",
            lambda x: x.sum(axis=axis, keepdims=keepdims),
            lambda g, out, x: [np.broadcast_to(kept(g, x, axis, keepdims), x.shape)],
            [x],
        )
    )


def average(x: Traced, axis: object = None, keepdims: bool = False) -> Traced:
    whole = total(x, axis, keepdims)
    return whole * (whole.value.size / x.value.size)


def extreme(kind: Kind) -> Callable[..., Traced]:
    choose = np.argmax if kind is Kind.MAX else np.argmin

    def reduce(x: Traced, axis: object = None, keepdims: bool = False) -> Traced:
        assert isinstance(axis, int), "one axis at a time"
        best = np.max if kind is Kind.MAX else np.min

        def pull(g: Raw, out: Raw, x: Raw) -> list[Raw]:
            winner = np.expand_dims(choose(x, axis), axis)
            found = np.zeros_like(x)
            np.put_along_axis(found, winner, kept(g, x, axis, keepdims), axis)
            return [found]

        return x.tape.note(
            Step(kind, kind.value, lambda x: best(x, axis=axis, keepdims=keepdims), pull, [x])
        )

    return reduce


def maximum(a: object, b: object) -> Traced:
    if not isinstance(b, Traced) and not np.any(raw(b)):
        return relu(a)
    return tape_of(a, b).note(
        Step(
            Kind.MAX,
            "maximum",
            np.maximum,
            lambda g, out, a, b: (g * (a > b), g * (b > a)),
            [a, b],
        )
    )


def where(condition: object, a: object, b: object) -> Traced:
    """The condition does not depend on anything."""
    mask = np.asarray(condition)
    return tape_of(a, b).note(
        Step(
            None,
            "where",
            lambda a, b: np.where(mask, a, b),
            lambda g, out, a, b: (g * mask, g * ~mask),
            [a, b],
        )
    )


def concat(arrays: Sequence[object], axis: int = 0) -> Traced:
    ends = np.cumsum([raw(one).shape[axis] for one in arrays])[:-1]
    return tape_of(*arrays).note(
        Step(
            None,
            "concat",
            lambda *parts: np.concatenate(parts, axis=axis),
            lambda g, out, *parts: np.split(g, ends, axis=axis),
            list(arrays),
        )
    )


def take_along_axis(x: Traced, indices: object, axis: int = -1) -> Traced:
    index = np.asarray(indices)

    def pull(g: Raw, out: Raw, x: Raw) -> list[Raw]:
        found = np.zeros_like(x)
        np.put_along_axis(found, index, g, axis)
        return [found]

    return moved(x, lambda x: np.take_along_axis(x, index, axis), pull)


def take(x: Traced, indices: object, axis: int) -> Traced:
    index = np.asarray(indices)
    return x[(slice(None),) * (axis % x.ndim) + (index,)]


def reshape(x: Traced, shape: tuple[int, ...]) -> Traced:
    return moved(x, lambda x: x.reshape(shape), lambda g, out, x: [g.reshape(x.shape)])


def permute_dims(x: Traced, axes: tuple[int, ...]) -> Traced:
    back = np.argsort(axes)
    return moved(x, lambda x: x.transpose(axes), lambda g, out, x: [g.transpose(back)])


def broadcast_to(x: Traced, shape: tuple[int, ...]) -> Traced:
    return moved(x, lambda x: np.broadcast_to(x, shape), lambda g, out, x: [g])


def expand_dims(x: Traced, axis: int) -> Traced:
    return moved(x, lambda x: np.expand_dims(x, axis), lambda g, out, x: [g.squeeze(axis)])


FUNCTIONS = {
    "sqrt": lambda x: unary(Kind.SQRT, x, np.sqrt, lambda x, y: 0.5 / y),
    "exp": lambda x: unary(Kind.EXP, x, np.exp, lambda x, y: y),
    "log": lambda x: unary(Kind.LOG, x, np.log, lambda x, y: 1 / x),
    "abs": lambda x: unary(Kind.ABS, x, np.abs, lambda x, y: np.sign(x)),
    "sum": total,
    "mean": average,
    "max": extreme(Kind.MAX),
    "min": extreme(Kind.MIN),
    "maximum": maximum,
    "where": where,
    "concat": concat,
    "reshape": reshape,
    "permute_dims": permute_dims,
    "broadcast_to": broadcast_to,
    "expand_dims": expand_dims,
    "take": take,
    "take_along_axis": take_along_axis,
}

arrays = cast(
    Arrays,
    SimpleNamespace(
        **{
            name: getattr(strict, name)
            for name in (
                "zeros_like",
                "isfinite",
                "all",
                "argmax",
                "asarray",
                "isdtype",
                "float64",
                "astype",
                "float32",
            )
        },
        **{name: untraced_or(name, traced) for name, traced in FUNCTIONS.items()},
    ),
)
"""What models, and the scores on top of them, compute with."""
