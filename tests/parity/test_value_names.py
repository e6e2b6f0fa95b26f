"""Values that no module computes have names too, and each name that is given can be given back."""

import functools
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch  # isort: skip  (before TensorFlow: the other order does not load)
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf
from torch import nn
from torch.nn import functional

import backlight
from backlight import BacklightWarning, Class
from backlight_methods import DeepLIFT, GradCAM, Gradient, HiResCAM, Saliency
from tests.parity.measure import FRAMEWORKS

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(3, 6, 6, 2))
KERNELS = RANDOM.normal(size=(3, 3, 2, 4)) / 4, RANDOM.normal(size=(3, 3, 4, 4)) / 6
HEAD = RANDOM.normal(size=(4, 3))

Net = Callable[[Any], Any]


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with jax.enable_x64(True), warnings.catch_warnings():
        warnings.simplefilter("ignore", BacklightWarning)
        yield
    backlight.forget()


class Functional(nn.Module):
    """Convolutions are modules, everything else is functions."""

    def __init__(self) -> None:
        super().__init__()
        for name, kernel in zip(("first", "second"), KERNELS, strict=True):
            layer = nn.Conv2d(*kernel.shape[2:], 3, padding=1, bias=False).double()
            layer.weight.data.copy_(torch.from_numpy(kernel.transpose(3, 2, 0, 1)))
            self.add_module(name, layer)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = functional.relu(self.second(functional.relu(self.first(x))))
        return h.mean((2, 3)) @ torch.from_numpy(HEAD)


def torch_function(x: torch.Tensor) -> torch.Tensor:
    for kernel in KERNELS:
        weight = torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy())
        x = functional.relu(functional.conv2d(x, weight, padding=1))
    return x.mean((2, 3)) @ torch.from_numpy(HEAD)


def torch_clamped(x: torch.Tensor) -> torch.Tensor:
    """The rectifier in place, and spelled as a minimum that is cut off."""
    for kernel in KERNELS:
        weight = torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy())
        x = functional.conv2d(x, weight, padding=1).clamp_(min=0)
    return x.mean((2, 3)) @ torch.from_numpy(HEAD)


def tensorflow_function(x: tf.Tensor) -> tf.Tensor:
    for kernel in KERNELS:
        x = tf.nn.relu(tf.nn.conv2d(x, kernel, 1, "SAME"))
    return tf.reduce_mean(x, (1, 2)) @ HEAD


def tensorflow_clamped(x: tf.Tensor) -> tf.Tensor:
    for kernel in KERNELS:
        x = tf.maximum(tf.nn.conv2d(x, kernel, 1, "SAME"), 0)
    return tf.reduce_mean(x, (1, 2)) @ HEAD


def jax_function(x: Any, rectified: Callable[[Any], Any] = jax.nn.relu) -> Any:
    numbers = ("NHWC", "HWIO", "NHWC")
    for kernel in KERNELS:
        convolved = jax.lax.conv_general_dilated(
            x, kernel, (1, 1), "SAME", dimension_numbers=numbers
        )
        x = rectified(convolved)
    return x.mean((1, 2)) @ HEAD


NETS: dict[str, dict[str, Callable[[], Net]]] = {
    "torch": {
        "module": Functional,
        "function": lambda: torch_function,
        "clamped": lambda: torch_clamped,
    },
    "tensorflow": {
        "function": lambda: tensorflow_function,
        "clamped": lambda: tensorflow_clamped,
        "compiled": lambda: tf.function(tensorflow_function),
    },
    "jax": {
        "function": lambda: jax_function,
        "clamped": lambda: functools.partial(jax_function, rectified=lambda x: jnp.clip(x, 0)),
        "compiled": lambda: jax.jit(jax_function),
    },
}
CASES = [(framework, kind) for framework in FRAMEWORKS for kind in NETS[framework]]


def given(framework: str, count: int = 3) -> Any:
    x = X[:count]
    if framework == "torch":
        return torch.from_numpy(x.transpose(0, 3, 1, 2).copy())
    return tf.constant(x) if framework == "tensorflow" else jnp.asarray(x)


