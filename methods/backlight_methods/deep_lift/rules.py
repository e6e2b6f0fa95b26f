"""DeepLIFT's multipliers: for each kind of operation m with sum(m * dx) = dy, dx = x - x', dy = y - y'.

x' and y' are what the same operation saw and gave in the pass over the baseline. Operations whose
derivative does not depend on the values have such multipliers already. Rules that hold for each
operation chain, so that the values of an example sum to score - baseline score, whatever the net
(Shrikumar, Greenside, Kundaje, "Learning Important Features Through Propagating Activation Differences"
(2017), section 3.2 and proposition 2).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from backlight.errors import CoverageError
from backlight.rules.operations import Kind
from backlight.rules.rules import AppliedOperation, Rule
from backlight.values.arrays import Array, Arrays, of_dtype, precision
from backlight_methods.signs import negative, positive, quotient, smallest


def reference_of(op: AppliedOperation) -> AppliedOperation:
    if op.reference is None:
        raise AssertionError("unreachable: DeepLIFT asks for a reference")
    return op.reference


def settled(multiplier: Array, way: Array, arrays: Arrays) -> Array:
    """A multiplier, 0 where it is infinite over a way of 0."""
    moved = arrays.abs(way) > 0.0
    still = arrays.where(arrays.isfinite(multiplier), multiplier, way)  # which may not be a number
    return arrays.where(moved, multiplier, still)


@final
@dataclass(frozen=True)
class RectifierRescale(Rule):
    """dy / dx at max(x, 0), without a difference of nearly equal numbers.

    With p and n the largest of the positive and of the negative parts of x and x', dy / dx = p / (p + n):
    1 where both are positive, 0 where both are negative, also in the limit dx = 0.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"inputs"})

    def __call__(self, op: AppliedOperation, grad: Array) -> Sequence[Array]:
        arrays = op.arrays
        (x,), (start,) = op.inputs, reference_of(op).inputs
        above = arrays.maximum(x, positive(start, arrays))
        # A number that is lost beside any other keeps 0 / 0 away where both are 0.
        below = arrays.maximum(-x, positive(-start, arrays) + smallest(x))
        return (grad * (above / (above + below)),)


SMOOTH = frozenset(
    {
        *(Kind.GELU, Kind.SILU, Kind.MISH, Kind.SOFTPLUS, Kind.SIGMOID, Kind.LOG_SIGMOID),
        *(Kind.TANH, Kind.SOFTSIGN, Kind.ERF),
    }
)
"""Functions without kinks, whose slope is infinite nowhere."""


@final
@dataclass(frozen=True)
class Rescale(Rule):
    """dy / dx at a function of each number by itself: the rescale rule, section 3.5.2 (equation 9).

    As dx goes to 0 the quotient loses its digits while the mean of the two end slopes, off by
    dx^2 f''' / 12, gains them: the two cross where dx is about the cube root of the rounding error.
    That mean is taken below, unless the slopes differ as they do around a kink. Where dx = 0 and the
    slope is infinite, as that of the square root in the norm of a zero vector, the multiplier is 0.
    """

    def __call__(self, op: AppliedOperation, grad: Array) -> Sequence[Array]:
        arrays, reference = op.arrays, reference_of(op)
        (x,), (start,) = op.inputs, reference.inputs
        way, ones = x - start, arrays.zeros_like(x) + 1.0
        (slope,) = op.vjp(ones)
        (start_slope,) = reference.vjp(arrays.zeros_like(start) + 1.0)
        nearness = precision(op.output) ** (1 / 3)
        # Of x', which all examples may share: where x is much larger, so is the way.
        least = nearness * arrays.abs(start)
        mean = (slope + start_slope) / 2.0
        if op.kind not in SMOOTH:
            bend, size = arrays.abs(slope - start_slope), 1.0 + arrays.abs(start_slope)
            straight = bend < nearness**0.5 * size
            least = arrays.where(straight, least, arrays.zeros_like(way))
            # Of those that are taken, infinite only where dx = 0, or dx is not a number itself.
            mean = arrays.where(arrays.isfinite(mean), mean, way)
        far = arrays.abs(way) > least
        change = of_dtype(op.output - reference.output, x, arrays) / arrays.where(far, way, ones)
        return (of_dtype(grad, x, arrays) * arrays.where(far, change, mean),)


