"""Which feature map a person would choose in the nets of `structures_torch` and its neighbours."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import torch

import keras  # isort: skip  (after torch)
from numpy.typing import NDArray

import backlight
from backlight import Class
from backlight.values.arrays import Array, Arrays
from tests.parity import structures_joined_torch as joined
from tests.parity import structures_keras_jax as others
from tests.parity.foreign_nets import Foreign
from tests.parity.structures_torch import (
    Attention,
    ChannelAttention,
    Convolutions,
    OutlookAttention,
    ShiftedWindows,
    Tokens,
)

PICTURE, SQUARE = (3, 32, 48), (3, 32, 32)


def examples(shape: tuple[int, ...]) -> NDArray[np.float64]:
    return np.random.default_rng(0).normal(size=(2, *shape))


def torch_net(
    make: Callable[[], torch.nn.Module], shape: tuple[int, ...], *sites: str, grid: tuple[int, ...]
) -> Foreign:
    def made() -> tuple[object, NDArray[np.float64]]:
        torch.manual_seed(0)
        return make().double().eval(), examples(shape)

    return Foreign(made, sites, grid)


def torch_tokens(
    kind: Callable[[], torch.nn.Module],
    *sites: str,
    shape: tuple[int, ...] = PICTURE,
    grid: tuple[int, ...] = (4, 6),
    **options: object,
) -> Foreign:
    return torch_net(lambda: Tokens(kind(), kind(), **options), shape, *sites, grid=grid)  # type: ignore[arg-type]


def keras_net(make: Callable[[], object], shape: tuple[int, ...], *sites: str, grid) -> Foreign:
    def made() -> tuple[object, NDArray[np.float64]]:
        # It counts the operations without a name of their own.
        keras.utils.clear_session(free_memory=False)
        return make(), examples(shape)

    return Foreign(made, sites, grid)


def jax_net(make: Callable[[], object], shape: tuple[int, ...], *sites: str, grid) -> Foreign:
    return Foreign(
        lambda: (backlight.wrap(make(), "jax"), examples(shape)),
        sites,
        grid,
        within=lambda: jax.enable_x64(True),
    )


def mean_of_class(outputs: Array, arrays: Arrays) -> Array:
    return arrays.mean(outputs[:, 1], axis=(1, 2))


BEFORE_LAST = ("blocks.1.norm1", "blocks.0")
"""What tells the score to a class token: the input of its last look at the others."""
AT_END = ("norm", "blocks.1")
BEFORE_STAGES = ("blocks.1", "classes.1.norm")

NETS = {
    "class token": torch_tokens(Attention, *BEFORE_LAST, read="token"),
    "token behind the patches": torch_tokens(Attention, *BEFORE_LAST, read="register"),
    "normed keys": torch_tokens(lambda: Attention(normed=True), *BEFORE_LAST, read="token"),
    "class attention": torch_tokens(Attention, *BEFORE_STAGES, read="stages"),
    "outlook attention": torch_tokens(OutlookAttention, *BEFORE_STAGES, read="stages", flat=False),
    "channel attention": torch_tokens(ChannelAttention, *BEFORE_STAGES, read="stages"),
    "channel attention, mean": torch_tokens(ChannelAttention, *AT_END),
    "shifted windows": torch_tokens(ShiftedWindows, *AT_END, flat=False),
    "patches by reshape": torch_tokens(
        Attention, *AT_END, patchify="reshape", patch=(8, 4), grid=(4, 12)
    ),
    "patches by reshape, class token": torch_tokens(
        Attention, *BEFORE_LAST, patchify="reshape", patch=(8, 4), grid=(4, 12), read="token"
    ),
    "unequal strides": torch_net(  # (8 channels, 8, 32) of (32, 32): not (8, 8) with 32 channels
        lambda: Convolutions((3, 4, 8), ((2, 1), (2, 1))), SQUARE, "final", grid=(8, 32)
    ),
    "spectrogram with a channel": torch_net(
        lambda: Convolutions((1, 4, 6), ((2, 1), (2, 2))), (1, 20, 64), "final", grid=(5, 32)
    ),
    "spectrogram": torch_net(
        lambda: Convolutions((1, 4, 6), (2, 2), colour=True), (20, 64), "final", grid=(5, 16)
    ),
    "volume": torch_net(
        lambda: Convolutions((1, 4, 6), rank=3), (1, 8, 12, 16), "final", grid=(2, 3, 4)
    ),
    "returned map": torch_net(joined.Returned, PICTURE, "body.act", grid=(8, 12)),
    "two heads": Foreign(
        torch_net(joined.TwoHeads, PICTURE, grid=()).make,
        ("body.act",),
        (8, 12),
        target=Class(1, "logits"),
    ),
    "two heads, keras": Foreign(
        lambda: (others.keras_two_heads(), examples((32, 48, 3))),
        ("features",),
        (8, 12),
        target=Class(1, "logits"),
    ),
    # (8, 32, 32 channels) of (32, 32): not 8 channels before (32, 32).
    "unequal strides, keras": keras_net(
        lambda: others.keras_convolutions(strides=(4, 1), channels=32),
        (32, 32, 3),
        "relu",
        grid=(8, 32),
    ),
    "unequal strides, jax": jax_net(
        lambda: others.jax_convolutions(jax.nn.relu, (4, 1)), (32, 32, 3), "relu", grid=(8, 32)
    ),
    "normed keys, jax": jax_net(
        others.jax_tokens, (32, 48, 3), "block_1/norm", "block_0", grid=(4, 6)
    ),
}
"""Each with one feature map."""

BESIDE = {
    "branches": (
        torch_net(joined.Branches, PICTURE, "left.1", "left", "right.1", "right", grid=(8, 12)),
        ("left", "right"),
    ),
    "U-Net": (
        Foreign(
            torch_net(joined.UNet, PICTURE, grid=()).make,
            ("bottom.1", "bottom"),
            (8, 12),
            target=mean_of_class,
        ),
        ("down.0", "down.1", "up.0", "up.1"),
    ),
}
"""With maps beside it, by which the score can be told too: parts of their names."""

PLACES = {
    "patches": lambda: Tokens(),
    "patches by reshape": lambda: Tokens(patchify="reshape"),
    "patches column by column": lambda: Tokens(patchify="columns"),
    "token behind the patches": lambda: Tokens(Attention(), read="register"),
    "shifted windows": lambda: Tokens(ShiftedWindows(), flat=False),
}
"""Nets on PyTorch whose grid has 4 x 4 cells of 8 x 8 pixels each."""


RECTIFIERS_TORCH = {
    "relu": torch.relu,
    "clamp": lambda x: x.clamp(min=0),
    "in place": lambda x: x.relu_(),
    "where": lambda x: torch.where(x > 0, x, 0.0),
    "product": lambda x: x * (x > 0),
    "absolute": lambda x: (x + x.abs()) / 2,
    "hard swish": lambda x: x * torch.clamp(x + 3, 0, 6) / 6,
}
RECTIFIERS_JAX = {
    "relu": jax.nn.relu,
    "maximum": lambda x: jnp.maximum(x, 0),
    "where": lambda x: jnp.where(x > 0, x, 0.0),
    "product": lambda x: x * (x > 0),
    "absolute": lambda x: (x + jnp.abs(x)) / 2,
    "hard swish": lambda x: x * jnp.clip(x + 3, 0, 6) / 6,
}
