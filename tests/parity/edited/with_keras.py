"""Edits of Keras nets, on whichever backend this process has."""

import importlib.util
import json
import os
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

if importlib.util.find_spec("torch"):
    import torch  # noqa: F401  (before TensorFlow: the other order does not load)
import keras
import numpy as np
from keras import layers, ops

from tests.parity.edited import settings
from tests.parity.edited.check import Case, X, in_turn, wrongs
from tests.parity.edited.scores import changing_scores

F64 = "float64"


@dataclass
class Setting:
    scale: float = 1.0


class Net(keras.Model):
    """Two convolutions, a norm and a head, and every place where a user may keep something."""

    shared = 1.0

    def __init__(self) -> None:
        super().__init__(name="net", dtype=F64)
        self.first = layers.Conv2D(4, 3, padding="same", name="first", dtype=F64)
        self.norm = layers.BatchNormalization(name="norm", dtype=F64)
        self.middle = layers.ReLU(name="middle", dtype=F64)
        self.second = layers.Conv2D(
            4, 3, padding="same", activation="relu", name="second", dtype=F64
        )
        self.drop = layers.Dropout(0.5, name="drop", dtype=F64)
        self.head = layers.Dense(3, name="head", dtype=F64)
        self.scale = 1.0
        self.kept = {"scale": 1.0, "listed": [1.0, 2.0]}
        self.setting = Setting()
        self.array = np.ones(3)
        self.act: Callable[[Any], Any] = ops.relu
        self.ending: Callable[[Any], Any] = own
        self.squared = False

    def call(self, x: Any, training: bool = False) -> Any:
        x = self.middle(self.norm(self.first(x), training=training))
        x = self.drop(self.act(self.second(x)), training=training)
        if self.squared:
            x = x**2
        z = self.head(ops.mean(settings.activation(x) * self.scale * self.shared, (1, 2)))
        z = z * self.kept["scale"] * self.kept["listed"][0] * self.setting.scale
        return self.ending(z * ops.convert_to_tensor(self.array) * settings.SCALE)


class Plain(Net):
    """Its call does not know of training."""

    def call(self, x: Any) -> Any:
        return super().call(x)


def own(x: Any) -> Any:
    return x


class Other(Net):
    shared = 3.0


def native(array: Any) -> Any:
    return ops.convert_to_tensor(array)


def begin() -> Any:
    """Everything that nets share as it was, and what they are fed with."""
    settings.reset()
    settings.activation = ops.relu
    Net.shared = 1.0
    keras.utils.set_random_seed(0)
    return native(X)


def built(style: type[Net] = Net) -> Net:
    x = begin()
    net = style()
    net(x)
    net.norm.moving_mean.assign(np.linspace(-1, 1, 4))
    net.norm.moving_variance.assign(np.linspace(0.5, 2, 4))
    return net


def edited(
    edit: Callable[[Any], object], matters: bool = True, style: type[Net] = Net
) -> Callable[[], Case]:
    def make() -> Case:
        net = built(style)
        return Case(net, native(X), lambda: edit(net), matters=matters)

    return make


def replace_call(net: Net) -> None:
    before = net.call
    net.call = lambda x, training=False: before(x) * 3


def step(net: Net) -> None:
    optimiser = keras.optimizers.SGD(0.5)
    optimiser.build(net.trainable_variables)
    optimiser.apply([ops.ones_like(variable.value) for variable in net.trainable_variables])


EDITED: dict[str, Callable[[Any], object]] = {
    "attribute": lambda net: setattr(net, "scale", 2.0),
    "flag": lambda net: setattr(net, "squared", True),
    "number_in_a_dict": lambda net: net.kept.__setitem__("scale", 2.0),
    "number_in_a_list": lambda net: net.kept["listed"].__setitem__(0, 2.0),
    "number_in_a_dataclass": lambda net: setattr(net.setting, "scale", 2.0),
    "numpy_array_in_place": lambda net: net.array.__imul__(-3),
    "global": lambda net: setattr(settings, "SCALE", 2.0),
    "attribute_of_the_class": lambda net: setattr(Net, "shared", 3.0),
    "class": lambda net: setattr(net, "__class__", Other),
    "function": lambda net: setattr(net, "act", ops.gelu),
    "function_of_a_module": lambda net: setattr(settings, "activation", ops.gelu),
    "activation": lambda net: setattr(net.second, "activation", keras.activations.gelu),
    "call": replace_call,
    "strides": lambda net: setattr(net.second, "strides", (2, 2)),
    "padding": lambda net: setattr(net.second, "padding", "valid"),
    "epsilon": lambda net: setattr(net.norm, "epsilon", 0.5),
    "slope": lambda net: setattr(net.middle, "negative_slope", np.float64(0.3)),
    "ending": lambda net: setattr(net, "ending", ops.sigmoid),
    "weight_assigned": lambda net: net.second.kernel.assign(-1.5 * net.second.kernel),
    "weights_set": lambda net: net.set_weights([0.5 * weight for weight in net.get_weights()]),
    "optimiser": step,
    "statistics": lambda net: net.norm.moving_mean.assign(net.norm.moving_mean + 1),
}
HARMLESS: dict[str, Callable[[Any], object]] = {
    "trainable": lambda net: setattr(net.second, "trainable", False),
    "trainable_net": lambda net: setattr(net, "trainable", False),
    "rate": lambda net: setattr(net.drop, "rate", 0.1),
    "momentum": lambda net: setattr(net.norm, "momentum", 0.5),
    "compiled": lambda net: net.compile("sgd", "mse"),
}


