"""The same technique on the same net in three frameworks, brought to one layout and compared."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module

import jax
import numpy as np
from numpy.typing import NDArray

import backlight
from backlight import Method, Model
from backlight.values.layout import input_layout
from backlight_demo import efficientnet_lite0, fashion
from backlight_demo.photos import photos

FRAMEWORKS = ("torch", "tensorflow", "jax")
MODULES = {"torch": "torch", "tensorflow": "keras", "jax": "jax", "mlx": "mlx"}
NETS = ("fashion", "efficientnet_lite0")
Values = NDArray[np.floating]


@contextmanager
def precision(dtype: str, quick: bool = True) -> Iterator[None]:
    """JAX computes in float64 only inside of this. What is compiled `quick` runs slowly: in float32, and
    where a net is large, programs are those that users run. The other frameworks do not mind."""
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", quick and dtype == "float64")
    try:
        with jax.enable_x64(dtype == "float64"):
            yield
    finally:
        jax.config.update("jax_disable_most_optimizations", before)


@cache
def model(framework: str, net: str, dtype: str) -> Model:
    module = import_module(f"backlight_demo.{net}_{MODULES[framework]}")
    with precision(dtype):
        return backlight.wrap(module.net(dtype), framework)


@cache
def pictures(net: str, channels: str, dtype: str, count: int) -> Values:
    if net == "fashion":
        return fashion.pictures(fashion.examples()[0][:count], channels, dtype)
    crops = np.stack(
        [efficientnet_lite0.prepare(photo.picture) for photo in list(photos().values())[:count]]
    )
    return efficientnet_lite0.pixels(crops, channels, dtype)


def explained(
    framework: str,
    net: str,
    dtype: str,
    method: Callable[[str], Method],
    count: int,
    target: object = None,
    batch_size: int | None = None,
) -> Values:
    """What a technique says, channels last: (N, H, W, C), or (N, H, W) for maps."""
    wrapped = model(framework, net, dtype)
    x = pictures(net, "first" if framework == "torch" else "last", dtype, count)
    with precision(dtype, quick=net == "fashion"):
        found = method(framework)(wrapped, x, target, batch_size=batch_size)  # type: ignore[arg-type]
    values = np.asarray(found.values)
    assert values.dtype == np.dtype(dtype)
    layout = input_layout(values.shape, wrapped.channels) if values.ndim == 4 else None
    return np.moveaxis(values, layout.channel_axis, -1) if layout else values


def spread(values: list[Values]) -> float:
    """The largest difference between any two, over the largest value: no one of them is the judge."""
    stacked = np.stack([value.astype(np.float64) for value in values])
    return float((stacked.max(axis=0) - stacked.min(axis=0)).max() / np.abs(stacked).max())
