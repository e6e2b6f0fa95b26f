"""JAX's primitives, put in terms of the core's."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from string import ascii_letters
from typing import Any, TypeAlias, final

import jax
import numpy as np
from jax.extend.core import JaxprEqn, Literal

from backlight.graph.graph import DType, dtype_of


@final
@dataclass(frozen=True)
class Term:
    """What an equation is to the core.

    Attributes:
        primitive: a key of `backlight.graph.primitives.PRIMITIVES`.
        attributes: as the primitive has them.
        order: which operands of the equation it has; None for all of them as they stand.
        numbers: numbers that the equation is written with, which are operands behind those.
        reshaped: the shapes that operands have in it, by their places in the equation.
        type: JAX's word for it, where that is not the primitive's name.
    """

    primitive: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    order: tuple[int, ...] | None = None
    numbers: tuple[float, ...] = ()
    reshaped: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    type: str = ""


Put: TypeAlias = Callable[[JaxprEqn], Term]

OTHER = Term("other")

RULED = {"custom_jvp_call", "custom_vjp_call", "custom_vjp_call_jaxpr"}
"""Calls with a derivative of their own."""


def term(equation: JaxprEqn) -> Term:
    """What an equation is to the core, bodies of calls aside."""
    name = str(equation.primitive.name)
    if name in SAME:
        return Term(name)
    put = TABLE.get(name, OTHER)
    return put if isinstance(put, Term) else put(equation)


def dtype(native: Any) -> DType:
    """What the numbers of one of JAX's dtypes are; keys of random generators are none."""
    return dtype_of(native) if isinstance(native, np.dtype) else DType.OTHER


def is_floating(aval: Any) -> bool:
    """Whether derivatives can be taken by such an array."""
    return dtype(aval.dtype).differentiable


def abstract(aval: Any) -> Any:
    """An array of which only shape and dtype are known."""
    make: Any = jax.ShapeDtypeStruct
    return make(aval.shape, aval.dtype, weak_type=getattr(aval, "weak_type", False))


def shape(atom: Any) -> tuple[int, ...]:
    return tuple(atom.aval.shape)


def literals(atoms: Sequence[Any]) -> list[int] | None:
    """The whole numbers that operands are; None where some are computed."""
    return [int(atom.val) for atom in atoms] if all(isinstance(a, Literal) for a in atoms) else None


def divided(equation: JaxprEqn) -> Term:
    """Whole numbers are divided towards 0, which no primitive does."""
    real = dtype(equation.outvars[0].aval.dtype).differentiable  # type: ignore[attr-defined]
    return Term("div") if real else OTHER


def called_back(equation: JaxprEqn) -> Term:
    """Numbers from Python that hang on nothing here may be others in each run."""
    return OTHER if equation.invars else Term("random")


def selected(equation: JaxprEqn) -> Term:
    """JAX has the case for False first."""
    return Term("select", order=(0, 2, 1)) if len(equation.invars) == 3 else OTHER


def converted(equation: JaxprEqn) -> Term:
    to = np.dtype(equation.params["new_dtype"])
    return Term("convert", {"to": dtype(to)}, type=f"cast to {to.name}")


def alike(primitive: str, **names: str) -> Put:
    """What differs in words only.

    Args:
        primitive: in the core's.
        names: of its attributes: JAX's word for each.
    """

    def put(equation: JaxprEqn) -> Term:
        found = {ours: equation.params[theirs] for ours, theirs in names.items()}
        return Term(primitive, found)

    return put


def reduced(primitive: str) -> Put:
    return lambda equation: Term(
        primitive, {"axes": tuple(equation.params["axes"]), "keepdims": False}
    )


def found(primitive: str) -> Put:
    def put(equation: JaxprEqn) -> Term:
        (axis,) = equation.params["axes"]
        return Term(primitive, {"axis": axis, "keepdims": False})

    return put


def reshaped(equation: JaxprEqn) -> Term:
    return Term("reshape", {"shape": shape(equation.outvars[0])}, (0,))


def broadcast(equation: JaxprEqn) -> Term:
    axes = tuple(equation.params["broadcast_dimensions"])
    return Term("broadcast", {"shape": shape(equation.outvars[0]), "axes": axes}, (0,))


def sliced(equation: JaxprEqn) -> Term:
    params = equation.params
    starts = tuple(params["start_indices"])
    strides = params["strides"] or (1,) * len(starts)
    limits = tuple(params["limit_indices"])
    return Term("slice", {"starts": starts, "limits": limits, "strides": tuple(strides)})


