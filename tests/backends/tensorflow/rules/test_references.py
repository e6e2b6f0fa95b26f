"""Rules on TensorFlow and Keras nets: references."""

import threading
from dataclasses import dataclass
from typing import Any

# First, because torch and TensorFlow bring clashing libraries and only this order loads.
import torch  # isort: skip  # noqa: F401
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from backlight.errors import InputError
from backlight.explaining.targets import as_score
from backlight.rules.operations import Kind, Operation
from backlight.rules.rules import Rule, Rules
from backlight.scores.class_scores import Probability
from backlight.scores.scores import Neuron
from backlight.testing.rules import (
    COMPLETE,
    EPSILON_FOLDED,
    GUIDED,
    NATIVE,
    Epsilon,
)
from backlight.values.inputs import Inputs, PerExample
from backlight.values.outputs import OutputSpec
from backlight_tensorflow.engine import copying
from tests.backends.tensorflow.rules.nets import (
    COMMON,
    EVERYTHING,
    Values,
    bound,
    case,
    gap,
    host,
    numbers,
    ruled,
    settled,
    shared,
    wrap,
)


def test_rules_act_between_a_site_and_the_score() -> None:
    net, x, _ = shared("cnn")
    model = wrap(net)
    score = bound(model, x)
    found = model.gradient(x, score, at="pool", rules=GUIDED)
    assert [one.name for one in found.operations] == ["deep", "deep", "hidden", "hidden", "logits"]
    plain = model.gradient(x, score, at="pool")
    native = model.gradient(x, score, at="pool", rules=NATIVE)
    np.testing.assert_allclose(host(native.gradient), host(plain.gradient), rtol=1e-12)
    np.testing.assert_array_equal(host(native.value), host(plain.value))
    value = numbers(*found.value.shape, seed=3)  # type: ignore[union-attr]
    start = numbers(1, *value.shape[1:], seed=4)
    moved = model.gradient(x, score, at="pool", value=value, rules=COMPLETE, reference=start)
    assert gap(moved, value, start) < 1e-10
    np.testing.assert_allclose(
        host(moved.reference_score),
        host(model.score(x, score, at="pool", value=np.repeat(start, 3, 0))),
    )
    neuron = Neuron("deep", index=(0, slice(0, 1), 1)).bind(OutputSpec((3, 2, 2, 3), "logits"), 3)
    inside = model.gradient(x, neuron, rules=GUIDED)
    assert [str(one.kind) for one in inside.operations][-2:] == ["relu", "sum"]


def test_a_site_that_the_input_gets_around_has_a_reference_for_each() -> None:
    pixels = keras.Input((4,), **COMMON)
    hidden = layers.Dense(4, activation="tanh", name="hidden", **COMMON)(pixels)
    joined = layers.Concatenate(**COMMON)([hidden, pixels])
    joined = layers.Dense(3, activation="sigmoid", **COMMON)(joined)
    net = settled(keras.Model(pixels, layers.Dense(2, **COMMON)(joined)))
    model, x, start = wrap(net), numbers(3, 4), numbers(1, 4, seed=3)
    found = model.gradient(x, bound(model, x), at="hidden", rules=COMPLETE, reference=start)
    assert gap(found, host(found.value), start) < 1e-12


def test_references_for_all_where_rows_cannot_be_shared() -> None:
    w = numbers(6, 6) / 2

    def heads(x: Any) -> Any:
        q = tf.reshape(tf.transpose(tf.reshape(x @ w, (-1, 4, 2, 3)), (0, 2, 1, 3)), (-1, 4, 3))
        mixed = tf.matmul(tf.matmul(q, q, transpose_b=True), tf.tanh(q))
        return tf.reduce_sum(tf.reshape(mixed, (-1, 8, 3)), 1)

    x, start = tf.constant(numbers(3, 4, 6)), tf.constant(numbers(1, 4, 6, seed=4))
    found = ruled(heads, x, COMPLETE, reference=start)
    assert gap(found, x.numpy(), start.numpy()) < 1e-9

    def fixed(x: Any) -> Any:
        return tf.reshape(tf.tanh(tf.reshape(x, (3 * 24,))), (3, 24))

    found = ruled(fixed, x, COMPLETE, reference=start)
    assert gap(found, x.numpy(), start.numpy()) < 1e-12


def test_extra_arguments_of_each_example_keep_their_rows() -> None:
    def net(x: Any, mask: Any) -> Any:
        return tf.cumsum(tf.tanh(x * mask) + tf.where(mask > 0, x, 0.0) ** 2, 1)

    x, start, mask = numbers(3, 4), numbers(1, 4, seed=3), numbers(3, 4, seed=4)
    model = wrap(net)
    inputs = model.prepare(
        Inputs(tf.constant(x), keyword={"mask": PerExample(tf.constant(mask))})  # type: ignore[arg-type]
    )
    score = as_score(2).bind(model.outputs(inputs), 3)
    found = model.gradient(inputs, score, rules=COMPLETE, reference=tf.constant(start))  # type: ignore[arg-type]
    assert gap(found, x, start) < 1e-12
    with pytest.raises(InputError, match="length 1 on axis 0"):
        model.gradient(inputs, score, rules=COMPLETE, reference=tf.constant(x[:2]))  # type: ignore[arg-type]


