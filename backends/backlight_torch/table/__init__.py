"""What each ATen operation is in the core's primitives, told by its name and arguments.

Of operations that PyTorch itself computes by others (its composite ones) only those others are seen.
"""

import torch

from backlight_torch.capture.records import Record
from backlight_torch.table import composites, moves, windows
from backlight_torch.table.reading import (
    Found,
    Row,
    all_of,
    along,
    binary,
    each,
    numbered,
    plain,
    reduced,
    whole,
)


def primitive_of(record: Record) -> Found:
    """What an operation is in terms of the core."""
    own = record.func.namespace in ("aten", "prims")
    row = ROWS.get(record.name) or ROWS.get(record.name.removesuffix("_copy")) if own else None
    if row is not None:
        return row(record)
    pointwise = torch.Tag.pointwise in record.func.tags
    return ("lgamma" if pointwise else "other"), record.operands, {}


def of_truths(primitive: str) -> Row:
    def row(c: Record) -> Found:
        truths = all(one.dtype is torch.bool for one in c.operands)
        return (primitive if truths else "other"), c.operands, {}

    return row


def divided(c: Record) -> Found:
    floor = c["rounding_mode"] == "floor"
    return ("floor_divide" if floor else "div"), [c["self"], c["other"]], {}


def clamped(low: str, high: str) -> Row:
    def row(c: Record) -> Found:
        bounds = c[low], c[high]
        if bounds[0] is None:
            return "minimum", [c.x, bounds[1]], {}
        if bounds[1] is None:
            return "maximum", [c.x, bounds[0]], {}
        return "clamp", [c.x, *bounds], {}

    return row


