"""The primitives that operations are put in terms of, with their meaning in NumPy.

Names are those of the array API standard, and of StableHLO where that has none. Operands broadcast as
in NumPy. Axes are counted from 0. What a backend cannot put in these terms is `other`: nothing is
known of it but which values it reads and gives.

Attributes, by primitive:

    convert                          to: DType
    add                              two operands or more
    clamp                            operands (x, low, high)
    select                           operands (condition, where true, where false)
    leaky_relu                       slope: float
    elu                              alpha, scale, input_scale: float; below 0 it is
                                     scale * alpha * expm1(input_scale * x)
    celu                             alpha: float
    gelu                             approximate: "none", "tanh" or "sigmoid"
    hard_tanh                        low, high: float
    softplus                         beta: float (log(1 + exp(beta x)) / beta)
    threshold                        at, value: float (x above `at`, else `value`)
    sum mean max min prod any all    axes: tuple[int, ...], keepdims: bool
    var std                          axes, keepdims, correction: float
    norm                             axes, keepdims, order: float
    logsumexp                        axes, keepdims
    argmax argmin                    axis: int or None, keepdims
    softmax log_softmax              axes
    cumsum                           axis, reverse: bool
    sort                             axis, descending: bool; results (values, places)
    top_k                            axis, count: int; results (values, places)
    reshape                          shape: tuple[int, ...] (squeezing and new axes too; -1 where unknown)
    transpose                        permutation: tuple[int, ...]
    broadcast                        shape, axes: for each axis of the operand, that of the result
    slice                            starts, limits, strides: tuples, one number for each axis
    index                            axis, at: one place along an axis, which goes
    pad                              low, high, interior: tuples; mode: "constant", "reflect", "edge",
                                     "circular", "symmetric"; operands (x, filling) where constant
    concat stack                     axis
    split                            axis, sizes: tuple[int, ...]; a result for each
    unstack                          axis; a result for each place
    flip                             axes
    roll                             shifts, axes: tuples
    tile                             repeats: tuple, one number for each axis
    repeat                           axis, count
    iota                             shape, axis: the places along an axis, without operands
    take                             axis; operands (x, places): places replaces the axis
    gather                           operands (x, places): anything else that picks by constant places
    update                           starts: tuple or None; operands (x, part): part written into x
    scatter                          operands (x, places, part): written by places; axis, where these
                                     are of one axis and all along the others is written
    scatter_add                      operands (x, places, part): added by places; axis likewise
    windows                          window, strides, padding, dilation, axes: patches of the axes:
                                     im2col; layout, how the result holds them:
                                     "places, taps, channels" (N, *places, taps by channels),
                                     "channels and taps, then starts" (N, channels by taps, all places),
                                     "starts in place, taps last" (an axis more for each window)
    dot                              equation: str in einsum's letters, such as "abc,dc->abd";
                                     operands (a, b) or (a, b, bias), bias broadcasting against the result
    conv                             strides, padding (pairs), dilation, base_dilation: one for each place
                                     axis; groups: int; transposed: bool (then strides and padding are
                                     those of the convolution that it is the transpose of, in PyTorch's
                                     sense, and base_dilation is 1 throughout); x_axes, weight_axes,
                                     result_axes: (examples, channels, *places) of x and the result,
                                     (output channels, input channels, *places) of the weight, in which
                                     output channels may be a pair of axes, group or input first;
                                     operands (x, weight) or (x, weight, bias), bias one number a channel
    max_pool min_pool avg_pool       window, strides, padding (pairs), dilation: one for each axis of x,
                                     1 along axes that are not pooled; count_padding: bool; summed: bool,
                                     of avg_pool: not divided by how many there are
    adaptive_max_pool                axes; lengths as the result's
    adaptive_avg_pool                axes; lengths as the result's
    resize                           axes, method: str, aligned: bool (corners on corners)
    linear_map                       a fixed linear map of its first operand, not known further
    batch_norm                       axis, epsilon; operands (x, scale, offset, mean, variance); scale and
                                     offset may be left out by number: 1 and 0
    normalize                        axes, epsilon, centred: bool, groups: int or None, channel_axis;
                                     operands (x), (x, scale) or (x, scale, offset)
    attention                        operands (query, key, value) or with a mask: fused, opened by the
                                     backend where rules look inside
    call                             body: Graph: the body's sources and targets are the call's operands
                                     and results; kept whole for its derivative
    loop                             a loop or a choice that is kept whole; `form`, where it can be looked
                                     into: "scan" (body: Graph of constants, what is carried, and the
                                     step's own; constants, carried: how many), "while" (test, body:
                                     Graph of their constants and what is carried; constants: how many
                                     each has, the test's come first) or "cond" (branches: Graphs of all
                                     operands but the first, which chooses)
    random                           numbers that are others in each run
    read_out                         numbers leave the framework for Python; its result stands for them
    other

Any node may say `derivatives`: for each result, the places of the operands that it has a derivative
by, a frozenset; where nothing is said that is all floating-point operands, and those of a body. It may
say `dependences` likewise, where some operands only help to find the result, and change nothing.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias, final

import numpy as np

from backlight.graph.graph import DType, Graph, Node, Numbers

Attributes: TypeAlias = Mapping[str, Any]
Meaning: TypeAlias = Callable[..., Any]
"""Of the attributes, then the operands."""


@final
class Family(StrEnum):
    """What sort of thing a primitive does."""

    POINTWISE = "pointwise"
    """Each number of the result is made of those at the same place."""
    TEST = "test"
    """Pointwise, with a result of truths, or of whole numbers: no derivative."""
    MOVE = "move"
    """Numbers are moved, copied, dropped or repeated."""
    SUM = "sum"
    """A fixed linear map without weights of the first operand."""
    EXTREMUM = "extremum"
    """The largest or smallest of several numbers of one operand."""
    FIND = "find"
    """Places are found by comparing numbers: no derivative."""
    PRODUCT = "product"
    """Linear in each of two operands."""
    COMPOSITE = "composite"
    """A function along axes that could be spelled in several primitives."""
    OPAQUE = "opaque"
    """Nothing more is known."""


@final
@dataclass(frozen=True)
class Primitive:
    """What an operation computes.

    Attributes:
        family: what sort of thing it does.
        meaning: in NumPy; None where it is not evaluated.
    """

    family: Family
    meaning: Meaning | None = None


_erf = np.vectorize(math.erf, otypes=[float])
_erfc = np.vectorize(math.erfc, otypes=[float])


def sigmoid(x: Numbers) -> Numbers:
    return np.asarray(np.exp(-np.logaddexp(0.0, -x)))


def softplus(x: Numbers) -> Numbers:
    return np.asarray(np.logaddexp(x, 0.0))


def elu(x: Numbers, alpha: float = 1.0, scale: float = 1.0, input_scale: float = 1.0) -> Numbers:
    below = alpha * np.expm1(np.minimum(x, 0) * input_scale)
    return np.asarray(scale * np.where(x > 0, x, below))


def gelu(x: Numbers, approximate: str = "none") -> Numbers:
    if approximate == "tanh":
        inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
        return np.asarray(x * (1 + np.tanh(inner)) / 2)
    if approximate == "sigmoid":
        return np.asarray(x * sigmoid(1.702 * x))
    return np.asarray(x * (1 + _erf(x / math.sqrt(2))) / 2)


SELU = 1.0507009873554805, 1.6732632423543772
"""Scale and alpha of self-normalising nets."""


def _unary(function: Callable[[Any], Any]) -> Meaning:
    return lambda attributes, x: function(x)


def _binary(function: Callable[[Any, Any], Any]) -> Meaning:
    return lambda attributes, x, y: function(x, y)


def _converted(attributes: Attributes, x: Numbers) -> Numbers:
    match attributes["to"]:
        case DType.BOOLEAN:
            return np.asarray(x != 0)
        case DType.INTEGER:
            return np.asarray(np.trunc(x).astype(np.int64))
        case DType.FLOAT:
            return np.asarray(np.real(x), dtype=float)
    return np.asarray(x)


def _reduced(function: Callable[..., Any]) -> Meaning:
    def meaning(attributes: Attributes, x: Numbers) -> Numbers:
        axes, keepdims = tuple(attributes["axes"]), attributes.get("keepdims", False)
        return np.asarray(function(x, axis=axes, keepdims=keepdims))

    return meaning


def _spread(root: bool) -> Meaning:
    def meaning(attributes: Attributes, x: Numbers) -> Numbers:
        axes, keepdims = tuple(attributes["axes"]), attributes.get("keepdims", False)
        correction = attributes.get("correction", 0)
        centred = x - x.mean(axis=axes, keepdims=True)
        count = math.prod(x.shape[axis] for axis in axes)
        found = (centred**2).sum(axis=axes, keepdims=keepdims) / (count - correction)
        return np.asarray(np.sqrt(found) if root else found)

    return meaning


def _norm(attributes: Attributes, x: Numbers) -> Numbers:
    axes, keepdims = tuple(attributes["axes"]), attributes.get("keepdims", False)
    order, size = attributes.get("order", 2.0), np.abs(x)
    if math.isinf(order):
        extreme = np.max if order > 0 else np.min
        return np.asarray(extreme(size, axis=axes, keepdims=keepdims))
    return np.asarray((size**order).sum(axis=axes, keepdims=keepdims) ** (1 / order))


def logsumexp(attributes: Attributes, x: Numbers) -> Numbers:
    axes, keepdims = tuple(attributes["axes"]), attributes.get("keepdims", False)
    highest = x.max(axis=axes, keepdims=True)
    found = np.log(np.exp(x - highest).sum(axis=axes, keepdims=True)) + highest
    return np.asarray(found if keepdims else np.squeeze(found, axis=axes))


def log_softmax(attributes: Attributes, x: Numbers) -> Numbers:
    return np.asarray(x - logsumexp({**attributes, "keepdims": True}, x))


def _normalized(
    attributes: Attributes, x: Numbers, scale: Any = None, offset: Any = None
) -> Numbers:
    shape, axes = x.shape, tuple(attributes["axes"])
    channel: int | None = attributes.get("channel_axis")
    groups: int | None = attributes.get("groups")
    if groups is not None and channel is not None:
        before = x.shape[:channel]
        x = x.reshape(*before, groups, x.shape[channel] // groups, *x.shape[channel + 1 :])
        axes = tuple(range(channel + 1, x.ndim))
    centred = x - x.mean(axis=axes, keepdims=True) if attributes["centred"] else x
    size = (centred**2).mean(axis=axes, keepdims=True) + attributes["epsilon"]
    found = (centred / np.sqrt(size)).reshape(shape)
    if channel is not None:
        wide = [-1 if axis == channel else 1 for axis in range(len(shape))]
        scale = None if scale is None else np.reshape(scale, wide)
        offset = None if offset is None else np.reshape(offset, wide)
    found = found if scale is None else found * scale
    return np.asarray(found if offset is None else found + offset)


def _batch_norm(
    attributes: Attributes, x: Numbers, scale: Any, offset: Any, mean: Any, variance: Any
) -> Numbers:
    wide = [-1 if axis == attributes["axis"] else 1 for axis in range(x.ndim)]
    scale, offset, mean, variance = (
        one if np.ndim(one) == 0 else np.reshape(one, wide)
        for one in (scale, offset, mean, variance)
    )
    return np.asarray((x - mean) / np.sqrt(variance + attributes["epsilon"]) * scale + offset)


def _broadcast(attributes: Attributes, x: Numbers) -> Numbers:
    shape, axes = attributes["shape"], attributes["axes"]
    wide = [1] * len(shape)
    for axis, place in enumerate(axes):
        wide[place] = x.shape[axis]
    return np.broadcast_to(x.reshape(wide), shape)


def _sliced(attributes: Attributes, x: Numbers) -> Numbers:
    ranges = zip(attributes["starts"], attributes["limits"], attributes["strides"], strict=True)
    return np.asarray(x[tuple(slice(*one) for one in ranges)])


def _padded(attributes: Attributes, x: Numbers, filling: Any = 0.0) -> Numbers:
    modes = {"reflect": "reflect", "edge": "edge", "circular": "wrap", "symmetric": "symmetric"}
    mode = attributes.get("mode", "constant")
    low, high = attributes["low"], attributes["high"]
    if mode != "constant":
        padded: Any = np.pad(x, list(zip(low, high, strict=True)), mode=modes[mode])  # type: ignore[call-overload]
        return np.asarray(padded)
    interior = attributes.get("interior") or (0,) * x.ndim
    lengths = [
        before + after + length + max(length - 1, 0) * between
        for before, after, length, between in zip(low, high, x.shape, interior, strict=True)
    ]
    found = np.full(lengths, filling, dtype=np.result_type(x, filling))
    into, out_of = [], []
    for before, length, between, whole in zip(low, x.shape, interior, lengths, strict=True):
        places = [before + at * (between + 1) for at in range(length)]
        kept = [at for at, place in enumerate(places) if 0 <= place < whole]
        into.append([places[at] for at in kept])
        out_of.append(kept)
    found[np.ix_(*into)] = x[np.ix_(*out_of)]
    return found


def _split(attributes: Attributes, x: Numbers) -> list[Numbers]:
    ends = np.cumsum(attributes["sizes"])[:-1]
    return list(np.split(x, ends, axis=attributes["axis"]))


def _unstack(attributes: Attributes, x: Numbers) -> list[Numbers]:
    return list(np.moveaxis(x, attributes["axis"], 0))


def _cumsum(attributes: Attributes, x: Numbers) -> Numbers:
    axis = attributes["axis"]
    if attributes.get("reverse"):
        return np.asarray(np.flip(np.cumsum(np.flip(x, axis), axis), axis))
    return np.asarray(np.cumsum(x, axis))


def _dot(attributes: Attributes, a: Numbers, b: Numbers, bias: Any = None) -> Numbers:
    found = np.einsum(attributes["equation"], a, b)
    return np.asarray(found if bias is None else found + bias)


def _argument(function: Callable[..., Any]) -> Meaning:
    def meaning(attributes: Attributes, x: Numbers) -> Numbers:
        axis, keepdims = attributes.get("axis"), attributes.get("keepdims", False)
        return np.asarray(function(x, axis=axis, keepdims=keepdims))

    return meaning


def _reshape(attributes: Attributes, x: Numbers) -> Numbers:
    return np.asarray(np.reshape(x, attributes["shape"]))


_POINTWISE: dict[str, Meaning] = {
    "neg": _unary(np.negative),
    "abs": _unary(np.abs),
    "exp": _unary(np.exp),
    "exp2": _unary(np.exp2),
    "expm1": _unary(np.expm1),
    "log": _unary(np.log),
    "log2": _unary(np.log2),
    "log10": _unary(np.log10),
    "log1p": _unary(np.log1p),
    "sqrt": _unary(np.sqrt),
    "rsqrt": _unary(lambda x: 1 / np.sqrt(x)),
    "cbrt": _unary(np.cbrt),
    "square": _unary(np.square),
    "reciprocal": _unary(lambda x: 1.0 / x),
    "sin": _unary(np.sin),
    "cos": _unary(np.cos),
    "tan": _unary(np.tan),
    "asin": _unary(np.arcsin),
    "acos": _unary(np.arccos),
    "atan": _unary(np.arctan),
    "sinh": _unary(np.sinh),
    "cosh": _unary(np.cosh),
    "tanh": _unary(np.tanh),
    "asinh": _unary(np.arcsinh),
    "acosh": _unary(np.arccosh),
    "atanh": _unary(np.arctanh),
    "erf": _unary(_erf),
    "erfc": _unary(_erfc),
    "sigmoid": _unary(sigmoid),
    "log_sigmoid": _unary(lambda x: -softplus(-x)),
    "softsign": _unary(lambda x: x / (1 + np.abs(x))),
    "relu": _unary(lambda x: np.maximum(x, 0)),
    "relu6": _unary(lambda x: np.clip(x, 0, 6)),
    "silu": _unary(lambda x: x * sigmoid(x)),
    "mish": _unary(lambda x: x * np.tanh(softplus(x))),
    "hard_swish": _unary(lambda x: x * np.clip(x + 3, 0, 6) / 6),
    "hard_sigmoid": _unary(lambda x: np.clip(x + 3, 0, 6) / 6),
    "selu": _unary(lambda x: elu(x, SELU[1], SELU[0])),
    "leaky_relu": lambda a, x: np.where(x > 0, x, a["slope"] * x),
    "elu": lambda a, x: elu(x, a["alpha"], a.get("scale", 1.0), a.get("input_scale", 1.0)),
    "celu": lambda a, x: elu(x, a["alpha"], 1.0, 1 / a["alpha"]),
    "gelu": lambda a, x: gelu(x, a.get("approximate", "none")),
    "hard_tanh": lambda a, x: np.clip(x, a["low"], a["high"]),
    "softplus": lambda a, x: softplus(x * a.get("beta", 1.0)) / a.get("beta", 1.0),
    "threshold": lambda a, x: np.where(x > a["at"], x, a["value"]),
    "prelu": lambda a, x, slope: np.where(x > 0, x, slope * x),
    "add": lambda a, x, *others: np.asarray(sum(others, x)),
    "sub": _binary(np.subtract),
    "mul": _binary(np.multiply),
    "div": _binary(np.divide),
    "pow": _binary(np.power),
    "maximum": _binary(np.maximum),
    "minimum": _binary(np.minimum),
    "atan2": _binary(np.arctan2),
    "hypot": _binary(np.hypot),
    "logaddexp": _binary(np.logaddexp),
    "remainder": _binary(np.remainder),
    "fmod": _binary(np.fmod),
    "squared_difference": _binary(lambda x, y: np.square(x - y)),
    "clamp": lambda a, x, low, high: np.minimum(np.maximum(x, low), high),
    "select": lambda a, which, one, other: np.where(which, one, other),
    "real": _unary(np.real),
    "imag": _unary(np.imag),
    "conj": _unary(np.conj),
    "complex": _binary(lambda x, y: x + 1j * y),
    "xlogy": _binary(lambda x, y: np.where(x == 0, 0.0, x * np.log(y))),
    "xlog1py": _binary(lambda x, y: np.where(x == 0, 0.0, x * np.log1p(y))),
    # Pointwise functions that NumPy does not have.
    **dict.fromkeys(
        ("lgamma", "digamma", "erf_inv", "ndtri", "polygamma", "bessel"), lambda a, *x: None
    ),
}

_TESTS: dict[str, Meaning] = {
    "eq": _binary(np.equal),
    "ne": _binary(np.not_equal),
    "lt": _binary(np.less),
    "le": _binary(np.less_equal),
    "gt": _binary(np.greater),
    "ge": _binary(np.greater_equal),
    "and": _binary(lambda x, y: x & y),
    "or": _binary(lambda x, y: x | y),
    "xor": _binary(lambda x, y: x ^ y),
    "not": _unary(lambda x: ~x),
    "isfinite": _unary(np.isfinite),
    "isnan": _unary(np.isnan),
    "isinf": _unary(np.isinf),
    "sign": _unary(np.sign),
    "floor": _unary(np.floor),
    "ceil": _unary(np.ceil),
    "round": _unary(np.round),
    "trunc": _unary(np.trunc),
    "floor_divide": _binary(np.floor_divide),
}


def _iota(a: Attributes) -> Numbers:
    shape, axis = a["shape"], a["axis"]
    return np.broadcast_to(
        np.expand_dims(np.arange(shape[axis]), [*range(1, len(shape) - axis)]), shape
    )


_MOVES: dict[str, Meaning | None] = {
    "identity": lambda a, x: x,
    "stop_gradient": lambda a, x: x,
    "convert": _converted,
    "reshape": _reshape,
    "transpose": lambda a, x: np.transpose(x, a["permutation"]),
    "broadcast": _broadcast,
    "slice": _sliced,
    "index": lambda a, x: np.take(x, a["at"], axis=a["axis"]),
    "pad": _padded,
    "concat": lambda a, *parts: np.concatenate(parts, axis=a["axis"]),
    "stack": lambda a, *parts: np.stack(parts, axis=a["axis"]),
    "split": _split,
    "unstack": _unstack,
    "flip": lambda a, x: np.flip(x, a["axes"]),
    "roll": lambda a, x: np.roll(x, a["shifts"], a["axes"]),
    "tile": lambda a, x: np.tile(x, a["repeats"]),
    "repeat": lambda a, x: np.repeat(x, a["count"], axis=a["axis"]),
    "take": lambda a, x, places: np.take(x, np.asarray(places).astype(int), axis=a["axis"]),
    "gather": None,
    "update": None,
    "scatter": None,
    "windows": None,
}

_SUMS: dict[str, Meaning | None] = {
    "sum": _reduced(np.sum),
    "mean": _reduced(np.mean),
    "cumsum": _cumsum,
    "avg_pool": None,
    "adaptive_avg_pool": None,
    "resize": None,
    "linear_map": None,
    "scatter_add": None,
}

PRIMITIVES: Mapping[str, Primitive] = {
    **{name: Primitive(Family.POINTWISE, meaning) for name, meaning in _POINTWISE.items()},
    **{name: Primitive(Family.TEST, meaning) for name, meaning in _TESTS.items()},
    **{name: Primitive(Family.MOVE, meaning) for name, meaning in _MOVES.items()},
    **{name: Primitive(Family.SUM, meaning) for name, meaning in _SUMS.items()},
    "max": Primitive(Family.EXTREMUM, _reduced(np.max)),
    "min": Primitive(Family.EXTREMUM, _reduced(np.min)),
    "max_pool": Primitive(Family.EXTREMUM),
    "min_pool": Primitive(Family.EXTREMUM),
    "adaptive_max_pool": Primitive(Family.EXTREMUM),
    "argmax": Primitive(Family.FIND, _argument(np.argmax)),
    "argmin": Primitive(Family.FIND, _argument(np.argmin)),
    "any": Primitive(Family.FIND, _reduced(np.any)),
    "all": Primitive(Family.FIND, _reduced(np.all)),
    "sort": Primitive(Family.OPAQUE),
    "top_k": Primitive(Family.OPAQUE),
    "dot": Primitive(Family.PRODUCT, _dot),
    "conv": Primitive(Family.PRODUCT),
    "batch_norm": Primitive(Family.COMPOSITE, _batch_norm),
    "normalize": Primitive(Family.COMPOSITE, _normalized),
    "softmax": Primitive(Family.COMPOSITE, lambda a, x: np.exp(log_softmax(a, x))),
    "log_softmax": Primitive(Family.COMPOSITE, log_softmax),
    "logsumexp": Primitive(Family.COMPOSITE, logsumexp),
    "var": Primitive(Family.COMPOSITE, _spread(False)),
    "std": Primitive(Family.COMPOSITE, _spread(True)),
    "norm": Primitive(Family.COMPOSITE, _norm),
    "prod": Primitive(Family.COMPOSITE, _reduced(np.prod)),
    "attention": Primitive(Family.COMPOSITE),
    "iota": Primitive(Family.OPAQUE, _iota),
    **dict.fromkeys(("call", "loop", "random", "read_out", "other"), Primitive(Family.OPAQUE)),
}


def family(node: Node) -> Family:
    return PRIMITIVES[node.primitive].family


def evaluated(node: Node, operands: Sequence[Numbers]) -> list[Numbers] | None:
    """The results of an operation in float64; None where NumPy cannot follow."""
    if node.primitive == "call":
        return body_values(node.attributes["body"], operands)
    meaning = PRIMITIVES[node.primitive].meaning
    if meaning is None:
        return None
    found = meaning(node.attributes, *operands)
    if found is None:
        return None
    return list(found) if isinstance(found, list) else [np.asarray(found)]


def body_values(body: Graph, operands: Sequence[Numbers]) -> list[Numbers] | None:
    """The targets of a graph, given its sources."""
    values: dict[int, Numbers] = dict(zip(body.sources, operands, strict=True))

    def read(value: int) -> Numbers | None:
        if value in values:
            return values[value]
        number = body.values[value].number
        return None if number is None else np.asarray(number)

    for node in body.nodes:
        given = [read(value) for value in node.operands]
        known = [one for one in given if one is not None]
        results = evaluated(node, known) if len(known) == len(given) else None
        if results is None:
            return None
        values.update(zip(node.results, results, strict=False))
    found = [read(value) for value in body.targets]
    complete = [one for one in found if one is not None]
    return complete if len(complete) == len(found) else None
