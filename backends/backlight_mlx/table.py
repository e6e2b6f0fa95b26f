"""MLX's primitives, put in terms of the core's, and how each is run again."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from string import ascii_lowercase
from typing import Any, TypeAlias, cast, final

import mlx.core as mx

from backlight.errors import ModelError
from backlight.graph.graph import DType
from backlight_mlx.derivatives import extremum

Run: TypeAlias = Callable[..., Any]
"""Of the operands: the result, or a list of several."""
Shape: TypeAlias = tuple[int, ...]


@final
@dataclass(frozen=True)
class Term:
    """What a primitive is to the core.

    Attributes:
        primitive: a key of `backlight.graph.primitives.PRIMITIVES`.
        run: gives the results; None for what cannot be run again.
        attributes: as the primitive has them.
        type: MLX's word for it, where that is not the primitive's name.
        shape: of what it gives, where another term follows that takes it.
    """

    primitive: str
    run: Run | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    type: str = ""
    shape: Shape | None = None


@final
@dataclass(frozen=True)
class Given:
    """One of MLX's primitives as it was traced: its arguments, what it reads, and what it gives."""

    arguments: Sequence[Any]
    shapes: Sequence[Shape]
    results: Sequence[Shape]
    dtype: mx.Dtype

    @property
    def first(self) -> Shape:
        return self.shapes[0]

    @property
    def last(self) -> tuple[int]:
        return (len(self.first) - 1,)

    @property
    def result(self) -> Shape:
        return self.results[0]


Put: TypeAlias = Callable[[Given], "Term | list[Term]"]

OTHER = Term("other")


def dtype(native: mx.Dtype) -> DType:
    """What the numbers of one of MLX's dtypes are."""
    kinds = {mx.floating: DType.FLOAT, mx.complexfloating: DType.COMPLEX, mx.integer: DType.INTEGER}
    return next((kind for of, kind in kinds.items() if mx.issubdtype(native, of)), DType.BOOLEAN)


def terms(name: str, given: Given) -> list[Term]:
    """What a primitive is to the core: one term, or several of which each takes what the last gave."""
    if name in SAME:
        return [Term(*SAME[name])]
    put = TABLE.get(name)
    found = OTHER if put is None else put(given)
    return found if isinstance(found, list) else [found]


def reshaped(given: Given) -> Term:
    shape = given.result
    return Term("reshape", lambda x: mx.reshape(x, shape), {"shape": shape})


def broadcast(given: Given) -> Term:
    shape, missing = given.result, len(given.result) - len(given.first)
    axes = tuple(range(missing, len(shape)))
    return Term("broadcast", lambda x: mx.broadcast_to(x, shape), {"shape": shape, "axes": axes})


def sliced(given: Given) -> Term:
    starts, limits, strides = map(tuple, given.arguments)
    ranges = [
        slice(start, None if step < 0 and limit < -length else limit, step)
        for start, limit, step, length in zip(starts, limits, strides, given.first, strict=True)
    ]
    if min(strides) < 0:
        return Term("gather", lambda x: x[tuple(ranges)])
    attributes = {"starts": starts, "limits": limits, "strides": strides}
    return Term("slice", lambda x: x[tuple(ranges)], attributes)


def padded(given: Given) -> Term:
    axes, below, above = given.arguments
    low, high = ([0] * len(given.first) for _ in range(2))
    for axis, before, after in zip(axes, below, above, strict=True):
        low[axis], high[axis] = before, after
    widths = list(zip(low, high, strict=True))
    attributes = {"low": tuple(low), "high": tuple(high), "interior": (0,) * len(low)}
    return Term("pad", lambda x, filling: mx.pad(x, widths, constant_values=filling), attributes)


REDUCTIONS = {0: "all", 1: "any", 2: "sum", 3: "prod", 4: "min", 5: "max"}


def reduced(given: Given) -> Term:
    name, axes = REDUCTIONS[given.arguments[0]], tuple(given.arguments[1])
    function = getattr(mx, name)
    attributes = {"axes": axes, "keepdims": True}
    if name in ("max", "min"):
        return Term(name, extremum(function, axes), attributes, name)
    return Term(name, lambda x: function(x, axis=axes, keepdims=True), attributes, name)