def differ(one: int | None, other: int) -> bool:
    """Whether two lengths do; None is unknown while TensorFlow traces."""
    return one is not None and one != other


@final
@dataclass(frozen=True)
class Secant(Rule):
    """dy / dx at a function of each number by itself whose derivative is not asked for: it may have none,
    or another than its own. 0 where dx = 0.

    Raises:
        CoverageError: the operation reads several values, or gives another shape than it reads.
    """

    def __call__(self, op: AppliedOperation, grad: Array) -> Sequence[Array]:
        x, reference = op.inputs[0], reference_of(op)
        given, result = tuple(x.shape[1:]), op.operation.shape[1:]  # type: ignore[attr-defined]
        if len(op.inputs) > 1 or len(given) != len(result) or any(map(differ, given, result)):
            raise CoverageError(
                f"Secant is for functions of each number by itself; {op.operation.type} at "
                f"{op.name or 'an unnamed place'} reads {len(op.inputs)} value(s), the first of shape "
                f"{given} per example, and gives {result}. Write a rule for it, see docs/rules.md."
            )
        way = x - reference.inputs[0]
        one = op.arrays.zeros_like(way) + 1.0
        divisor = op.arrays.where(op.arrays.abs(way) > 0.0, way, one)
        return (grad * ((op.output - reference.output) / divisor),)


@final
@dataclass(frozen=True)
class SquareRescale(Rule):
    """dy / dx = x + x' at x^2, without a difference of nearly equal numbers."""

    needs: ClassVar[frozenset[str]] = frozenset({"inputs"})

    def __call__(self, op: AppliedOperation, grad: Array) -> Sequence[Array]:
        (x,), (start,) = op.inputs, reference_of(op).inputs
        return (grad * (x + start),)


@final
@dataclass(frozen=True)
class RootRescale(Rule):
    """dy / dx = -(y y')^2 / (y + y') at y = 1 / sqrt(x), without a difference of nearly equal numbers."""

    def __call__(self, op: AppliedOperation, grad: Array) -> Sequence[Array]:
        reference = reference_of(op)
        (x,), (start,) = op.inputs, reference.inputs
        both = op.output * reference.output
        multiplier = -both * (both / (op.output + reference.output))
        return (grad * settled(multiplier, x - start, op.arrays),)


