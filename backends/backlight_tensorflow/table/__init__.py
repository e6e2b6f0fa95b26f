"""What TensorFlow's operations are in the core's primitives, by type."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import tensorflow as tf

from backlight.graph.graph import DType
from backlight_tensorflow.table import moves, windows
from backlight_tensorflow.table.reading import BEFORE, Reading, Step, Steps, UnknownError

Row: TypeAlias = Callable[[Reading], Steps]

LOWERED = (
    "Neg Abs Exp Expm1 Log Log1p Sqrt Rsqrt Square Reciprocal Sin Cos Tan Asin Acos Atan Sinh Cosh "
    "Tanh Asinh Acosh Atanh Erf Erfc Sigmoid Softsign Softplus Relu Relu6 Selu Lgamma Digamma Ndtri "
    "Polygamma Sign Floor Ceil Round IsFinite IsNan IsInf Sub Mul Div Pow Maximum Minimum Atan2 Xlogy "
    "Xlog1py Real Imag Conj Complex"
)
NAMED = {
    "identity": "Identity Snapshot EnsureShape CheckNumerics PreventGradient DebugIdentityV2 "
    "DebugIdentityV3",
    "stop_gradient": "StopGradient",
    "reciprocal": "Inv",
    "round": "Rint",
    "abs": "ComplexAbs",
    "erf_inv": "Erfinv",
    "bessel": "BesselI0 BesselI1 BesselI0e BesselI1e",
    "add": "Add AddV2 AddN AccumulateNV2",
    "mul": "MulNoNan",
    "div": "RealDiv DivNoNan Xdivy",
    "remainder": "Mod FloorMod",
    "floor_divide": "FloorDiv",
    "squared_difference": "SquaredDifference",
    "clamp": "ClipByValue",
    "eq": "Equal",
    "ne": "NotEqual",
    "lt": "Less",
    "le": "LessEqual",
    "gt": "Greater",
    "ge": "GreaterEqual",
    "and": "LogicalAnd BitwiseAnd",
    "or": "LogicalOr BitwiseOr",
    "not": "LogicalNot Invert",
    "xor": "BitwiseXor",
    "gather": "GatherNd ReverseSequence Reverse MatrixDiag MatrixDiagV2 MatrixDiagV3 MatrixDiagPart "
    "MatrixDiagPartV2 MatrixDiagPartV3 MatrixBandPart Diag DiagPart SpaceToBatchND BatchToSpaceND "
    "SpaceToBatch BatchToSpace ExtractVolumePatches TensorListFromTensor TensorListStack "
    "TensorListGetItem TensorListResize TensorListConcatV2",
    "scatter": "TensorListSetItem",
    "update": "TensorListPushBack",
    "linear_map": "SegmentSum SegmentSumV2 SegmentMean UnsortedSegmentSum ScaleAndTranslate "
    "CropAndResize ImageProjectiveTransformV3 ResizeArea",
}
SAME: Mapping[str, str] = {
    **{name: name.lower() for name in LOWERED.split()},
    **{name: primitive for primitive, names in NAMED.items() for name in names.split()},
}
"""What is one primitive of all its operands, without attributes that say more."""


def reduction(reading: Reading) -> Steps:
    keep = bool(reading.attribute("keep_dims"))
    return reading.step(reading.type.lower(), 0, axes=reading.axes(1), keepdims=keep)


def cumsum(reading: Reading) -> Steps:
    if reading.attribute("exclusive"):
        return reading.step("linear_map")
    reverse = bool(reading.attribute("reverse"))
    return reading.step("cumsum", 0, axis=reading.axis(1), reverse=reverse)


def dtype_of(dtype: tf.DType) -> DType:
    """What the numbers of a dtype are. Lists of arrays count as the arrays that are in them."""
    if dtype.is_floating or dtype == tf.variant:
        return DType.FLOAT
    if dtype == tf.bool:
        return DType.BOOLEAN
    if dtype.is_complex:
        return DType.COMPLEX
    return DType.INTEGER if dtype.is_integer else DType.OTHER


def bias_add(reading: Reading) -> Steps:
    if not reading.channels_first or reading.rank < 3:
        return reading.step("add")
    shape = (-1, *(1,) * (reading.rank - 2))
    return [Step("reshape", (1,), {"shape": shape}, (reading.shapes[1][0], *shape[1:])),
            Step("add", (0, BEFORE))]  # fmt: skip


def select(reading: Reading) -> Steps:
    """The older of the two operations takes one test for each row."""
    rank, wide = reading.rank, len(reading.results[0])
    if reading.type == "SelectV2" or rank in (0, wide):
        return reading.step("select")
    shape = (reading.shapes[0][0], *(1,) * (wide - 1))
    return [Step("reshape", (0,), {"shape": shape}, shape), Step("select", (BEFORE, 1, 2))]


LETTERS = "abcdefghijklmnopqrstuvwxyz"


def matrix_product(reading: Reading) -> Steps:
    one = "transpose_a" if reading.type == "MatMul" else "adj_x"
    other = "transpose_b" if reading.type == "MatMul" else "adj_y"
    before = [LETTERS[: len(shape) - 2] for shape in reading.shapes[:2]]
    # Leading axes are counted from the last one of them.
    wide = max(before, key=len)
    before = [wide[len(wide) - len(each) :] for each in before]
    a = "zx" if reading.attribute(one) else "xz"
    b = "yz" if reading.attribute(other) else "zy"
    return reading.step("dot", 0, 1, equation=f"{before[0]}{a},{before[1]}{b}->{wide}xy")


def einsum(reading: Reading) -> Steps:
    given, result = reading.word("equation").replace(" ", "").split("->")
    parts = given.split(",")
    if len(parts) == 1:
        return reading.step("linear_map")
    free = "".join(each for each in LETTERS + LETTERS.upper() if each not in given)
    written = [part.replace("...", "") for part in parts]
    beyond = [len(shape) - len(part) for shape, part in zip(reading.shapes, written, strict=True)]
    most = max(beyond)
    letters = [free[most - each : most] for each in beyond]
    spelled = [part.replace("...", more) for part, more in zip(parts, letters, strict=True)]
    equation = f"{','.join(spelled)}->{result.replace('...', free[:most])}"
    return reading.step("dot", 0, 1, equation=equation)


def batch_norm(reading: Reading) -> Steps:
    if reading.attribute("is_training"):
        return reading.step("other")
    axis = 1 if reading.channels_first else reading.rank - 1
    epsilon = float(reading.attribute("epsilon"))
    return reading.step("batch_norm", 0, 1, 2, 3, 4, axis=axis, epsilon=epsilon)


BY_NAMES: Mapping[str, Row] = {
    "Sum Mean Max Min Prod Any All": reduction,
    "ArgMax ArgMin": lambda op: op.step(op.type.lower(), 0, axis=op.axis(1), keepdims=False),
    "Softmax": lambda op: op.step("softmax", 0, axes=(op.rank - 1,)),
    "LogSoftmax": lambda op: op.step("log_softmax", 0, axes=(op.rank - 1,)),
    "Cumsum": cumsum,
    "TopK TopKV2": lambda op: op.step("top_k", 0, axis=op.rank - 1, count=op.result[-1]),
    "Cast": lambda op: op.step("convert", to=dtype_of(op.op.outputs[0].dtype)),
    "Elu": lambda op: op.step("elu", alpha=1.0),
    "LeakyRelu": lambda op: op.step("leaky_relu", slope=float(op.attribute("alpha"))),
    "BiasAdd": bias_add,
    "Select SelectV2": select,
    "MatMul BatchMatMul BatchMatMulV2 BatchMatMulV3": matrix_product,
    "Einsum": einsum,
    "FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3": batch_norm,
    "Conv Conv2D Conv3D DepthwiseConv2dNative Conv2DBackpropInput Conv2DBackpropInputV2 "
    "Conv3DBackpropInputV2 DepthwiseConv2dNativeBackpropInput": windows.convolution,
    "MaxPool MaxPoolV2 MaxPool3D MaxPoolWithArgmax AvgPool AvgPool3D": windows.pool,
    "ExtractImagePatches": windows.patches,
    "ResizeBilinear ResizeNearestNeighbor ResizeBicubic": windows.resize,
    "Reshape ExpandDims Squeeze": lambda op: op.step("reshape", 0, shape=op.result),
    "Transpose ConjugateTranspose": lambda op: op.step("transpose", 0, permutation=op.numbers(1)),
    "BroadcastTo": moves.broadcast,
    "Tile": moves.tile,
    "Pad PadV2 MirrorPad": moves.pad,
    "Concat ConcatV2": moves.concat,
    "Pack": lambda op: op.step("stack", axis=op.attribute("axis") % len(op.result)),
    "Unpack": lambda op: op.step("unstack", 0, axis=op.attribute("axis") % op.rank),
    "Split SplitV": moves.split,
    "Gather ResourceGather": lambda op: op.step("take", 0, 1, axis=0),
    "GatherV2": moves.take,
    "ScatterNd": lambda op: op.step("gather", 1, 0),
    "TensorScatterUpdate": moves.scattered("scatter"),
    "TensorScatterAdd": moves.scattered("scatter_add"),
    "DynamicStitch ParallelDynamicStitch": moves.stitched,
    "ReverseV2": lambda op: op.step("flip", 0, axes=op.axes(1)),
    "Roll": moves.roll,
    "Slice": moves.sliced,
    "StridedSlice": moves.strided_slice,
    "SpaceToDepth DepthToSpace": moves.blocks,
}
ROWS = {name: row for names, row in BY_NAMES.items() for name in names.split()}
"""What is said by attributes, constant operands and lengths."""


def primitives_of(reading: Reading) -> Steps:
    """The primitives that an operation is, in order; `other` for what is not in the table or hangs on
    axes that are computed."""
    type_ = reading.type
    if type_ in SAME:
        return reading.step(SAME[type_])
    if type_ in ROWS:
        try:
            return ROWS[type_](reading)
        except UnknownError:
            pass
    return reading.step("random" if is_random(reading) else "other")


FROM_PYTHON = frozenset({"PyFunc", "EagerPyFunc"})


def is_random(reading: Reading) -> bool:
    """Whether numbers are drawn that are others in each run: not where the seed is a constant. Those
    from Python that hang on nothing here may be."""
    type_, definition = reading.type, reading.op.op_def
    operands = [each.name for each in definition.input_arg]
    if "seed" in operands:
        return reading.constant(operands.index("seed")) is None
    drawn = any(each.name == "seed2" for each in definition.attr) and not type_.startswith("Cudnn")
    alone = type_ in FROM_PYTHON and not reading.shapes
    return drawn or alone or type_ == "RngReadAndSkip" or type_.startswith("Stateful")