def hidden() -> np.ndarray:
    """What the last rectifier gives, channels last."""
    x = torch.from_numpy(X.transpose(0, 3, 1, 2).copy())
    for kernel in KERNELS:
        weight = torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy())
        x = functional.conv2d(x, weight, padding=1).relu()
    return x.numpy().transpose(0, 2, 3, 1)


@pytest.mark.parametrize(("framework", "kind"), CASES)
def test_the_feature_map_is_behind_the_rectifier_whatever_computes_it(
    framework: str, kind: str
) -> None:
    """Maps of a net that ends in a mean and a matrix have a closed form: map times weights."""
    net, x = NETS[framework][kind](), given(framework)
    right = (hidden() * HEAD[:, 1]).sum(-1) / 36
    found = np.asarray(HiResCAM(upsample="none")(net, x, 1).values)
    np.testing.assert_allclose(found, right, rtol=1e-9, atol=1e-12)
    found = np.asarray(GradCAM(upsample="none")(net, x, 1).values)
    np.testing.assert_allclose(found, right, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("framework", "kind"), CASES)
def test_the_place_that_a_map_was_read_at_can_be_given_back(framework: str, kind: str) -> None:
    net, x = NETS[framework][kind](), given(framework)
    found = GradCAM(upsample="none")(net, x, 1)
    assert found.at is not None
    backlight.forget()
    again = GradCAM(upsample="none")(net, x, 1, at=found.at)
    np.testing.assert_allclose(np.asarray(again.values), np.asarray(found.values), rtol=1e-12)
    few = GradCAM(upsample="none")(net, given(framework, 1), 1)
    assert few.at == found.at


@pytest.mark.parametrize(("framework", "kind"), CASES)
def test_every_named_value_can_be_read_and_replaced(framework: str, kind: str) -> None:
    net, x = NETS[framework][kind](), given(framework)
    model = backlight.wrap(net, inputs=x)
    inputs = model.prepare(x)
    sites = model.sites(inputs)
    assert len({site.name for site in sites}) == len(sites)
    score = Class(1).bind(model.outputs(inputs), 3)
    expected = np.asarray(model.score(inputs, score))
    listed = {site.name: site.shape for site in sites}
    graph = model.graph(inputs)
    assert graph is not None
    shapes = {}
    for name in dict.fromkeys([*listed, *graph.sites]):
        value = model.activation(inputs, name)
        shapes[name] = tuple(value.shape)
        assert listed.get(name, shapes[name]) == shapes[name]
        replaced = model.score(inputs, score, at=name, value=value)
        np.testing.assert_allclose(np.asarray(replaced), expected, rtol=1e-12)
        at_zero = model.score(inputs, score, at=name, value=model.arrays.zeros_like(value))
        np.testing.assert_allclose(np.asarray(at_zero), 0, atol=1e-12)  # the net has no biases
        gradient = Gradient()(net, x, 1, at=name)
        assert tuple(np.shape(gradient.values)) == shapes[name]
    maps = [name for name, shape in shapes.items() if len(shape) == 4]
    assert len(maps) >= 4, f"two convolutions and two rectifiers; named: {list(shapes)}"


@pytest.mark.parametrize(("framework", "kind"), CASES)
@pytest.mark.parametrize("method", [Saliency(), DeepLIFT()], ids=["saliency", "deep_lift"])
def test_techniques_take_the_name_of_the_last_rectifier(
    framework: str, kind: str, method: Any
) -> None:
    net, x = NETS[framework][kind](), given(framework)
    at = GradCAM(upsample="none")(net, x, 1).at
    values = np.asarray(method(net, x, 1, at=at).values)
    values = values.transpose(0, 2, 3, 1) if framework == "torch" else values
    slope = np.broadcast_to(HEAD[:, 1] / 36, values.shape)
    right = np.abs(slope) if isinstance(method, Saliency) else slope * hidden()
    np.testing.assert_allclose(values, right, rtol=1e-9, atol=1e-12)