def found(given: Given) -> Term:
    name, axis = ("argmin", "argmax")[given.arguments[0]], int(given.arguments[1])
    function = getattr(mx, name)
    attributes = {"axis": axis, "keepdims": True}
    return Term(name, lambda x: function(x, axis=axis, keepdims=True), attributes, name)


def scanned(given: Given) -> Term:
    kind, axis, reverse, inclusive = given.arguments
    function = (mx.cummax, mx.cummin, mx.cumsum, mx.cumprod, mx.logcumsumexp)[kind]

    def run(x: Any) -> Any:
        return function(x, axis=axis, reverse=reverse, inclusive=inclusive)

    if kind == 2 and inclusive:
        return Term("cumsum", run, {"axis": axis, "reverse": reverse}, "cumsum")
    return Term("linear_map" if kind == 2 else "other", run)


def converted(given: Given) -> Term:
    to = given.arguments[0]
    name = f"cast to {str(to).rpartition('.')[2]}"
    return Term("convert", lambda x: x.astype(to), {"to": dtype(to)}, name)


def multiplied(given: Given) -> Term:
    letters = ascii_lowercase[: len(given.first) - 2]
    return Term("dot", mx.matmul, {"equation": f"{letters}xy,{letters}yz->{letters}xz"})


def multiplied_and_added(given: Given) -> Term:
    alpha, beta = given.arguments

    def run(x: Any, weight: Any, bias: Any) -> Any:
        return mx.addmm(bias, x, weight, alpha, beta)

    return replace(multiplied(given), run=run) if alpha == beta == 1 else Term("other", run)


def convolved(given: Given) -> Term:
    """Pictures and weights have their channels last, the weights' output channels come first.
    Transposed convolutions are convolutions of an operand with zeros put between."""
    strides, low, high, dilation, base, groups, flipped = given.arguments
    if groups > 1 and given.dtype == mx.float64:
        raise ModelError(
            "MLX has no grouped convolution in float64: convert the net's weights and inputs to float32."
        )
    padding = (list(low), list(high))
    last = len(given.first) - 1
    places = tuple(range(1, last))

    def run(x: Any, weight: Any) -> Any:
        return mx.conv_general(
            x, weight, strides, padding, dilation, base, groups=groups, flip=flipped
        )

    attributes = {
        "strides": tuple(strides),
        "padding": tuple(zip(low, high, strict=True)),
        "dilation": tuple(dilation),
        "base_dilation": tuple(base),
        "groups": int(groups),
        "transposed": False,
        "x_axes": (0, last, *places),
        "weight_axes": (0, last, *places),
        "result_axes": (0, last, *places),
    }
    return Term("conv", run, attributes)


def gathered(given: Given) -> Term | list[Term]:
    """`take`, where whole slices along one axis are picked; axes that were picked from stay, of length
    1, behind those of the places."""
    axes, sizes = tuple(given.arguments[0]), tuple(given.arguments[1])
    x, places, result = given.first, given.shapes[1] if len(given.shapes) > 1 else (), given.result
    whole = tuple(1 if axis in axes else length for axis, length in enumerate(x))
    if sizes != whole:
        return Term("gather")
    rest = [axis for axis in range(len(x)) if axis not in axes]

    def run(x: Any, *places: Any) -> Any:
        return mx.reshape(mx.transpose(x, (*axes, *rest))[places], result)

    if axes != (0,):
        return Term("gather", run)
    shape = (*places, *x[1:])
    taken = Term("take", lambda x, at: mx.take(x, at, axis=0), {"axis": 0}, shape=shape)
    return [taken, reshaped(given)]


def along(name: str) -> Put:
    """Places along one axis, found for each number."""

    def put(given: Given) -> Term:
        axis = int(given.arguments[-1])
        return Term("gather", lambda x, places: mx.take_along_axis(x, places, axis=axis), type=name)

    return put


