"""Ten faults that backends and techniques have had, each planted in sound ones: the kit names each, in
float64 on PyTorch, and those that any backend can have in float32 on MLX; and those of backends without
gradients on NumPy."""

import torch  # isort: skip  (before TensorFlow: the other order does not load)

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from backlight import Method, Model, Objective, Result
from backlight.model.model import Gradient as MadeUp
from backlight.rules.operations import LINEAR, Kind, Operation
from backlight.rules.rules import AppliedOperation, Rule, Rules
from backlight.testing import Builder, Check, backend_checks, method_checks
from backlight.values.tree import map_leaves
from backlight_conformance import builder
from backlight_methods import Gradient


class Wrapped(Model):
    """A model that passes each question on; faults change an answer."""

    def __init__(self, model: Model):
        self.whole = model
        self.framework, self.version = model.framework, model.version
        self.arrays, self.channels = model.arrays, model.channels
        self.differentiable = model.differentiable

    @staticmethod
    def seen(net: Any) -> Any:
        """What the backend looks at."""
        return net

    def predict(self, inputs):
        return self.whole.predict(inputs)

    def outputs(self, inputs):
        return self.whole.outputs(inputs)

    def score(self, inputs, score, **where):
        return self.whole.score(inputs, score, **where)

    def gradient(self, inputs, score, **where):
        return self.whole.gradient(inputs, score, **where)

    def operations(self, inputs, **what):
        return self.whole.operations(inputs, **what)

    def connection(self, inputs, score, **where):
        return self.whole.connection(inputs, score, **where)

    def graph(self, inputs, score=None):
        return self.whole.graph(inputs, score)

    def activation(self, inputs, at):
        return self.whole.activation(inputs, at)

    def sites(self, inputs):
        return self.whole.sites(inputs)

    def identity(self):
        return self.whole.identity()

    def owns(self, array):
        return self.whole.owns(array)

    def asarray(self, array, like=None):
        return self.whole.asarray(array, like)

    def to_numpy(self, array):
        return self.whole.to_numpy(array)

    def is_floating(self, array):
        return self.whole.is_floating(array)


def changed(found, change: Callable[[Any], Any]):
    """The gradient with something done to each array of it."""
    return replace(found, gradient=map_leaves(change, found.gradient))


class DoubledGradient(Wrapped):
    def gradient(self, inputs, score, **where):
        return changed(super().gradient(inputs, score, **where), lambda leaf: 2.0 * leaf)


class GradientALittleOff(Wrapped):
    """In the fifth digit, of which float32 has seven."""

    def gradient(self, inputs, score, **where):
        return changed(super().gradient(inputs, score, **where), lambda leaf: 1.00004 * leaf)


class WrappedRules(Rules):
    """A technique's rules, as a backend with a fault would follow them."""

    def __init__(self, rules: Rules):
        self.whole = rules

    @property
    def folds_scales(self):
        return self.whole.folds_scales

    @property
    def kinds(self):
        return self.whole.kinds

    def choose(self, operation):
        return self.whole.choose(operation)


class FaultyRules(Wrapped):
    """Rules are followed in another way."""

    rules: type[WrappedRules]

    def gradient(self, inputs, score, *, rules=None, **where):
        faulty = None if rules is None else self.rules(rules)
        return super().gradient(inputs, score, rules=faulty, **where)


class Unfolding(WrappedRules):
    """The bias of a fold is not what the shift behind it makes of it."""

    def choose(self, operation):
        rule = self.whole.choose(operation)
        return UnfoldedBias(rule) if self.folds_scales and rule else rule


@dataclass(frozen=True)
class UnfoldedBias(Rule):
    rule: Rule

    def __call__(self, op, grad):
        return self.rule(Unbiased(op), grad)


class Unbiased(AppliedOperation):
    """The folded weight with no bias but the linear operation's own: none."""

    def __init__(self, op: AppliedOperation):
        self.op, self.operation, self.arrays = op, op.operation, op.arrays
        self.inputs, self.reference, self.parts = op.inputs, op.reference, op.parts
        self.params = {"weight": op.params["weight"]}
        self.output = op.replay(params=self.params)

    def vjp(self, grad, *, inputs=None, params=None, frozen=False):
        return self.op.vjp(grad, inputs=inputs, params=params, frozen=frozen)

    def replay(self, *, inputs=None, params=None):
        return self.op.replay(inputs=inputs, params=params or self.params)