def sliced_at(equation: JaxprEqn) -> Term:
    """From constant places; the slice is moved so that it lies within."""
    starts = literals(equation.invars[1:])
    if starts is None:
        return Term("gather")
    sizes = equation.params["slice_sizes"]
    lengths = zip(starts, sizes, shape(equation.invars[0]), strict=True)
    first = tuple(min(max(start, 0), length - size) for start, size, length in lengths)
    limits = tuple(start + size for start, size in zip(first, sizes, strict=True))
    ones = (1,) * len(first)
    return Term("slice", {"starts": first, "limits": limits, "strides": ones}, (0,))


def updated(equation: JaxprEqn) -> Term:
    starts = literals(equation.invars[2:])
    if starts is None:
        return Term("update", {"starts": None})
    whole, part = shape(equation.invars[0]), shape(equation.invars[1])
    first = zip(starts, part, whole, strict=True)
    within = tuple(min(max(start, 0), length - size) for start, size, length in first)
    return Term("update", {"starts": within}, (0, 1))


def padded(equation: JaxprEqn) -> Term:
    low, high, interior = zip(*equation.params["padding_config"], strict=True)
    return Term("pad", {"low": low, "high": high, "interior": interior, "mode": "constant"})


def scattered(primitive: str) -> Put:
    def put(equation: JaxprEqn) -> Term:
        numbers, inserted = equation.params["dimension_numbers"], ()
        axes, inserted = numbers.scatter_dims_to_operand_dims, numbers.inserted_window_dims
        single = len(axes) == 1 and inserted in ((), axes) and not numbers.operand_batching_dims
        return Term(primitive, {"axis": axes[0]} if single else {})

    return put


def gathered(equation: JaxprEqn) -> Term:
    """`take`, where whole slices along one axis are picked and lie where that was."""
    params, x = equation.params, shape(equation.invars[0])
    numbers, places = params["dimension_numbers"], shape(equation.invars[1])
    if len(numbers.start_index_map) != 1 or numbers.operand_batching_dims:
        return Term("gather")
    (axis,) = numbers.start_index_map
    picks = numbers.collapsed_slice_dims == (axis,)
    sizes = tuple(1 if at == axis else length for at, length in enumerate(x))
    rest = range(axis), range(axis + len(places) - 1, len(x) + len(places) - 2)
    stays = tuple(numbers.offset_dims) == (*rest[0], *rest[1])
    if not (picks and stays and tuple(params["slice_sizes"]) == sizes):
        return Term("gather")
    return Term("take", {"axis": axis}, reshaped={1: places[:-1]})


def sorted_along(equation: JaxprEqn) -> Term:
    """Each operand is sorted as the first is, and has its derivative from its own result."""
    params = equation.params
    own = tuple(frozenset({at}) for at in range(len(equation.invars)))
    return Term("sort", {"axis": params["dimension"], "descending": False, "derivatives": own})


def highest(equation: JaxprEqn) -> Term:
    along = equation.params.get("axis", equation.params.get("reduction_dimension", -1))
    axis = along % len(shape(equation.invars[0]))
    return Term("top_k", {"axis": axis, "count": int(equation.params["k"])})


def solved(equation: JaxprEqn) -> Term:
    """A linear system; some operands only help to find the solution."""
    lengths = equation.params["const_lengths"]
    ends = np.cumsum([lengths.matvec, lengths.vecmat, lengths.solve, lengths.transpose_solve])
    helping = range(int(ends[0]), int(ends[-1]))
    kept = frozenset(range(len(equation.invars))) - frozenset(helping)
    all_kept = (kept,) * len(equation.outvars)
    return Term("other", {"derivatives": all_kept, "dependences": all_kept})


def pooled(primitive: str, **rest: Any) -> Put:
    def put(equation: JaxprEqn) -> Term:
        params = equation.params
        if any(step != 1 for step in params["base_dilation"]):
            return Term("linear_map") if primitive == "avg_pool" else OTHER
        attributes = {
            "window": tuple(params["window_dimensions"]),
            "strides": tuple(params["window_strides"]),
            "padding": tuple(map(tuple, params["padding"])),
            "dilation": tuple(params["window_dilation"]),
            "count_padding": True,
        }
        return Term(primitive, {**attributes, **rest})

    return put


def multiplied(equation: JaxprEqn) -> Term:
    """The axes of the result are those that both have and keep, then the rest of each."""
    (contracted, batched) = equation.params["dimension_numbers"]
    unused = iter(ascii_letters)
    names: list[dict[int, str]] = [{}, {}]
    kept = []
    for pairs, stays in ((batched, True), (contracted, False)):
        for one, other in zip(*pairs, strict=True):
            names[0][one] = names[1][other] = letter = next(unused)
            kept += [letter] * stays
    spelled = []
    for side, atom in enumerate(equation.invars):
        for axis in range(len(shape(atom))):
            if axis not in names[side]:
                names[side][axis] = next(unused)
                kept.append(names[side][axis])
        spelled.append("".join(names[side][axis] for axis in range(len(shape(atom)))))
    return Term("dot", {"equation": f"{','.join(spelled)}->{''.join(kept)}"})


