"""Files that would run code as they are loaded, or files that would act when their graph runs."""

import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

from backlight.errors import ModelError
from backlight_model_files.plugin import backlight_load_model as load

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(autouse=True, params=[False, True], ids=["", "unsafe deserialization"])
def switch(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever Keras's own switch says."""
    from keras.src.backend.common import global_state

    if request.param:
        keras.config.enable_unsafe_deserialization()
    yield
    global_state.set_global_attribute("safe_mode_saving", None)


def touching(path: Path) -> Any:
    code = f"__import__('pathlib').Path({str(path)!r}).touch()"
    return eval(f"lambda x: x if {code} is None else x")


def own_loss(wanted: Any, found: Any) -> Any:
    return keras.ops.sum(wanted - found)


def ordinary() -> keras.Model:
    """What Keras files have: nested models, names of functions, compiled losses of one's own."""
    inner = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="relu")])
    x = keras.Input((4,))
    y = keras.layers.Dense(2, kernel_regularizer="l2")(keras.layers.Activation("tanh")(inner(x)))
    net = keras.Model(x, y)
    net.compile(loss=own_loss)
    return net


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_ordinary_files_load(suffix: str, tmp_path: Path) -> None:
    net, x = ordinary(), np.ones((2, 4), "float32")
    net.save(tmp_path / f"net{suffix}")
    found: Any = load(tmp_path / f"net{suffix}")
    np.testing.assert_allclose(found(x).numpy(), net(x).numpy(), rtol=1e-6)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.filterwarnings("ignore:The object being serialized includes a `lambda`")
def test_layers_of_bytecode(suffix: str, tmp_path: Path) -> None:
    made = tmp_path / "made"
    layer = keras.layers.Lambda(touching(made), output_shape=(4,))
    net = keras.Sequential([keras.Input((4,)), layer])
    net.save(tmp_path / f"net{suffix}")
    made.unlink(missing_ok=True)
    with pytest.raises(ModelError, match=r"Python bytecode, which is not loaded.*file\.py:name"):
        load(tmp_path / f"net{suffix}")
    assert not made.exists()


NAMED = {
    "another package": ("pathlib", "Path", "Path"),
    "a tool of Keras": ("keras.utils", "get_file", "function"),
    "a loader of Keras": ("keras.models", "load_model", "function"),
    "the switch": ("keras.config", "enable_unsafe_deserialization", "function"),
}


@pytest.mark.parametrize("kind", NAMED)
def test_functions_that_are_no_parts_of_models(kind: str, tmp_path: Path) -> None:
    module, name, sort = NAMED[kind]
    ordinary().save(tmp_path / "net.keras")
    with zipfile.ZipFile(tmp_path / "net.keras") as before:
        members = {one: before.read(one) for one in before.namelist()}
    config = json.loads(members["config.json"])
    evil = {"module": module, "class_name": sort, "config": name, "registered_name": name}
    config["config"]["layers"][-1]["config"]["activation"] = evil
    members["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(tmp_path / "evil.keras", "w") as after:
        for one, stored in members.items():
            after.writestr(one, stored)
    with pytest.raises(ModelError, match="is no part of Keras's models and is not registered"):
        load(tmp_path / "evil.keras")


def test_a_file_of_weights_alone_is_said_to_be_that(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        file["kernel"] = np.ones(3)
    with pytest.raises(ModelError, match="weights alone is no model"):
        load(tmp_path / "weights.h5")


def writing(path: Path) -> Callable[[], None]:
    def write() -> None:
        tf.io.write_file(str(path), "written")

    return write


class Net(tf.Module):
    """A net with a vocabulary and a variable, that may write a file on the way."""

    def __init__(self, words: Path, writes: Path | None) -> None:
        super().__init__()
        words.write_text("a\nb\n")
        self.words = tf.saved_model.Asset(str(words))
        lines = tf.lookup.TextFileInitializer(
            self.words,
            *(tf.string, tf.lookup.TextFileIndex.WHOLE_LINE),
            *(tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER),
        )
        self.table = tf.lookup.StaticHashTable(lines, -1)
        self.scale = tf.Variable(2.0)
        self.write = None if writes is None else tf.function(writing(writes))

    @tf.function(input_signature=[tf.TensorSpec((None, 3))])
    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        number = tf.cast(self.table.lookup(tf.constant("b")), tf.float32)
        if self.write is not None:
            self.write()
        return x * self.scale * number


def test_an_ordinary_saved_model_loads(tmp_path: Path) -> None:
    net = Net(tmp_path / "words", None)
    tf.saved_model.save(net, tmp_path / "net")
    found: Any = load(tmp_path / "net")
    np.testing.assert_allclose(found(tf.ones((2, 3))).numpy(), 2 * np.ones((2, 3)))


def test_saved_models_that_write_files(tmp_path: Path) -> None:
    made = tmp_path / "made"
    tf.saved_model.save(Net(tmp_path / "words", made), tmp_path / "net")
    with pytest.raises(ModelError, match=r"reads or writes files or runs Python \(WriteFile"):
        load(tmp_path / "net")
    assert not made.exists()


class Python(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec((None, 3))])
    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        return tf.ensure_shape(tf.numpy_function(np.abs, [x], tf.float32), (None, 3))


def test_saved_models_that_run_python(tmp_path: Path) -> None:
    tf.saved_model.save(Python(), tmp_path / "net")
    with pytest.raises(ModelError, match="runs Python"):
        load(tmp_path / "net")


class Printing(tf.Module):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    @tf.function(input_signature=[tf.TensorSpec((None, 3))])
    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        tf.print(x, output_stream=f"file://{self.path}")
        return x


def test_saved_models_that_print_to_files(tmp_path: Path) -> None:
    tf.saved_model.save(Printing(tmp_path / "made"), tmp_path / "net")
    with pytest.raises(ModelError, match="PrintV2"):
        load(tmp_path / "net")


def test_a_saved_model_of_before(tmp_path: Path) -> None:
    """Of TensorFlow 1: what saves it is in the same graph, with nothing that says so."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        x = tf.compat.v1.placeholder(tf.float32, (None, 3))
        scale = tf.compat.v1.get_variable("scale", initializer=2.0, use_resource=True)
        session.run(scale.initializer)
        tf.compat.v1.saved_model.simple_save(
            session, str(tmp_path / "net"), {"x": x}, {"y": x * scale}
        )
    found: Any = load(tmp_path / "net")
    (y,) = found.signatures["serving_default"](tf.ones((2, 3))).values()
    np.testing.assert_allclose(y.numpy(), 2 * np.ones((2, 3)))