@final
@dataclass(frozen=True)
class ProductMidpoint(Rule):
    """What each factor adds, averaged over the two orders in which they can change (Shapley's value of
    two players): a b - a'b' = (a - a') (b + b') / 2 + (b - b') (a + a') / 2, for matrix products too.

    Where a factor is one over something, the product is a quotient, and treated as `QuotientMidpoint`
    says: with r = 1 / b the two orders count r' / (r + r') and r / (r + r') instead of a half each.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"inputs"})

    def __call__(self, op: AppliedOperation, grad: Array) -> Sequence[Array]:
        starts, place = reference_of(op).inputs, op.operation.reciprocal
        if place is None:
            middle = [(x + start) / 2.0 for x, start in zip(op.inputs, starts, strict=True)]
            return op.vjp(grad, inputs=middle)
        arrays = op.arrays
        full = [start + arrays.zeros_like(x) for x, start in zip(op.inputs, starts, strict=True)]
        r, start = op.inputs[place], full[place]
        alike, ones = r * start > 0.0, arrays.zeros_like(r) + 1.0
        # Of the order in which r has changed already, and of the other: both with all their digits.
        whole, half = arrays.where(alike, r + start, ones), ones / 2.0
        share = arrays.where(alike, start / whole, half)
        rest = arrays.where(alike, r / whole, half)
        at_values = op.vjp(grad * rest)
        at_starts = op.vjp(grad * share, inputs=full)
        upper = [*op.inputs]
        upper[place] = r * share + start * rest
        found = [*op.vjp(grad, inputs=upper)]
        found[place] = at_values[place] + at_starts[place]
        return found


@final
@dataclass(frozen=True)
class QuotientMidpoint(Rule):
    """y = a / b is what a = y b says: a - a' = (y - y') (b + b') / 2 + (b - b') (y + y') / 2 by Shapley's
    value, and so y - y' = ((a - a') - (b - b') (y + y') / 2) / ((b + b') / 2).

    Shapley's value of a and 1 / b has (1/b + 1/b') / 2 in front of a - a', which explodes where the
    baseline's size b' is next to nothing, as behind a normalisation of a flat value; a stack of ten
    then leaves no digit. Where b and b' differ in sign, it is used all the same.
    """

    def __call__(self, op: AppliedOperation, grad: Array) -> Sequence[Array]:
        arrays, reference = op.arrays, reference_of(op)
        (a, b), (a_start, b_start) = op.inputs, reference.inputs
        b_start = b_start + arrays.zeros_like(b)
        same = b * b_start > 0.0
        half = arrays.zeros_like(b) + 0.5
        # What stands before a - a' and before b - b', in units of 1 / b and of -1 / b^2.
        before_a = arrays.where(
            same, 2.0 * quotient(b, b + b_start, arrays), half + half * (b / b_start)
        )
        middle = (op.output + reference.output) / 2.0
        crossing = (a + a_start) / 2.0 * (b / b_start)
        before_b = arrays.where(same, middle * before_a * b, crossing)
        upper, _ = op.vjp(grad * before_a)
        _, lower = op.vjp(grad * before_b, inputs=(arrays.zeros_like(a) + 1.0, b))
        return upper, lower


@final
@dataclass(frozen=True)
class Extremum(Rule):
    """Maximum (or minimum) over windows, axes or operands.

    A gain (y > y') is due to where the maximum is now, x_i = y, which was at most y' before, so that
    dy / dx_i is in [0, 1]; a loss to where it was, x'_j = y'. For a minimum the other way round. The
    derivative at an operation's inputs finds these places; windows that overlap add up.
    """

    smallest: bool = False

    def __call__(self, op: AppliedOperation, grad: Array) -> Sequence[Array]:
        arrays, reference = op.arrays, reference_of(op)
        change = op.output - reference.output
        if self.smallest:
            here, there = negative(change, arrays), positive(change, arrays)
        else:
            here, there = positive(change, arrays), negative(change, arrays)
        starts = [
            start + arrays.zeros_like(x)
            for x, start in zip(op.inputs, reference.inputs, strict=True)
        ]
        # Where nothing moved, what comes back over the way is step times the derivative over step. The
        # step is not added to the way: a compiler may add it to x' first, where it is lost.
        step = smallest(op.output) ** 0.5
        now = op.vjp(grad * (here + step))
        before = op.vjp(grad * there, inputs=starts)
        found = []
        for x, start, gain, loss in zip(op.inputs, starts, now, before, strict=True):
            way = x - start
            moved = arrays.abs(way) > 0.0
            found.append((gain + loss) / arrays.where(moved, way, arrays.zeros_like(way) + step))
        return found


def log_sum_exp(x: Array, axes: tuple[int, ...], arrays: Arrays) -> Array:
    """log sum exp(x) along the axes, which are kept with length 1; 0 where all x are -infinity, as
    the scores of a row of attention that may look nowhere."""
    highest = arrays.max(x, axis=axes, keepdims=True)
    nothing = arrays.zeros_like(highest)
    some = arrays.isfinite(highest)
    highest = arrays.where(some, highest, nothing)
    total = arrays.sum(arrays.exp(x - highest), axis=axes, keepdims=True)
    return arrays.where(
        some, highest + arrays.log(arrays.where(some, total, nothing + 1.0)), nothing
    )


def shares(op: AppliedOperation) -> tuple[Array, Array]:
    """Logarithmic means k of the two softmaxes, and k / sum k.

    With L the log-sum-exp and y = exp(u), u = x - L: k = dy / du = (y - y') / (log y - log y').
    Both softmaxes sum to 1, so that 0 = sum dy = sum k (dx - dL), which gives dL = sum (k / sum k) dx:
    bounded multipliers, untouched by what is added to all x alike.
    """
    arrays, axes = op.arrays, op.operation.axes
    (x,), (start,) = op.inputs, reference_of(op).inputs
    u = x - log_sum_exp(x, axes, arrays)
    u_start = start - log_sum_exp(start, axes, arrays)
    y, y_start = arrays.exp(u), arrays.exp(u_start)
    both = y + y_start
    t = arrays.where(both > 0.0, u - u_start, arrays.zeros_like(both))
    near, square = arrays.abs(t) < 0.02, t * t
    # sinh(t / 2) / (t / 2) by its series: the next term is below rounding there.
    series = arrays.sqrt(y * y_start) * (1.0 + square * (1.0 / 24.0 + square / 1920.0))
    far = (y - y_start) / arrays.where(near, arrays.zeros_like(start) + 1.0, t)
    mean = arrays.where(near, series, far)
    return mean, quotient(mean, arrays.sum(mean, axis=axes, keepdims=True), arrays)


@final
@dataclass(frozen=True)
class SoftmaxRescale(Rule):
    """dy_i = k_i (dx_i - sum_j q_j dx_j), with k and q of `shares`."""

    def __call__(self, op: AppliedOperation, grad: Array) -> Sequence[Array]:
        mean, share = shares(op)
        weighted = mean * grad
        total = op.arrays.sum(weighted, axis=op.operation.axes, keepdims=True)
        return (weighted - share * total,)


@final
@dataclass(frozen=True)
class LogSoftmaxRescale(Rule):
    """dy_i = dx_i - sum_j q_j dx_j, with q of `shares`."""

    def __call__(self, op: AppliedOperation, grad: Array) -> Sequence[Array]:
        _, share = shares(op)
        return (grad - share * op.arrays.sum(grad, axis=op.operation.axes, keepdims=True),)


@final
@dataclass(frozen=True)
class LogSumExpRescale(Rule):
    """dy = sum_j q_j dx_j, with q of `shares`."""

    def __call__(self, op: AppliedOperation, grad: Array) -> Sequence[Array]:
        _, share = shares(op)
        (x,) = op.inputs
        if grad.ndim < x.ndim:
            for axis in sorted(op.operation.axes):
                grad = op.arrays.expand_dims(grad, axis=axis)
        return (grad * share,)


@final
@dataclass(frozen=True)
class PathIntegral(Rule):
    """The derivative averaged over the straight way from x' to x, by Gauss and Legendre's rule: for
    operations without a closed form. Complete up to that rule's error. An infinite one counts as 0
    where x = x', as in `Rescale`."""

    steps: int = 16

    def __call__(self, op: AppliedOperation, grad: Array) -> Sequence[Array]:
        nodes, weights = np.polynomial.legendre.leggauss(self.steps)
        starts = reference_of(op).inputs
        total = op.vjp_along(grad, starts, ((nodes + 1) / 2).tolist(), (weights / 2).tolist())
        ways = [x - start for x, start in zip(op.inputs, starts, strict=True)]
        return [settled(one, way, op.arrays) for one, way in zip(total, ways, strict=True)]


RULES: dict[Kind, Rule] = {
    Kind.RELU: RectifierRescale(),
    Kind.MUL: ProductMidpoint(),
    Kind.MATMUL: ProductMidpoint(),
    Kind.DIV: QuotientMidpoint(),
    Kind.RSQRT: RootRescale(),
    Kind.MAX_POOL: Extremum(),
    Kind.MAX: Extremum(),
    Kind.MIN: Extremum(smallest=True),
    Kind.SOFTMAX: SoftmaxRescale(),
    Kind.LOG_SOFTMAX: LogSoftmaxRescale(),
    Kind.LOGSUMEXP: LogSumExpRescale(),
    Kind.OTHER: PathIntegral(),
}
"""The rules of all kinds that are neither affine nor another function of each number by itself."""
