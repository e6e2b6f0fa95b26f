"""Edits of MLX nets, in float32."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import numpy as np
from mlx import nn, optimizers

from tests.parity.edited import settings
from tests.parity.edited.check import Case, X
from tests.parity.edited.scores import changing_scores


@dataclass
class Setting:
    scale: float = 1.0


class Net(nn.Module):
    """Two convolutions, a norm and a head, and every place where a user may keep something."""

    shared = 1.0

    def __init__(self) -> None:
        super().__init__()
        mx.random.seed(0)
        self.first = nn.Conv2d(2, 4, 3, padding=1)
        self.norm = nn.BatchNorm(4)
        self.middle = nn.ReLU()
        self.second = nn.Conv2d(4, 4, 3, padding=1)
        self.layers = [nn.Identity(), nn.Softplus()]
        self.head = nn.Linear(4, 3)
        self.norm.running_mean, self.norm.running_var = (
            mx.linspace(-1, 1, 4),
            mx.linspace(0.5, 2, 4),
        )
        self.array, self.host = mx.ones(3), np.ones(3, np.float32)
        self.scale = 1.0
        self.kept: dict[str, Any] = {"scale": 1.0, "listed": [1.0, 2.0]}
        self.setting = Setting()
        self.act: Callable[[mx.array], mx.array] = nn.relu
        self.ending: Callable[[mx.array], mx.array] | None = None
        self.deep, self.order = False, "second layers"
        mx.eval(self.eval().parameters())

    def features(self, x: mx.array) -> mx.array:
        x = self.middle(self.norm(self.first(x)))
        if self.deep:
            x = nn.relu(mx.conv2d(x, self.second.weight, stride=2))
        if self.order == "layers second":
            return self.act(self.second(self.through(x)))
        x = self.act(self.second(x))
        return x if self.order == "second" else self.through(x)

    def through(self, x: mx.array) -> mx.array:
        for layer in self.layers:
            x = layer(x)
        return x

    def __call__(self, x: mx.array) -> mx.array:
        h = settings.activation(self.features(x) * self.scale * self.shared).mean((1, 2))
        z = self.head(h) * self.kept["scale"] * self.kept["listed"][0] * self.setting.scale
        z = z * mx.array(self.host) * self.array * settings.SCALE
        return z if self.ending is None else self.ending(z)


def slope(net: Any) -> Callable[[mx.array], mx.array]:
    def gradient(x: mx.array) -> mx.array:
        if isinstance(net, nn.Module):
            net.eval()
        return mx.grad(lambda x: net(x)[:, 1].sum())(x)

    return gradient


def begin() -> mx.array:
    """Everything that nets share as it was, and what they are fed with."""
    settings.reset()
    settings.activation = nn.relu
    Net.shared = 1.0
    return mx.array(X.astype(np.float32))


def edited(edit: Callable[[Any], object], matters: bool = True) -> Callable[[], Case]:
    def make() -> Case:
        x, net = begin(), Net()
        return Case(net, x, lambda: edit(net), slope(net), matters)

    return make


def step(net: Net) -> None:
    gradients = nn.value_and_grad(net, lambda x: net(x)[:, 1].sum())(mx.array(X[:2]))[1]
    optimizers.SGD(0.5).update(net, gradients)


class Other(Net):
    def __call__(self, x: mx.array) -> mx.array:
        return super().__call__(x) ** 2


def replace_features(net: Net) -> None:
    own = net.features
    net.features = lambda x: own(x) * 3  # type: ignore[method-assign]


ATTRIBUTES: dict[str, Callable[[Any], object]] = {
    "attribute": lambda net: setattr(net, "scale", 2.0),
    "attribute_sign": lambda net: setattr(net, "scale", -1.0),
    "attribute_of_the_class": lambda net: setattr(Net, "shared", 3.0),
    "flag": lambda net: setattr(net, "deep", True),
    "layers_left_out": lambda net: setattr(net, "order", "second"),
    "layers_moved": lambda net: setattr(net, "order", "layers second"),
    "number_in_a_dict": lambda net: net.kept.update(scale=2.0),
    "number_in_a_list": lambda net: net.kept["listed"].__setitem__(0, 2.0),
    "number_in_a_dataclass": lambda net: setattr(net.setting, "scale", 2.0),
    "numpy_array_in_place": lambda net: net.host.__imul__(3),
    "array_in_place": lambda net: net.array.__setitem__(1, 3.0),
    "global": lambda net: setattr(settings, "SCALE", 2.0),
    "function": lambda net: setattr(net, "act", nn.gelu),
    "function_that_pools": lambda net: setattr(net, "act", nn.MaxPool2d(2)),
    "function_of_a_module": lambda net: setattr(settings, "activation", nn.gelu),
    "method": replace_features,
    "class": lambda net: setattr(net, "__class__", Other),
    "layer": lambda net: net.layers.__setitem__(1, nn.GELU()),
    "layer_added": lambda net: net.layers.append(nn.MaxPool2d(2)),
    "layer_twice": lambda net: net.layers.__setitem__(0, nn.Sigmoid()),
    "stride": lambda net: setattr(net.second, "stride", (2, 2)),
    "padding": lambda net: setattr(net.first, "padding", (0, 0)),
    "dilation": lambda net: setattr(net.second, "dilation", 2),
    "eps": lambda net: setattr(net.norm, "eps", 0.5),
    "ending": lambda net: setattr(net, "ending", mx.softmax),
    "ending_sigmoid": lambda net: setattr(net, "ending", mx.sigmoid),
    "weight_element": lambda net: net.head.weight.__setitem__(1, -net.head.weight[1]),
    "weight_assigned": lambda net: setattr(net.second, "weight", net.second.weight[::-1]),
    "weights_updated": lambda net: net.update({"head": {"weight": 2 * net.head.weight}}),
    "bias_add": lambda net: setattr(net.first, "bias", net.first.bias + 0.5),
    "bias_removed": lambda net: net.head.pop("bias"),
    "optimiser": step,
    "running_mean": lambda net: setattr(net.norm, "running_mean", net.norm.running_mean + 1),
}
HARMLESS: dict[str, Callable[[Any], object]] = {
    "train": lambda net: net.train(),
    "momentum": lambda net: setattr(net.norm, "momentum", 0.9),
    "freeze": lambda net: net.freeze(),
}


def closure(kind: str) -> Callable[[], Case]:
    """A plain function, with what it reads in one of the places that a function may keep it."""

    def make() -> Case:
        x, body = begin(), Net()
        scale, act = 1.0, nn.relu
        held = {"scale": 1.0, "array": mx.ones(3)}

        def inner(x: mx.array) -> mx.array:
            return act(body.second(act(body.first(x)))) * scale

        def smooth(x: mx.array) -> mx.array:
            return act(body.second(act(body.first(x) * 2))) * scale

        def net(x: mx.array, factor: float = 1.0) -> mx.array:
            h = settings.activation(inner(x)).mean((1, 2))
            return body.head(h) * factor * held["scale"] * held["array"] * settings.SCALE

        def set_scale() -> None:
            nonlocal scale
            scale = 3.0

        def set_act() -> None:
            nonlocal act
            act = nn.gelu

        def set_body() -> None:
            nonlocal body
            body = Net()
            body.head.weight = 2 * body.head.weight

        partial = functools.partial(net, factor=1.0)
        edits: dict[str, Callable[[], object]] = {
            "cell": set_scale,
            "function_in_a_cell": set_act,
            "module_in_a_cell": set_body,
            "weight_of_a_module": lambda: body.head.weight.__setitem__(1, 0.5),
            "dict": lambda: held.update(scale=2.0),
            "array_in_place": lambda: held["array"].__setitem__(1, 2.0),  # type: ignore[attr-defined]
            "default": lambda: setattr(net, "__defaults__", (2.0,)),
            "partial": lambda: partial.keywords.update(factor=2.0),
            "global": lambda: setattr(settings, "SCALE", 2.0),
            "function_of_a_module": lambda: setattr(settings, "activation", nn.gelu),
            "code": lambda: setattr(inner, "__code__", smooth.__code__),
            "compiled": set_scale,
        }
        called: Any = {"partial": partial, "compiled": mx.compile(net)}.get(kind, net)
        # MLX goes on with what a compiled function read when it was compiled.
        return Case(called, x, edits[kind], slope(net if kind == "compiled" else called))

    return make


CLOSURES = (
    *("cell", "function_in_a_cell", "module_in_a_cell", "weight_of_a_module", "dict"),
    *("array_in_place", "default", "partial", "global", "function_of_a_module", "code", "compiled"),
)


def score(kind: str) -> Callable[[], Case]:
    """A net that stays, and a score function that reads what changes."""

    def make() -> Case:
        x, net = begin(), Net()
        host, array = np.array([0.0, 1.0, 0.0], np.float32), mx.array([0.0, 1.0, 0.0])

        scores = changing_scores() | {
            "numpy_array": (
                lambda outputs, arrays: (outputs * mx.array(host)).sum(1),
                lambda: host.__setitem__(0, -2.0),
            ),
            "array": (
                lambda outputs, arrays: (outputs * array).sum(1),
                lambda: array.__setitem__(0, -2.0),
            ),
        }
        target, edit = scores[kind]
        return Case(net, x, edit, target=target)

    return make


SCORES = ("closure", "global", "attribute", "numpy_array", "array", "list")

EDITS: dict[str, Callable[[], Case]] = {
    **{name: edited(edit) for name, edit in ATTRIBUTES.items()},
    **{name: edited(edit, matters=False) for name, edit in HARMLESS.items()},
    **{f"closure_{kind}": closure(kind) for kind in CLOSURES},
    **{f"score_{kind}": score(kind) for kind in SCORES},
}
