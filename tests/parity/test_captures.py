"""Nets for one number of examples: what can be seen of them, and what is said where nothing can."""

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

import backlight
from backlight import BacklightWarning
from backlight.errors import SiteError
from backlight_check.checks import check
from backlight_check.scored_example import scored_example
from backlight_loading.techniques import Technique
from backlight_methods import GradCAM, InputXGradient
from tests.parity.measure import FRAMEWORKS

H, W, C, K = 4, 4, 3, 5
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(4, H, W, C))
MIXING = RANDOM.normal(size=(C, K))
Net = Callable[[Any], Any]


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    with jax.enable_x64(True):
        yield
    backlight.forget()


class TorchNet(nn.Module):
    def __init__(self, count: int) -> None:
        super().__init__()
        self.count, self.mixing, self.act = count, torch.from_numpy(MIXING), nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.reshape(self.count, H, W, C)
        return self.act(x @ self.mixing).mean((1, 2)).reshape(self.count, -1)


def tensorflow_net(count: int) -> Net:
    def net(x: tf.Tensor) -> tf.Tensor:
        x = tf.reshape(x, (count, H, W, C))
        return tf.reshape(tf.reduce_mean(tf.nn.relu(x @ MIXING), (1, 2)), (count, -1))

    return net


def jax_net(count: int) -> Net:
    def net(x: Any) -> Any:
        x = x.reshape(count, H, W, C)
        return jax.nn.relu(x @ MIXING).mean((1, 2)).reshape(count, -1)

    return net


NETS = {"torch": TorchNet, "tensorflow": tensorflow_net, "jax": jax_net}
ARRAY = {"torch": torch.from_numpy, "tensorflow": tf.constant, "jax": jnp.asarray}


def products(count: int) -> np.ndarray:
    """Input times gradient of class 1, by hand."""
    slope = (X[:count] @ MIXING[:, 1] > 0)[..., None] * MIXING[:, 1] / (H * W)
    return X[:count] * slope


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_net_for_one_example_is_explained_and_what_is_guessed_is_said(
    framework: str,
) -> None:
    net = backlight.wrap(NETS[framework](1), framework, channels="last")
    x = ARRAY[framework](X[:1])
    found = InputXGradient()(net, x, 1)
    assert found.warnings == ()
    np.testing.assert_allclose(np.asarray(found.values), products(1), rtol=1e-9)
    if framework == "tensorflow":  # it has no sites, as no axis can be told to be the examples'
        with pytest.raises(SiteError, match="No feature map found"):
            GradCAM(upsample="none")(net, x, 1)
    else:
        with pytest.warns(BacklightWarning, match="looked into, as it takes one example"):
            GradCAM(upsample="none")(net, x, 1)
    (note, *_) = check(scored_example(net, x, 1), Technique("saliency", InputXGradient())).notes
    assert "it takes one example at a time: whether rows look at each other" in note


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_of_a_net_for_four_examples_all_is_seen(framework: str) -> None:
    net = backlight.wrap(NETS[framework](4), framework, channels="last")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = InputXGradient()(net, ARRAY[framework](X), 1)
    np.testing.assert_allclose(np.asarray(found.values), products(4), rtol=1e-9)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_fault_of_the_capture_is_raised(framework: str, monkeypatch: pytest.MonkeyPatch) -> None:
    net = backlight.wrap(NETS[framework](1), framework, channels="last")

    def broken(*given: object) -> None:
        raise KeyError("a fault")

    monkeypatch.setattr(type(net), "graph", broken)
    with pytest.raises(KeyError, match="a fault"):
        InputXGradient()(net, ARRAY[framework](X[:1]), 1)
