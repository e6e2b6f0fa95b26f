"""Class activation maps at several sites, of several inputs, and at sites with places of their own."""

import torch  # isort: skip  (before TensorFlow: the other order does not load)
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
import tensorflow as tf

import backlight
from backlight_methods import GradCAM, GuidedBackprop, GuidedGradCAM
from backlight_study.passes import CountedModel

RNG = np.random.default_rng(31)
KERNELS = [RNG.normal(size=(3, 3, *sides)).astype(np.float32) / 3 for sides in ((3, 4), (4, 4))]
TABLE, HEAD = (RNG.normal(size=shape).astype(np.float32) for shape in ((5, 4), (8, 3)))
ROWS = RNG.normal(size=(2, 5)).astype(np.float32)
PICTURES = RNG.normal(size=(2, 8, 6, 3)).astype(np.float32)
CLOSE: dict[str, Any] = {"rtol": 1e-4, "atol": 1e-6}


class TorchMaps(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.early, self.late = (
            torch.nn.Conv2d(*kernel.shape[2:], 3, padding=1, stride=stride, bias=False)
            for kernel, stride in zip(KERNELS, (1, 2), strict=True)
        )
        for layer, kernel in zip((self.early, self.late), KERNELS, strict=True):
            layer.weight.data = torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy())

    def forward(self, rows: torch.Tensor, pictures: torch.Tensor) -> torch.Tensor:
        seen = torch.relu(self.late(torch.relu(self.early(pictures)))).mean((2, 3))
        told = torch.relu(rows @ torch.from_numpy(TABLE))
        return torch.cat([seen, told], 1) @ torch.from_numpy(HEAD)


def keras_maps() -> keras.Model:
    rows, pictures = keras.Input((5,)), keras.Input((8, 6, 3))
    layers = keras.layers
    seen = pictures
    for name, stride in (("early", 1), ("late", 2)):
        padded = layers.ZeroPadding2D(1)(seen)
        seen = layers.ReLU()(layers.Conv2D(4, 3, stride, use_bias=False, name=name)(padded))
    told = layers.Dense(4, "relu", use_bias=False, name="told")(rows)
    joined = layers.Concatenate()([layers.GlobalAveragePooling2D()(seen), told])
    net = keras.Model([rows, pictures], layers.Dense(3, use_bias=False, name="head")(joined))
    for name, weight in zip(
        ("early", "late", "told", "head"), (*KERNELS, TABLE, HEAD), strict=True
    ):
        net.get_layer(name).set_weights([weight])
    return net


def jax_maps(rows: jax.Array, pictures: jax.Array) -> jax.Array:
    seen = pictures
    for name, kernel, stride in zip(("early", "late"), KERNELS, (1, 2), strict=True):
        with jax.named_scope(name):
            sides = ("NHWC", "HWIO", "NHWC")
            padding = ((1, 1), (1, 1))
            seen = jax.lax.conv_general_dilated(
                seen, kernel, (stride, stride), padding, dimension_numbers=sides
            )
        seen = jax.nn.relu(seen)
    told = jax.nn.relu(rows @ TABLE)
    return jnp.concatenate([seen.mean((1, 2)), told], 1) @ HEAD


NETS: dict[str, Callable[[], backlight.Model]] = {
    "torch": lambda: backlight.wrap(TorchMaps()),
    "tensorflow": lambda: backlight.wrap(keras_maps()),
    "jax": lambda: backlight.wrap(jax_maps, "jax"),
}


@pytest.mark.parametrize("framework", NETS)
def test_maps_of_a_table_and_pictures(framework: str) -> None:
    first = framework == "torch"
    given = ROWS, PICTURES.transpose(0, 3, 1, 2).copy() if first else PICTURES
    model = CountedModel(NETS[framework]())
    sites = ["early", "late"]
    model.passes.forward = 0
    early, late = GradCAM()(model, given, 1, at=sites)
    assert model.passes.forward == model.passes.backward == len(ROWS)
    for found, site in ((early, "early"), (late, "late")):
        assert found.values.shape == (2, 8, 6)
        np.testing.assert_allclose(
            found.values, GradCAM()(model, given, 1, at=site).values, **CLOSE
        )
    assert (early.grid, late.grid) == ((8, 6), (4, 3))
    with pytest.warns(backlight.BacklightWarning, match="lies over the input '1' alone"):
        rows, pictures = GuidedGradCAM()(model, given, 1, at="late").values
    alone, guided = GuidedBackprop()(model, given, 1).values
    cam = GradCAM(rectify=True)(model, given, 1, at="late").values
    weighed = guided * np.expand_dims(cam, 1 if first else 3)
    np.testing.assert_allclose(pictures, weighed, **CLOSE)
    np.testing.assert_array_equal(rows, alone)


# A spectrogram that the net makes of a waveform

WAVES = np.cos(np.outer(np.arange(8), np.arange(1, 6)) * np.pi / 8).astype(np.float32)
COLOURS = np.array([0.7, -0.4], np.float32)
ENDS = RNG.normal(size=(2, 3)).astype(np.float32)
SOUND = RNG.normal(size=(3, 32)).astype(np.float32)


class TorchPower(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        power = (x.reshape(-1, 4, 8) @ torch.from_numpy(WAVES)) ** 2
        return torch.relu(torch.from_numpy(COLOURS)[:, None, None] * (power[:, None] - 1))


class TorchSound(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.power = TorchPower()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.power(x).mean((2, 3)) @ torch.from_numpy(ENDS)


class KerasPower(keras.layers.Layer):
    def call(self, x: tf.Tensor) -> tf.Tensor:
        power = tf.square(tf.reshape(x, (-1, 4, 8)) @ WAVES)
        return tf.nn.relu(COLOURS * (power[..., None] - 1))


def keras_sound() -> keras.Model:
    given = keras.Input((32,))
    pooled = keras.layers.GlobalAveragePooling2D()(KerasPower(name="power")(given))
    net = keras.Model(given, keras.layers.Dense(3, use_bias=False, name="head")(pooled))
    net.get_layer("head").set_weights([ENDS])
    return net


def jax_sound(x: jax.Array) -> jax.Array:
    with jax.named_scope("power"):
        power = (x.reshape(-1, 4, 8) @ WAVES) ** 2
        colours = jax.nn.relu(COLOURS * (power[..., None] - 1))
    return colours.mean((1, 2)) @ ENDS


SOUNDS: dict[str, tuple[Callable[[], Any], tuple[int, int]]] = {
    "torch": (lambda: backlight.wrap(TorchSound()), (2, 3)),
    "tensorflow": (lambda: backlight.wrap(keras_sound()), (1, 2)),
    "jax": (lambda: backlight.wrap(jax_sound, "jax"), (1, 2)),
}


@pytest.mark.parametrize("framework", SOUNDS)
def test_a_map_at_a_spectrogram_has_its_places(framework: str) -> None:
    make, axes = SOUNDS[framework]
    found = GradCAM(upsample="none", axes=axes)(make(), SOUND, 1, at="power")
    power = (SOUND.reshape(3, 4, 8) @ WAVES) ** 2
    colours = np.maximum(COLOURS * (power[..., None] - 1), 0)
    np.testing.assert_allclose(found.values, colours @ ENDS[:, 1] / 20, **CLOSE)
    np.testing.assert_allclose(found.values.sum((1, 2)), found.score, rtol=1e-4)
    kept = GradCAM(upsample="none", axes=axes, channels="keep")(make(), SOUND, 1, at="power")
    np.testing.assert_allclose(kept.values, colours * ENDS[:, 1] / 20, **CLOSE)
