"""What each ATen operation is in the core's primitives, told by its name and arguments."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, final

import torch

from backlight.graph.graph import DType
from backlight_torch.records import Operand


@final
@dataclass(frozen=True, eq=False, slots=True)
class Call:
    """An operation with its arguments by name and the shapes of its results."""

    func: Any
    name: str
    given: Mapping[str, Any]
    shapes: tuple[tuple[int, ...], ...]
    dtype: torch.dtype

    def __getitem__(self, argument: str) -> Any:
        return self.given.get(argument)

    @property
    def operands(self) -> list[Operand]:
        """All tensors among the arguments."""
        found: list[Operand] = []
        for value in self.given.values():
            several = value if isinstance(value, (list, tuple)) else (value,)
            found += [one for one in several if isinstance(one, Operand)]
        return found

    @property
    def x(self) -> Any:
        """The first argument."""
        return next(iter(self.given.values()))

    @property
    def rank(self) -> int:
        return len(self.x.shape)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.shapes[0]

    def axis(self, argument: str = "dim") -> int:
        return int(self[argument]) % max(self.rank, 1)

    def axes(self, argument: str = "dim") -> tuple[int, ...]:
        """The axes that are named; all where none is."""
        named = self[argument]
        named = [named] if isinstance(named, int) else named
        chosen = sorted(int(axis) % max(self.rank, 1) for axis in named or ())
        return tuple(chosen) or tuple(range(self.rank))

    def listed(self, argument: str, count: int, default: int | None = None) -> tuple[int, ...]:
        """One number for each of the axes that a window moves along."""
        numbers = list(self[argument] or ())
        if not numbers:
            return (default or 0,) * count
        return tuple(numbers * count if len(numbers) == 1 else numbers)


Found: TypeAlias = tuple[str, Sequence[Any], Mapping[str, Any]]
"""The primitive, its operands (`Operand`s and numbers) and attributes."""
Row: TypeAlias = Callable[[Call], Found]


def primitive_of(call: Call) -> Found:
    """What an operation is in terms of the core."""
    own = call.func.namespace in ("aten", "prims")
    row = ROWS.get(call.name) or ROWS.get(call.name.removesuffix("_copy")) if own else None
    found = None if row is None else row(call)
    if found is None:
        pointwise = row is None and torch.Tag.pointwise in call.func.tags
        found = ("lgamma" if pointwise else "other"), call.operands, {}
    return found


def plain(primitive: str, **attributes: Any) -> Row:
    """Of the first argument alone."""
    return lambda c: (primitive, [c.x], attributes)


def binary(primitive: str) -> Row:
    return lambda c: (primitive, list(c.given.values())[:2], {})


def of_truths(primitive: str) -> Row:
    def row(c: Call) -> Found:
        truths = all(one.dtype is torch.bool for one in c.operands)
        return (primitive if truths else "other"), c.operands, {}

    return row


def turned(c: Call) -> Found:
    return "sub", [c["other"], c["self"]], {}


def divided(c: Call) -> Found:
    floor = c["rounding_mode"] == "floor"
    return ("floor_divide" if floor else "div"), [c["self"], c["other"]], {}


def clamped(low: str, high: str) -> Row:
    def row(c: Call) -> Found:
        bounds = c[low], c[high]
        if bounds[0] is None:
            return "minimum", [c.x, bounds[1]], {}
        if bounds[1] is None:
            return "maximum", [c.x, bounds[0]], {}
        return "clamp", [c.x, *bounds], {}

    return row


def exponential_unit(c: Call) -> Found:
    alpha, scale, inner = float(c["alpha"]), float(c["scale"]), float(c["input_scale"])
    return "elu", [c.x], {"alpha": alpha, "scale": scale, "input_scale": inner}


def randomly_leaky(c: Call) -> Found:
    if c["training"]:
        return "random", [c.x], {}
    return "leaky_relu", [c.x], {"slope": (float(c["lower"]) + float(c["upper"])) / 2}


def converted(c: Call) -> Found:
    kind = dtype_of(c.dtype)
    return (
        ("identity", [c.x], {}) if kind is dtype_of(c.x.dtype) else ("convert", [c.x], {"to": kind})
    )


def dtype_of(dtype: torch.dtype) -> DType:
    if dtype.is_complex:
        return DType.COMPLEX
    if dtype.is_floating_point:
        return DType.FLOAT
    return DType.BOOLEAN if dtype is torch.bool else DType.INTEGER


def broadcast(operand: Any, shape: Sequence[int]) -> Found:
    """Numbers put into an array of another shape."""
    own = operand.shape if isinstance(operand, Operand) else ()
    if tuple(own) == tuple(shape):
        return "identity", [operand], {}
    skipped = len(shape) - len(own)
    axes = tuple(range(skipped, len(shape)))
    return "broadcast", [operand], {"shape": tuple(shape), "axes": axes}


def copied(c: Call) -> Found:
    """Numbers written over others."""
    source = c["src"] if c["src"] is not None else c["value"]
    if isinstance(source, Operand) and dtype_of(source.dtype) is not dtype_of(c.dtype):
        return "convert", [source], {"to": dtype_of(c.dtype)}
    return broadcast(0 if source is None else source, c.shape)


def reshaped(c: Call) -> Found:
    """Of a view as another dtype nothing is known."""
    if c.dtype != c.x.dtype:
        return "other", [c.x], {}
    return "reshape", [c.x], {"shape": c.shape}


def permuted(c: Call) -> Found:
    order = list(range(c.rank))
    if c["dims"] is not None:
        order = [axis % c.rank for axis in c["dims"]]
    elif c.name == "t":
        order.reverse()
    elif c.rank:
        one, other = int(c["dim0"]) % c.rank, int(c["dim1"]) % c.rank
        order[one], order[other] = order[other], order[one]
    return "transpose", [c.x], {"permutation": tuple(order)}


def sliced(c: Call) -> Found:
    axis, step = c.axis(), c["step"] or 1
    starts, limits, strides = [0] * c.rank, list(c.x.shape), [1] * c.rank
    start = bounded(c["start"] or 0, c.x.shape[axis])
    starts[axis], strides[axis] = start, step
    limits[axis] = min(start + c.shape[axis] * step, c.x.shape[axis])
    attributes = {"starts": tuple(starts), "limits": tuple(limits), "strides": tuple(strides)}
    return "slice", [c.x], attributes


def bounded(place: int, length: int) -> int:
    return min(max(place + length if place < 0 else place, 0), length)


def selected(c: Call) -> Found:
    axis = c.axis()
    return "index", [c.x], {"axis": axis, "at": int(c["index"]) % c.x.shape[axis]}


def split(c: Call) -> Found:
    axis = c.axis()
    return "split", [c.x], {"axis": axis, "sizes": tuple(shape[axis] for shape in c.shapes)}


def joined(primitive: str) -> Row:
    def row(c: Call) -> Found:
        parts = [one for one in c["tensors"] if one.shape != (0,) or primitive == "stack"]
        return primitive, parts, {"axis": int(c["dim"]) % len(c.shape)}

    return row


def rolled(c: Call) -> Found:
    if not c["dims"]:
        return "gather", [c.x], {}
    shifts, axes = tuple(c["shifts"]), tuple(axis % c.rank for axis in c["dims"])
    return "roll", [c.x], {"shifts": shifts, "axes": axes}


def tiled(c: Call) -> Found:
    repeats = tuple(c["repeats"])
    if len(repeats) > c.rank:
        return "gather", [c.x], {}
    return "tile", [c.x], {"repeats": repeats}


def taken(places: str, axis: str | None = "dim") -> Row:
    def row(c: Call) -> Found:
        return "take", [c.x, c[places]], {"axis": 0 if axis is None else c.axis(axis)}

    return row


def indexed(c: Call) -> Found:
    """By arrays of places: one along one axis, or several, or masks."""
    given = [(axis, one) for axis, one in enumerate(c["indices"]) if one is not None]
    if len(given) == 1 and dtype_of(given[0][1].dtype) is DType.INTEGER:
        return "take", [c.x, given[0][1]], {"axis": given[0][0]}
    return "gather", [c.x, *(one for _, one in given)], {}


def padded(mode: str) -> Row:
    def row(c: Call) -> Found:
        sizes = list(c["pad"] if c["pad"] is not None else c["padding"])
        low, high = [0] * c.rank, [0] * c.rank
        for number in range(len(sizes) // 2):
            low[-1 - number], high[-1 - number] = sizes[2 * number], sizes[2 * number + 1]
        attributes = {"low": tuple(low), "high": tuple(high), "mode": mode}
        return "pad", [c.x, c["value"] or 0.0] if mode == "constant" else [c.x], attributes

    return row


def part_updated(c: Call) -> Found:
    """A part of an array replaced: by a slice, or one place along an axis."""
    axis, starts = c.axis(), [0] * c.rank
    if c.name == "select_scatter":
        return "update", [c.x, c["src"]], {"starts": None}
    starts[axis] = bounded(c["start"] or 0, c.x.shape[axis])
    return "update", [c.x, c["src"]], {"starts": tuple(starts) if c["step"] in (None, 1) else None}


def scattered(places: str, part: str) -> Row:
    def row(c: Call) -> Found:
        where = c[places]
        several = [one for one in where if one is not None] if isinstance(where, list) else [where]
        added = c["accumulate"] or c["reduce"] in ("add", "sum")
        if c["reduce"] is not None and not added:
            return "other", c.operands, {}
        filling = 0.0 if c[part] is None else c[part]
        return ("scatter_add" if added else "scatter"), [c.x, *several, filling], {}

    return row


def added_by_places(c: Call) -> Found:
    source = c["src"] if c["src"] is not None else c["source"]
    if c["reduce"] not in (None, "sum", "mean"):
        return "other", c.operands, {}
    return "scatter_add", [c["self"], c["index"], source], {}


def reduced(primitive: str) -> Row:
    def row(c: Call) -> Found:
        return primitive, [c.x], {"axes": c.axes(), "keepdims": bool(c["keepdim"])}

    return row


def found_place(primitive: str) -> Row:
    def row(c: Call) -> Found:
        axis = None if c["dim"] is None else c.axis()
        return primitive, [c.x], {"axis": axis, "keepdims": bool(c["keepdim"])}

    return row


def along(primitive: str, **attributes: Any) -> Row:
    return lambda c: (primitive, [c.x], {"axis": c.axis(), **attributes})


def spread(primitive: str) -> Row:
    def row(c: Call) -> Found:
        correction = 1.0 if c["correction"] is None else float(c["correction"])
        _, operands, attributes = reduced(primitive)(c)
        return primitive, operands, {**attributes, "correction": correction}

    return row


def sized(c: Call) -> Found:
    order = c["ord"] if "ord" in c.given else c["p"]
    order = 2.0 if order is None else float(order)
    return "norm", [c.x], {"axes": c.axes(), "keepdims": bool(c["keepdim"]), "order": order}


def product(equation: str, *arguments: str) -> Row:
    def row(c: Call) -> Found:
        operands = [c[name] for name in arguments]
        return "dot", [one for one in operands if one is not None], {"equation": equation}

    return row


def dense(c: Call) -> Found:
    letters = "abcdefghijklmnopqrstuvw"[: c.rank - 1]
    _, operands, attributes = product(f"{letters}x,yx->{letters}y", "input", "weight", "bias")(c)
    return "dot", operands, attributes


def convolution(c: Call) -> Found:
    count = c.rank - 2
    places = tuple(range(2, c.rank))
    transposed, groups = bool(c["transposed"]), int(c["groups"] or 1)
    padding = c.listed("padding", count, 0)
    attributes = {
        "strides": c.listed("stride", count, 1),
        "padding": tuple((one, one) for one in padding),
        "dilation": c.listed("dilation", count, 1),
        "base_dilation": (1,) * count,
        "groups": groups,
        "transposed": transposed,
        "x_axes": (0, 1, *places),
        "weight_axes": ((0, 1) if groups > 1 else 1, 0, *places) if transposed else (0, 1, *places),
        "result_axes": (0, 1, *places),
    }
    if transposed:
        further = c.listed("output_padding", count, 0)
        attributes["output_padding"] = further
    operands = [c["input"], c["weight"]]
    return "conv", operands if c["bias"] is None else [*operands, c["bias"]], attributes


def pooled(primitive: str) -> Row:
    def row(c: Call) -> Found:
        if c["divisor_override"] is not None:
            return "linear_map", [c.x], {}
        count = len(c["kernel_size"]) if isinstance(c["kernel_size"], list) else 1
        count = max(count, POOLED_AXES.get(c.name, 1))
        window = c.listed("kernel_size", count)
        strides = c.listed("stride", count) if c["stride"] else window
        dilation = c.listed("dilation", count, 1) if c["dilation"] else (1,) * count
        low = c.listed("padding", count, 0)
        lengths = zip(c.x.shape[-count:], c.shape[-count:], strict=True)
        high = []
        for (length, result), size, step, apart, pad in zip(
            lengths, window, strides, dilation, low, strict=True
        ):
            reach = (result - 1) * step + (size - 1) * apart + 1 - length - pad
            high.append(max(reach, pad) if c["ceil_mode"] else pad)
        before = c.rank - count
        attributes: dict[str, Any] = {
            "window": (1,) * before + window,
            "strides": (1,) * before + strides,
            "padding": ((0, 0),) * before + tuple(zip(low, high, strict=True)),
            "dilation": (1,) * before + dilation,
        }
        if primitive == "avg_pool":
            attributes["count_padding"] = c["count_include_pad"] is not False
        return primitive, [c.x], attributes

    return row


POOLED_AXES = {
    f"{name}{count}d{end}": count
    for name in ("max_pool", "avg_pool", "mkldnn_max_pool")
    for end in ("", "_with_indices")
    for count in (1, 2, 3)
}


def adaptive(primitive: str, count: int) -> Row:
    return lambda c: (primitive, [c.x], {"axes": tuple(range(c.rank - count, c.rank))})


def resized(method: str, count: int) -> Row:
    def row(c: Call) -> Found:
        axes = tuple(range(c.rank - count, c.rank))
        aligned = bool(c["align_corners"])
        return "resize", [c.x], {"axes": axes, "method": method, "aligned": aligned}

    return row


def batch_norm(c: Call) -> Found:
    epsilon = float(c["eps"] if c["eps"] is not None else c["epsilon"])
    if c["running_mean"] is None or c["training"]:
        axes = tuple(axis for axis in range(c.rank) if axis != 1)
        return normalised(c, axes, epsilon, c["weight"], c["bias"], channel_axis=1)
    scale = 1.0 if c["weight"] is None else c["weight"]
    offset = 0.0 if c["bias"] is None else c["bias"]
    operands = [c.x, scale, offset, c["running_mean"], c["running_var"]]
    return "batch_norm", operands, {"axis": 1, "epsilon": epsilon}


def normalised(
    c: Call, axes: tuple[int, ...], epsilon: float, scale: Any, offset: Any, **more: Any
) -> Found:
    operands = [c.x]
    if scale is not None or offset is not None:
        operands.append(1.0 if scale is None else scale)
    if offset is not None:
        operands.append(offset)
    centred = c.name != "_fused_rms_norm"
    return "normalize", operands, {"axes": axes, "epsilon": epsilon, "centred": centred, **more}


def layer_norm(c: Call) -> Found:
    axes = tuple(range(c.rank - len(c["normalized_shape"]), c.rank))
    epsilon = torch.finfo(c.dtype).eps if c["eps"] is None else float(c["eps"])
    return normalised(c, axes, epsilon, c["weight"], c["bias"])


def group_norm(c: Call) -> Found:
    axes, groups = tuple(range(1, c.rank)), int(c["group"])
    scale, offset = c["weight"], c["bias"]
    return normalised(c, axes, float(c["eps"]), scale, offset, groups=groups, channel_axis=1)


def attention(c: Call) -> Found:
    mask = c["attn_mask"] if c["attn_mask"] is not None else c["attn_bias"]
    operands = [c["query"], c["key"], c["value"]]
    causal = bool(c["is_causal"])
    return "attention", operands if mask is None else [*operands, mask], {"causal": causal}


def dropped(c: Call) -> Found:
    training = c["train"] is not False
    return ("random", [c.x], {}) if training else ("identity", [c.x], {})


def sorted_along(c: Call) -> Found:
    return "sort", [c.x], {"axis": c.axis(), "descending": bool(c["descending"])}


def top_k(c: Call) -> Found:
    return "top_k", [c.x], {"axis": c.axis(), "count": int(c["k"])}


def linear_map(c: Call) -> Found:
    """Linear in each operand: of one that counts, the others being constant."""
    operands = c.operands
    active = [one for one in operands if one.active]
    if len(active) != 1:
        return "other", operands, {}
    return "linear_map", [*active, *(one for one in operands if one is not active[0])], {}


def windows(c: Call) -> Found:
    if c.name == "unfold":
        attributes = {
            "axes": (c.axis("dimension"),),
            "window": (int(c["size"]),),
            "strides": (int(c["step"]),),
            "padding": ((0, 0),),
            "dilation": (1,),
            "layout": "starts in place, taps last",
        }
    else:
        attributes = {
            "axes": (c.rank - 2, c.rank - 1),
            "window": tuple(c["kernel_size"]),
            "strides": tuple(c["stride"]),
            "padding": tuple((one, one) for one in c["padding"]),
            "dilation": tuple(c["dilation"]),
            "layout": "channels and taps, then starts",
        }
    return "windows", [c.x], attributes


def each(row: Callable[[str], Row], names: str) -> dict[str, Row]:
    """Rows for operations that have the primitive's name."""
    return {name: row(name) for name in names.split()}


