"""The TensorFlow and Keras backend: plugin."""

import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any, cast

# First, because torch and TensorFlow bring clashing libraries and only this order loads.
import torch  # isort: skip
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import backlight
from backlight.errors import (
    ModelError,
    NoBackendError,
)
from backlight.values.inputs import Inputs, PerExample
from backlight_tensorflow import plugin
from tests.backends.tensorflow.model.nets import (
    Module,
    backlight_load,
    convolutional,
    host,
    numbers,
    wrap,
)


def test_who_takes_what(monkeypatch: pytest.MonkeyPatch) -> None:
    options = backlight.model.model.Options()

    def taken(net: object, inputs: object = None, framework: str | None = None) -> bool:
        return plugin.backlight_wrap(net, inputs, framework, options) is not None

    x = tf.zeros((2, 3))
    net = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    assert taken(net)
    assert taken(layers.Dense(2))
    assert not taken(net, framework="torch")
    assert taken(Module())
    assert taken(tf.function(lambda x: x))
    assert not taken(lambda x: x)
    assert taken(lambda x: x, framework="tensorflow")
    assert taken(lambda x: x, {"a": x})
    assert taken(lambda x: x, (x,))
    assert taken(lambda x: x, Inputs(cast(Any, x), (PerExample(cast(Any, x)),)))
    assert not taken(lambda x: x, np.zeros((2, 3)))
    assert not taken(3, x)
    assert not taken(torch.nn.Linear(2, 2))
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    assert not taken(net)
    with pytest.raises(NoBackendError):
        wrap(object())


def test_the_plugin_imports_no_framework() -> None:
    code = (
        "import sys, backlight_tensorflow.plugin as plugin, backlight.model.model as model;"
        "plugin.backlight_wrap(len, [1], None, model.Options());"
        "found = {'tensorflow', 'keras', 'torch', 'jax'} & set(sys.modules);"
        "assert not found, found"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_channels() -> None:
    first = keras.Sequential(
        [keras.Input((3, 8, 8)), layers.Conv2D(2, 3, data_format="channels_first")]
    )
    assert wrap(first).channels == "first"
    assert wrap(convolutional()).channels == "last"
    assert wrap(Module()).channels == "last"
    assert wrap(Module(), channels="first").channels == "first"


def test_framework_and_version() -> None:
    model = wrap(Module())
    assert (model.framework, model.version) == ("tensorflow", tf.__version__)
    assert model.owns(tf.zeros(1))
    assert not model.owns(np.zeros(1))
    assert model.is_floating(tf.zeros(1))
    assert not model.is_floating(cast(Any, tf.zeros(1, tf.int32)))


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_keras_files_load(suffix: str, tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    net, path = convolutional(), tmp_path / f"net{suffix}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net.save(path)
    x = numbers(2, 8, 8, 2)
    np.testing.assert_allclose(host(backlight_load(path)(x)), host(net(x)))


def test_files_that_do_not_load_say_what_to_do(tmp_path: Path) -> None:
    broken = tmp_path / "net.keras"
    broken.write_text("nothing")
    with pytest.raises(ModelError, match=r"file\.py:name"):
        backlight_load(broken)
    (tmp_path / "saved_model.pb").write_text("nothing")
    with pytest.raises(ModelError, match=r"file\.py:name"):
        backlight_load(tmp_path)
    assert backlight_load(tmp_path / "absent.keras") is None
    other = tmp_path / "net.other"
    other.write_text("")
    assert backlight_load(other) is None
