"""Pictures whose parts are asked for: eight of the demo's nets' true positives."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from backlight_demo import fashion, fashion_torch
from benchmarks.shapley import Counted

COUNT = 8


@dataclass
class Pictures:
    """What is explained.

    Attributes:
        name, about: of the net and the pictures, for the page.
        x, labels: of the examples, which the net calls rightly.
        shown: the pictures, uint8.
        titles: what each one is.
        dark, light: the input's values for black and white.
        cells: along each side.
        samples: at most so many orders, and coalitions.
        drawn: "small" for pictures whose pixels are drawn as squares.
    """

    name: str
    about: str
    net: Counted
    x: torch.Tensor
    labels: NDArray[np.int64]
    shown: NDArray[np.uint8]
    titles: list[str]
    dark: float
    light: float
    cells: int
    samples: tuple[int, int]
    drawn: str


def of_fashion() -> Pictures:
    images, labels = fashion.examples()
    net = Counted(fashion_torch.net().requires_grad_(False))
    x = torch.from_numpy(fashion.pictures(images, "first", "float32"))
    right = np.flatnonzero(net(x).argmax(1).numpy() == labels)
    chosen = [right[labels[right] == k][0] for k in range(COUNT)]
    about = (
        "Cells are 2 x 2 pixels, 14 x 14 of them: 16 x 16 cells would be of 1.75 pixels. Windows of "
        "occlusion are 4 x 4 pixels, 2 apart."
    )
    named = [fashion.CLASSES[k] for k in labels[chosen]]
    return Pictures("a net for Fashion-MNIST", about, net, x[chosen], labels[chosen], images[chosen],
                    named, 0.0, 1.0, 14, (400, 40_000), "small")  # fmt: skip


def of_lite0(side: int = 224) -> Pictures:
    from backlight_demo import efficientnet_lite0 as plan
    from backlight_demo.efficientnet_lite0_torch import net as lite0
    from benchmarks.lite0 import examples

    laid_out = lite0().requires_grad_(False).to(memory_format=torch.channels_last)  # a fifth faster
    net, given = Counted(laid_out), examples()
    crops = np.stack([np.asarray(Image.fromarray(one).resize((side, side))) for one in given.x])
    x = torch.from_numpy(plan.pixels(crops, "first"))
    said = torch.cat([net(part) for part in x.split(8)]).argmax(1).numpy()
    right = np.flatnonzero(said == given.labels)
    photo = [given.names[k].rpartition("-")[0] for k in right]
    again = [photo[:k].count(name) for k, name in enumerate(photo)]
    chosen = right[np.argsort(again, kind="stable")[:COUNT]]  # each photo once, then once more
    about = (
        f"Photos of {side} x {side} pixels, cut and darkened as in benchmarks/lite0.py, in 16 x 16 cells "
        f"of {side / 16:g} pixels. Windows of occlusion are two cells wide, one cell apart."
    )
    named = [f"{plan.CLASSES[given.labels[k]]}: {given.names[k]}" for k in chosen]
    return Pictures("EfficientNet-Lite0", about, net, x[chosen], given.labels[chosen], crops[chosen],
                    named, -127 / 128, 1.0, 16, (8, 2048), "large")  # fmt: skip
