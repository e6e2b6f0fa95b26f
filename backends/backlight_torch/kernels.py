"""What PyTorch's ATen operations compute, told by their names: tables."""

from backlight.operations import Kind


def named(names: str) -> frozenset[str]:
    return frozenset(names.split())


UNARY: dict[str, Kind] = {
    "relu": Kind.RELU,
    "relu6": Kind.RELU6,
    "leaky_relu": Kind.LEAKY_RELU,
    "rrelu_with_noise": Kind.LEAKY_RELU,
    "_prelu_kernel": Kind.PRELU,
    "celu": Kind.CELU,
    "gelu": Kind.GELU,
    "silu": Kind.SILU,
    "mish": Kind.MISH,
    "hardswish": Kind.HARD_SWISH,
    "hardsigmoid": Kind.HARD_SIGMOID,
    "sigmoid": Kind.SIGMOID,
    "tanh": Kind.TANH,
    "softplus": Kind.SOFTPLUS,
    "log_sigmoid_forward": Kind.LOG_SIGMOID,
    "exp": Kind.EXP,
    "log": Kind.LOG,
    "sqrt": Kind.SQRT,
    "rsqrt": Kind.RSQRT,
    "reciprocal": Kind.POW,
    "abs": Kind.ABS,
    "erf": Kind.ERF,
}
"""Functions of each number by itself that have a kind of their own whatever their arguments."""

MOVES = named(
    "view _unsafe_view reshape _reshape_alias view_as t transpose permute expand slice select "
    "squeeze unsqueeze cat stack split split_with_sizes unsafe_split unsafe_split_with_sizes chunk "
    "unsafe_chunk unbind clone contiguous alias detach _to_copy to copy index index_select gather "
    "take take_along_dim constant_pad_nd flip roll repeat repeat_interleave narrow as_strided "
    "diagonal diag_embed unfold im2col masked_fill index_put _index_put_impl index_fill index_copy "
    "scatter slice_scatter select_scatter diagonal_scatter as_strided_scatter masked_scatter fill "
    "zero lift lift_fresh reflection_pad1d reflection_pad2d reflection_pad3d replication_pad1d "
    "replication_pad2d replication_pad3d pixel_shuffle pixel_unshuffle channel_shuffle "
    "native_channel_shuffle movedim tril triu embedding masked_select where dropout "
    "_fused_dropout_eval _nested_view_from_buffer rot90 "
    "swapaxes ravel flatten unflatten empty_like zeros_like ones_like set_data mul_mask "
    "view_as_real view_as_complex complex real imag conj _conj conj_physical _conj_physical "
    "resolve_conj resolve_neg _neg_view block_diag put"
)
"""Operations that move, copy, drop or repeat numbers: they have no kind."""

MOVING_NODES = named(
    "CloneBackward0 AliasBackward0 AsStridedBackward0 ViewBackward0 TransposeBackward0 TBackward0 "
    "PermuteBackward0 ExpandBackward0 SliceBackward0 SelectBackward0 SqueezeBackward0 "
    "SqueezeBackward1 SqueezeBackward2 UnsqueezeBackward0 SplitBackward0 SplitWithSizesBackward0 "
    "UnbindBackward0 UnfoldBackward0 DiagonalBackward0 ReshapeAliasBackward0 UnsafeViewBackward0 "
    "CopyBackwards CopySlices AccumulateGrad ToCopyBackward0 ConjBackward0 ViewAsRealBackward0 "
    "ViewAsComplexBackward0 NegViewBackward0"
)
"""Nodes of the graph that autograd may make by itself, for views that were written into."""

SUMS = named(
    "sum mean nansum nanmean cumsum avg_pool1d avg_pool2d avg_pool3d _adaptive_avg_pool2d "
    "_adaptive_avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d mkldnn_adaptive_avg_pool2d "
    "upsample_nearest1d upsample_nearest2d upsample_nearest3d _upsample_nearest_exact1d "
    "_upsample_nearest_exact2d _upsample_nearest_exact3d upsample_linear1d upsample_bilinear2d "
    "upsample_trilinear3d upsample_bicubic2d _upsample_bilinear2d_aa _upsample_bicubic2d_aa col2im "
    "trace grid_sampler_2d grid_sampler_3d affine_grid_generator unfold_backward _fft_r2c _fft_c2r "
    "_fft_c2c"
)
"""Fixed linear maps, of one operand that depends on the explained value."""

MAX_POOLS = named(
    "max_pool1d max_pool2d max_pool3d max_pool2d_with_indices max_pool3d_with_indices "
    "adaptive_max_pool2d adaptive_max_pool3d fractional_max_pool2d fractional_max_pool3d "
    "mkldnn_max_pool2d mkldnn_max_pool3d"
)

WITH_PLACES = "max_pool2d_with_indices"
"""One that says where each maximum is."""

GROUPED = named("_grouped_mm")
"""Matrix products of rows in groups; the third operand says where these end."""

PRODUCTS = named("mm bmm mv dot vdot linear matmul") | GROUPED
"""Matrix products of two operands."""

SHIFTED_PRODUCTS = named("addmm baddbmm addmv addbmm addr")
"""Products of the second and third operand that the first is added to."""

WITH_SHIFT = named("addcmul addcdiv lerp")
"""Products and quotients, number by number, that the first operand is added to."""

PLACED_SUMS = named("index_add scatter_add index_reduce scatter_reduce")
"""The last operand is added to the first in places that an array of indices names."""

BILINEAR = named("linalg_cross _trilinear _embedding_bag")
"""Other products: linear in each of two operands."""

CONVOLUTIONS = named(
    "convolution _convolution convolution_overrideable mkldnn_convolution cudnn_convolution "
    "cudnn_convolution_transpose miopen_convolution conv_depthwise3d _conv_depthwise2d "
    "_slow_conv2d_forward"
)

BATCH_NORMS = named(
    "native_batch_norm _native_batch_norm_legit _native_batch_norm_legit_no_training "
    "cudnn_batch_norm miopen_batch_norm _batch_norm_with_update _batch_norm_no_update"
)

NORMALIZATIONS = named("native_layer_norm native_group_norm _fused_rms_norm")

SOFTMAXES = {
    "_softmax": Kind.SOFTMAX,
    "_safe_softmax": Kind.SOFTMAX,
    "_log_softmax": Kind.LOG_SOFTMAX,
    "logsumexp": Kind.LOGSUMEXP,
}

ATTENTIONS = named(
    "_scaled_dot_product_flash_attention_for_cpu _scaled_dot_product_flash_attention "
    "_scaled_dot_product_efficient_attention _scaled_dot_product_cudnn_attention "
    "_scaled_dot_product_fused_attention_overrideable"
)

OPENED = ATTENTIONS | named(
    "glu linalg_vector_norm norm dist _cdist_forward _euclidean_dist var std var_mean hypot "
    "logaddexp polar mkldnn_rnn_layer"
)
"""Operations that rules see as the arithmetic they consist of."""

RANDOM = named("native_dropout bernoulli multinomial normal rrelu _fused_dropout")
"""Operations that give something else when they run again."""
