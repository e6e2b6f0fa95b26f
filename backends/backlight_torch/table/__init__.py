"""What each ATen operation is in the core's primitives, told by its name and arguments.

Of operations that PyTorch itself computes by others (its composite ones) only those others are seen.
"""

import torch

from backlight_torch.capture.records import Record
from backlight_torch.table import moves, normalizations, windows
from backlight_torch.table.reading import (
    ATTENTIONS,
    BATCH_NORMS,
    Found,
    Row,
    all_of,
    binary,
    each,
    flag,
    number,
    reduced,
    row,
    whole,
)


def primitive_of(record: Record) -> Found:
    """What an operation is in terms of the core."""
    own = record.func.namespace in ("aten", "prims")
    found = ROWS.get(record.name) or ROWS.get(record.name.removesuffix("_copy")) if own else None
    if found is not None:
        return found(record)
    pointwise = torch.Tag.pointwise in record.func.tags
    return ("lgamma" if pointwise else "other"), record.operands, {}


def divided(c: Record) -> Found:
    floor = c["rounding_mode"] == "floor"
    return ("floor_divide" if floor else "div"), [c["self"], c["other"]], {}


def clamped(c: Record) -> Found:
    low, high = c["min"], c["max"]
    if low is None:
        return "minimum", [c.x, high], {}
    return ("maximum", [c.x, low], {}) if high is None else ("clamp", [c.x, low, high], {})


def of_truths(primitive: str) -> Row:
    def found(c: Record) -> Found:
        truths = all(one.dtype is torch.bool for one in c.operands)
        return (primitive if truths else "other"), c.operands, {}

    return found


def randomly_leaky(c: Record) -> Found:
    if c["training"]:
        return "random", [c.x], {}
    return "leaky_relu", [c.x], {"slope": (float(c["lower"]) + float(c["upper"])) / 2}


def linear_map(c: Record) -> Found:
    """Linear in each operand: of one that counts, the others being constant."""
    active = [one for one in c.operands if one.active]
    if len(active) != 1:
        return "other", c.operands, {}
    return "linear_map", [*active, *(one for one in c.operands if one is not active[0])], {}


