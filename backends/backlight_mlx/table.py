"""MLX's primitives, put in terms of the core's, and how each is run again."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from string import ascii_lowercase
from typing import Any, TypeAlias, cast, final

import mlx.core as mx

from backlight.errors import ModelError
from backlight.graph.graph import DType, Graph, Node
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
        operands: the values that it reads, where those are not what the primitive reads.
    """

    primitive: str
    run: Run | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    type: str = ""
    shape: Shape | None = None
    operands: tuple[int, ...] | None = None


@final
@dataclass(frozen=True)
class Given:
    """What one of MLX's primitives reads and gives, as it was traced.

    Attributes:
        graph, operands: the values that it reads.
        results: the shapes of what it gives.
        dtype: of that.
        producers: the node that gives each value.
    """

    graph: Graph
    operands: tuple[int, ...]
    results: Sequence[Shape]
    dtype: mx.Dtype
    producers: Mapping[int, Node]

    @property
    def shapes(self) -> list[Shape]:
        return [self.graph.shape(value) for value in self.operands]

    @property
    def first(self) -> Shape:
        return self.shapes[0]

    @property
    def result(self) -> Shape:
        return self.results[0]

    def producer(self, value: int) -> Node | None:
        return self.producers.get(value)

    def before(self, type: str) -> tuple[int, ...]:
        """The operands, as they were before primitives of this type."""
        nodes = map(self.producer, self.operands)
        return tuple(
            node.operands[0] if node and node.type == type else value
            for node, value in zip(nodes, self.operands, strict=True)
        )


Put: TypeAlias = Callable[..., "Term | list[Term]"]
"""Of what is given, and the primitive's own arguments."""

OTHER = Term("other")


def dtype(native: mx.Dtype) -> DType:
    """What the numbers of one of MLX's dtypes are."""
    kinds = {mx.floating: DType.FLOAT, mx.complexfloating: DType.COMPLEX, mx.integer: DType.INTEGER}
    return next((kind for of, kind in kinds.items() if mx.issubdtype(native, of)), DType.BOOLEAN)


def terms(name: str, given: Given, arguments: Sequence[Any]) -> list[Term]:
    """What a primitive is to the core: one term, or several of which each takes what the last gave."""
    if name in SAME:
        return [Term(*SAME[name])]
    put = TABLE.get(name)
    found = OTHER if put is None else put(given, *arguments)
    return found if isinstance(found, list) else [found]


def reshaped(given: Given, *_: Any) -> Term:
    shape = given.result
    return Term("reshape", lambda x: mx.reshape(x, shape), {"shape": shape})


def broadcast(given: Given, *_: Any) -> Term:
    shape = given.result
    axes = tuple(range(len(shape)))[len(shape) - len(given.first) :]
    return Term("broadcast", lambda x: mx.broadcast_to(x, shape), {"shape": shape, "axes": axes})


def transposed(permutation: Sequence[int]) -> Term:
    axes = tuple(permutation)
    return Term("transpose", lambda x: mx.transpose(x, axes), {"permutation": axes})


def sliced(given: Given, starts: Shape, limits: Shape, strides: Shape) -> Term:
    ranges = tuple(
        slice(start, None if step < 0 and limit < -length else limit, step)
        for start, limit, step, length in zip(starts, limits, strides, given.first, strict=True)
    )
    if min(strides) < 0:
        return Term("gather", lambda x: x[ranges])
    attributes = {"starts": starts, "limits": limits, "strides": strides}
    return Term("slice", lambda x: x[ranges], attributes)


def padded(given: Given, axes: Shape, below: Shape, above: Shape) -> Term:
    sides = dict(zip(axes, zip(below, above, strict=True), strict=True))
    widths = [sides.get(axis, (0, 0)) for axis in range(len(given.first))]
    low, high = zip(*widths, strict=True)
    attributes = {"low": low, "high": high, "interior": (0,) * len(low)}
    return Term("pad", lambda x, filling: mx.pad(x, widths, constant_values=filling), attributes)


REDUCTIONS = ("all", "any", "sum", "prod", "min", "max")


def reduced(given: Given, kind: int, axes: Sequence[int]) -> Term:
    name, along = REDUCTIONS[kind], tuple(axes)
    function: Any = getattr(mx, name)
    plain = partial(function, axis=along, keepdims=True)
    run = extremum(function, along) if name in ("max", "min") else plain
    return Term(name, run, {"axes": along, "keepdims": True}, name)


def found(given: Given, kind: int, axis: int) -> Term:
    name = ("argmin", "argmax")[kind]
    attributes = {"axis": axis, "keepdims": True}
    return Term(name, partial(getattr(mx, name), **attributes), attributes, name)


def scanned(given: Given, kind: int, axis: int, reverse: bool, inclusive: bool) -> Term:
    function: Any = (mx.cummax, mx.cummin, mx.cumsum, mx.cumprod, mx.logcumsumexp)[kind]
    run = partial(function, axis=axis, reverse=reverse, inclusive=inclusive)
    if function is mx.cumsum and inclusive:
        return Term("cumsum", run, {"axis": axis, "reverse": reverse}, "cumsum")
    return Term("linear_map" if function is mx.cumsum else "other", run)


def converted(given: Given, to: mx.Dtype) -> Term:
    name = f"cast to {str(to).rpartition('.')[2]}"
    return Term("convert", lambda x: x.astype(to), {"to": dtype(to)}, name)


def multiplied(given: Given) -> Term:
    letters = ascii_lowercase[: len(given.first) - 2]
    return Term("dot", mx.matmul, {"equation": f"{letters}xy,{letters}yz->{letters}xz"})