def convolved(equation: JaxprEqn) -> Term:
    """Transposed convolutions are convolutions of an operand with zeros put between."""
    params = equation.params
    if params["batch_group_count"] != 1:
        return OTHER
    numbers = params["dimension_numbers"]
    return Term(
        "conv",
        {
            "strides": tuple(params["window_strides"]),
            "padding": tuple(map(tuple, params["padding"])),
            "dilation": tuple(params["rhs_dilation"]),
            "base_dilation": tuple(params["lhs_dilation"]),
            "groups": int(params["feature_group_count"]),
            "transposed": False,
            "x_axes": tuple(numbers.lhs_spec),
            "weight_axes": tuple(numbers.rhs_spec),
            "result_axes": tuple(numbers.out_spec),
        },
    )


SAME = {
    "abs", "acos", "acosh", "add", "and", "asin", "asinh", "atan", "atan2", "atanh", "cbrt", "ceil",
    "complex", "conj", "cos", "cosh", "digamma", "eq", "erf", "erf_inv", "erfc", "exp", "exp2",
    "expm1", "floor", "ge", "gt", "imag", "le", "lgamma", "log", "log1p", "lt", "mul", "ne", "neg",
    "not", "or", "polygamma", "pow", "real", "round", "rsqrt", "scatter_add", "sign", "sin", "sinh",
    "sqrt", "square", "stop_gradient", "sub", "tan", "tanh", "xor",
}  # fmt: skip
"""Primitives that have the same name, operands and meaning."""

TABLE: Mapping[str, Term | Put] = {
    "add_any": Term("add"),
    "approx_top_k": highest,
    "argmax": found("argmax"),
    "argmin": found("argmin"),
    "bessel_i0e": Term("bessel"),
    "bessel_i1e": Term("bessel"),
    "bitcast_convert_type": Term("other", {"derivatives": (frozenset(),)}),
    "broadcast_in_dim": broadcast,
    "clamp": Term("clamp", order=(1, 0, 2)),
    "cond": Term("loop"),
    "concatenate": alike("concat", axis="dimension"),
    "conv_general_dilated": convolved,
    "convert_element_type": converted,
    "cumsum": alike("cumsum", axis="axis", reverse="reverse"),
    "custom_linear_solve": solved,
    "div": divided,
    "dot_general": multiplied,
    "dynamic_slice": sliced_at,
    "dynamic_update_slice": updated,
    "expand_dims": reshaped,
    "fft": Term("linear_map"),
    "gather": gathered,
    "integer_pow": lambda equation: Term("pow", numbers=(float(equation.params["y"]),)),
    "is_finite": Term("isfinite"),
    "logistic": Term("sigmoid"),
    "max": Term("maximum"),
    "min": Term("minimum"),
    "pad": padded,
    "psum": Term("linear_map"),
    "psum_invariant": Term("linear_map"),
    "reduce_and": reduced("all"),
    "reduce_max": reduced("max"),
    "reduce_min": reduced("min"),
    "reduce_or": reduced("any"),
    "reduce_prod": reduced("prod"),
    "reduce_sum": reduced("sum"),
    "reduce_window_max": pooled("max_pool"),
    "reduce_window_min": pooled("min_pool"),
    "reduce_window_sum": pooled("avg_pool", summed=True),
    "rem": Term("fmod"),
    "reshape": reshaped,
    "rev": alike("flip", axes="dimensions"),
    "iota": alike("iota", shape="shape", axis="dimension"),
    "scatter": scattered("scatter"),
    "scatter-add": scattered("scatter_add"),
    "scan": Term("loop"),
    "select_n": selected,
    "slice": sliced,
    "sort": sorted_along,
    "split": alike("split", axis="axis", sizes="sizes"),
    "squeeze": reshaped,
    "stack": alike("stack", axis="axis"),
    "tile": alike("tile", repeats="reps"),
    "top_k": highest,
    "transpose": alike("transpose", permutation="permutation"),
    "unstack": alike("unstack", axis="axis"),
    "while": Term("loop"),
    **dict.fromkeys(("io_callback", "pure_callback"), called_back),
    **dict.fromkeys(
        ("copy", "copy_p", "device_put", "layout_constraint", "mesh_cast", "name", "pbroadcast",
         "optimization_barrier", "pvary", "reduce_precision", "reshard", "sharding_constraint"),
        Term("identity"),
    ),
}  # fmt: skip
"""What the others are; those that are missing are `other`."""