def all_of(row: Row, names: str) -> dict[str, Row]:
    return dict.fromkeys(names.split(), row)


BATCH_NORMS = (
    "native_batch_norm _native_batch_norm_legit _native_batch_norm_legit_no_training "
    "cudnn_batch_norm miopen_batch_norm _batch_norm_with_update _batch_norm_no_update"
)
ATTENTIONS = (
    "_scaled_dot_product_flash_attention_for_cpu _scaled_dot_product_flash_attention "
    "_scaled_dot_product_efficient_attention _scaled_dot_product_cudnn_attention "
    "_scaled_dot_product_fused_attention_overrideable"
)

ROWS: dict[str, Row] = {
    **each(
        plain,
        "neg abs exp exp2 expm1 log log2 log10 log1p sqrt rsqrt reciprocal sin cos tan asin acos atan "
        "sinh cosh tanh asinh acosh atanh erf erfc sigmoid relu silu mish lgamma digamma sign floor "
        "ceil round trunc isnan isinf isfinite real imag",
    ),
    "erfinv": plain("erf_inv"),
    "hardswish": plain("hard_swish"),
    "hardsigmoid": plain("hard_sigmoid"),
    "log_sigmoid_forward": plain("log_sigmoid"),
    "logical_not": lambda c: ("eq", [c.x, 0], {}),
    "bitwise_not": plain("not"),
    "conj": plain("conj"),
    "_conj": plain("conj"),
    "conj_physical": plain("conj"),
    "_conj_physical": plain("conj"),
    "celu": lambda c: ("celu", [c.x], {"alpha": float(c["alpha"])}),
    "elu": exponential_unit,
    "leaky_relu": lambda c: ("leaky_relu", [c.x], {"slope": float(c["negative_slope"])}),
    "rrelu_with_noise": randomly_leaky,
    "_prelu_kernel": binary("prelu"),
    "gelu": lambda c: ("gelu", [c.x], {"approximate": c["approximate"] or "none"}),
    "softplus": lambda c: ("softplus", [c.x], {"beta": float(c["beta"])}),
    "threshold": lambda c: (
        "threshold",
        [c.x],
        {"at": float(c["threshold"]), "value": float(c["value"])},
    ),
    "hardtanh": lambda c: (
        "hard_tanh",
        [c.x],
        {"low": float(c["min_val"]), "high": float(c["max_val"])},
    ),
    "clamp": clamped("min", "max"),
    "clamp_min": clamped("min", "none"),
    "clamp_max": clamped("none", "max"),
    **each(binary, "add sub mul pow maximum minimum atan2 remainder complex eq ne lt le gt ge"),
    "fmax": binary("maximum"),
    "fmin": binary("minimum"),
    "rsub": turned,
    "div": divided,
    "floor_divide": binary("floor_divide"),
    **{f"logical_{name}": of_truths(name) for name in ("and", "or", "xor")},
    **{f"bitwise_{name}": binary(name) for name in ("and", "or", "xor")},
    "where": lambda c: ("select", list(c.given.values())[:3], {}),
    "masked_fill": lambda c: ("select", [c["mask"], c["value"], c["self"]], {}),
    # Moves.
    **all_of(plain("identity"), "clone contiguous lift lift_fresh alias resolve_conj resolve_neg"),
    "detach": plain("stop_gradient", word="detach"),
    **all_of(converted, "_to_copy to"),
    **all_of(copied, "copy fill zero"),
    **all_of(
        reshaped,
        "view _unsafe_view reshape _reshape_alias view_as squeeze unsqueeze flatten unflatten ravel",
    ),
    **all_of(permuted, "permute transpose t swapaxes"),
    "expand": lambda c: broadcast(c.x, c.shape),
    "slice": sliced,
    "select": selected,
    **all_of(
        split,
        "split split_with_sizes unsafe_split unsafe_split_with_sizes chunk unsafe_chunk",
    ),
    "unbind": along("unstack"),
    "cat": joined("concat"),
    "stack": joined("stack"),
    "flip": lambda c: ("flip", [c.x], {"axes": tuple(axis % c.rank for axis in c["dims"])}),
    "roll": rolled,
    "repeat": tiled,
    "index": indexed,
    "index_select": taken("index"),
    "embedding": taken("indices", None),
    **all_of(
        lambda c: ("gather", c.operands, {}),
        "gather take take_along_dim masked_select diagonal diag_embed as_strided tril triu "
        "rot90 pixel_shuffle pixel_unshuffle channel_shuffle native_channel_shuffle block_diag "
        "view_as_real view_as_complex _neg_view repeat_interleave narrow",
    ),
    **all_of(windows, "unfold im2col"),
    "constant_pad_nd": padded("constant"),
    **{f"reflection_pad{count}d": padded("reflect") for count in (1, 2, 3)},
    **{f"replication_pad{count}d": padded("edge") for count in (1, 2, 3)},
    **all_of(part_updated, "slice_scatter select_scatter"),
    **all_of(
        lambda c: ("update", [c.x, c["src"]], {"starts": None}),
        "diagonal_scatter as_strided_scatter",
    ),
    **all_of(scattered("indices", "values"), "index_put _index_put_impl _unsafe_index_put"),
    "put": scattered("index", "source"),
    "index_fill": scattered("index", "value"),
    "index_copy": scattered("index", "source"),
    "scatter": lambda c: scattered("index", "value" if c["src"] is None else "src")(c),
    "masked_scatter": scattered("mask", "source"),
    **all_of(added_by_places, "index_add scatter_add index_reduce scatter_reduce"),
    # Sums and extrema.
    **each(reduced, "sum mean any all prod"),
    "amax": reduced("max"),
    "amin": reduced("min"),
    "max": lambda c: binary("maximum")(c) if "other" in c.given else reduced("max")(c),
    "min": lambda c: binary("minimum")(c) if "other" in c.given else reduced("min")(c),
    **each(found_place, "argmax argmin"),
    "cumsum": along("cumsum", reverse=False),
    "sort": sorted_along,
    "topk": top_k,
    **all_of(
        lambda c: ("linear_map", c.operands, {}),
        "nansum nanmean col2im trace affine_grid_generator unfold_backward _fft_r2c _fft_c2r "
        "_fft_c2c upsample_bicubic2d_aa",
    ),
    **all_of(linear_map, "grid_sampler_2d grid_sampler_3d _embedding_bag"),
    **{f"avg_pool{count}d": pooled("avg_pool") for count in (1, 2, 3)},
    **{
        f"{name}{count}d{end}": pooled("max_pool")
        for name in ("max_pool", "mkldnn_max_pool")
        for end in ("", "_with_indices")
        for count in (1, 2, 3)
    },
    **{
        f"{prefix}adaptive_avg_pool{count}d": adaptive("adaptive_avg_pool", count)
        for prefix in ("", "_", "mkldnn_")
        for count in (1, 2, 3)
    },
    **{
        f"{name}{count}d": adaptive("adaptive_max_pool", count)
        for name in ("adaptive_max_pool", "fractional_max_pool")
        for count in (1, 2, 3)
    },
    **{f"upsample_nearest{count}d": resized("nearest", count) for count in (1, 2, 3)},
    **{f"_upsample_nearest_exact{count}d": resized("nearest", count) for count in (1, 2, 3)},
    "upsample_linear1d": resized("linear", 1),
    "upsample_bilinear2d": resized("linear", 2),
    "upsample_trilinear3d": resized("linear", 3),
    "upsample_bicubic2d": resized("cubic", 2),
    "_upsample_bilinear2d_aa": resized("linear", 2),
    "_upsample_bicubic2d_aa": resized("cubic", 2),
    # Products.
    "mm": product("ab,bc->ac", "self", "mat2"),
    "bmm": product("abc,acd->abd", "self", "mat2"),
    "mv": product("ab,b->a", "self", "vec"),
    "dot": product("a,a->", "self", "tensor"),
    "addmm": product("ab,bc->ac", "mat1", "mat2", "self"),
    "addmv": product("ab,b->a", "mat", "vec", "self"),
    "baddbmm": product("abc,acd->abd", "batch1", "batch2", "self"),
    "linear": dense,
    **all_of(
        convolution,
        "convolution _convolution convolution_overrideable mkldnn_convolution cudnn_convolution "
        "cudnn_convolution_transpose miopen_convolution conv_depthwise3d _conv_depthwise2d",
    ),
    # Functions along axes.
    **{
        name: lambda c: ("softmax", [c.x], {"axes": c.axes()})
        for name in ("_softmax", "_safe_softmax")
    },
    "_log_softmax": lambda c: ("log_softmax", [c.x], {"axes": c.axes()}),
    "logsumexp": reduced("logsumexp"),
    "var": spread("var"),
    "std": spread("std"),
    **all_of(sized, "linalg_vector_norm norm"),
    **all_of(batch_norm, BATCH_NORMS),
    **all_of(layer_norm, "native_layer_norm _fused_rms_norm"),
    "native_group_norm": group_norm,
    **all_of(attention, ATTENTIONS),
    # Numbers that are others in each run.
    **all_of(dropped, "native_dropout _fused_dropout"),
    **all_of(plain("random"), "bernoulli multinomial normal rrelu"),
}
"""By the names of ATen operations, without the underscore of those that write in place."""
