"""Several outputs of a net by their names and by position, on each of Keras' backends."""

import os
import subprocess
import sys
from pathlib import Path

# First, because torch and TensorFlow bring clashing libraries and only this order loads.
import torch  # isort: skip  # noqa: F401
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import backlight
from backlight.explaining.targets import as_score
from backlight.model.naming import named
from backlight.scores.class_scores import Class
from backlight.scores.scores import Output, Score
from backlight_methods import Gradient

X = np.random.default_rng(0).normal(size=(2, 4)).astype("float32")


def two_headed(structure: type = list) -> keras.Model:
    keras.utils.set_random_seed(0)
    x = keras.Input((4,))
    logits, boxes = layers.Dense(3, name="logits")(x), layers.Dense(2, name="boxes-0")(x)
    return keras.Model(x, structure([logits, boxes]))


def check(net: keras.Model) -> None:
    """The gradient of a linear head is its column, whichever way the output is named."""
    heads = net.get_layer("logits"), net.get_layer("boxes-0")
    logits, boxes = (head.get_weights()[0] for head in heads)
    wanted: list[tuple[Score, np.ndarray]] = [
        (Output("logits", 2), logits[:, 2]),
        (Output(0, 2), logits[:, 2]),
        (Output("boxes-0", 1), boxes[:, 1]),
        (Output(-1, 1), boxes[:, 1]),
        (Class(1, path="logits"), logits[:, 1]),
        (as_score(first_box), boxes[:, 0]),
    ]
    for target, column in wanted:
        found = Gradient()(net, X, target)
        values = np.asarray(keras.ops.convert_to_numpy(found.values))
        np.testing.assert_allclose(values, np.tile(column, (2, 1)), rtol=1e-6)


def check_weights() -> None:
    """Two nets of the same weights are told alike, one with another weight apart."""
    from tests.study.test_model_digest import told

    one, other = told("keras_model")["keras_model"]
    assert told("keras_model")["keras_model"] == [one, other]
    assert one not in (None, other)
    nets = [two_headed(), two_headed()]
    both = backlight.wrap(lambda x: nets[0](x)[0] + nets[1](x)[0], keras.backend.backend())
    told_of_both = both.weights()
    assert told_of_both is not None
    sizes = [np.prod(tuple(array.shape)) for array in told_of_both.parameters.values()]
    assert sum(sizes) == 2 * nets[0].count_params()


def first_box(outputs: object, arrays: object) -> object:
    """Of a user who takes what the net returns apart by position."""
    _, boxes = outputs  # type: ignore[misc]
    return boxes[:, 0]


@pytest.mark.parametrize("structure", [list, tuple])
def test_functional_models_name_their_outputs(structure: type) -> None:
    check(two_headed(structure))


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_so_they_do_on_other_backends(backend: str) -> None:
    code = (
        "import tests.backends.keras.test_outputs as t; t.check(t.two_headed()); t.check_weights()"
    )
    environment = {**os.environ, "KERAS_BACKEND": backend}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


def test_names_that_occur_several_times_count() -> None:
    x = keras.Input((3, 4))
    net = keras.Model(x, layers.LSTM(2, return_state=True, name="lstm")(x))
    sequence = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("float32")
    model = backlight.wrap(net)
    hidden, _, cell = net(sequence)
    for name, wanted in (("lstm[0]", hidden), ("lstm[2]", cell)):
        score = Output(name, 1).bind(model.outputs(sequence), 2)
        np.testing.assert_array_equal(model.score(sequence, score), wanted[:, 1])
    assert list(model.predict(sequence)._fields) == ["lstm[0]", "lstm[1]", "lstm[2]"]  # type: ignore[attr-defined]


def test_saved_models_name_their_outputs_as_their_signatures_do(tmp_path: Path) -> None:
    net = two_headed()
    net.export(tmp_path, verbose=False)
    loaded = tf.saved_model.load(tmp_path)
    wanted = np.asarray(net(X)[1])[:, 0]
    for saved in (loaded, loaded.signatures["serving_default"]):
        model = backlight.wrap(saved)
        score = Output("output_1", 0).bind(model.outputs(X), 2)
        np.testing.assert_allclose(model.score(X, score), wanted, rtol=1e-6)


def test_named_parts_are_a_tuple() -> None:
    found = named([1, 2], ["a b", "class"])
    assert found == (1, 2)
    assert repr(found) == "Outputs(a b=1, class=2)"
    assert type(named([3, 4], ["a b", "class"])) is type(found)
