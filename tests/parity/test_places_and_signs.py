"""Where operations are and what signs go through them, on each framework: first and last, negative
inputs, divisors that change sign, sizes that are used twice, endings that were exchanged."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch  # isort: skip  # before TensorFlow
import jax
import numpy as np
import pytest
import tensorflow as tf
from flax import nnx
from numpy.typing import NDArray

import backlight
from backlight import Logit, Model
from backlight.explaining.targets import as_score
from backlight.rules.operations import LINEAR, Kind
from backlight.rules.rules import AppliedOperation, Rule
from backlight.testing.rules import by_kind
from backlight.values.arrays import Array
from backlight_methods import LRP, Composite, DeepLIFT, Gradient
from backlight_methods.lrp.rules import AlphaBeta, Epsilon, Flat, Gamma
from tests import tape
from tests.methods.test_lrp import Share, alpha_beta, epsilon, flat, gamma
from tests.parity.measure import FRAMEWORKS, precision
from tests.parity.spelling.families import FAMILIES
from tests.parity.spelling.functions import EPSILON, FUNCTIONS, normal
from tests.reference import ReferenceModel
from tests.tape import arrays as functions

Values = NDArray[np.float64]
each_framework = pytest.mark.parametrize("framework", FRAMEWORKS)
X = normal(5, 6, seed=31)
W, V = normal(6, 8, seed=32), normal(8, 3, seed=33)
B, C = normal(8, seed=34), normal(3, seed=35)


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    with precision("float64"):
        yield


@pytest.fixture(autouse=True, scope="module")
def forgotten() -> Iterator[None]:
    yield
    backlight.forget()


def wrapped(framework: str, function: Callable[[Any, Any], Any]) -> Model:
    ops = FUNCTIONS[framework]
    return backlight.wrap(lambda x: function(ops, x), framework)


def native(framework: str, x: Values = X) -> Any:
    return FUNCTIONS[framework].array(x)


def host(found: Any) -> Values:
    return np.asarray(found.values)


# Relevance neuron by neuron


def relevance(row: Values, k: int, shares: list[Share]) -> Values:
    """Of a net with a leaky rectifier, which hands relevance of either sign on."""
    z = row @ W + B
    a = np.where(z > 0, z, 0.3 * z)
    out = (a @ V + C)[k]
    hidden = shares[1](a, V, C)[:, k] * out
    return shares[0](row, W, B) @ hidden


def leaky(ops: Any, x: Any) -> Any:
    z = x @ ops.array(W) + ops.array(B)
    return ops.where(z > 0, z, 0.3 * z) @ ops.array(V) + ops.array(C)


BY_HAND = {
    "gamma": (Composite(dense=Gamma(0.25, epsilon=0.0)), [gamma(0.25), gamma(0.25)]),
    "large gamma": (Composite(dense=Gamma(7.0, epsilon=0.0)), [gamma(7.0), gamma(7.0)]),
    "alpha-beta": (
        Composite(dense=AlphaBeta(2.0, 1.0, epsilon=0.0)),
        [alpha_beta(2, 1), alpha_beta(2, 1)],
    ),
    "first and last": (
        Composite(first=Gamma(2.0, epsilon=0.0), dense=Flat(), last=Epsilon(0.1)),
        [gamma(2.0), epsilon(0.1)],
    ),
}


@each_framework
@pytest.mark.parametrize("name", BY_HAND)
def test_relevance_of_negative_inputs_and_of_negative_sums(framework: str, name: str) -> None:
    """The sums and the inputs are of either sign in both layers."""
    composite, shares = BY_HAND[name]
    z = X @ W + B
    out = np.where(z > 0, z, 0.3 * z) @ V + C
    signs = {
        (bool(x < 0), bool(s < 0))
        for row, sums in zip(X, z, strict=True)
        for x in row
        for s in sums
    }
    assert len(signs) == 4 and (out < 0).any() and (out > 0).any()
    for k in range(3):
        found = host(LRP(composite=composite)(wrapped(framework, leaky), native(framework), k))
        wanted = np.array([relevance(row, k, shares) for row in X])
        np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-9 * np.abs(wanted).max())


KERNEL, OFFSET = normal(2, 3, 3, 3, seed=36), normal(2, seed=37)
PICTURES = normal(3, 3, 5, 5, seed=38)


def convolved(framework: str) -> Model:
    """A convolution, whose nine places are summed by a dense layer, channels first."""
    head = normal(18, 2, seed=39)
    if framework == "torch":
        kernel, offset, last = map(torch.as_tensor, (KERNEL, OFFSET, head))
        return backlight.wrap(
            lambda x: torch.nn.functional.conv2d(x, kernel, offset).flatten(1) @ last, "torch"
        )
    if framework == "tensorflow":

        def net(x: Any) -> Any:
            moved = tf.transpose(x, (0, 2, 3, 1))
            z = tf.nn.conv2d(moved, KERNEL.transpose(2, 3, 1, 0), 1, "VALID") + OFFSET
            return tf.reshape(tf.transpose(z, (0, 3, 1, 2)), (-1, 18)) @ head

        return backlight.wrap(net, "tensorflow")
    return backlight.wrap(
        lambda x: (
            (
                jax.lax.conv_general_dilated(x, KERNEL, (1, 1), "VALID") + OFFSET[:, None, None]
            ).reshape(-1, 18)
            @ head
        ),
        "jax",
    )


@each_framework
def test_gamma_of_a_convolution_with_negative_inputs_and_sums(framework: str) -> None:
    head, rule = normal(18, 2, seed=39), Gamma(0.5, epsilon=0.0)
    method = LRP(composite=Composite(dense=Epsilon(0.0), convolution=rule))
    found = host(method(convolved(framework), native(framework, PICTURES), 1))
    wanted = np.zeros_like(PICTURES)
    for number, picture in enumerate(PICTURES):
        for place, (o, i, j) in enumerate(np.ndindex(2, 3, 3)):
            patch = picture[:, i : i + 3, j : j + 3]
            z = (patch * KERNEL[o]).sum() + OFFSET[o]
            share = gamma(0.5)(patch.reshape(-1), KERNEL[o].reshape(-1, 1), OFFSET[o : o + 1])
            part = (share[:, 0] * z * head[place, 1]).reshape(patch.shape)
            wanted[number, :, i : i + 3, j : j + 3] += part
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-9 * np.abs(wanted).max())


@each_framework
def test_a_layer_that_is_first_and_last_has_the_rule_for_the_first(framework: str) -> None:
    model = wrapped(framework, lambda ops, x: x @ ops.array(W[:, :3]) + ops.array(C))
    (operation,) = (one for one in model.operations(native(framework)) if one.kind in LINEAR)
    assert operation.first and operation.last
    composite = Composite(first=Flat(), last=Epsilon(0.1), dense=Gamma())
    found = host(LRP(composite=composite)(model, native(framework), 2))
    wanted = np.array([flat(row, W[:, :3], C)[:, 2] * (row @ W[:, :3] + C)[2] for row in X])
    np.testing.assert_allclose(found, wanted, rtol=1e-9)


# First and last, also of what consists of several operations

REGIONS = {
    "silu": FAMILIES["silu"].spellings["quotient"],
    "gelu": FAMILIES["gelu"].spellings["x first"],
    "mask": FAMILIES["relu"].spellings["absolute"],
    "softmax": FAMILIES["softmax"].spellings["off maximum"],
    "log_softmax": FAMILIES["log_softmax"].spellings["off maximum"],
    "layer_norm": FAMILIES["layer_norm"].spellings["var, rsqrt"],
    "rms_norm": FAMILIES["rms_norm"].spellings["sqrt"],
    "library layer_norm": FAMILIES["layer_norm"].spellings["library"],
    "batch_norm": lambda ops, x: (
        (x - ops.array(X[0, 0])) / ops.sqrt(ops.array(B[0] ** 2) + EPSILON)
    ),
}
RULES = {
    "none": None,
    "deep_lift": DeepLIFT().rules,
    "reveal_cancel": DeepLIFT(rule="reveal_cancel").rules,
    "lrp": LRP().rules,
}


@each_framework
@pytest.mark.parametrize("rules", RULES)
@pytest.mark.parametrize("region", REGIONS)
def test_all_parts_of_a_region_are_first_and_last(framework: str, region: str, rules: str) -> None:
    function = REGIONS[region]

    def net(ops: Any, x: Any) -> Any:
        return function(ops, function(ops, function(ops, x) @ ops.array(W)) @ ops.array(V))

    found = wrapped(framework, net).operations(native(framework), rules=RULES[rules])
    linear = [n for n, one in enumerate(found) if "dense" in one.type.lower() + str(one.kind)
              or str(one.kind) == "neuron"]  # fmt: skip
    assert len(linear) == 2
    first, last = linear
    assert [one.first for one in found] == [n <= first for n in range(len(found))]
    assert [one.last for one in found] == [n >= last for n in range(len(found))]


SEEN: list[tuple[bool, bool]] = []
"""Of the linear operation of each neuron that a rule acted at: first and last."""


@dataclass(frozen=True)
class Noting(Rule):
    def __call__(self, op: AppliedOperation, grad: Array) -> Sequence[Array]:
        linear = op.parts[0].operation
        SEEN.append((linear.first, linear.last))
        return op.vjp(grad)


@each_framework
def test_the_parts_of_a_neuron_are_where_it_is(framework: str) -> None:
    def net(ops: Any, x: Any) -> Any:
        h = ops.relu(x @ ops.array(W) + ops.array(B))
        return ops.tanh(ops.silu(h @ ops.array(W.T)) @ ops.array(W[:, :3]))

    model, x = wrapped(framework, net), native(framework)
    inputs = model.prepare(x)
    score = as_score(1).bind(model.outputs(inputs), inputs.count)
    SEEN.clear()
    model.gradient(inputs, score, rules=by_kind({Kind.NEURON: Noting()}))
    assert SEEN == [(False, True), (False, False), (True, False)]


@each_framework
def test_a_rule_for_the_input_reaches_through_scales_in_front(framework: str) -> None:
    """The scale is the only user of the input, and no part of the layer behind it."""
    model = wrapped(framework, lambda ops, x: ((x - 0.5) / 0.25) @ ops.array(W) + ops.array(B))
    found = host(LRP(composite=Composite(first=Flat()))(model, native(framework), 1))
    wanted = np.array([flat(row, W, B)[:, 1] * ((row - 0.5) / 0.25 @ W + B)[1] for row in X])
    np.testing.assert_allclose(found, wanted, rtol=1e-9)


# A size that is used elsewhere


def sized(ops: Any, x: Any) -> Any:
    h = x @ ops.array(W)
    size = ops.sqrt(ops.mean(h * h) + EPSILON)
    return (h / size) @ ops.array(V) + size * ops.array(C)


def inverse_sized(ops: Any, x: Any) -> Any:
    h = x @ ops.array(W)
    inverse = ops.rsqrt(ops.mean(h * h) + EPSILON)
    return (h * inverse) @ ops.array(V) + inverse * ops.array(C)


def centred(ops: Any, x: Any) -> Any:
    h = x @ ops.array(W)
    middle = h - ops.mean(h)
    variance = ops.mean(ops.square(middle))
    return (middle * ops.rsqrt(variance + EPSILON)) @ ops.array(V) + variance * ops.array(C)


def traced_size(name: str) -> ReferenceModel:
    def run(x: Any) -> Any:
        h = tape.dense(x, W)
        centre = functions.mean(h, axis=-1, keepdims=True)
        middle = h - centre if name == "centred" else h
        square = functions.mean(middle * middle, axis=-1, keepdims=True)
        size = functions.sqrt(square + EPSILON)
        extra = {"sized": size, "centred": square}.get(name)
        extra = 1.0 / size if extra is None else extra
        return tape.dense(middle / size, V) + tape.dense(extra, C[None])

    return ReferenceModel(("net", run))


SIZES = {"sized": sized, "inverse_sized": inverse_sized, "centred": centred}


@each_framework
@pytest.mark.parametrize("name", SIZES)
def test_a_size_that_is_used_elsewhere_keeps_its_share(framework: str, name: str) -> None:
    model = wrapped(framework, SIZES[name])
    found = host(DeepLIFT(baseline=0.3)(model, native(framework), 1))
    wanted = host(DeepLIFT(baseline=0.3)(traced_size(name), X, 1))
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-9 * np.abs(wanted).max())
    # As a rule sees it, the size is one of the two things that the score is made of.
    method = LRP(composite=Composite(dense=Epsilon(0.0)))
    found = host(method(model, native(framework), 1))
    wanted = relevance_of_sizes(name)
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-9 * np.abs(wanted).max())


def relevance_of_sizes(name: str) -> Values:
    """Of class 1: the divisor counts as a constant, the size hands its relevance to the squares."""
    h = X @ W
    middle = h - h.mean(1, keepdims=True) if name == "centred" else h
    square = (middle * middle).mean(1, keepdims=True)
    size = np.sqrt(square + EPSILON)
    extra = {"sized": size, "inverse_sized": 1 / size, "centred": square}[name]
    # A shift keeps its share; roots, powers and squares hand on what reaches them.
    share = 1.0 if name == "centred" else square / (square + EPSILON)
    to_middle = V[:, 1] / size * middle
    to_middle = to_middle + C[1] * extra * share * middle**2 / (middle**2).sum(1, keepdims=True)
    multiplier = to_middle / middle
    if name == "centred":
        multiplier = multiplier - multiplier.mean(1, keepdims=True)
    return np.asarray(X * (multiplier @ W.T))


# Divisors that change sign

QUOTIENTS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "quotient": lambda ops, a, b: a / b,
    "product": lambda ops, a, b: a * (1 / b),
    "reciprocal first": lambda ops, a, b: ops.reciprocal(b) * a,
    "power": lambda ops, a, b: a * b**-1.0,
    "scaled": lambda ops, a, b: a * (2 / b) * 0.5,
    "negated": lambda ops, a, b: -a * (-1 / b),
}


@each_framework
@pytest.mark.parametrize("name", QUOTIENTS)
@pytest.mark.parametrize("start", [(0.3, 1.7), (-0.6, -0.4)])
def test_a_divisor_that_changes_sign(framework: str, name: str, start: tuple[float, float]) -> None:
    x = np.stack([normal(12, seed=41), np.linspace(-2.1, 2.3, 12)], axis=1)
    model = wrapped(framework, lambda ops, x: QUOTIENTS[name](ops, x[:, :1], x[:, 1:]))
    baseline = np.array(start)
    found = host(DeepLIFT(baseline=baseline)(model, native(framework, x), 0))
    (a, b), (a0, b0) = x.T, start
    y, y0 = a / b, a0 / b0
    same = np.stack([2 * (a - a0) / (b + b0), -(b - b0) * (y + y0) / (b + b0)], axis=1)
    across = np.stack([(a - a0) * (1 / b + 1 / b0), (a + a0) * (1 / b - 1 / b0)], axis=1) / 2
    wanted = np.where((b * b0 > 0)[:, None], same, across)
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.sum(1), y - y0, rtol=1e-9)


# Endings that are exchanged between calls


def with_ending(framework: str) -> tuple[Any, Callable[[bool], None]]:
    """A net, and what gives it a softmax at its end or none."""
    if framework == "torch":
        dense = torch.nn.Linear(6, 3, bias=False).double()
        dense.weight.data = torch.as_tensor(W[:, :3].T.copy())
        net = torch.nn.Sequential(dense, torch.nn.Softmax(1)).eval()

        def exchange(softmax: bool) -> None:
            net[1] = torch.nn.Softmax(1) if softmax else torch.nn.Identity()

        return net, exchange
    if framework == "tensorflow":

        class Net(tf.Module):  # type: ignore[misc]
            ending: Any = staticmethod(tf.nn.softmax)
            weight = tf.Variable(W[:, :3])

            def __call__(self, x: Any) -> Any:
                return self.ending(x @ self.weight)

        made = Net()
        return made, lambda softmax: setattr(
            made, "ending", tf.nn.softmax if softmax else tf.identity
        )

    class Module(nnx.Module):
        def __init__(self) -> None:
            self.weight = nnx.Param(W[:, :3])
            self.ending = jax.nn.softmax

        def __call__(self, x: Any) -> Any:
            return self.ending(x @ self.weight[...])

    module = Module()
    return module, lambda softmax: setattr(
        module, "ending", jax.nn.softmax if softmax else lambda z: z
    )


@each_framework
@pytest.mark.parametrize("softmax_first", [True, False])
def test_the_kind_of_output_is_that_of_the_net_as_it_is_now(
    framework: str, softmax_first: bool
) -> None:
    net, exchange = with_ending(framework)
    exchange(softmax_first)
    for softmax in (softmax_first, not softmax_first, softmax_first):
        exchange(softmax)
        # Wrapped again each time, as `explain` does: the same net is remembered.
        model = backlight.wrap(net, framework)
        found = Gradient()(model, native(framework), Logit(1))
        weight = W[:, :3]
        if softmax:  # the logits of probabilities are known but for their mean
            weight = weight - weight.mean(1, keepdims=True)
        np.testing.assert_allclose(host(found), np.tile(weight[:, 1], (5, 1)), rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(found.score, X @ weight[:, 1], rtol=1e-6, atol=1e-9)
