"""Small nets on PyTorch with more than one way from the input to the end, or more than one end."""

import torch
from torch import nn

CLASSES = 5


class Body(nn.Module):
    """Gives the map and its average, as bodies of classifiers do."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.act = nn.Conv2d(3, 6, 3, 4, 1), nn.ReLU()

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        found = self.act(self.conv(x))
        return found, found.mean((2, 3))


class Returned(nn.Module):
    """The head reads the average; the map goes nowhere."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = Body(), nn.Linear(6, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        _, pooled = self.body(x)
        return self.head(pooled)


class TwoHeads(nn.Module):
    """A second output with places, computed after the first one's last map, which the score of a class
    does not use."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head, self.mask = Body(), nn.Linear(6, CLASSES), nn.Conv2d(6, 2, 1)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        found, pooled = self.body(x)
        return {"logits": self.head(pooled), "mask": self.mask(found)}


class Branches(nn.Module):
    """Two maps of one size beside each other, joined only where they have no places any more."""

    def __init__(self) -> None:
        super().__init__()
        self.left = nn.Sequential(nn.Conv2d(3, 4, 3, 4, 1), nn.ReLU())
        self.right = nn.Sequential(nn.Conv2d(3, 4, 5, 4, 2), nn.ReLU())
        self.head = nn.Linear(8, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        both = [branch(x).mean((2, 3)) for branch in (self.left, self.right)]
        return self.head(torch.cat(both, 1))


class UNet(nn.Module):
    """Down twice, up twice, with shortcuts: a class for each place, (N, classes, H, W)."""

    def __init__(self) -> None:
        super().__init__()

        def conv(start: int, end: int) -> nn.Module:
            return nn.Sequential(nn.Conv2d(start, end, 3, 1, 1), nn.ReLU())

        self.down = nn.ModuleList([conv(3, 4), conv(4, 6)])
        self.pool, self.bottom = nn.MaxPool2d(2), conv(6, 8)
        self.rise = nn.ModuleList([nn.ConvTranspose2d(8, 6, 2, 2), nn.ConvTranspose2d(6, 4, 2, 2)])
        self.up = nn.ModuleList([conv(12, 6), conv(8, 4)])
        self.head = nn.Conv2d(4, CLASSES, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first = self.down[0](x)
        second = self.down[1](self.pool(first))
        x = self.bottom(self.pool(second))
        x = self.up[0](torch.cat([self.rise[0](x), second], 1))
        return self.head(self.up[1](torch.cat([self.rise[1](x), first], 1)))
