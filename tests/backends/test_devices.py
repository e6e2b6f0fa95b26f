"""Nets that lie on several devices: explained as on one, or refused with what to do."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from backlight import explain
from backlight.errors import ModelError

ROOT = Path(__file__).parents[2]

START = """
import numpy as np
import backlight
from backlight.errors import ModelError

draw = np.random.default_rng(0).normal
W, V, X = (draw(size=size).astype(np.float32) for size in ((4, 6), (6, 3), (4, 4)))
METHODS = ("saliency", "integrated_gradients", "deep_lift", "lrp", "occlusion")

def values(net, x, method):
    return np.asarray(backlight.explain(net, x, 1, method=method).numpy())
"""

JAX = """
import functools
import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding, PartitionSpec

one, other = jax.devices()
mesh = Mesh(np.array([one, other]), ("d",))

def net(w, v, x):
    return jax.nn.relu(x @ w) @ v

def over(array, *axes):
    return jax.device_put(array, NamedSharding(mesh, PartitionSpec(*axes)))

whole = functools.partial(net, jnp.asarray(W), jnp.asarray(V))
split = functools.partial(net, over(W, None, "d"), over(V, "d"))
for method in METHODS:
    right = values(whole, jnp.asarray(X), method)
    for other_net, x in ((split, jnp.asarray(X)), (split, X), (whole, over(X, "d"))):
        np.testing.assert_allclose(values(other_net, x, method), right, atol=1e-6)

apart = functools.partial(net, jax.device_put(W, one), jax.device_put(V, other))
for method in METHODS:
    try:
        values(apart, jnp.asarray(X), method)
    except ModelError as error:
        assert "device ids [0]" in str(error) and "device ids [1]" in str(error)
        assert "put all weights and inputs on one device" in str(error)
    else:
        raise AssertionError(method)
"""

TENSORFLOW = """
import tensorflow as tf

(cpu,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

import keras

class Net(tf.Module):
    def __init__(self, first, second):
        super().__init__()
        self.places = first, second
        with tf.device(first):
            self.w = tf.Variable(W)
        with tf.device(second):
            self.v = tf.Variable(V)

    @tf.function
    def __call__(self, x):
        with tf.device(self.places[0]):
            h = tf.nn.relu(x @ self.w)
        with tf.device(self.places[1]):
            return h @ self.v

with tf.distribute.MirroredStrategy(["/CPU:0", "/CPU:1"]).scope():
    mirrored = keras.Sequential([
        keras.Input((4,)),
        keras.layers.Dense(6, activation="relu", use_bias=False),
        keras.layers.Dense(3, use_bias=False),
    ])
mirrored.set_weights([W, V])
with tf.device("/CPU:1"):
    moved = tf.constant(X)
for method in METHODS:
    right = values(Net("/CPU:0", "/CPU:0"), tf.constant(X), method)
    for net, x in ((Net("/CPU:0", "/CPU:1"), moved), (mirrored, tf.constant(X))):
        np.testing.assert_allclose(values(net, x, method), right, atol=1e-6)
"""


def run(code: str, **environment: str) -> None:
    """In a process of its own, as the number of devices is decided when a framework starts."""
    done = subprocess.run(
        [sys.executable, "-c", START + code],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=ROOT,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_jax_nets_may_be_sharded_but_not_lie_on_devices_of_their_own() -> None:
    run(JAX, XLA_FLAGS="--xla_force_host_platform_device_count=2")


def test_tensorflow_nets_may_be_placed_or_mirrored_on_several_devices() -> None:
    run(TENSORFLOW)


def torch_net() -> torch.nn.Sequential:
    return torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.ReLU(), torch.nn.Linear(5, 3)).eval()


@pytest.mark.parametrize("method", ["saliency", "deep_lift", "occlusion"])
def test_a_torch_net_that_does_not_move_its_values_is_refused_with_its_devices(method: str) -> None:
    net = torch_net()
    net[2].to("meta")
    with pytest.raises(ModelError, match=r"on cpu and meta. A net on several devices moves its"):
        explain(net, torch.ones(2, 4), 1, method=method)


@pytest.mark.parametrize("method", ["saliency", "deep_lift", "occlusion"])
def test_a_torch_net_without_numbers_is_refused(method: str) -> None:
    with pytest.raises(ModelError, match=r"'meta', whose tensors hold no numbers. Load them"):
        explain(torch_net().to("meta"), np.ones((2, 4), np.float32), 1, method=method)


def test_an_autocast_of_the_user_around_the_call_is_obeyed() -> None:
    net, x = torch_net(), torch.randn(2, 4, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found, outputs = explain(net, x, 1, method="deep_lift"), net(x)
    assert found.values.dtype == torch.float32
    np.testing.assert_array_equal(found.score, outputs[:, 1].detach().float().numpy())
