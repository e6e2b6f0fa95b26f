"""What TensorFlow's operations compute, by type."""

from backlight.operations import Kind

STOPS = {"StopGradient"}
"""Operations whose result counts as a constant."""

MOVES = {
    *("Identity", "IdentityN", "Snapshot", "EnsureShape", "CheckNumerics", "PreventGradient"),
    *("DebugIdentityV2", "DebugIdentityV3", "Cast", "Reshape", "ExpandDims", "Squeeze"),
    *("Transpose", "ConjugateTranspose", "Pad", "PadV2", "MirrorPad", "Slice", "StridedSlice"),
    *("Concat", "ConcatV2", "Pack", "Unpack", "Split", "SplitV", "GatherV2", "Gather"),
    *("GatherNd", "BroadcastTo", "Tile", "Reverse", "ReverseV2", "ReverseSequence", "Roll"),
    *("SpaceToBatchND", "BatchToSpaceND", "SpaceToBatch", "BatchToSpace", "SpaceToDepth"),
    *("DepthToSpace", "MatrixDiag", "MatrixDiagV2", "MatrixDiagV3", "MatrixDiagPart"),
    *("MatrixDiagPartV2", "MatrixDiagPartV3", "MatrixBandPart", "Diag", "DiagPart", "ScatterNd"),
    *("TensorScatterUpdate", "TensorScatterAdd", "DynamicStitch", "ParallelDynamicStitch"),
    *("ExtractImagePatches", "TensorListFromTensor", "TensorListStack", "TensorListGetItem"),
    *("TensorListSetItem", "TensorListResize", "TensorListPushBack", "TensorListConcatV2"),
}
"""Operations that only move, copy, drop or repeat numbers, by operands that do not depend on them."""

SELECTS = {"Select", "SelectV2"}

UNARY_TYPES = {
    "Relu": Kind.RELU,
    "Relu6": Kind.RELU6,
    "LeakyRelu": Kind.LEAKY_RELU,
    "Elu": Kind.ELU,
    "Selu": Kind.SELU,
    "Sigmoid": Kind.SIGMOID,
    "Tanh": Kind.TANH,
    "Softplus": Kind.SOFTPLUS,
    "Softsign": Kind.SOFTSIGN,
    "Exp": Kind.EXP,
    "Log": Kind.LOG,
    "Sqrt": Kind.SQRT,
    "Rsqrt": Kind.RSQRT,
    "Square": Kind.POW,
    "Reciprocal": Kind.POW,
    "Inv": Kind.POW,
    "Abs": Kind.ABS,
    "Erf": Kind.ERF,
    **dict.fromkeys(
        (
            *("Erfc", "Log1p", "Expm1", "Sin", "Cos", "Tan", "Asin", "Acos", "Atan", "Sinh"),
            *("Cosh", "Asinh", "Acosh", "Atanh", "Lgamma", "Digamma", "Erfinv", "Ndtri"),
            *("BesselI0", "BesselI1", "BesselI0e", "BesselI1e", "ClipByValue", "Sign"),
            *("Floor", "Ceil", "Round", "Rint", "Xlogy", "Xlog1py", "Xdivy"),
        ),
        Kind.ELEMENTWISE,
    ),
}
"""Functions of each number by itself."""

PRODUCTS = {"Mul", "MulNoNan"}
QUOTIENTS = {"RealDiv", "Div", "DivNoNan"}
SUMS = {"Add", "AddV2", "Sub", "AddN", "BiasAdd", "AccumulateNV2"}
EXTREMA = {"Maximum": Kind.MAX, "Minimum": Kind.MIN}
POWERS = {"Pow", "SquaredDifference"}

CONVOLUTIONS = {
    *("Conv", "Conv2D", "Conv3D", "DepthwiseConv2dNative"),
    *("Conv2DBackpropInput", "Conv2DBackpropInputV2", "Conv3DBackpropInputV2"),
    "DepthwiseConv2dNativeBackpropInput",
}
MATRIX_PRODUCTS = {"MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3", "Einsum"}

FIXED_SUMS = {
    *("Sum", "Mean", "AvgPool", "AvgPool3D", "ResizeBilinear", "ResizeNearestNeighbor"),
    *("ResizeBicubic", "ResizeArea", "Cumsum", "SegmentSum", "SegmentMean", "SegmentSumV2"),
    *("UnsortedSegmentSum", "ScaleAndTranslate", "CropAndResize", "ImageProjectiveTransformV3"),
}
"""Linear maps without weights of their first floating-point operand."""

POOLS = {"MaxPool", "MaxPoolV2", "MaxPool3D", "MaxPoolWithArgmax"}
REDUCED_EXTREMA = {"Max": Kind.MAX, "Min": Kind.MIN}
BATCH_NORMS = {"FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"}
SOFTMAXES = {"Softmax": Kind.SOFTMAX, "LogSoftmax": Kind.LOG_SOFTMAX}

UNREPEATABLE = {"PyFunc", "EagerPyFunc", "PyFuncStateless", "XlaCallModule", "CudnnRNNV3"}
"""Operations that are not run a second time at other values."""

TESTS = {
    *("Greater", "GreaterEqual", "Less", "LessEqual", "Equal", "NotEqual", "LogicalAnd"),
    *("LogicalOr", "LogicalNot", "IsFinite", "IsNan", "IsInf"),
}
"""Tests of each number by itself."""

FINDERS = {
    *(
        "ArgMax",
        "ArgMin",
        "TopK",
        "TopKV2",
        "Bucketize",
        "Where",
        "Unique",
        "UniqueV2",
        "LowerBound",
    ),
    *("UpperBound", "InTopK", "InTopKV2", "NonMaxSuppressionV3", "NonMaxSuppressionV4"),
    *("NonMaxSuppressionV5", "CombinedNonMaxSuppression"),
}
"""Operations that find places by comparing numbers."""

LIKES = {"ZerosLike": 0.0, "OnesLike": 1.0}

EACH_BY_ITSELF = {
    *UNARY_TYPES,
    *PRODUCTS,
    *QUOTIENTS,
    *SUMS,
    *EXTREMA,
    *POWERS,
    *TESTS,
    *SELECTS,
    *LIKES,
    *("Neg", "Cast", "Identity", "StopGradient"),
}
"""Operations whose result at a place depends on their operands at that place only."""
