"""The nets of texts, tables and series in PyTorch."""

import torch
from torch import nn

from backlight_demo.small_nets import CONVOLUTIONS, DENSE, Demonstrated, Weights, layers, weights


class SmallNet(nn.Module):
    """Ids (N, L), rows (N, columns) or series (N, 1, L) in, logits out; see `small_nets`."""

    def __init__(self, found: Weights) -> None:
        super().__init__()
        self.embedding = None
        if "embedding" in found:
            self.embedding = nn.Embedding(*found["embedding"].shape)
        self.convolutions = nn.ModuleDict(
            {
                name: nn.Conv1d(width, out, length, padding="same")
                for name in layers(found, CONVOLUTIONS)
                for length, width, out in [found[f"{name}.kernel"].shape]
            }
        )
        self.dense = nn.ModuleDict(
            {name: nn.Linear(*found[f"{name}.kernel"].shape) for name in layers(found, DENSE)}
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.embedding is not None:
            x = self.embedding(x).transpose(1, 2)
        for layer in self.convolutions.values():
            x = torch.relu(layer(x))
        if self.convolutions:
            x = x.amax(2)
        *before, last = self.dense.values()
        for layer in before:
            x = torch.relu(layer(x))
        logits: torch.Tensor = last(x)
        return logits


def net(kind: Demonstrated) -> nn.Module:
    """The trained net."""
    found = weights(kind)
    model = SmallNet(found)
    if model.embedding is not None:
        model.embedding.load_state_dict({"weight": torch.tensor(found["embedding"])})
    for name, layer in (*model.convolutions.items(), *model.dense.items()):
        kernel = found[f"{name}.kernel"].T  # (out, in, moments) and (out, in)
        state = {"weight": kernel, "bias": found[f"{name}.bias"]}
        layer.load_state_dict({key: torch.tensor(values) for key, values in state.items()})
    return model.eval()
