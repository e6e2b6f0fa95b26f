"""The laws of backward passes that obey rules: which operations rules see, and what they are handed."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from backlight.rules.operations import LINEAR, Kind, Operation
from backlight.rules.rules import AppliedOperation, Rule, Rules
from backlight.testing import reference
from backlight.testing.building import CLASSES, Builder
from backlight.testing.checks import close, require, rounding, slope_error
from backlight.testing.nets import EPSILON_BATCH_NORM, RULED, Net
from backlight.testing.rules import NATIVE, by_kind
from backlight.values.arrays import Array, shape_of


@final
@dataclass(frozen=True)
class Doubled(Rule):
    """Twice the derivative."""

    def __call__(self, op: AppliedOperation, grad: Array) -> Sequence[Array]:
        return op.vjp(2.0 * grad)


@final
@dataclass(frozen=True)
class BiasOnly(Rule):
    """What comes in times what the bias adds, through positive weights alone."""

    def __call__(self, op: AppliedOperation, grad: Array) -> Sequence[Array]:
        weight = op.params["weight"]
        bias = op.output - op.replay(params={"weight": weight})
        positive = op.arrays.maximum(weight, op.arrays.zeros_like(weight))
        return op.vjp(grad * bias, params={"weight": positive})


@final
@dataclass(frozen=True)
class ByChannel(Rule):
    """The derivative with the weights of output channel i times i + 1."""

    def __call__(self, op: AppliedOperation, grad: Array) -> Sequence[Array]:
        weight, axis = op.params["weight"], op.operation.channel_axis
        require(axis is not None, f"A plain {op.kind} tells no axis of its output channels.")
        before = (slice(None),) * (axis or 0)
        slices = [
            weight[(*before, slice(i, i + 1))] * float(i + 1)
            for i in range(shape_of(weight)[axis or 0])
        ]
        return op.vjp(grad, params={"weight": op.arrays.concat(slices, axis=axis or 0)})


@final
@dataclass(frozen=True)
class Failing(Rule):
    """An error in a rule."""

    def __call__(self, op: AppliedOperation, grad: Array) -> Sequence[Array]:
        raise ArithmeticError("a rule that fails")


@final
@dataclass(frozen=True)
class Raising(Rules):
    """Each dense operation has a rule that fails."""

    @property
    def kinds(self) -> frozenset[Kind]:
        return frozenset({Kind.DENSE})

    def choose(self, operation: Operation) -> Rule | None:
        return Failing() if operation.kind is Kind.DENSE else None


@final
@dataclass(frozen=True)
class AtEnd(Rules):
    """Twice the derivative at the first, or the last, linear operations."""

    last: bool = False

    @property
    def kinds(self) -> frozenset[Kind]:
        return LINEAR

    def choose(self, operation: Operation) -> Rule | None:
        ends = operation.last if self.last else operation.first
        return Doubled() if operation.kind in LINEAR and ends else None


def kinds(builder: Builder, net: Net) -> None:
    """Each operation is recognised for what it computes, and there are as many as the net has."""
    trial = builder.trial(net)
    with trial.precision():
        operations = trial.model.operations(trial.inputs, rules=NATIVE)
    found = Counter(one.kind for one in operations if one.kind in RULED)
    require(
        found == Counter(net.kinds),
        f"The operations are {told(found)}, where {told(Counter(net.kinds))} is right.",
    )


def told(kinds: Counter[Kind]) -> str:
    return ", ".join(f"{count} {kind.value}" for kind, count in sorted(kinds.items())) or "none"


def native_rules(builder: Builder, net: Net) -> None:
    """Rules that are the derivative give the gradient."""
    trial = builder.trial(net)
    expected = reference.gradients(net, CLASSES)
    for slope, right in zip(trial.slopes(NATIVE), expected, strict=True):
        close(slope, right, slope_error(trial.dtype), "The gradient with rules")


def rules_act(builder: Builder, net: Net) -> None:
    """A rule acts once at each operation: where each doubles, a way by n operations gives 2^n times the
    gradient."""
    trial = builder.trial(net)
    assert net.depth is not None
    expected = trial.slopes(NATIVE)
    found = trial.slopes(by_kind({kind: Doubled() for kind in RULED}))
    for slope, right in zip(found, expected, strict=True):
        close(
            slope, 2.0**net.depth * right, rounding(trial.dtype), "The gradient with doubling rules"
        )


def first_last(builder: Builder, net: Net) -> None:
    """Which linear operations are the first and the last ones is told."""
    trial = builder.trial(net)
    with trial.precision():
        operations = trial.model.operations(trial.inputs, rules=NATIVE)
    found = tuple((one.first, one.last) for one in operations if one.kind in LINEAR)
    require(
        found == net.linear,
        f"The linear operations are (first, last) {found}, where {net.linear} is right.",
    )


def rules_at_ends(builder: Builder, net: Net) -> None:
    """Rules for the first linear operations act there, and those for the last ones there: where each way
    meets one of them, a doubling rule gives twice the gradient."""
    trial = builder.trial(net)
    expected = reference.gradients(net, CLASSES)
    for end in (AtEnd(last=False), AtEnd(last=True)):
        for slope, right in zip(trial.slopes(end), expected, strict=True):
            close(slope, 2.0 * right, slope_error(trial.dtype), f"The gradient with {end}")


def folding(builder: Builder, net: Net) -> None:
    """Where rules ask for it, a batch norm is part of the convolution before it: the weight and the bias
    that a rule sees are those of both together."""
    trial = builder.trial(net)
    weights = net.weights
    size = weights["batch.scale"] / np.sqrt(weights["batch.variance"] + EPSILON_BATCH_NORM)
    bias = weights["batch.shift"] + (weights["conv.bias"] - weights["batch.mean"]) * size
    nothing = np.zeros_like(size)
    together = net.with_weights(
        {
            "conv.kernel": np.maximum(weights["conv.kernel"] * size, 0.0),
            "batch.scale": np.sqrt(weights["batch.variance"] + EPSILON_BATCH_NORM),
            "batch.shift": nothing,
            "batch.mean": nothing,
            "head.kernel": weights["head.kernel"] * bias[:, None],
        }
    )
    (expected,) = reference.gradients(together, CLASSES)
    (slope,) = trial.slopes(by_kind({Kind.CONVOLUTION: BiasOnly()}, folds=True))
    close(slope, expected, slope_error(trial.dtype), "What a rule makes of weight and bias")


def weight_channels(builder: Builder, net: Net) -> None:
    """`Operation.channel_axis` is the axis of a weight that has the output's channels."""
    trial = builder.trial(net)
    head = net.weights["head.kernel"]
    inner, outer = (np.arange(1.0, length + 1) for length in head.shape)
    scaled = net.with_weights({"head.kernel": head * inner[:, None] * outer})
    (expected,) = reference.gradients(scaled, CLASSES)
    (slope,) = trial.slopes(by_kind({kind: ByChannel() for kind in LINEAR}, folds=True))
    close(slope, expected, slope_error(trial.dtype), "The gradient with weights scaled by channel")