ROWS: dict[str, Row] = {
    **each(
        row,
        "neg abs exp exp2 expm1 log log2 log10 log1p sqrt rsqrt reciprocal sin cos tan asin acos atan "
        "sinh cosh tanh asinh acosh atanh erf erfc sigmoid relu silu mish lgamma digamma sign floor "
        "ceil round trunc isnan isinf",
    ),
    "erfinv": row("erf_inv"),
    "hardswish": row("hard_swish"),
    "hardsigmoid": row("hard_sigmoid"),
    "log_sigmoid_forward": row("log_sigmoid"),
    "logical_not": row("eq", "self", 0),
    "bitwise_not": row("not"),
    **all_of(row("conj"), "_conj conj_physical _conj_physical"),
    "celu": row("celu", alpha=number("alpha")),
    "elu": row("elu", **{name: number(name) for name in ("alpha", "scale", "input_scale")}),
    "leaky_relu": row("leaky_relu", slope=number("negative_slope")),
    "rrelu_with_noise": randomly_leaky,
    "_prelu_kernel": binary("prelu"),
    "gelu": row("gelu", approximate=lambda c: c["approximate"]),
    "softplus": row("softplus", beta=number("beta")),
    "threshold": row("threshold", at=number("threshold"), value=number("value")),
    "hardtanh": row("hard_tanh", low=number("min_val"), high=number("max_val")),
    "clamp": clamped,
    "clamp_min": row("maximum", "self", "min"),
    "clamp_max": row("minimum", "self", "max"),
    **each(binary, "add sub mul pow maximum minimum atan2 remainder complex eq ne lt le gt ge"),
    "fmax": binary("maximum"),
    "fmin": binary("minimum"),
    "rsub": row("sub", "other", "self"),
    "div": divided,
    "floor_divide": binary("floor_divide"),
    **{f"logical_{name}": of_truths(name) for name in ("and", "or", "xor")},
    **{f"bitwise_{name}": binary(name) for name in ("and", "or", "xor")},
    "where": row("select", "condition", "self", "other"),
    "masked_fill": row("select", "mask", "value", "self"),
    # Moves.
    **all_of(row("identity"), "clone lift lift_fresh alias"),
    "detach": row("stop_gradient", word="detach"),
    "_to_copy": moves.converted,
    **all_of(moves.copied, "copy fill zero"),
    **all_of(moves.reshaped, "view _unsafe_view _reshape_alias squeeze unsqueeze"),
    **all_of(moves.permuted, "permute transpose t"),
    "expand": lambda c: moves.broadcast(c.x, c.shape),
    "slice": moves.sliced,
    "select": row("index", axis=Record.axis, at=lambda c: int(c["index"]) % c.x.shape[c.axis()]),
    **all_of(
        row("split", axis=Record.axis, sizes=lambda c: tuple(one[c.axis()] for one in c.shapes)),
        "split split_with_sizes unsafe_split unsafe_split_with_sizes",
    ),
    "unbind": row("unstack", axis=Record.axis),
    "cat": moves.joined("concat"),
    "stack": moves.joined("stack"),
    "flip": row("flip", axes=lambda c: tuple(axis % c.rank for axis in c["dims"])),
    "roll": moves.rolled,
    "repeat": moves.tiled,
    "index": moves.indexed,
    "index_select": row("take", "self", "index", axis=Record.axis),
    "embedding": row("take", "weight", "indices", axis=0),
    **all_of(
        whole("gather"),
        "gather take masked_select diagonal diag_embed as_strided tril triu rot90 pixel_shuffle "
        "pixel_unshuffle channel_shuffle block_diag view_as_real view_as_complex _neg_view",
    ),
    "_pack_padded_sequence": moves.packed,
    "constant_pad_nd": moves.padded("constant"),
    **{f"reflection_pad{count}d": moves.padded("reflect") for count in (1, 2, 3)},
    **{f"replication_pad{count}d": moves.padded("edge") for count in (1, 2, 3)},
    "slice_scatter": row("update", "self", "src", starts=moves.starts),
    **all_of(
        row("update", "self", "src", starts=None),
        "select_scatter diagonal_scatter as_strided_scatter",
    ),
    **all_of(moves.scattered("indices", "values"), "index_put _index_put_impl _unsafe_index_put"),
    "put": moves.scattered("index", "source"),
    "index_fill": moves.scattered("index", "value"),
    "index_copy": moves.scattered("index", "source"),
    "scatter": lambda c: moves.scattered("index", "value" if c["src"] is None else "src")(c),
    "masked_scatter": moves.scattered("mask", "source"),
    **all_of(moves.added_by_places, "index_add scatter_add index_reduce scatter_reduce"),
    **windows.ROWS,
    # Sums and extrema.
    **each(reduced, "sum mean any all prod"),
    "amax": reduced("max"),
    "amin": reduced("min"),
    "max": lambda c: binary("maximum")(c) if c["other"] is not None else reduced("max")(c),
    "min": lambda c: binary("minimum")(c) if c["other"] is not None else reduced("min")(c),
    **each(
        lambda name: row(
            name,
            axis=lambda c: None if c["dim"] is None else c.axis(),
            keepdims=flag("keepdim"),
        ),
        "argmax argmin",
    ),
    "cumsum": row("cumsum", axis=Record.axis, reverse=False),
    "sort": row("sort", axis=Record.axis, descending=flag("descending")),
    "topk": row("top_k", axis=Record.axis, count=lambda c: int(c["k"])),
    **all_of(
        whole("linear_map"),
        "nansum col2im trace affine_grid_generator unfold_backward _fft_r2c _fft_c2r _fft_c2c",
    ),
    **all_of(linear_map, "grid_sampler_2d grid_sampler_3d _embedding_bag"),
    # Products.
    "mm": row("dot", "self", "mat2", equation="ab,bc->ac"),
    "bmm": row("dot", "self", "mat2", equation="abc,acd->abd"),
    "mv": row("dot", "self", "vec", equation="ab,b->a"),
    "dot": row("dot", "self", "tensor", equation="a,a->"),
    "addmm": row("dot", "mat1", "mat2", "self", equation="ab,bc->ac"),
    "addmv": row("dot", "mat", "vec", "self", equation="ab,b->a"),
    "baddbmm": row("dot", "batch1", "batch2", "self", equation="abc,acd->abd"),
    # Functions along axes.
    **all_of(row("softmax", axes=Record.axes), "_softmax _safe_softmax"),
    "_log_softmax": row("log_softmax", axes=Record.axes),
    "logsumexp": reduced("logsumexp"),
    "var": reduced("var", correction=number("correction", 1.0)),
    "std": reduced("std", correction=number("correction", 1.0)),
    "linalg_vector_norm": reduced("norm", order=number("ord", 2.0)),
    "norm": reduced("norm", order=number("p", 2.0)),
    **all_of(normalizations.batch_norm, BATCH_NORMS),
    **all_of(normalizations.layer_norm, "native_layer_norm _fused_rms_norm"),
    "native_group_norm": normalizations.group_norm,
    **all_of(
        row(
            *("attention", "query", "key", "value", "attn_mask", "attn_bias"),
            causal=flag("is_causal"),
        ),
        ATTENTIONS,
    ),
    # Numbers that are others in each run.
    **all_of(
        lambda c: ("identity" if c["train"] is False else "random", [c.x], {}),
        "native_dropout _fused_dropout",
    ),
    **all_of(row("random"), "bernoulli multinomial normal"),
}
"""By the names of ATen operations, without the underscore of those that write in place."""
