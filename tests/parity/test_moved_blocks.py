"""Blocks of places that are moved to channels, as a stem without strides does, or to places and back,
and channels moved among groups: the feature map behind them is found."""

from collections.abc import Callable, Iterator
from typing import Any

import torch  # isort: skip  (before TensorFlow: the other order does not load)
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf
from torch.nn import functional

from backlight_methods import HiResCAM
from tests.parity.measure import FRAMEWORKS

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(2, 8, 12, 4))
HEAD = RANDOM.normal(size=(8, 5))
INPUTS = {"to_channels": 16, "there_and_back": 4, "among_groups": 4}
"""How many channels the moved pictures have."""
KERNELS = {name: RANDOM.normal(size=(3, 3, count, 8)) for name, count in INPUTS.items()}
GRIDS = {"to_channels": (4, 6), "there_and_back": (8, 12), "among_groups": (8, 12)}


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def torch_net(name: str) -> tuple[Callable[[Any], Any], Any]:
    moved = {
        "to_channels": lambda x: functional.pixel_unshuffle(x, 2),
        "there_and_back": lambda x: functional.pixel_unshuffle(functional.pixel_shuffle(x, 2), 2),
        "among_groups": lambda x: functional.channel_shuffle(x, 2),
    }[name]
    kernel = torch.from_numpy(KERNELS[name]).permute(3, 2, 0, 1)
    head = torch.from_numpy(HEAD)

    def net(x: torch.Tensor) -> torch.Tensor:
        return functional.conv2d(moved(x), kernel, padding=1).relu().mean((2, 3)) @ head

    return net, torch.from_numpy(X).permute(0, 3, 1, 2)


def tensorflow_net(name: str) -> tuple[Callable[[Any], Any], Any]:
    def grouped(x: tf.Tensor) -> tf.Tensor:
        apart = tf.reshape(x, (-1, 8, 12, 2, 2))
        return tf.reshape(tf.transpose(apart, (0, 1, 2, 4, 3)), (-1, 8, 12, 4))

    moved = {
        "to_channels": lambda x: tf.nn.space_to_depth(x, 2),
        "there_and_back": lambda x: tf.nn.space_to_depth(tf.nn.depth_to_space(x, 2), 2),
        "among_groups": grouped,
    }[name]
    kernel, head = tf.constant(KERNELS[name]), tf.constant(HEAD)

    def net(x: tf.Tensor) -> tf.Tensor:
        found = tf.nn.relu(tf.nn.conv2d(moved(x), kernel, 1, "SAME"))
        return tf.reduce_mean(found, (1, 2)) @ head

    return net, tf.constant(X)


def jax_net(name: str) -> tuple[Callable[[Any], Any], Any]:
    def to_channels(x: jax.Array) -> jax.Array:
        count, height, width, channels = x.shape
        apart = x.reshape(count, height // 2, 2, width // 2, 2, channels)
        return apart.transpose(0, 1, 3, 2, 4, 5).reshape(count, height // 2, width // 2, -1)

    def to_places(x: jax.Array) -> jax.Array:
        count, height, width, channels = x.shape
        apart = x.reshape(count, height, width, 2, 2, channels // 4)
        return apart.transpose(0, 1, 3, 2, 4, 5).reshape(count, 2 * height, 2 * width, -1)

    moved: Callable[[jax.Array], jax.Array] = {
        "to_channels": to_channels,
        "there_and_back": lambda x: to_channels(to_places(x)),
        "among_groups": lambda x: x.reshape(2, 8, 12, 2, 2).swapaxes(3, 4).reshape(x.shape),
    }[name]
    kernel, head = jnp.asarray(KERNELS[name]), jnp.asarray(HEAD)

    def net(x: jax.Array) -> jax.Array:
        numbers = ("NHWC", "HWIO", "NHWC")
        found = jax.lax.conv_general_dilated(
            moved(x), kernel, (1, 1), "SAME", dimension_numbers=numbers
        )
        return jax.nn.relu(found).mean((1, 2)) @ head

    return net, jnp.asarray(X)


NETS = {"torch": torch_net, "tensorflow": tensorflow_net, "jax": jax_net}


@pytest.mark.parametrize("name", INPUTS)
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_map_behind_moved_blocks_is_read(framework: str, name: str) -> None:
    net, x = NETS[framework](name)
    found = HiResCAM(upsample="none")(net, x, 1)
    assert np.asarray(found.values).shape[1:] == GRIDS[name]
    # Average pooling and a linear layer without a bias follow: the map sums to the score.
    total = np.asarray(found.values).sum((1, 2))
    np.testing.assert_allclose(total, found.score, rtol=1e-9, atol=1e-12)
