"""The operations inside a model, named by what they compute, whatever the code that computes it.

A backend recognises them; a technique brings rules for some kinds (see `backlight.rules.rules`); the
framework's own backward pass does everything else. A kind depends on what depends on the explained
value: a product of it with a constant is `DENSE` or `SCALE`, a product of two values that both
depend on it is `MATMUL` or `MUL`. Operations that only move, copy, drop or repeat numbers (reshape,
transpose, pad, slice, stack, cast) have no kind: their backward pass is the same for every technique.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import final


@final
class Kind(StrEnum):
    """What an operation computes.

    x stands for an operand that depends on the explained value, c for one that does not.
    """

    RELU = "relu"
    """max(x, 0), however it is written: clamp, maximum, where, in place."""
    RELU6 = "relu6"
    """min(max(x, 0), c) with a constant c, 6 or other."""
    LEAKY_RELU = "leaky_relu"
    """x above 0, c x below, with one constant slope c."""
    PRELU = "prelu"
    """x above 0, c x below, with a learned slope c, per channel or shared."""
    ELU = "elu"
    """x above 0, c (exp(x) - 1) below."""
    SELU = "selu"
    """ELU with the two constants of self-normalising nets."""
    CELU = "celu"
    """x above 0, c (exp(x / c) - 1) below."""
    GELU = "gelu"
    """x times the normal distribution's cumulative function at x, exact or by tanh, or
    x sigmoid(1.702 x)."""
    SILU = "silu"
    """x sigmoid(x), also called swish."""
    MISH = "mish"
    """x tanh(softplus(x))."""
    HARD_SWISH = "hard_swish"
    """x relu6(x + 3) / 6."""
    HARD_SIGMOID = "hard_sigmoid"
    """relu6(x + 3) / 6."""
    HARD_TANH = "hard_tanh"
    """x cut off at two constants of opposite sign."""
    SIGMOID = "sigmoid"
    """1 / (1 + exp(-x))."""
    TANH = "tanh"
    """Hyperbolic tangent."""
    SOFTPLUS = "softplus"
    """log(1 + exp(x))."""
    SOFTSIGN = "softsign"
    """x / (1 + |x|)."""
    LOG_SIGMOID = "log_sigmoid"
    """log(sigmoid(x))."""
    EXP = "exp"
    """Exponential."""
    LOG = "log"
    """Natural logarithm."""
    SQRT = "sqrt"
    """Square root."""
    RSQRT = "rsqrt"
    """1 / sqrt(x)."""
    POW = "pow"
    """x to a constant power: squares and reciprocals, c / x included."""
    ABS = "abs"
    """Absolute value."""
    ERF = "erf"
    """Error function."""
    ELEMENTWISE = "elementwise"
    """Any other function of each number by itself, or a region of operations that makes one."""

    DENSE = "dense"
    """A matrix product, or einsum, of x with a constant: params `weight`, laid out as the net has it (see
    `Operation.channel_axis`), and, if it has one, `bias`."""
    CONVOLUTION = "convolution"
    """A convolution of x with constant weights: grouped, depthwise, dilated, transposed ones too.
    Params as of `DENSE`."""
    BATCH_NORM = "batch_norm"
    """Batch normalisation with constant statistics: a scale and a shift per channel."""
    SCALE = "scale"
    """x times or divided by a constant."""
    SHIFT = "shift"
    """x plus or minus a constant."""
    SUM = "sum"
    """A fixed linear map without weights: sums, means, average pooling, resizing."""
    ADD = "add"
    """The sum or difference of operands that all depend on the explained value."""

    MUL = "mul"
    """The product, number by number, of two operands that both depend on the explained value."""
    DIV = "div"
    """The quotient of two operands that both depend on the explained value."""
    MATMUL = "matmul"
    """A matrix product, or einsum, of two operands that both depend on the explained value."""
    MAX_POOL = "max_pool"
    """The maximum over windows, overlapping and adaptive ones too."""
    MAX = "max"
    """The maximum over axes, or of several operands, one of them possibly a constant array."""
    MIN = "min"
    """The minimum over axes, or of several operands, one of them possibly a constant array."""
    SOFTMAX = "softmax"
    """exp(x_k) / sum_j exp(x_j) along `axes`."""
    LOG_SOFTMAX = "log_softmax"
    """x_k - log sum_j exp(x_j) along `axes`."""
    LOGSUMEXP = "logsumexp"
    """log sum_j exp(x_j) along `axes`."""
    NORMALIZATION = "normalization"
    """Layer, group, instance or RMS normalisation: x, centred or not, divided by a size that is
    computed from x itself."""
    NEURON = "neuron"
    """A dense or convolution operation together with the unary function that is the only user of its
    result."""
    OTHER = "other"
    """A non-linear operation that is none of these, or one that cannot be looked into."""


PIECEWISE_LINEAR = frozenset({Kind.RELU, Kind.RELU6, Kind.LEAKY_RELU, Kind.PRELU})
"""Rectifiers that are straight but for kinks."""

SMOOTH_RECTIFIERS = frozenset(
    {
        Kind.ELU,
        Kind.SELU,
        Kind.CELU,
        Kind.GELU,
        Kind.SILU,
        Kind.MISH,
        Kind.HARD_SWISH,
        Kind.SOFTPLUS,
    }
)
"""Activations that take a rectifier's place: near x for large x, near a constant for small x."""