class UnfoldedBiases(FaultyRules):
    rules = Unfolding


class MixedBatch(Wrapped):
    """The mean over the batch is taken off."""

    def gradient(self, inputs, score, **where):
        found = super().gradient(inputs, score, **where)
        return changed(found, lambda leaf: leaf - 0.01 * leaf.mean(0, keepdims=True))


class HookLeftBehind(Wrapped):
    """A backward hook of a pass with rules stays at the net."""

    net: torch.nn.Module

    def gradient(self, inputs, score, *, rules=None, **where):
        if rules is not None:
            self.net.get_submodule("head").register_forward_hook(lambda *_: None)
        return super().gradient(inputs, score, rules=rules, **where)


class LastOfTies(WrappedRules):
    def choose(self, operation):
        return LastWins() if operation.kind is Kind.MAX_POOL else self.whole.choose(operation)


@dataclass(frozen=True)
class LastWins(Rule):
    def __call__(self, op, grad):
        (x,) = op.inputs
        (found,) = op.vjp(grad.flip(2, 3), inputs=(x.flip(2, 3),))
        return (found.flip(2, 3),)


class WrongTies(FaultyRules):
    rules = LastOfTies


class NothingFirst(Wrapped):
    def operations(self, inputs, **what):
        return tuple(replace(one, first=False) for one in super().operations(inputs, **what))


class NotFirst(WrappedRules):
    def choose(self, operation):
        return self.whole.choose(replace(operation, first=False))


class RulesNeverFirst(FaultyRules):
    rules = NotFirst


class Float64Leak(Wrapped):
    """A constant in float64 makes everything float64."""

    def gradient(self, inputs, score, **where):
        return changed(super().gradient(inputs, score, **where), lambda leaf: leaf.double())


class Stale(Wrapped):
    """The net is seen as it was when it was wrapped."""

    @staticmethod
    def seen(net: Any) -> Any:
        return copy.deepcopy(net)


class WrongChannels(Wrapped):
    """Pictures have their channels where another framework has them."""

    def __init__(self, model: Model):
        super().__init__(model)
        self.channels = "last" if model.channels == "first" else "first"


def turned(operation: Operation) -> int:
    """Not the axis of a weight that has the output's channels."""
    return int(operation.channel_axis == 0)


class TurnedWeights(WrappedRules):
    def choose(self, operation):
        if operation.kind in LINEAR and operation.channel_axis is not None:
            operation = replace(operation, channel_axis=turned(operation))
        rule = self.whole.choose(operation)
        return Turned(rule) if rule is not None and operation.kind in LINEAR else rule


@dataclass(frozen=True)
class Turned(Rule):
    """A rule that is told the input's axis of a weight for the output's."""

    rule: Rule

    def __call__(self, op, grad):
        return self.rule(TurnedWeight(op), grad)


class TurnedWeight(Unbiased):
    def __init__(self, op: AppliedOperation):
        super().__init__(op)
        self.params, self.output = op.params, op.output
        self.operation = replace(op.operation, channel_axis=turned(op.operation))


class WrongWeightAxis(FaultyRules):
    rules = TurnedWeights


@dataclass(frozen=True, kw_only=True)
class AgainstTheMean(Method):
    """A technique that holds each example against the mean of its batch."""

    def attribute(self, objective: Objective) -> Result:
        found = objective.gradient()
        arrays = objective.arrays
        return Result(
            map_leaves(
                lambda g, x: g * (x - arrays.mean(x, axis=0, keepdims=True)),
                found.gradient,
                found.value,
            ),
            found.score,
        )


class NextClass(Wrapped):
    """The score of another class than the one asked about."""

    def score(self, inputs, score, **where):
        others = replace(score, k=(score.classes + 1) % 3)
        return self.whole.score(inputs, others, **where)


class MixedScores(Wrapped):
    """Scores that know the batch-mates'."""

    def score(self, inputs, score, **where):
        found = self.whole.score(inputs, score, **where)
        return found - 0.1 * found.mean()


class WideScores(Wrapped):
    """float64 whatever came in."""

    def score(self, inputs, score, **where):
        return self.whole.score(inputs, score, **where).astype("float64")


