"""EfficientNet-Lite0 in PyTorch."""

from collections import OrderedDict

import torch
from torch import nn

from backlight_demo import efficientnet_lite0 as plan


class Unit(nn.Sequential):
    """Convolution, batch norm and, where asked for, ReLU6."""

    def __init__(
        self,
        into: int,
        out: int,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        relu: bool = True,
    ) -> None:
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        padding = kernel // 2
        if stride == 2:
            # SAME for even sizes pads unevenly, which nn.Conv2d cannot.
            start, end = (kernel - 2) // 2, (kernel - 1) // 2
            layers["pad"] = nn.ZeroPad2d((start, end, start, end))
            padding = 0
        layers["conv"] = nn.Conv2d(into, out, kernel, stride, padding, groups=groups, bias=False)
        layers["norm"] = nn.BatchNorm2d(out, eps=plan.EPSILON)
        if relu:
            layers["relu"] = nn.ReLU6()
        super().__init__(layers)


class Block(nn.Module):
    """One inverted bottleneck."""

    def __init__(self, block: plan.Block) -> None:
        super().__init__()
        wide = block.wide
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        if block.expand > 1:
            layers["expand"] = Unit(block.into, wide)
        layers["depthwise"] = Unit(wide, wide, block.kernel, block.stride, groups=wide)
        layers["project"] = Unit(wide, block.out, relu=False)
        self.units = nn.Sequential(layers)
        self.adds = block.adds

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.units(x)
        return x + out if self.adds else out


class EfficientNetLite0(nn.Module):
    """(N, 3, rows, columns) pixels in, (N, 1000) logits out; rows and columns multiples of 32."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Unit(3, plan.STEM, kernel=3, stride=2)
        self.blocks = nn.Sequential(*(Block(block) for block in plan.BLOCKS))
        self.head = Unit(plan.BLOCKS[-1].out, plan.HEAD)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(plan.HEAD, len(plan.CLASSES))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        x = self.head(self.blocks(self.stem(pixels)))
        logits: torch.Tensor = self.classifier(self.flatten(self.pool(x)))
        return logits


def net(dtype: str = "float32") -> nn.Module:
    """The trained net, in evaluation mode.

    Args:
        dtype: "float32" or "float64", of parameters and input.

    Returns:
        A module from pixels (N, 3, 224, 224), about -1 to 1, to logits (N, 1000).
    """
    # Built without storage: random initial values would only move the caller's random state.
    with torch.device("meta"):
        model = EfficientNetLite0()
    precision = getattr(torch, dtype)
    stored = plan.weights()
    state = {
        "classifier.weight": torch.tensor(stored["classifier.kernel"], dtype=precision),
        "classifier.bias": torch.tensor(stored["classifier.bias"], dtype=precision),
    }
    parts = {
        "kernel": "conv.weight",
        "scale": "norm.weight",
        "offset": "norm.bias",
        "mean": "norm.running_mean",
        "variance": "norm.running_var",
    }
    for unit in plan.units():
        block, _, rest = unit.partition(".")
        where = f"blocks.{block.removeprefix('block')}.units.{rest}" if rest else unit
        for part, theirs in parts.items():
            values = torch.tensor(stored[f"{unit}.{part}"], dtype=precision)
            state[f"{where}.{theirs}"] = values
        state[f"{where}.norm.num_batches_tracked"] = torch.tensor(0)
    model.load_state_dict(state, assign=True)
    return model.eval()
