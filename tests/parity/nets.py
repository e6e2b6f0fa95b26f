"""Small nets of every style, their weights drawn once: what the three frameworks are compared on.

Kernels are (height, width, in, out), dense weights (in, out), pictures (N, 12, 12, 3), tokens (N, 6, 8).
"""

import numpy as np
from numpy.typing import NDArray

Weights = dict[str, NDArray[np.float64]]
CHANNELS, CLASSES, TOKENS, WIDTH, HEADS, HIDDEN = 8, 5, 6, 8, 2, 16
SIDE = 12

PICTURES = (
    "cnn",
    "batch_norm",
    "overlapping_pools",
    "reused_relu",
    "gelu",
    "squeeze_excite",
)
SEQUENCES = ("encoder_pre_norm", "encoder_post_norm")
NETS = (*PICTURES, *SEQUENCES)
SMOOTH = ("gelu", "squeeze_excite", *SEQUENCES)
"""Nets without a rectifier."""


def inputs(net: str, count: int) -> NDArray[np.float64]:
    shape = (TOKENS, WIDTH) if net in SEQUENCES else (SIDE, SIDE, 3)
    return np.random.default_rng(7).normal(size=(count, *shape))


def weights(net: str) -> Weights:
    """Every weight that any net has; a net takes those it wants."""
    rng = np.random.default_rng([len(net), *map(ord, net)])

    def drawn(*shape: int) -> NDArray[np.float64]:
        return rng.normal(size=shape) / np.sqrt(np.prod(shape[:-1]))

    def positive(*shape: int) -> NDArray[np.float64]:
        return rng.uniform(0.5, 1.5, size=shape)

    found = {
        "conv1": drawn(3, 3, 3, CHANNELS),
        "conv2": drawn(3, 3, CHANNELS, CHANNELS),
        "depthwise": drawn(3, 3, CHANNELS, 1),
        "squeeze": drawn(CHANNELS, 4),
        "excite": drawn(4, CHANNELS),
        "head": drawn(CHANNELS, CLASSES),
        "query": drawn(WIDTH, WIDTH),
        "key": drawn(WIDTH, WIDTH),
        "value": drawn(WIDTH, WIDTH),
        "out": drawn(WIDTH, WIDTH),
        "up": drawn(WIDTH, HIDDEN),
        "down": drawn(HIDDEN, WIDTH),
    }
    biases = {
        f"{name}.bias": 0.3 * rng.normal(size=WIDTH if name == "depthwise" else kernel.shape[-1])
        for name, kernel in found.items()
    }
    norms = {
        f"{name}.{part}": positive(CHANNELS)
        if part in ("scale", "variance")
        else drawn(1, CHANNELS)[0]
        for name in ("norm1", "norm2")
        for part in ("scale", "shift", "mean", "variance")
    }
    return {**found, **biases, **norms}
