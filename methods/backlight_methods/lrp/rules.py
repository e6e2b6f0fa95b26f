"""LRP's rules, in multiplier form: m = relevance / value, so that a value x has the relevance x m.

In this form sums, means, concatenations and constant factors have nothing to do but differentiate,
and relevance that meets a value of 0 is no 0 / 0. For a linear operation z = W x + b with the relevance
z m behind it, a rule says what of it goes to each x. W+ and W- are the positive and negative parts of
the weights, x+ and x- of the inputs.

Bach, Binder, Montavon, Klauschen, Müller, Samek, "On Pixel-Wise Explanations for Non-Linear Classifier
Decisions by Layer-Wise Relevance Propagation" (2015): epsilon (equation 58), alpha-beta (equation 60).
Montavon, Binder, Lapuschkin, Samek, Müller, "Layer-Wise Relevance Propagation: An Overview" (2019): gamma
(section 10.2.3), z-box and w-squared at the input (section 10.3.1).
Achtibat et al., "AttnLRP: Attention-Aware Layer-Wise Relevance Propagation for Transformers" (2024):
products, softmax and normalisations (section 3.3).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

from backlight.errors import is_real, require
from backlight.rules.rules import AppliedOperation, OutputGradientRule, Rule
from backlight.values.arrays import Array, Arrays, precision
from backlight_methods.signs import negative, positive, quotient, stabilised, tiny


def by_sign(x: Array, above: Array, below: Array, arrays: Arrays) -> Array:
    """`above` where x is at least 0, else `below`."""
    return arrays.where(x < 0.0, below, above)


def part(op: AppliedOperation, sign: str = "", bias: bool = False) -> dict[str, Array]:
    """The weights of a linear operation, or their positive ("+") or negative ("-") part, with the same
    part of its bias if asked for and if there is one."""
    parts = {"+": positive, "-": negative}
    names = [
        name for name in ("weight", "bias") if name in op.params and (bias or name == "weight")
    ]
    return {
        name: parts[sign](op.params[name], op.arrays) if sign else op.params[name] for name in names
    }


def shared(relevance: Array, total: Array, epsilon: float, arrays: Arrays) -> Array:
    """Relevance per unit of what it is shared by; none where there is nothing to share it by."""
    some, nothing = arrays.abs(total) > 0.0, arrays.zeros_like(total)
    moved = arrays.where(some, stabilised(total, epsilon, arrays), nothing + 1.0)
    return arrays.where(some, relevance / moved, nothing)


def require_at_least_0(rule: Rule, *fields: str) -> None:
    """Raise `HyperParameterError` unless each of these fields is a number of at least 0."""
    for field in fields:
        given = getattr(rule, field)
        require(is_real(given) and given >= 0, rule, field, "a finite number, at least 0")


@final
@dataclass(frozen=True)
class Epsilon(OutputGradientRule):
    """R_i = sum_j x_i w_ij R_j / (z_j + epsilon sign z_j); a bias keeps its share.

    Attributes:
        epsilon: at least 0; takes relevance from weak sums, in units of z. Where it is 0, the rule is
            LRP-0, the gradient times the input but for what is not linear.
    """

    epsilon: float = 1e-6
    needs: ClassVar[frozenset[str]] = frozenset({"output"})

    def __post_init__(self) -> None:
        require_at_least_0(self, "epsilon")

    def output_gradient(self, op: AppliedOperation, grad: Array) -> Array:
        if not self.epsilon:
            return grad
        size = op.arrays.abs(op.output)
        return grad * (size / (size + self.epsilon))  # z / (z + epsilon sign z)


@final
@dataclass(frozen=True)
class Gamma(Rule):
    """R_i = sum_j (x_i (w_ij + gamma w_ij+)) R_j / sum_0i (...): positive contributions are favoured.

    The bias counts as the weight of an input 1. The paper's rule is for inputs that are not negative
    and a positive z; contributions of the sign of z_j are favoured in general.

    Attributes:
        gamma: at least 0; 0 is LRP-0, and the larger, the nearer to z-plus.
        epsilon: as of `Epsilon`, for the favoured sums.
    """

    gamma: float = 0.25
    epsilon: float = 1e-9

    def __post_init__(self) -> None:
        require_at_least_0(self, "gamma", "epsilon")

    def __call__(self, op: AppliedOperation, grad: Array) -> Sequence[Array]:
        arrays, (x,) = op.arrays, op.inputs
        all_of, above = part(op), part(op, "+")
        z, more = op.output, self.gamma
        if op.operation.rectified:
            gains = op.replay(params=part(op, "+", bias=True))
            losses = z - gains
        else:
            upper, lower = positive(x, arrays), negative(x, arrays)
            # W+ x+, and W- x- from W x- and W+ x-: the contributions that are positive.
            raised = op.replay(inputs=(upper,), params=part(op, "+", bias=True))
            fallen = op.replay(inputs=(lower,), params=above)
            gains = raised + op.replay(inputs=(lower,), params=all_of) - fallen
            losses = fallen + op.replay(inputs=(upper,), params=part(op, bias=True)) - raised
        at_gain = shared(grad * positive(z, arrays), z + gains * more, self.epsilon, arrays)
        at_loss = shared(grad * negative(z, arrays), z + losses * more, self.epsilon, arrays)
        # An input above 0 adds to gains through W+ and to losses through W- = W - W+, one below 0 the
        # other way round.
        (favoured,) = op.vjp((at_gain - at_loss) * more, params=above)
        if op.operation.rectified:
            (rest,) = op.vjp(at_gain + at_loss * (1.0 + more), params=all_of)
            return (rest + favoured,)
        (gain,), (loss,) = (op.vjp(one, params=all_of) for one in (at_gain, at_loss))
        same = gain + loss * (1.0 + more) + favoured
        other = gain * (1.0 + more) + loss - favoured
        return (by_sign(x, same, other, arrays),)


@final
@dataclass(frozen=True)
class AlphaBeta(Rule):
    """R_i = sum_j (alpha c_ij+ / z_j+ - beta c_ij- / z_j-) R_j, c_ij = x_i w_ij, z+ and z- the sums of
    the positive and negative c_ij and of the bias. alpha 1, beta 0 is z-plus.

    Attributes:
        alpha, beta: alpha - beta = 1, beta at least 0.
        bias: whether the bias counts.
        epsilon: as of `Epsilon`, for each sum.
    """

    alpha: float = 1.0
    beta: float = 0.0
    bias: bool = True
    epsilon: float = 1e-9

    def __post_init__(self) -> None:
        require_at_least_0(self, "alpha", "beta", "epsilon")
        apart = abs(self.alpha - self.beta - 1)
        require(apart < 1e-6, self, "alpha", f"1 more than beta, which is {self.beta!r}")
        require(isinstance(self.bias, bool), self, "bias", "True or False")

    def __call__(self, op: AppliedOperation, grad: Array) -> Sequence[Array]:
        if op.operation.rectified:
            return (self.of_rectified(op, grad),)
        arrays, (x,) = op.arrays, op.inputs
        above, below = part(op, "+"), part(op, "-")
        upper, lower = positive(x, arrays), negative(x, arrays)
        relevance = grad * op.output
        gains = op.replay(inputs=(upper,), params=part(op, "+", self.bias))
        gains = gains + op.replay(inputs=(lower,), params=below)
        share = shared(relevance * self.alpha, gains, self.epsilon, arrays)
        (same,), (other,) = (op.vjp(share, params=one) for one in (above, below))
        if self.beta:
            losses = op.replay(inputs=(upper,), params=part(op, "-", self.bias))
            losses = losses + op.replay(inputs=(lower,), params=above)
            share = shared(relevance * -self.beta, losses, self.epsilon, arrays)
            (loss_below,), (loss_above,) = (op.vjp(share, params=one) for one in (below, above))
            same, other = same + loss_below, other + loss_above
        return (by_sign(x, same, other, arrays),)

    def of_rectified(self, op: AppliedOperation, grad: Array) -> Array:
        """For inputs of at least 0: the sign of a contribution is that of the weight."""
        relevance = grad * op.output
        found: list[Array] = []
        for sign, factor in (("+", self.alpha), ("-", -self.beta)):
            if factor:
                params = part(op, sign, self.bias)
                share = shared(
                    relevance * factor, op.replay(params=params), self.epsilon, op.arrays
                )
                found += op.vjp(share, params={"weight": params["weight"]})
        return found[0] if len(found) == 1 else found[0] + found[1]


@dataclass(frozen=True)
class InputRule(Rule):
    """A rule for the first linear operation that gives relevance itself, not a multiplier, as inputs of
    0 take part in it. What is between the input and it must only move, scale or shift numbers."""


@final
@dataclass(frozen=True)
class Flat(InputRule):
    """R_i = sum_j R_j / (number of inputs of j): all inputs alike."""

    def __call__(self, op: AppliedOperation, grad: Array) -> Sequence[Array]:
        weight = op.params["weight"]
        return alike(op, grad, op.arrays.zeros_like(weight) + 1.0)


@final
@dataclass(frozen=True)
class WSquare(InputRule):
    """R_i = sum_j w_ij^2 / sum_i w_ij^2 R_j."""

    def __call__(self, op: AppliedOperation, grad: Array) -> Sequence[Array]:
        weight = op.params["weight"]
        return alike(op, grad, weight * weight)


def alike(op: AppliedOperation, grad: Array, weight: Array) -> Sequence[Array]:
    """Relevance dealt out by weights that are not negative, whatever the inputs."""
    (x,) = op.inputs
    params = {"weight": weight}
    total = op.replay(inputs=(op.arrays.zeros_like(x) + 1.0,), params=params)
    return op.vjp(quotient(grad * op.output, total, op.arrays), params=params)


@final
@dataclass(frozen=True)
class ZBox(InputRule):
    """R_i = sum_j (x_i w_ij - l w_ij+ - h w_ij-) R_j / sum_i (...), for inputs between l and h.

    Attributes:
        low, high: the bounds l and h, in units of what enters the first linear operation. None for
            each example's own smallest and largest number there.
        epsilon: as of `Epsilon`.
    """

    low: float | None = None
    high: float | None = None
    epsilon: float = 1e-9

    def __post_init__(self) -> None:
        require_at_least_0(self, "epsilon")
        for field in ("low", "high"):
            given = getattr(self, field)
            require(given is None or is_real(given), self, field, "None or a finite number")
        if self.low is not None and self.high is not None:
            require(self.low < self.high, self, "low", f"below high, which is {self.high!r}")

    def __call__(self, op: AppliedOperation, grad: Array) -> Sequence[Array]:
        arrays, (x,) = op.arrays, op.inputs
        whole, above, below = part(op), part(op, "+"), part(op, "-")
        axes = tuple(range(1, x.ndim))
        low = arrays.min(x, axis=axes, keepdims=True) if self.low is None else self.low
        high = arrays.max(x, axis=axes, keepdims=True) if self.high is None else self.high
        low, high = arrays.zeros_like(x) + low, arrays.zeros_like(x) + high
        z = (
            op.replay(params=whole)
            - op.replay(inputs=(low,), params=above)
            - op.replay(inputs=(high,), params=below)
        )
        share = shared(grad * op.output, z, self.epsilon, arrays)
        (all_of,) = op.vjp(share, params=whole)
        (lowest,) = op.vjp(share, params=above)
        (highest,) = op.vjp(share, params=below)
        return (x * all_of - low * lowest - high * highest,)


@final
@dataclass(frozen=True)
class Unchanged(Rule):
    """Relevance goes through as it is: for scales and shifts in front of an `InputRule`."""

    needs: ClassVar[frozenset[str]] = frozenset()

    def __call__(self, op: AppliedOperation, grad: Array) -> Sequence[Array]:
        return (grad,)


@final
@dataclass(frozen=True)
class Ratio(Rule):
    """R_in = R_out at a function of each number by itself: m_in = m_out f(x) / x."""

    def __call__(self, op: AppliedOperation, grad: Array) -> Sequence[Array]:
        (x,) = op.inputs
        return (grad * op.output / stabilised(x, tiny(x), op.arrays),)


@final
@dataclass(frozen=True)
class Offset(Rule):
    """R_in = R_out (f(x) - f(0)) / f(x): what a function gives for 0 is like a bias and keeps its share.

    Where f(0) = 0 this is `Ratio`. For a sigmoid, `Ratio` would hand relevance to an x next to 0 that is
    out of all proportion: m_out f(x) / x, and a net of gates has no digit left. It is used where f(0) is
    infinite, as a logarithm's.
    """

    def __call__(self, op: AppliedOperation, grad: Array) -> Sequence[Array]:
        arrays, (x,) = op.arrays, op.inputs
        nothing = arrays.zeros_like(x)
        ones = nothing + 1.0
        start = op.replay(inputs=(nothing,))
        change = op.output - arrays.where(arrays.isfinite(start), start, nothing)
        # Next to 0 the difference has no digits; the mean of the slopes at both ends is off by x^2 / 12.
        (slope,), (origin,) = op.vjp(ones), op.vjp(ones, inputs=(nothing,))
        mean = (slope + origin) / 2.0
        bounded = arrays.isfinite(mean)
        far = arrays.abs(x) > arrays.where(bounded, precision(x) ** (1 / 3) * ones, nothing)
        near = arrays.where(bounded, mean, nothing)
        return (grad * arrays.where(far, change / arrays.where(far, x, ones), near),)


@final
@dataclass(frozen=True)
class Half(OutputGradientRule):
    """Each of two factors gets half of the relevance: AttnLRP, equation 13 and proposition 3.3."""

    needs: ClassVar[frozenset[str]] = frozenset()

    def output_gradient(self, op: AppliedOperation, grad: Array) -> Array:
        return grad * 0.5


@final
@dataclass(frozen=True)
class HalfEpsilon(OutputGradientRule):
    """As `Half` for a matrix product of two values, with LRP-epsilon in each: AttnLRP, equation 14."""

    epsilon: float = 1e-6
    needs: ClassVar[frozenset[str]] = frozenset({"output"})

    def __post_init__(self) -> None:
        require_at_least_0(self, "epsilon")

    def output_gradient(self, op: AppliedOperation, grad: Array) -> Array:
        return Epsilon(self.epsilon).output_gradient(op, grad) * 0.5


@final
@dataclass(frozen=True)
class Numerator(Rule):
    """All relevance of a quotient goes to what is divided; the divisor counts as a constant.

    Attributes:
        divisor: which operand it is: that of a division, or a factor that is one over something.
    """

    divisor: int = 1

    def __post_init__(self) -> None:
        require(self.divisor in (0, 1), self, "divisor", "0 or 1")

    def __call__(self, op: AppliedOperation, grad: Array) -> Sequence[Array]:
        found = [*op.vjp(grad)]
        found[self.divisor] = op.arrays.zeros_like(found[self.divisor])
        return found


@final
@dataclass(frozen=True)
class FrozenSize(Rule):
    """A normalisation with what it divides by held constant: AttnLRP, proposition 3.4."""

    needs: ClassVar[frozenset[str]] = frozenset({"inputs"})

    def __call__(self, op: AppliedOperation, grad: Array) -> Sequence[Array]:
        return op.vjp(grad, frozen=True)
