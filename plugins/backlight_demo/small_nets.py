"""What the nets of the demos of texts, tables and series are made of, free of frameworks.

`small_nets_torch`, `_keras`, `_jax` and `_mlx` each build a net from `weights(kind)`:

    ids (N, L) -> `embedding` (words, D), of texts alone
    -> convolutions `conv1`, `conv2` with a rectifier behind each, as long as what goes in, and over the
       moments the largest number of each channel: of all but tables
    -> `dense1` with a rectifier, where there is one, and `dense2`: logits (N, classes)
"""

from importlib.resources import as_file, files
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

Demonstrated: TypeAlias = Literal["text", "table", "series"]

CONVOLUTIONS = ("conv1", "conv2")
DENSE = ("dense1", "dense2")

Weights: TypeAlias = dict[str, npt.NDArray[np.float32]]


def weights(kind: Demonstrated) -> Weights:
    """The trained parameters, float32: `embedding`, and `kernel` and `bias` of each layer, kernels as
    (moments, in, out) and (in, out)."""
    stored = read("small_nets.npz")
    return {
        name.removeprefix(f"{kind}."): values.astype(np.float32)
        for name, values in stored.items()
        if name.startswith(f"{kind}.")
    }


def layers(found: Weights, names: tuple[str, ...]) -> list[str]:
    """Those of these layers that a net has, in order."""
    return [name for name in names if f"{name}.kernel" in found]


def read(name: str) -> dict[str, npt.NDArray[Any]]:
    with (
        as_file(files("backlight_demo") / "data" / name) as path,
        np.load(path, allow_pickle=False) as stored,
    ):
        return dict(stored)
