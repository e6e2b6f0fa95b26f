"""Small rules for tests of backends: each says in a line or two what a technique would do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from backlight.rules.operations import LINEAR, UNARY, Kind, Operation
from backlight.rules.rules import AppliedOperation, OutputGradientRule, Rule, Rules
from backlight.values.arrays import Array


@dataclass(frozen=True)
class ByKind(Rules):
    """A rule for each kind; `by_kind` makes one from a mapping."""

    pairs: tuple[tuple[Kind, Rule], ...]

    @property
    def kinds(self) -> frozenset[Kind]:
        return frozenset(kind for kind, _ in self.pairs)

    def choose(self, operation: Operation) -> Rule | None:
        return dict(self.pairs).get(operation.kind)


@dataclass(frozen=True)
class Folding(ByKind):
    """The same, with scales and shifts as parts of linear operations."""

    folds_scales: ClassVar[bool] = True


def by_kind(rules: Mapping[Kind, Rule], folds: bool = False) -> Rules:
    return (Folding if folds else ByKind)(tuple(rules.items()))


@dataclass(frozen=True)
class Native(Rule):
    """The operation's own derivative, by way of a rule."""

    def __call__(self, op: AppliedOperation, grad: Array) -> Sequence[Array]:
        return op.vjp(grad)


@dataclass(frozen=True)
class Frozen(Rule):
    """The derivative of a normalisation with what it divides by held constant."""

    needs: ClassVar[frozenset[str]] = frozenset({"inputs"})

    def __call__(self, op: AppliedOperation, grad: Array) -> Sequence[Array]:
        return op.vjp(grad, frozen=True)


@dataclass(frozen=True)
class Positive(OutputGradientRule):
    """Guided backprop at a rectifier: only positive gradients go on."""

    needs: ClassVar[frozenset[str]] = frozenset()

    def output_gradient(self, op: AppliedOperation, grad: Array) -> Array:
        return op.arrays.maximum(grad, op.arrays.zeros_like(grad))


@dataclass(frozen=True)
class Deconvnet(Rule):
    """The rectifier applied to the gradient instead of to the value."""

    needs: ClassVar[frozenset[str]] = frozenset()

    def __call__(self, op: AppliedOperation, grad: Array) -> Sequence[Array]:
        return (op.arrays.maximum(grad, op.arrays.zeros_like(grad)),)


@dataclass(frozen=True)
class Epsilon(OutputGradientRule):
    """LRP-epsilon in multiplier form: gradient times z / (z + epsilon sign z)."""

    epsilon: float = 0.25
    needs: ClassVar[frozenset[str]] = frozenset({"output"})

    def output_gradient(self, op: AppliedOperation, grad: Array) -> Array:
        z = op.output
        ones = op.arrays.zeros_like(z) + 1.0
        sign = op.arrays.where(z < 0.0, -ones, ones)
        return grad * z / (z + self.epsilon * sign)


@dataclass(frozen=True)
class PositiveWeights(Rule):
    """LRP with positive weights and no bias, in multiplier form, for inputs that are not negative."""

    def __call__(self, op: AppliedOperation, grad: Array) -> Sequence[Array]:
        weight = op.params["weight"]
        params = {"weight": op.arrays.maximum(weight, op.arrays.zeros_like(weight))}
        z = op.replay(params=params)
        ones = op.arrays.zeros_like(z) + 1.0
        nowhere = z < 1e-30
        share = op.arrays.where(
            nowhere, 0.0 * ones, grad * op.output / op.arrays.where(nowhere, ones, z)
        )
        return op.vjp(share, params=params)


@dataclass(frozen=True)
class Quotient(Rule):
    """DeepLIFT's rescale rule at a function of each number by itself."""

    def __call__(self, op: AppliedOperation, grad: Array) -> Sequence[Array]:
        assert op.reference is not None
        (x,), (x0,) = op.inputs, op.reference.inputs
        dx, dy = x - x0, op.output - op.reference.output
        near = op.arrays.abs(dx) < 1e-9
        (slope,) = op.vjp(op.arrays.zeros_like(x) + 1.0)
        ones = op.arrays.zeros_like(dx) + 1.0
        return (grad * op.arrays.where(near, slope, dy / op.arrays.where(near, ones, dx)),)


@dataclass(frozen=True)
class Midpoint(Rule):
    """The derivative of a product halfway between the values and the reference's."""

    def __call__(self, op: AppliedOperation, grad: Array) -> Sequence[Array]:
        assert op.reference is not None
        halfway = [(x + x0) / 2.0 for x, x0 in zip(op.inputs, op.reference.inputs, strict=True)]
        return op.vjp(grad, inputs=halfway)


@dataclass(frozen=True)
class Winner(Rule):
    """DeepLIFT at a maximum: gains go to the maximum at the value, losses to the reference's."""

    def __call__(self, op: AppliedOperation, grad: Array) -> Sequence[Array]:
        assert op.reference is not None
        arrays = op.arrays
        change = op.output - op.reference.output
        zeros = arrays.zeros_like(change)
        then = [
            x0 + arrays.zeros_like(x) for x, x0 in zip(op.inputs, op.reference.inputs, strict=True)
        ]
        gains = op.vjp(grad * arrays.maximum(change, zeros))
        losses = op.vjp(grad * -arrays.maximum(-change, zeros), inputs=then)
        results = []
        for x, x0, gain, loss in zip(op.inputs, then, gains, losses, strict=True):
            dx = x - x0
            near = arrays.abs(dx) < 1e-12
            safe = arrays.where(near, arrays.zeros_like(dx) + 1.0, dx)
            results.append(arrays.where(near, arrays.zeros_like(dx), (gain + loss) / safe))
        return results


NATIVE = by_kind({kind: Native() for kind in Kind if kind is not Kind.NEURON})
GUIDED = by_kind({Kind.RELU: Positive()})
DECONVNET = by_kind({Kind.RELU: Deconvnet()})
EPSILON = by_kind({kind: Epsilon() for kind in LINEAR})
EPSILON_FOLDED = by_kind({kind: Epsilon() for kind in LINEAR}, folds=True)
POSITIVE = by_kind({kind: PositiveWeights() for kind in LINEAR}, folds=True)
COMPLETE = by_kind(
    {
        **{kind: Quotient() for kind in UNARY},
        Kind.MUL: Midpoint(),
        Kind.MATMUL: Midpoint(),
        Kind.MAX_POOL: Winner(),
        Kind.MAX: Winner(),
    }
)
"""DeepLIFT without softmax, quotients and minima."""