def multiplied_and_added(given: Given, alpha: float, beta: float) -> Term:
    """The bias is read as it was before it was broadcast: one number a channel."""

    def run(x: Any, weight: Any, bias: Any) -> Any:
        return mx.addmm(bias, x, weight, alpha, beta)

    term = multiplied(given) if alpha == beta == 1 else OTHER
    return replace(term, run=run, operands=given.before("broadcast"))


def convolved(
    given: Given,
    strides: Sequence[int],
    low: Sequence[int],
    high: Sequence[int],
    dilation: Sequence[int],
    base: Sequence[int],
    groups: int,
    flipped: bool,
) -> Term:
    """Pictures and weights have their channels last, the weights' output channels come first.
    Transposed convolutions are convolutions of an operand with zeros put between."""
    if groups > 1 and given.dtype == mx.float64:
        raise ModelError(
            "MLX has no grouped convolution in float64: convert the net's weights and inputs to float32."
        )
    last = len(given.first) - 1
    axes = (0, last, *range(1, last))

    def run(x: Any, weight: Any) -> Any:
        padding = (list(low), list(high))
        return mx.conv_general(x, weight, strides, padding, dilation, base, groups, flipped)

    attributes = {
        "strides": tuple(strides),
        "padding": tuple(zip(low, high, strict=True)),
        "dilation": tuple(dilation),
        "base_dilation": tuple(base),
        "groups": groups,
        "transposed": False,
        **dict.fromkeys(("x_axes", "weight_axes", "result_axes"), axes),
    }
    return Term("conv", run, attributes)


def gathered(given: Given, axes: Sequence[int], sizes: Shape) -> Term | list[Term]:
    """`take`, where whole slices along one axis are picked; axes that were picked from stay, of length
    1, behind those of the places."""
    (x, *places), result = given.shapes, given.result
    if tuple(sizes) != tuple(1 if axis in axes else length for axis, length in enumerate(x)):
        return Term("gather")
    rest = [axis for axis in range(len(x)) if axis not in axes]

    def run(x: Any, *places: Any) -> Any:
        return mx.reshape(mx.transpose(x, (*axes, *rest))[places], result)

    if tuple(axes) != (0,):
        return Term("gather", run)
    shape = (*places[0], *x[1:])
    taken = Term("take", lambda x, at: mx.take(x, at, axis=0), {"axis": 0}, shape=shape)
    return [taken, reshaped(given)]


def updated(given: Given, kind: int, starts: Shape, limits: Shape, strides: Shape) -> Term:
    """A part written into an array, or added to it."""
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


def viewed(given: Given, shape: Shape, strides: Shape, offset: int) -> Term:
    """A view of an array as it was before it was flattened."""
    attributes: dict[str, Any] = {"shape": shape, "strides": strides, "offset": offset}
    run = partial(mx.as_strided, **attributes)
    return Term("gather", run, attributes, operands=given.before("flatten"))


def quantized(given: Given, size: int, bits: int, mode: int, turned: bool) -> Term:
    """A product by weights that are unpacked on the way."""
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
    "Arange": lambda given, *ends: Term("other", partial(cast(Any, mx.arange), *ends, given.dtype)),
    "ArgReduce": found,
    "ArgSort": lambda given, axis: Term("other", partial(mx.argsort, axis=axis)),
    "AsStrided": viewed,
    "AsType": converted,
    "Broadcast": broadcast,
    "Concatenate": lambda given, axis: Term(
        "concat", lambda *parts: mx.concatenate(list(parts), axis), {"axis": axis}
    ),
    "Convolution": convolved,
    "Gather": gathered,
    "GatherAxis": lambda given, axis: Term(
        "gather",
        lambda x, places: mx.take_along_axis(x, places, axis=axis),
        type="take_along_axis",
    ),
    "Log": lambda given, base: Term(*LOGARITHMS[base]),
    "LogSumExp": lambda given: Term(
        "logsumexp",
        partial(mx.logsumexp, axis=-1, keepdims=True),
        {"axes": (len(given.first) - 1,), "keepdims": True},
    ),
    "Matmul": multiplied,
    "Pad": padded,
    "Partition": lambda given, at, axis: Term("other", lambda x: mx.partition(x, at, axis)),
    "QuantizedMatmul": quantized,
    "RandomBits": lambda given, *_: Term("random"),
    "Reduce": reduced,
    "Scan": scanned,
    "Slice": sliced,
    "SliceUpdate": updated,
    "Softmax": lambda given, precise: Term(
        "softmax",
        partial(mx.softmax, axis=-1, precise=precise),
        {"axes": (len(given.first) - 1,)},
    ),
    "Sort": lambda given, axis: Term(
        "sort", partial(mx.sort, axis=axis), {"axis": axis, "descending": False}
    ),
    "Split": lambda given, ends, axis: Term(
        "split",
        lambda x: mx.split(x, list(ends), axis),
        {"axis": axis, "sizes": tuple(shape[axis] for shape in given.results)},
    ),
    "Sqrt": lambda given, inverse: Term("rsqrt", mx.rsqrt) if inverse else Term("sqrt", mx.sqrt),
    "Transpose": lambda given, axes: transposed(axes),
    **dict.fromkeys(("ExpandDims", "Flatten", "Reshape", "Squeeze", "Unflatten"), reshaped),
}
"""The others; those that are missing are `other`, and cannot be run again."""

LOGARITHMS: Sequence[tuple[str, Run]] = (("log2", mx.log2), ("log10", mx.log10), ("log", mx.log))
