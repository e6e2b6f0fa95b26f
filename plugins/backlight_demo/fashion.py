"""Fashion-MNIST: two thousand labelled pictures and the weights of a small net, free of frameworks.

`fashion_torch`, `_keras`, `_jax` and `_mlx` each build the same net from `weights()`.
"""

from importlib.resources import as_file, files
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)

CHANNELS = {"conv1": 16, "conv2": 32, "conv3": 64}
"""The convolutions of the net in order, and how many channels each gives out."""

LAYERS = (*CHANNELS, "dense1", "dense2")
"""The layers with parameters, in order."""

Trained: TypeAlias = Literal["plain", "marked"]
"""On what the net was trained: on the data set as it is, or with the mark of `backlight_demo.planted`."""

FLAT = (64, 3, 3)
"""Shape (channel, row, column) of what the dense layers see, in the order it is stored flat."""


def examples() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """The first 2,000 pictures of the test set in their original order, and what they show.

    Returns:
        Pictures, uint8 (2000, 28, 28), 0 (background) to 255; labels, int64 (2000,), 0 to 9,
        positions in `CLASSES`.
    """
    stored = _read("fashion_mnist_test.npz")
    return stored["images"], stored["labels"].astype(np.int64)


def weights(trained: Trained = "plain") -> dict[str, npt.NDArray[np.float32]]:
    """The trained parameters, float32, in the layout that `backlight_demo.train` documents."""
    return _read("fashion_cnn.npz" if trained == "plain" else "fashion_cnn_marked.npz")


def channels_last(trained: Trained = "plain") -> dict[str, npt.NDArray[np.float32]]:
    """The same parameters for nets whose channels come last (Keras, JAX, MLX).

    Convolution kernels (row, column, in, out), dense kernels (in, out), and the inputs of `dense1`
    in the order (row, column, channel).
    """
    stored = weights(trained)
    for name in CHANNELS:
        stored[f"{name}.kernel"] = stored[f"{name}.kernel"].transpose(2, 3, 1, 0)
    flat = stored["dense1.kernel"].reshape(-1, *FLAT)
    stored["dense1.kernel"] = flat.transpose(2, 3, 1, 0).reshape(-1, len(flat))
    stored["dense2.kernel"] = stored["dense2.kernel"].T
    return stored


def pictures(
    images: npt.NDArray[np.uint8],
    channels: Literal["first", "last"],
    dtype: str = "float32",
) -> npt.NDArray[Any]:
    """What the nets take: pixels from 0 to 1 with an axis for the one channel.

    Args:
        images: uint8 (N, 28, 28).
        channels: "first" for PyTorch, giving (N, 1, 28, 28); "last" for the others, giving
            (N, 28, 28, 1).
        dtype: "float32" or "float64".
    """
    axis = 1 if channels == "first" else -1
    # Divided in the precision asked for, so that float64 pictures carry no float32 rounding.
    return np.expand_dims(images.astype(dtype) / 255, axis)


def _read(name: str) -> dict[str, npt.NDArray[Any]]:
    with (
        as_file(files("backlight_demo") / "data" / name) as path,
        np.load(path, allow_pickle=False) as stored,
    ):
        return dict(stored)
