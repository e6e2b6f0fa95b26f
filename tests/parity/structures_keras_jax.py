"""The structures of `structures_torch` that people also write in Keras and in JAX."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import keras
import numpy as np

CLASSES, WIDTH, HEADS, PATCH = 5, 8, 2, 8


def keras_two_heads() -> keras.Model:
    """A class, and a mask computed from the last map, which the class does not use."""
    x = keras.Input((32, 48, 3), dtype="float64")
    layer = {"dtype": "float64", "padding": "same"}
    found = keras.layers.Conv2D(6, 3, 4, activation="relu", name="features", **layer)(x)
    pooled = keras.layers.GlobalAveragePooling2D(dtype="float64")(found)
    logits = keras.layers.Dense(CLASSES, dtype="float64", name="logits")(pooled)
    mask = keras.layers.Conv2D(2, 1, name="mask", **layer)(found)
    return keras.Model(x, {"logits": logits, "mask": mask})


def keras_convolutions(
    activation: Callable | None = None, strides: tuple[int, int] = (4, 4), channels: int = 6
) -> keras.Model:
    """One convolution, its rectifier by name or as a function of tensors, average, dense."""
    x = keras.Input((32, 32, 3), dtype="float64")
    found = keras.layers.Conv2D(channels, 3, strides, padding="same", dtype="float64", name="conv")(
        x
    )
    found = keras.ops.relu(found) if activation is None else activation(found)
    pooled = keras.layers.GlobalAveragePooling2D(dtype="float64")(found)
    return keras.Model(x, keras.layers.Dense(CLASSES, dtype="float64", name="head")(pooled))


def drawn(*shape: int) -> jax.Array:
    return jnp.asarray(np.random.default_rng(shape).normal(size=shape) / np.prod(shape[:-1]) ** 0.5)


def jax_convolutions(activation: Callable[[jax.Array], jax.Array], strides: tuple[int, int]):
    """The same as a plain function."""
    kernel, head = drawn(3, 3, 3, 32), drawn(32, CLASSES)

    def net(x: jax.Array) -> jax.Array:
        x = jax.lax.conv_general_dilated(
            x, kernel, strides, "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        return activation(x).mean((1, 2)) @ head

    return net


def norm(x: jax.Array) -> jax.Array:
    return (x - x.mean(-1, keepdims=True)) / jnp.sqrt(x.var(-1, keepdims=True) + 1e-5)


def jax_tokens() -> Callable[[jax.Array], jax.Array]:
    """Patches cut by reshaping, a class token, two blocks with keys normed per head."""
    embed, token, head = drawn(PATCH * PATCH * 3, WIDTH), drawn(1, 1, WIDTH), drawn(WIDTH, CLASSES)
    blocks = [(drawn(3, WIDTH, WIDTH), drawn(WIDTH, WIDTH) + number) for number in range(2)]

    def attention(x: jax.Array, mix: jax.Array) -> jax.Array:
        parts = (x[None] @ mix[:, None]).reshape(3, *x.shape[:2], HEADS, -1).swapaxes(2, 3)
        q, k = norm(parts[0]), norm(parts[1])
        weights = jax.nn.softmax(q @ k.swapaxes(2, 3), axis=-1)
        return (weights @ parts[2]).swapaxes(1, 2).reshape(x.shape)

    def net(x: jax.Array) -> jax.Array:
        n, high, wide, _ = x.shape
        x = x.reshape(n, high // PATCH, PATCH, wide // PATCH, PATCH, 3).swapaxes(2, 3)
        x = x.reshape(n, -1, PATCH * PATCH * 3) @ embed
        x = jnp.concatenate([jnp.broadcast_to(token, (n, 1, WIDTH)), x], axis=1)
        for number, (mix, dense) in enumerate(blocks):
            with jax.named_scope(f"block_{number}"):
                with jax.named_scope("norm"):
                    y = norm(x)
                x = x + attention(y, mix)
                x = x + jax.nn.gelu(norm(x) @ dense)
        return norm(x)[:, 0] @ head

    return net
