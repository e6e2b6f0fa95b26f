"""Sessions of ONNX Runtime: names, dtypes and batches of inputs, against the same numbers in NumPy."""

from typing import Any

import numpy as np
import onnxruntime
import pytest

import backlight
from backlight import Class
from backlight.errors import BacklightWarning, InputError, ModelError
from backlight.values.outputs import OutputSpec
from backlight_loading.models import wanted_shape
from backlight_loading.preparation import wanted_picture
from backlight_methods import Occlusion
from tests.backends.numpy import onnx_nets
from tests.study.nets import torch_net

RNG = np.random.default_rng(0)
WEIGHT = RNG.normal(size=(4, 3))
X = RNG.normal(size=(7, 4))


def session(file: bytes) -> Any:
    return onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("given", ["float32", "float64", "int64"])
def test_numbers_come_in_the_dtype_that_the_session_takes(dtype: str, given: str) -> None:
    net, x = session(onnx_nets.dense(WEIGHT, dtype)), (3 * X).astype(given)
    model = backlight.wrap(net)
    assert model.framework == "numpy" and model.predict(x).dtype == dtype
    found = Occlusion()(net, x, 1)
    assert np.allclose(found.values, WEIGHT[:, 1] * x, atol=1e-5 if dtype == "float32" else 1e-13)


def test_a_picture_net_is_explained_as_the_same_net_in_pytorch() -> None:
    net = session(onnx_nets.picture_net())
    x = RNG.uniform(size=(5, 1, 8, 8)).astype(np.float32)
    one, other = (Occlusion(window=3)(each, x, [0, 1, 2, 0, 1]) for each in (net, torch_net()))
    assert np.allclose(one.values, other.values, atol=1e-5)
    assert one.layouts == other.layouts
    assert wanted_shape(net) == (None, 1, 8, 8)
    assert wanted_picture(wanted_shape(net), backlight.wrap(net).channels) == ((8, 8), "grey")


@pytest.mark.parametrize(
    ("shape", "channels"),
    [
        (["N", 3, 32, 32], "first"),
        (["N", 32, 32, 3], "last"),
        (["N", 3, "H", "W"], "first"),
        (["N", "H", "W", 3], "last"),
        (["N", "C", "H", "W"], "first"),
        (["N", 3, 32, 4], "first"),
        (["N", 4], "first"),
    ],
)
def test_declared_colours_say_where_channels_are(shape: list[Any], channels: str) -> None:
    node = onnx_nets.helper.make_node("Identity", ["x"], ["y"])
    file = onnx_nets.model([node], {"x": ("float32", shape)}, {"y": ("float32", shape)})
    net = session(file)
    assert backlight.wrap(net).channels == channels
    assert backlight.wrap(net, channels="last").channels == "last"


@pytest.mark.parametrize(("length", "said"), [(1, "one by one"), (4, "4 at a time")])
def test_a_batch_of_fixed_length_is_run_as_often_as_it_takes(length: int, said: str) -> None:
    with pytest.warns(BacklightWarning, match=f"batches of {length}: examples are run {said}"):
        model = backlight.wrap(session(onnx_nets.dense(WEIGHT, "float64", length)))
    assert np.allclose(model.predict(X), X @ WEIGHT)
    assert np.allclose(model.predict(X[:3]), X[:3] @ WEIGHT)
    assert np.allclose(Occlusion()(model, X, 2, batch_size=3).values, WEIGHT[:, 2] * X)


def test_an_output_of_fixed_length_has_the_examples_first() -> None:
    node = onnx_nets.helper.make_node("Transpose", ["x"], ["y"])
    file = onnx_nets.model([node], {"x": ("float32", [1, 4])}, {"y": ("float32", [4, 1])})
    with pytest.warns(BacklightWarning, match="one by one"):
        model = backlight.wrap(session(file))
    with pytest.raises(ModelError, match=r"shape \(4, 1\): the examples' axis must come first"):
        model.predict(X)


def test_inputs_go_by_position_or_by_name() -> None:
    model = backlight.wrap(session(onnx_nets.two_inputs()))
    a, ids = X[:, :3], np.array([0, 3, 1, 1, 2, 0, 3])
    right = a + np.arange(12).reshape(4, 3)[ids]
    for inputs in ((a, ids), {"ids": ids, "a": a}, {"a": a, "ids": ids.astype(np.int32)}):
        found = model.predict(inputs)
        assert list(found) == ["scores", "twice"]
        assert np.allclose(found["scores"], right, atol=1e-6)
        assert np.allclose(found["twice"], 2 * right, atol=1e-6)
    assert model.outputs((a, ids))["scores"] == OutputSpec((7, 3))  # type: ignore[index]
    found = Occlusion()(model, {"a": a, "ids": ids}, Class(0, path="scores"))
    assert np.allclose(found.values["a"], a * [1, 0, 0], atol=1e-5)
    assert np.allclose(found.values["ids"], 3 * ids, atol=1e-5)
    beside = Occlusion()(model, a, Class(0, path="scores"), extra={"ids": ids}, batch_size=2)
    assert np.allclose(beside.values, found.values["a"])
    with pytest.raises(InputError, match=r"takes the inputs a \['N', 3\], ids \['N'\]"):
        model.predict({"a": a, "id": ids})
    with pytest.raises(InputError, match="Got 1 by position, none by name"):
        model.predict(a)
    with pytest.raises(ModelError, match=r"It was given float64 \(7, 3\), float64 \(7,\)"):
        model.predict((a, ids + 0.5))


def test_probabilities_by_class_are_columns() -> None:
    model = backlight.wrap(session(onnx_nets.by_class()))
    x = X[:, :3].astype(np.float32)
    exponential = np.exp(x[:, [0, 1, 2]])
    right = exponential / exponential.sum(1, keepdims=True)
    found = model.predict(x)
    assert found.shape == (7, 3)
    assert np.allclose(np.sort(found, 1), np.sort(right, 1), atol=1e-6)
    assert Occlusion()(model, x, backlight.Logit(0)).target == "Logit(0)"
