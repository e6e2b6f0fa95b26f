"""The Fashion-MNIST net in PyTorch."""

from collections import OrderedDict

import torch
from torch import nn

from backlight_demo import fashion


class FashionNet(nn.Module):
    """Three convolutions and two dense layers: (N, 1, 28, 28) pixels in, (N, 10) logits out."""

    def __init__(self) -> None:
        super().__init__()
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        width = 1
        for number, (name, out) in enumerate(fashion.CHANNELS.items(), start=1):
            layers[name] = nn.Conv2d(width, out, kernel_size=3, padding=1)
            layers[f"relu{number}"] = nn.ReLU()
            layers[f"pool{number}"] = nn.MaxPool2d(2)
            width = out
        self.features = nn.Sequential(layers)
        channel, row, column = fashion.FLAT
        self.classifier = nn.Sequential(
            OrderedDict[str, nn.Module](
                flatten=nn.Flatten(),
                dense1=nn.Linear(channel * row * column, 64),
                relu4=nn.ReLU(),
                dense2=nn.Linear(64, len(fashion.CLASSES)),
            )
        )

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.classifier(self.features(pixels))
        return logits


def net(dtype: str = "float32", trained: fashion.Trained = "plain") -> nn.Module:
    """The trained net, in evaluation mode.

    Args:
        dtype: "float32" or "float64", of parameters and input.
        trained: on the data set as it is, or with the mark of `backlight_demo.planted`.

    Returns:
        A module from pixels (N, 1, 28, 28) between 0 and 1 to logits (N, 10).
    """
    # Built without storage: random initial values would only move the caller's random state.
    with torch.device("meta"):
        model = FashionNet()
    precision = getattr(torch, dtype)
    state = {}
    for name, values in fashion.weights(trained).items():
        layer, part = name.split(".")
        group = "features" if layer in fashion.CHANNELS else "classifier"
        kind = "weight" if part == "kernel" else "bias"
        state[f"{group}.{layer}.{kind}"] = torch.tensor(values, dtype=precision)
    model.load_state_dict(state, assign=True)
    return model.eval()
