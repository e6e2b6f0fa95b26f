"""The TensorFlow and Keras backend: compiling."""

from collections.abc import Callable
from typing import Any

# First, because torch and TensorFlow bring clashing libraries and only this order loads.
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from backlight.memory.identity import identity_of
from backlight.model.model import Model
from tests.backends.tensorflow.model.nets import (
    F64,
    Module,
    Subclassed,
    Values,
    bound,
    central,
    host,
    numbers,
    wrap,
)


def test_nothing_is_traced_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    net, x = Subclassed(), numbers(3, 5)
    net(x)
    net.runs.clear()
    model = wrap(net)
    made: list[object] = []
    original = tf.function

    def counting(*arguments: Any, **named: Any) -> Any:
        made.append(arguments)
        return original(*arguments, **named)

    monkeypatch.setattr(tf, "function", counting)

    def everything(x: Values, target: Any, value: Values) -> None:
        score = bound(model, x, target)
        model.predict(x)
        model.sites(x)
        model.activation(x, "hidden")
        for given in (None, tf.constant(value[: len(x)])):
            model.score(x, score, at="hidden", value=given)
            model.gradient(x, score, at="hidden", value=given)
        model.gradient(x, score)

    everything(x, 0, numbers(3, 4))
    programs = len(made)
    assert net.runs == [False]  # never in training mode
    for target, seed in ((1, 1), ([0, 2, 1], 2)):
        net.hidden.kernel.assign(numbers(5, 4, seed=seed))
        everything(numbers(3, 5, seed=seed), target, numbers(3, 4, seed=seed))
    everything(numbers(2, 5), 2, numbers(3, 4))
    everything(numbers(7, 5), 2, numbers(7, 4))
    assert net.runs == [False]
    assert len(made) == programs
    # New weights count.
    np.testing.assert_allclose(host(model.predict(x)), host(net(x)), rtol=1e-12)


def test_a_net_that_needs_to_know_the_number_of_examples() -> None:
    def net(x: Any) -> Any:
        assert x.shape[0] is not None
        return x * float(x.shape[0])

    model = wrap(net, framework="tensorflow")
    for count in (2, 3, 2):
        x = numbers(count, 4)
        found = model.gradient(x, bound(model, x, 0))
        np.testing.assert_allclose(host(found.gradient)[:, 0], count)
        (site,) = model.sites(x)
        assert site.shape == (count, 4)


class Tempered(keras.Model):
    """A subclassed model that reads a number and a function of its own."""

    def __init__(self) -> None:
        super().__init__(dtype=F64)
        self.last = layers.Dense(3, name="last", dtype=F64)
        self.t = 2.0
        self.runs: list[int] = []

    def call(self, inputs: Any) -> Any:
        self.runs.append(1)
        return self.last(inputs) / self.t


def test_what_is_kept_for_training_is_no_edit() -> None:
    layer = layers.Dense(3)
    layer.build((None, 4))
    before = identity_of(layer)
    layer.kernel.trainable = False  # of the variable alone
    layer.activity_regularizer = keras.regularizers.L2(0.1)
    assert identity_of(layer) == before
    layer.use_bias = False
    assert identity_of(layer) != before


def test_edits_between_calls_are_seen() -> None:
    net = keras.Sequential(
        [
            keras.Input((5,), dtype=F64),
            layers.Dense(4, activation="tanh", name="first", dtype=F64),
            layers.Dense(2, activation="tanh", name="second", dtype=F64),
        ]
    )
    model, x = wrap(net), numbers(3, 5)

    def check(model: Model, net: Any) -> None:
        before = model.identity()
        np.testing.assert_allclose(host(model.predict(x)), host(net(tf.constant(x))), rtol=1e-12)
        gradient = host(model.gradient(x, bound(model, x, 1)).gradient)

        def second(points: Values) -> Values:
            return host(net(tf.constant(points)))[:, 1]

        np.testing.assert_allclose(gradient, central(second, x), rtol=1e-6, atol=1e-8)
        assert model.identity() == before

    check(model, net)
    identities = {model.identity()}
    net.pop()
    net.add(layers.Dense(3, activation="tanh", name="third", dtype=F64))
    check(model, net)
    assert [site.name for site in model.sites(x)] == ["first", "third"]
    identities.add(model.identity())
    net.layers[-1].activation = None
    check(model, net)
    identities.add(model.identity())
    for factor in (3.0, 4.0):  # functions that may be put where the one before was
        net.layers[0].activation = lambda values, factor=factor: values * factor
        check(model, net)
        identities.add(model.identity())
    net.layers[0].enable_lora(2)
    net.layers[0].lora_kernel_b.assign(numbers(2, 4))
    check(model, net)
    assert len({*identities, model.identity()}) == 6

    tempered = Tempered()
    model = wrap(tempered)
    model.predict(x)  # which makes the variables
    tempered.runs.clear()
    model.predict(x)
    assert tempered.runs == []
    check(model, tempered)
    tempered.t = 4.0
    check(model, tempered)


def test_edited_modules_are_seen() -> None:
    class Scaled(Module):
        t = 1.0
        parts: Any = ()

        def __call__(self, x: Any) -> Any:
            return super().__call__(x) * self.t + sum(part.v[0, 0] for part in self.parts)

    module, x = Scaled(), numbers(2, 5)
    models = [wrap(module), wrap(module.__call__, inputs=tf.constant(x))]
    edits: list[Callable[[], object]] = [
        lambda: None,
        lambda: setattr(module, "t", 3.0),
        lambda: setattr(module, "w", tf.Variable(numbers(5, 4, seed=9))),
        lambda: setattr(module, "parts", [Module()]),
        lambda: setattr(module.parts[0], "v", tf.Variable(numbers(4, 3, seed=8))),
    ]
    for edit in edits:
        edit()
        for model in models:
            found = host(model.predict(tf.constant(x)))
            np.testing.assert_allclose(found, host(module(x)), rtol=1e-12)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_training_and_calls_are_no_edits() -> None:
    x, net = numbers(4, 5), Tempered()
    net(x)
    model = wrap(net)
    model.predict(x)
    before = model.identity()
    net.runs.clear()
    net.compile("sgd", "mse", jit_compile=False)
    net.fit(x, numbers(4, 3), verbose=0)
    net.predict(x, verbose=0)
    net.evaluate(x, numbers(4, 3), verbose=0)
    net.set_weights([numbers(5, 3), numbers(3)])
    net.runs.clear()
    np.testing.assert_allclose(host(model.predict(x)), (x @ numbers(5, 3) + numbers(3)) / 2)
    assert net.runs == []
    assert model.identity() == before