def randomly_leaky(c: Record) -> Found:
    if c["training"]:
        return "random", [c.x], {}
    return "leaky_relu", [c.x], {"slope": (float(c["lower"]) + float(c["upper"])) / 2}


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
        "ceil round trunc isnan isinf",
    ),
    "erfinv": plain("erf_inv"),
    "hardswish": plain("hard_swish"),
    "hardsigmoid": plain("hard_sigmoid"),
    "log_sigmoid_forward": plain("log_sigmoid"),
    "logical_not": lambda c: ("eq", [c.x, 0], {}),
    "bitwise_not": plain("not"),
    **all_of(plain("conj"), "_conj conj_physical _conj_physical"),
    "celu": numbered("celu", alpha="alpha"),
    "elu": numbered("elu", alpha="alpha", scale="scale", input_scale="input_scale"),
    "leaky_relu": numbered("leaky_relu", slope="negative_slope"),
    "rrelu_with_noise": randomly_leaky,
    "_prelu_kernel": binary("prelu"),
    "gelu": lambda c: ("gelu", [c.x], {"approximate": c["approximate"]}),
    "softplus": numbered("softplus", beta="beta"),
    "threshold": numbered("threshold", at="threshold", value="value"),
    "hardtanh": numbered("hard_tanh", low="min_val", high="max_val"),
    "clamp": clamped("min", "max"),
    "clamp_min": clamped("min", "none"),
    "clamp_max": clamped("none", "max"),
    **each(binary, "add sub mul pow maximum minimum atan2 remainder complex eq ne lt le gt ge"),
    "fmax": binary("maximum"),
    "fmin": binary("minimum"),
    "rsub": lambda c: ("sub", [c["other"], c["self"]], {}),
    "div": divided,
    "floor_divide": binary("floor_divide"),
    **{f"logical_{name}": of_truths(name) for name in ("and", "or", "xor")},
    **{f"bitwise_{name}": binary(name) for name in ("and", "or", "xor")},
    "where": lambda c: ("select", c.first(3), {}),
    "masked_fill": lambda c: ("select", [c["mask"], c["value"], c["self"]], {}),
    # Moves.
    **all_of(plain("identity"), "clone lift lift_fresh alias"),
    "detach": plain("stop_gradient", word="detach"),
    "_to_copy": moves.converted,
    **all_of(moves.copied, "copy fill zero"),
    **all_of(moves.reshaped, "view _unsafe_view _reshape_alias squeeze unsqueeze"),
    **all_of(moves.permuted, "permute transpose t"),
    "expand": lambda c: moves.broadcast(c.x, c.shape),
    "slice": moves.sliced,
    "select": moves.selected,
    **all_of(moves.split, "split split_with_sizes unsafe_split unsafe_split_with_sizes"),
    "unbind": along("unstack"),
    "cat": moves.joined("concat"),
    "stack": moves.joined("stack"),
    "flip": lambda c: ("flip", [c.x], {"axes": tuple(axis % c.rank for axis in c["dims"])}),
    "roll": moves.rolled,
    "repeat": moves.tiled,
    "index": moves.indexed,
    "index_select": lambda c: ("take", [c.x, c["index"]], {"axis": c.axis()}),
    "embedding": lambda c: ("take", [c.x, c["indices"]], {"axis": 0}),
    **all_of(
        whole("gather"),
        "gather take masked_select diagonal diag_embed as_strided tril triu rot90 pixel_shuffle "
        "pixel_unshuffle channel_shuffle block_diag view_as_real view_as_complex _neg_view",
    ),
    "_pack_padded_sequence": moves.packed,
    "unfold": windows.unfolded,
    "im2col": windows.patches,
    "constant_pad_nd": moves.padded("constant"),
    **{f"reflection_pad{count}d": moves.padded("reflect") for count in (1, 2, 3)},
    **{f"replication_pad{count}d": moves.padded("edge") for count in (1, 2, 3)},
    **all_of(moves.updated, "slice_scatter select_scatter diagonal_scatter as_strided_scatter"),
    **all_of(moves.scattered("indices", "values"), "index_put _index_put_impl _unsafe_index_put"),
    "put": moves.scattered("index", "source"),
    "index_fill": moves.scattered("index", "value"),
    "index_copy": moves.scattered("index", "source"),
    "scatter": lambda c: moves.scattered("index", "value" if c["src"] is None else "src")(c),
    "masked_scatter": moves.scattered("mask", "source"),
    **all_of(moves.added_by_places, "index_add scatter_add index_reduce scatter_reduce"),
    # Sums and extrema.
    **each(reduced, "sum mean any all prod"),
    "amax": reduced("max"),
    "amin": reduced("min"),
    "max": lambda c: binary("maximum")(c) if c["other"] is not None else reduced("max")(c),
    "min": lambda c: binary("minimum")(c) if c["other"] is not None else reduced("min")(c),
    **each(composites.find, "argmax argmin"),
    "cumsum": along("cumsum", reverse=False),
    "sort": composites.sorted_along,
    "topk": composites.top_k,
    **all_of(
        whole("linear_map"),
        "nansum col2im trace affine_grid_generator unfold_backward _fft_r2c _fft_c2r _fft_c2c",
    ),
    **all_of(composites.linear_map, "grid_sampler_2d grid_sampler_3d _embedding_bag"),
    **all_of(
        windows.pooled, "avg_pool2d avg_pool3d max_pool2d_with_indices max_pool3d_with_indices"
    ),
    **all_of(windows.adaptive("adaptive_avg_pool"), "_adaptive_avg_pool2d _adaptive_avg_pool3d"),
    **all_of(
        windows.adaptive("adaptive_max_pool"),
        "adaptive_max_pool2d adaptive_max_pool3d fractional_max_pool2d fractional_max_pool3d",
    ),
    **all_of(
        windows.resized,
        "upsample_nearest1d upsample_nearest2d upsample_nearest3d _upsample_nearest_exact1d "
        "_upsample_nearest_exact2d _upsample_nearest_exact3d upsample_linear1d upsample_bilinear2d "
        "upsample_trilinear3d upsample_bicubic2d _upsample_bilinear2d_aa _upsample_bicubic2d_aa",
    ),
    # Products.
    "mm": composites.product("ab,bc->ac", "self", "mat2"),
    "bmm": composites.product("abc,acd->abd", "self", "mat2"),
    "mv": composites.product("ab,b->a", "self", "vec"),
    "dot": composites.product("a,a->", "self", "tensor"),
    "addmm": composites.product("ab,bc->ac", "mat1", "mat2", "self"),
    "addmv": composites.product("ab,b->a", "mat", "vec", "self"),
    "baddbmm": composites.product("abc,acd->abd", "batch1", "batch2", "self"),
    **all_of(windows.convolution, "convolution _convolution"),
    # Functions along axes.
    **all_of(lambda c: ("softmax", [c.x], {"axes": c.axes()}), "_softmax _safe_softmax"),
    "_log_softmax": lambda c: ("log_softmax", [c.x], {"axes": c.axes()}),
    "logsumexp": reduced("logsumexp"),
    "var": composites.spread("var"),
    "std": composites.spread("std"),
    **all_of(composites.sized, "linalg_vector_norm norm"),
    **all_of(composites.batch_norm, BATCH_NORMS),
    **all_of(composites.layer_norm, "native_layer_norm _fused_rms_norm"),
    "native_group_norm": composites.group_norm,
    **all_of(composites.attention, ATTENTIONS),
    # Numbers that are others in each run.
    **all_of(composites.dropout, "native_dropout _fused_dropout"),
    **all_of(plain("random"), "bernoulli multinomial normal"),
}
"""By the names of ATen operations, without the underscore of those that write in place."""
