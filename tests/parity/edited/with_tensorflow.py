"""Edits of TensorFlow functions and modules."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch  # isort: skip  # noqa: F401  (before TensorFlow: the other order does not load)
import numpy as np
import tensorflow as tf

from tests.parity.edited import settings
from tests.parity.edited.check import Case, X


def drawn(*shape: int) -> np.ndarray:
    return np.random.default_rng(list(shape)).normal(size=shape) / np.sqrt(np.prod(shape[:-1]))


def slope(net: Any) -> Callable[[tf.Tensor], tf.Tensor]:
    def gradient(x: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(x)
            score = tf.reduce_sum(net(x)[:, 1])
        return tape.gradient(score, x)

    return gradient


def begin() -> tf.Tensor:
    """Everything that nets share as it was, and what they are fed with."""
    settings.reset()
    settings.activation = tf.nn.relu
    return tf.constant(X)


@dataclass
class Setting:
    scale: float = 1.0


class Base(tf.Module):
    shared = 1.0


class Module(Base):
    """Two convolutions and a head, and every place where a user may keep something."""

    def __init__(self) -> None:
        super().__init__()
        self.first = tf.Variable(drawn(3, 3, 2, 4))
        self.second = tf.Variable(drawn(3, 3, 4, 4))
        self.head = tf.Variable(drawn(4, 3))
        self.scale, self.strides, self.eps = 1.0, 1, 1e-3
        self.kept = {"scale": 1.0, "listed": [1.0, 2.0]}
        self.setting, self.array = Setting(), np.ones(3)
        self.act: Callable[[tf.Tensor], tf.Tensor] = tf.nn.relu
        self.ending: Callable[[tf.Tensor], tf.Tensor] = tf.identity
        self.layers: list[Callable[[tf.Tensor], tf.Tensor]] = [tf.tanh]

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        x = self.act(tf.nn.conv2d(x, self.first, 1, "SAME"))
        for layer in self.layers:
            x = layer(x)
        x = settings.activation(tf.nn.conv2d(x, self.second, self.strides, "SAME"))
        x = x / tf.sqrt(tf.reduce_mean(x**2, -1, keepdims=True) + self.eps)
        z = tf.reduce_mean(x, (1, 2)) @ self.head * self.scale * self.shared * self.kept["scale"]
        z = z * self.kept["listed"][0] * self.setting.scale * self.array * settings.SCALE
        return self.ending(z)


class Other(Module):
    shared = 3.0


EDITED: dict[str, Callable[[Any], object]] = {
    "attribute": lambda net: setattr(net, "scale", 2.0),
    "strides": lambda net: setattr(net, "strides", 2),
    "eps": lambda net: setattr(net, "eps", 0.5),
    "number_in_a_dict": lambda net: net.kept.update(scale=2.0),
    "number_in_a_list": lambda net: net.kept["listed"].__setitem__(0, 2.0),
    "number_in_a_dataclass": lambda net: setattr(net.setting, "scale", 2.0),
    "numpy_array_in_place": lambda net: net.array.__imul__(-3),
    "global": lambda net: setattr(settings, "SCALE", 2.0),
    "attribute_of_the_class": lambda net: setattr(Base, "shared", 3.0),
    "class": lambda net: setattr(net, "__class__", Other),
    "function": lambda net: setattr(net, "act", tf.nn.gelu),
    "function_of_a_module": lambda net: setattr(settings, "activation", tf.nn.gelu),
    "layer": lambda net: net.layers.__setitem__(0, tf.nn.silu),
    "layer_added": lambda net: net.layers.append(tf.sin),
    "ending": lambda net: setattr(net, "ending", tf.nn.sigmoid),
    "weight_assigned": lambda net: net.second.assign(-1.5 * net.second),
    "variable_replaced": lambda net: setattr(net, "second", tf.Variable(-1.5 * net.second)),
}


def edited(edit: Callable[[Any], object]) -> Callable[[], Case]:
    def make() -> Case:
        x = begin()
        Base.shared = 1.0
        net = Module()
        return Case(net, x, lambda: edit(net), slope(net))

    return make


def closure(kind: str) -> Callable[[], Case]:
    """A plain function, with what it reads in one of the places that a function may keep it."""

    def make() -> Case:
        x = begin()
        first, second, head = drawn(3, 3, 2, 4), drawn(3, 3, 4, 4), drawn(4, 3)
        scale, act = 1.0, tf.nn.relu
        kept, setting, variable = {"scale": 1.0}, Setting(), tf.Variable(np.ones(3))

        def inner(x: tf.Tensor) -> tf.Tensor:
            return act(tf.nn.conv2d(act(tf.nn.conv2d(x, first, 1, "SAME")), second, 1, "SAME"))

        def outer(x: tf.Tensor) -> tf.Tensor:
            return inner(x) * scale

        def net(x: tf.Tensor, factor: float = 1.0) -> tf.Tensor:
            z = tf.reduce_mean(settings.activation(outer(x)), (1, 2)) @ head * factor * variable
            return z * kept["scale"] * setting.scale * settings.SCALE

        def smooth(x: tf.Tensor) -> tf.Tensor:
            return act(tf.nn.conv2d(act(tf.nn.conv2d(2 * x, first, 1, "SAME")), second, 1, "SAME"))

        def set_scale() -> None:
            nonlocal scale
            scale = 3.0

        def set_act() -> None:
            nonlocal act
            act = tf.nn.gelu

        def set_variable() -> None:
            nonlocal variable
            variable = tf.Variable(2 * np.ones(3))

        partial = functools.partial(net, factor=1.0)
        edits: dict[str, Callable[[], object]] = {
            "cell": set_scale,
            "function_in_a_cell": set_act,
            "variable_in_a_cell": set_variable,
            "variable": lambda: variable.assign([2.0, 3.0, 4.0]),
            "array_in_place": lambda: second.__imul__(-2),
            "dict": lambda: kept.update(scale=2.0),
            "dataclass": lambda: setattr(setting, "scale", 2.0),
            "default": lambda: setattr(net, "__defaults__", (2.0,)),
            "partial": lambda: partial.keywords.update(factor=2.0),
            "global": lambda: setattr(settings, "SCALE", 2.0),
            "function_of_a_module": lambda: setattr(settings, "activation", tf.nn.gelu),
            "code": lambda: setattr(inner, "__code__", smooth.__code__),
            "tf_function_variable": lambda: variable.assign([2.0, 3.0, 4.0]),
        }
        called: Any = partial if kind == "partial" else net
        if kind.startswith("tf_function"):
            called = tf.function(net)
        return Case(called, x, edits[kind], slope(called))

    return make


CLOSURES = (
    "cell",
    "function_in_a_cell",
    "variable_in_a_cell",
    "variable",
    "array_in_place",
    "dict",
    "dataclass",
    "default",
    "partial",
    "global",
    "function_of_a_module",
    "code",
    "tf_function_variable",
)

EDITS: dict[str, Callable[[], Case]] = {
    **{f"module_{name}": edited(edit) for name, edit in EDITED.items()},
    **{f"closure_{kind}": closure(kind) for kind in CLOSURES},
}
