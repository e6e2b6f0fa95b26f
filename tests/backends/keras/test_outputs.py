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
from backlight.model.naming import named
from backlight.scores.scores import Output
from tests.backends.keras.outputs import X, check, two_headed


@pytest.mark.parametrize("structure", [list, tuple])
def test_functional_models_name_their_outputs(structure: type) -> None:
    check(two_headed(structure))


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_so_they_do_on_other_backends(backend: str) -> None:
    code = "import tests.backends.keras.outputs as t; t.check(t.two_headed()); t.check_weights()"
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
