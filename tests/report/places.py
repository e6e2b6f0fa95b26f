"""The report: nets and helpers."""

NET = '''
"""Is it brighter on the left or on the right?"""
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, inputs=1):
        super().__init__()
        self.conv = nn.Conv2d(inputs, 2, 3, padding=1)
        self.head = nn.Linear(2 * 8 * 8, 2)
        sides = torch.zeros(2, 2, 8, 8)
        sides[0, :, :, :4] = sides[1, :, :, 4:] = 0.5
        with torch.no_grad():
            self.conv.weight.fill_(0.1)
            self.conv.bias.zero_()
            self.head.weight.copy_(sides.reshape(2, -1))
            self.head.bias.copy_(torch.tensor([0.1, 0.0]))

    def forward(self, x):
        return self.head(torch.relu(self.conv(x)).flatten(1))


def net():
    return Net().eval()


def colour_net():
    return Net(3).eval()


def dense(x):
    return net().conv(x)


class Number:
    value = 3


number = Number()


def leaving():
    raise SystemExit("gone")


def unprepared(pictures):
    raise KeyError("no such picture")


def broken():
    made = net()
    made.head.bias.data[1] = float("nan")
    return made


def pair():
    class Pair(Net):
        def forward(self, x):
            return super().forward(x), x

    return Pair().eval()


def heat_map():
    return net().conv


def failing():
    raise RuntimeError("no weights here")


def halved(pictures):
    return pictures[..., 0][:, None].astype("float32") / 510


shape = (8, 8)
'''


# Brightness of the halves and the class it is filed under; three are filed wrongly.
FILED = {
    "left/a.png": (200, 20),
    "left/b.png": (20, 220),
    "left/c.png": (60, 100),
    "left/d.png": (90, 30),
    "right/e.png": (10, 240),
    "right/f.png": (180, 60),
    "right/g.png": (30, 90),
}