def updated(given: Given) -> Term:
    """A part written into an array, or added to it."""
    kind, starts, limits, strides = given.arguments
    ranges = tuple(map(slice, starts, limits, strides))

    def written(x: Any, part: Any) -> Any:
        made = mx.array(x)
        made[ranges] = part
        return made

    if kind == 2:
        return Term("scatter_add", lambda x, part: x.at[ranges].add(part))
    if kind != 4 or min(strides) < 0:
        return OTHER
    contiguous = all(step == 1 for step in strides)
    return Term("update", written, {"starts": tuple(starts) if contiguous else None})


def strided(given: Given) -> Term | list[Term]:
    """Windows over the places of an array with its channels last, where that is what it is."""
    shape, strides, offset = (
        tuple(given.arguments[0]),
        tuple(given.arguments[1]),
        given.arguments[2],
    )
    x, count = given.first, len(given.first) - 2
    own = [1]
    for length in reversed(x[1:]):
        own.insert(0, own[0] * length)
    anywhere = Term("gather", lambda x: mx.as_strided(x, shape, strides, offset))
    if count < 1 or offset or len(shape) != len(x) + count:
        return anywhere
    ends = ((shape[0], strides[0], x[0], own[0]), (shape[-1], strides[-1], x[-1], own[-1]))
    places = range(1, count + 1)
    steps = (
        [strides[at] // own[at] for at in places],
        [strides[at + count] // own[at] for at in places],
    )
    fits = all((one, two) == (three, four) for one, two, three, four in ends) and all(
        (strides[at], strides[at + count]) == (step * own[at], tap * own[at])
        for at, step, tap in zip(places, *steps, strict=True)
    )
    if not fits:
        return anywhere
    order = (*range(count + 1), len(shape) - 1, *range(count + 1, len(shape) - 1))
    last = [order.index(axis) for axis in range(len(shape))]
    attributes = {
        "window": shape[count + 1 : -1],
        "strides": tuple(steps[0]),
        # What the last windows do not reach is left out.
        "padding": tuple(
            (0, (shape[at] - 1) * step + (shape[at + count] - 1) * tap + 1 - x[at])
            for at, step, tap in zip(places, *steps, strict=True)
        ),
        "dilation": tuple(steps[1]),
        "axes": tuple(places),
        "layout": "starts in place, taps last",
    }

    def windows(x: Any) -> Any:
        return mx.transpose(mx.as_strided(x, shape, strides, 0), order)

    moved = tuple(shape[axis] for axis in order)
    back = Term("transpose", lambda x: mx.transpose(x, last), {"permutation": tuple(last)})
    return [Term("windows", windows, attributes, shape=moved), back]


def quantized(given: Given) -> Term:
    """A product by weights that are unpacked on the way."""
    size, bits, mode, turned = given.arguments
    if mode != 0:
        return OTHER  # which does not say in what way they are packed

    def run(x: Any, weight: Any, scales: Any, biases: Any) -> Any:
        return mx.quantized_matmul(x, weight, scales, biases, turned, size, bits)

    return Term("linear_map", run)


SAME: Mapping[str, tuple[str, Run]] = {
    "Abs": ("abs", mx.abs), "Add": ("add", mx.add), "ArcCos": ("acos", mx.arccos),
    "ArcCosh": ("acosh", mx.arccosh), "ArcSin": ("asin", mx.arcsin), "ArcSinh": ("asinh", mx.arcsinh),
    "ArcTan": ("atan", mx.arctan), "ArcTan2": ("atan2", mx.arctan2), "ArcTanh": ("atanh", mx.arctanh),
    "Ceil": ("ceil", mx.ceil), "Conjugate": ("conj", mx.conjugate), "Cos": ("cos", mx.cos),
    "Cosh": ("cosh", mx.cosh), "Divide": ("div", mx.divide), "Equal": ("eq", mx.equal),
    "Erf": ("erf", mx.erf),
    "ErfInv": ("erf_inv", mx.erfinv), "Exp": ("exp", mx.exp), "Expm1": ("expm1", mx.expm1),
    "Floor": ("floor", mx.floor), "FloorDivide": ("floor_divide", mx.floor_divide),
    "Greater": ("gt", mx.greater), "GreaterEqual": ("ge", mx.greater_equal),
    "Imag": ("imag", mx.imag), "Less": ("lt", mx.less), "LessEqual": ("le", mx.less_equal),
    "Log1p": ("log1p", mx.log1p), "LogAddExp": ("logaddexp", mx.logaddexp),
    "LogicalAnd": ("and", mx.logical_and), "LogicalNot": ("not", mx.logical_not),
    "LogicalOr": ("or", mx.logical_or), "Maximum": ("maximum", mx.maximum),
    "Minimum": ("minimum", mx.minimum), "Multiply": ("mul", mx.multiply),
    "Negative": ("neg", mx.negative), "NotEqual": ("ne", mx.not_equal), "Power": ("pow", mx.power),
    "Real": ("real", mx.real), "Remainder": ("remainder", mx.remainder), "Round": ("round", mx.round),
    "Select": ("select", mx.where), "Sigmoid": ("sigmoid", mx.sigmoid), "Sign": ("sign", mx.sign),
    "Sin": ("sin", mx.sin), "Sinh": ("sinh", mx.sinh), "Square": ("square", mx.square),
    "StopGradient": ("stop_gradient", mx.stop_gradient), "Subtract": ("sub", mx.subtract),
    "Tan": ("tan", mx.tan), "Tanh": ("tanh", mx.tanh),
    **dict.fromkeys(("Contiguous", "Copy", "Full"), ("identity", lambda x: x)),
}  # fmt: skip
"""Primitives without arguments that matter, or with none."""

TABLE: Mapping[str, Put] = {
    "AddMM": multiplied_and_added,
    "Arange": lambda given: Term(
        "other", partial(cast(Any, mx.arange), *given.arguments, given.dtype)
    ),
    "ArgReduce": found,
    "ArgSort": lambda given: Term("other", lambda x: mx.argsort(x, axis=given.arguments[0])),
    "AsStrided": strided,
    "AsType": converted,
    "Broadcast": broadcast,
    "Concatenate": lambda given: Term(
        "concat",
        lambda *parts: mx.concatenate(list(parts), given.arguments[0]),
        {"axis": given.arguments[0]},
    ),
    "Convolution": convolved,
    "Gather": gathered,
    "GatherAxis": along("take_along_axis"),
    "Log": lambda given: Term(*LOGARITHMS[given.arguments[0]]),
    "LogSumExp": lambda given: Term(
        "logsumexp",
        lambda x: mx.logsumexp(x, axis=-1, keepdims=True),
        {"axes": given.last, "keepdims": True},
    ),
    "Matmul": multiplied,
    "Pad": padded,
    "Partition": lambda given: Term("other", lambda x: mx.partition(x, *given.arguments)),
    "QuantizedMatmul": quantized,
    "RandomBits": lambda given: Term("random"),
    "Reduce": reduced,
    "Scan": scanned,
    "Slice": sliced,
    "SliceUpdate": updated,
    "Softmax": lambda given: Term(
        "softmax",
        lambda x: mx.softmax(x, axis=-1, precise=given.arguments[0]),
        {"axes": given.last},
    ),
    "Sort": lambda given: Term(
        "sort",
        lambda x: mx.sort(x, axis=given.arguments[0]),
        {"axis": given.arguments[0], "descending": False},
    ),
    "Split": lambda given: Term(
        "split",
        lambda x: mx.split(x, list(given.arguments[0]), given.arguments[1]),
        {"axis": given.arguments[1], "sizes": tuple(s[given.arguments[1]] for s in given.results)},
    ),
    "Sqrt": lambda given: Term("rsqrt", mx.rsqrt) if given.arguments[0] else Term("sqrt", mx.sqrt),
    "Transpose": lambda given: Term(
        "transpose",
        lambda x: mx.transpose(x, given.arguments[0]),
        {"permutation": tuple(given.arguments[0])},
    ),
    **dict.fromkeys(("ExpandDims", "Flatten", "Reshape", "Squeeze", "Unflatten"), reshaped),
}
"""The others; those that are missing are `other`, and cannot be run again."""

LOGARITHMS: Sequence[tuple[str, Run]] = (("log2", mx.log2), ("log10", mx.log10), ("log", mx.log))