def test_several_inputs_and_whole_numbers_among_them() -> None:
    table = layers.Embedding(7, 4, name="table", **COMMON)
    words, more = keras.Input((3,), dtype="int32"), keras.Input((4,), **COMMON)
    x = layers.Add(**COMMON)([layers.GlobalAveragePooling1D(**COMMON)(table(words)), more])
    net = settled(keras.Model([words, more], layers.Dense(3, activation="relu", **COMMON)(x)))
    ids, values = np.array([[1, 2, 3], [4, 5, 6]]), numbers(2, 4)
    model = wrap(net)
    found = model.gradient((ids, values), bound(model, (ids, values)), rules=NATIVE)
    plain = model.gradient((ids, values), bound(model, (ids, values)))
    np.testing.assert_array_equal(host(found.gradient[1]), host(plain.gradient[1]))  # type: ignore[index]
    assert not host(found.gradient[0]).any()  # type: ignore[index]
    embedded = model.gradient((ids, values), bound(model, (ids, values)), at="table", rules=GUIDED)
    assert [str(one.kind) for one in embedded.operations] == ["sum", "shift", "dense", "relu"]


def test_single_precision_scores_are_the_same_with_rules() -> None:
    keras.utils.set_random_seed(1)
    net = keras.Sequential(
        [
            keras.Input((12, 12, 3)),
            layers.Conv2D(8, 3, activation="relu"),
            layers.Conv2D(8, 3),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Flatten(),
            layers.Dense(5, activation="gelu"),
            layers.Dense(3),
        ]
    )
    settled(net)
    model, x = wrap(net), numbers(4, 12, 12, 3).astype("float32")
    score = bound(model, x, Probability(1))
    plain = host(model.gradient(x, score).score)
    for rules in (GUIDED, EPSILON_FOLDED, NATIVE, COMPLETE):
        reference = np.zeros_like(x[:1]) if rules is COMPLETE else None
        found = model.gradient(x, score, rules=rules, reference=reference)
        np.testing.assert_array_equal(host(found.score), plain)


def test_another_class_or_batch_compiles_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    net, x, start = case("cnn")
    model = wrap(net)
    model.gradient(x, bound(model, x, 0), rules=GUIDED)
    model.gradient(x, bound(model, x, 0), rules=COMPLETE, reference=start)
    made: list[object] = []
    monkeypatch.setattr(tf, "function", lambda *given, **named: made.append(given))
    model.gradient(x, bound(model, x, [0, 1, 2]), rules=GUIDED)
    model.gradient(x[:2], bound(model, x[:2], 1), rules=GUIDED)
    model.gradient(x, bound(model, x, 2), rules=COMPLETE, reference=numbers(*x.shape))
    model.operations(x, score=bound(model, x, 1), rules=GUIDED)
    assert not made


def test_what_went_through_is_differentiated_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Operations are made once for the pass, and not again for their rules."""
    net, x, _ = case("cnn")
    model = wrap(net)
    score = bound(model, x)
    model.gradient(x, score)
    model.operations(x, score=score, rules=EVERYTHING)  # for the lengths, they are made too
    made: list[str] = []
    again = copying.again
    monkeypatch.setattr(
        copying, "again", lambda node, given: made.append(node.op.type) or again(node, given)
    )
    model.gradient(x, score, rules=EVERYTHING)
    assert [made.count(type_) for type_ in ("Conv2D", "MaxPool", "Relu", "MatMul")] == [2, 1, 2, 2]


def test_threads_get_what_one_gets_alone_and_the_model_stays_as_it_is() -> None:
    net, x, start = case("cnn")
    before = [host(variable) for variable in net.variables]
    model = wrap(net)
    score = bound(model, x)
    results: dict[int, Values] = {}

    def work(place: int) -> None:
        rules = (GUIDED, EPSILON_FOLDED, COMPLETE)[place % 3]
        reference = start if rules is COMPLETE else None
        results[place] = host(model.gradient(x, score, rules=rules, reference=reference).gradient)

    threads = [threading.Thread(target=work, args=(place,)) for place in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for place in range(3):
        np.testing.assert_array_equal(results[place], results[place + 3])
    for value, variable in zip(before, net.variables, strict=True):
        np.testing.assert_array_equal(value, host(variable))
    new = numbers(*net.get_layer("conv").kernel.shape, seed=8)
    net.get_layer("conv").kernel.assign(new)
    assert np.abs(host(model.gradient(x, score, rules=GUIDED).gradient) - results[0]).max() > 1e-6


@dataclass(frozen=True)
class ByShape(Rules):
    """A rule for wide dense layers only."""

    @property
    def kinds(self) -> frozenset[Kind]:
        return frozenset({Kind.DENSE})

    def choose(self, operation: Operation) -> Rule | None:
        return Epsilon(10.0) if operation.shape[-1] == 5 else None


def test_rules_choose_by_what_an_operation_is() -> None:
    net, x, _ = shared("cnn")
    found = ruled(net, x, ByShape())
    plain = ruled(net, x, NATIVE)
    assert np.abs(host(found.gradient) - host(plain.gradient)).max() > 1e-6