UNARY = (
    PIECEWISE_LINEAR
    | SMOOTH_RECTIFIERS
    | {
        Kind.HARD_SIGMOID,
        Kind.HARD_TANH,
        Kind.SIGMOID,
        Kind.TANH,
        Kind.SOFTSIGN,
        Kind.LOG_SIGMOID,
        Kind.EXP,
        Kind.LOG,
        Kind.SQRT,
        Kind.RSQRT,
        Kind.POW,
        Kind.ABS,
        Kind.ERF,
        Kind.ELEMENTWISE,
    }
)
"""Non-linear functions of each number by itself."""

LINEAR = frozenset({Kind.DENSE, Kind.CONVOLUTION})
"""Linear operations with weights."""

AFFINE = LINEAR | {Kind.BATCH_NORM, Kind.SCALE, Kind.SHIFT, Kind.SUM, Kind.ADD}
"""Operations whose backward pass does not depend on the values that went through."""

COMPOSITE = frozenset(
    {Kind.SOFTMAX, Kind.LOG_SOFTMAX, Kind.LOGSUMEXP, Kind.NORMALIZATION, Kind.NEURON}
)
"""Kinds that frameworks may compute in several operations. They are units where rules ask for them;
otherwise a backend may show what they are made of."""


@final
@dataclass(frozen=True)
class Operation:
    """One operation between the explained value and the score.

    Attributes:
        kind: what it computes.
        name: where in the model it is: a module's path, a layer's name, or the nearest that the
            framework knows.
        type: the framework's own word for it (`aten.relu`, `MaxPool`, `dot_general`).
        shape: of its result, batch axis included.
        first: whether some way from the explained value to it meets no other linear operation
            (`DENSE`, `CONVOLUTION`).
        last: whether some way from it to the score meets no other linear operation.
        axes: of a softmax and its kin: the axes, counted from 0, that it sums over.
        reciprocal: of a product: which of its operands (0 or 1) comes from one over something (`RSQRT`,
            or `POW` to a power below 0), perhaps scaled or moved: the product is then a quotient.
        power: of a `POW`: which one, where the graph knows that number.
        replayable: whether it can be run again with other values. Where it cannot, a rule may only
            change the gradient that comes in, or take what goes out from the values it sees.
        channel_axis: of a linear operation: the axis of its `weight` that holds the output's channels;
            None where they are on no single one, as those of grouped or depthwise convolutions may be.
        rectified: whether its inputs are known to be at least 0, as those behind a rectifier are.
        chosen: of a shift: whether the explained value chooses what is added, as it does a bias by its
            largest score; of other arithmetic: whether a number that the value meets depends on it in a
            way that no derivative passes, as a gate behind a stopped gradient. No derivative says what
            another choice changes.
        undone: whether another operation undoes it, or it undoes another one: the logarithm of a softmax,
            the logarithms that take a sigmoid back, the exponential of a log-softmax.
    """

    kind: Kind
    name: str
    type: str
    shape: tuple[int, ...]
    first: bool = False
    last: bool = False
    axes: tuple[int, ...] = ()
    reciprocal: int | None = None
    power: float | None = None
    replayable: bool = True
    channel_axis: int | None = None
    rectified: bool = False
    chosen: bool = False
    undone: bool = False