def sequential(kind: str) -> Callable[[], Case]:
    """A Sequential or functional net, its layers' attributes edited."""

    def make() -> Case:
        x = begin()
        scale = 1.0
        kept = {"scale": 1.0}

        def scaled(z: Any) -> Any:
            return z * scale * kept["scale"] * settings.SCALE

        def set_scale() -> None:
            nonlocal scale
            scale = 2.0

        net = keras.Sequential(
            [
                keras.Input(X.shape[1:], dtype=F64),
                layers.Conv2D(4, 3, activation="relu", name="first", dtype=F64),
                layers.Lambda(scaled, name="scaled", dtype=F64),
                layers.Conv2D(4, 3, activation="relu", name="second", dtype=F64),
                layers.GlobalAveragePooling2D(dtype=F64),
                layers.Dense(3, name="head", dtype=F64),
            ]
        )
        if kind.startswith("functional"):
            net = keras.Model(net.inputs, net.outputs)
        first, second, head = (net.get_layer(name) for name in ("first", "second", "head"))

        def popped() -> None:
            net.pop()
            net.add(layers.Dense(3, activation="softmax", name="last", dtype=F64))

        edits: dict[str, Callable[[], object]] = {
            "activation": lambda: setattr(first, "activation", keras.activations.gelu),
            "functional_activation": lambda: setattr(second, "activation", ops.tanh),
            "functional_strides": lambda: setattr(second, "strides", (2, 2)),
            "activation_taken_away": lambda: setattr(second, "activation", None),
            "closure": set_scale,
            "dict": lambda: kept.update(scale=2.0),
            "global": lambda: setattr(settings, "SCALE", 2.0),
            "functional_closure": set_scale,
            "popped": popped,
            "functional_ending": lambda: setattr(head, "activation", ops.sigmoid),
        }
        head.bias.assign([0.3, -0.2, 0.1])
        return Case(net, x, edits[kind])

    return make


SEQUENTIAL = (
    "activation",
    "functional_activation",
    "functional_strides",
    "activation_taken_away",
    "closure",
    "dict",
    "global",
    "functional_closure",
    "popped",
    "functional_ending",
)


def score(kind: str) -> Callable[[], Case]:
    """A net that stays, and a score function that reads what changes."""

    def make() -> Case:
        net = built()
        array = np.array([0.0, 1.0, 0.0])
        variable = keras.Variable(np.array([0.0, 1.0, 0.0]), dtype=F64)

        scores = changing_scores() | {
            "array": (
                lambda outputs, arrays: ops.sum(outputs * native(array), 1),
                lambda: array.__setitem__(0, -2.0),
            ),
            "variable": (
                lambda outputs, arrays: ops.sum(outputs * variable, 1),
                lambda: variable.assign([-2.0, 1.0, 0.0]),
            ),
        }
        target, edit = scores[kind]
        return Case(net, native(X), edit, target=target)

    return make


SCORES = ("closure", "global", "attribute", "array", "variable", "list")

EDITS: dict[str, Callable[[], Case]] = {
    **{name: edited(edit) for name, edit in EDITED.items()},
    **{name: edited(edit, matters=False) for name, edit in HARMLESS.items()},
    "call_without_training": edited(EDITED["attribute"], style=Plain),
    **{f"sequential_{kind}": sequential(kind) for kind in SEQUENTIAL},
    **{f"score_{kind}": score(kind) for kind in SCORES},
}


def precision() -> Any:
    """JAX computes in float64 only inside of this."""
    if keras.backend.backend() != "jax":
        return nullcontext()
    import jax

    return jax.enable_x64(True)


def report() -> dict[str, list[str]]:
    """By edit, what is wrong after it on this process's backend."""
    found, techniques = {}, in_turn(EDITS)
    for name, make in EDITS.items():
        try:
            found[name] = wrongs(make, techniques[name], precision=precision)
        except Exception as error:  # it is told to the test of this edit
            found[name] = [f"{type(error).__name__}: {error}"]
    return found


if __name__ == "__main__":
    assert keras.backend.backend() == os.environ["KERAS_BACKEND"]
    json.dump(report(), sys.stdout)
