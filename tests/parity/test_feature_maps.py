"""The last feature map is found by itself: in nested Keras models, in flax, equinox and plain JAX nets,
and as a vision transformer's grid of tokens."""

import torch  # isort: skip  (before TensorFlow: the other order does not load)
import equinox
import flax.linen
import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from torch import nn

import backlight
from backlight_methods import GradCAM, HiResCAM


class VisionTransformer(nn.Module):
    """Two pre-norm blocks over 4 x 4 patches, and a class token that the head reads."""

    def __init__(self, blocks: int = 2) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 16, 8, 8)
        self.token = nn.Parameter(torch.randn(1, 1, 16))
        layer = nn.TransformerEncoderLayer(
            16, 2, 32, activation="gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, blocks, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(16)
        self.head = nn.Linear(16, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        patches = self.patch(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.token.expand(len(x), -1, -1), patches], dim=1)
        return self.head(self.norm(self.encoder(tokens))[:, 0])


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype("float32")


def test_a_vision_transformer_is_read_before_its_last_attention(images: np.ndarray) -> None:
    torch.manual_seed(0)
    found = GradCAM(upsample="none")(VisionTransformer().eval(), images.transpose(0, 3, 1, 2), 1)
    # After it, only the class token tells the score.
    assert found.at == "encoder.layers.1.norm1"
    assert np.asarray(found.values).shape == (2, 4, 4)


def test_a_nested_keras_model_is_read_inside(images: np.ndarray) -> None:
    keras.utils.set_random_seed(0)
    body = keras.Sequential(
        [
            keras.layers.Input((32, 32, 3)),
            keras.layers.Conv2D(4, 3, strides=2, padding="same", activation="relu", name="first"),
            keras.layers.Conv2D(6, 3, strides=2, padding="same", activation="relu", name="last"),
            keras.layers.MaxPooling2D(name="pool"),
        ],
        name="body",
    )
    inputs = keras.Input((32, 32, 3))
    features = keras.layers.GlobalAveragePooling2D(name="average")(body(inputs))
    model = keras.Model(inputs, keras.layers.Dense(5, name="head")(features))
    found = GradCAM(upsample="none")(model, images, 1)
    assert found.at == "body/last"
    # The map sums to the score without its bias where average pooling and a linear layer follow.
    rows = np.asarray(backlight.wrap(model).activation(images, "body/last"))
    pooled = rows.reshape(2, 4, 2, 4, 2, 6).max(axis=(2, 4)).mean(axis=(1, 2))
    kernel, bias = (np.asarray(weight) for weight in model.get_layer("head").get_weights())
    np.testing.assert_allclose(found.score, (pooled @ kernel + bias)[:, 1], rtol=1e-4, atol=1e-5)


class Linen(flax.linen.Module):
    """Two convolutions, average pooling, a linear layer."""

    @flax.linen.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = flax.linen.relu(flax.linen.Conv(4, (3, 3), strides=2, name="first")(x))
        x = flax.linen.relu(flax.linen.Conv(6, (3, 3), strides=2, name="last")(x))
        return flax.linen.Dense(5, name="head")(x.mean(axis=(1, 2)))


class Equinox(equinox.Module):
    """The same for one example, channels first."""

    first: equinox.nn.Conv2d
    last: equinox.nn.Conv2d
    head: equinox.nn.Linear

    def __init__(self, key: jax.Array) -> None:
        keys = jax.random.split(key, 3)
        self.first = equinox.nn.Conv2d(3, 4, 3, 2, 1, key=keys[0])
        self.last = equinox.nn.Conv2d(4, 6, 3, 2, 1, key=keys[1])
        self.head = equinox.nn.Linear(6, 5, key=keys[2])

    def __call__(self, x: jax.Array) -> jax.Array:
        x = jax.nn.relu(self.last(jax.nn.relu(self.first(x))))
        return self.head(x.mean(axis=(1, 2)))


def plain(x: jax.Array) -> jax.Array:
    """The same with weights closed over and nothing named."""
    for number, kernel in enumerate(KERNELS):
        x = jax.lax.conv_general_dilated(
            x, kernel, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        x = jnp.maximum(x, 0) if number else jax.nn.relu(x)
    return x.mean(axis=(1, 2)) @ HEAD


RANDOM = np.random.default_rng(1)
KERNELS = [
    RANDOM.normal(size=(3, 3, 3, 4)).astype("float32"),
    RANDOM.normal(size=(3, 3, 4, 6)).astype("float32"),
]
HEAD = RANDOM.normal(size=(6, 5)).astype("float32")


@pytest.mark.parametrize("kind", ["linen", "equinox", "plain"])
def test_jax_nets_are_read_after_the_last_activation(kind: str, images: np.ndarray) -> None:
    x = jnp.asarray(images)
    bias = np.zeros(5)
    if kind == "linen":
        module = Linen()
        variables = module.init(jax.random.key(0), x)
        net: object = module.bind(variables)
        bias = np.asarray(variables["params"]["head"]["bias"])
    elif kind == "equinox":
        x = jnp.moveaxis(x, -1, 1)
        one = Equinox(jax.random.key(0))
        net, bias = jax.vmap(one), np.asarray(one.head.bias)
    else:
        net = plain
    found = HiResCAM(upsample="none")(net, x, 1)
    values = np.asarray(found.values)
    assert values.shape == (2, 8, 8)
    # The score is linear in the map after the activation, and in no map before it.
    np.testing.assert_allclose(values.sum(axis=(1, 2)), found.score - bias[1], rtol=1e-4, atol=1e-5)
    cam = np.asarray(GradCAM(upsample="none")(net, x, 1).values)
    np.testing.assert_allclose(cam, values, rtol=1e-4, atol=1e-6)