class StaleScores(Wrapped):
    """The scores of the net as it was at first."""

    def score(self, inputs, score, **where):
        self.first = getattr(self, "first", self.whole.score(inputs, score, **where))
        return self.first


class GradientOfZeros(Wrapped):
    """A gradient where there is none."""

    def gradient(self, inputs, score, **where):
        return MadeUp(self.whole.score(inputs, score), inputs, map_leaves(lambda x: 0 * x, inputs))


class NoSiteSilently(Wrapped):
    """A site that is not there is left out of the question."""

    def score(self, inputs, score, at=None, value=None):
        return self.whole.score(inputs, score)


class RawErrors(Wrapped):
    """What the net raises, as it is."""

    def predict(self, inputs):
        return self.net(*inputs) if isinstance(inputs, tuple) else self.net(inputs)


BUILT = {framework: builder(framework) for framework in ("torch", "mlx", "numpy")}


def faulty(framework: str, fault: type[Wrapped]) -> Builder:
    """The nets of a framework, seen by a backend with a fault."""

    class Faulty(type(BUILT[framework])):
        def model(self, built):
            model = fault(super().model(fault.seen(built)))
            model.net = built
            return model

    return Faulty()


def broken(checks: list[Check]) -> set[str]:
    """The laws that do not hold."""
    found = set()
    for check in checks:
        try:
            check()
        except AssertionError as error:
            assert str(error).startswith(str(check))
            found.add(check.law)
    return found


FAULTS: dict[str, tuple[type[Wrapped], str]] = {
    "a doubled gradient": (DoubledGradient, "gradient"),
    "a gradient a little off": (GradientALittleOff, "gradient"),
    "an unfolded bias": (UnfoldedBiases, "folding"),
    "a batch mixed": (MixedBatch, "batch_mates"),
    "an un-reset hook": (HookLeftBehind, "put_back"),
    "a wrong tie": (WrongTies, "tied_maxima"),
    "a dropped first": (NothingFirst, "first_last"),
    "a dropped first, where rules choose": (RulesNeverFirst, "rules_at_ends"),
    "a float64 leak": (Float64Leak, "dtype"),
    "a stale net": (Stale, "edited"),
    "a wrong channel axis": (WrongChannels, "channel_axis"),
    "a wrong channel axis of weights": (WrongWeightAxis, "weight_channels"),
}


RUN_FAULTS: dict[str, tuple[type[Wrapped], str]] = {
    "another class": (NextClass, "score"),
    "a batch mixed": (MixedScores, "score_rows"),
    "a float64 leak": (WideScores, "score_dtype"),
    "a stale net": (StaleScores, "score_edited"),
    "a gradient made up": (GradientOfZeros, "only_run"),
    "a site passed over": (NoSiteSilently, "only_run"),
    "an error without its inputs": (RawErrors, "model_error"),
}
"""Faults of backends without gradients."""

ONLY_TORCH = ("an un-reset hook", "a wrong tie", "a float64 leak")
"""Said in PyTorch's own functions."""


@pytest.mark.parametrize("framework", BUILT)
def test_a_model_that_only_passes_on_is_sound(framework: str) -> None:
    assert broken(backend_checks(faulty(framework, Wrapped))) == set()


@pytest.mark.parametrize(
    ("framework", "fault"),
    [
        (framework, fault)
        for framework in ("torch", "mlx")
        for fault in FAULTS
        if framework == "torch" or fault not in ONLY_TORCH
    ],
)
def test_a_fault_of_a_backend_is_named(framework: str, fault: str) -> None:
    planted, law = FAULTS[fault]
    found = backend_checks(faulty(framework, planted))
    assert broken([check for check in found if check.law == law]) == {law}


@pytest.mark.parametrize("fault", RUN_FAULTS)
def test_a_fault_of_a_backend_without_gradients_is_named(fault: str) -> None:
    planted, law = RUN_FAULTS[fault]
    assert law in broken(backend_checks(faulty("numpy", planted)))


@pytest.mark.parametrize("framework", ("torch", "mlx"))
def test_a_technique_that_depends_on_batch_mates_is_named(framework: str) -> None:
    assert broken(method_checks(Gradient(), BUILT[framework])) == set()
    assert "batch_mates" in broken(method_checks(AgainstTheMean(), BUILT[framework]))
