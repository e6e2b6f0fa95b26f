"""Peak memory of KernelSHAP and Shapley values at 200, 1,000 and 10,000 coalitions of 49 cells, each in a
process of its own.

`python -m benchmarks.coalitions` prints how far the process's peak grew, in MiB, over one full pass.
"""

import subprocess
import sys

import torch

from backlight import Grid
from backlight_demo import fashion, fashion_torch
from backlight_methods import FeatureAblation, KernelSHAP, ShapleyValues
from benchmarks.memory import peak

GRID, BATCH = Grid(7, 7), 128


def main() -> None:
    if len(sys.argv) == 1:
        for kind in ("kernel_shap", "shapley_values"):
            for coalitions in ("200", "1000", "10000"):
                subprocess.run([sys.executable, "-m", __spec__.name, kind, coalitions], check=True)
        return
    kind, coalitions = sys.argv[1], int(sys.argv[2])
    torch.set_num_threads(1)
    net = fashion_torch.net().eval().requires_grad_(False)
    x = torch.tensor(fashion.pictures(fashion.examples()[0][:1], "first", "float32"))
    method = KernelSHAP(features=GRID, samples=coalitions)
    if kind == "shapley_values":
        method = ShapleyValues(features=GRID, samples=max(4, coalitions // 48 // 2 * 2))
    FeatureAblation(features=GRID)(net, x.repeat(BATCH, 1, 1, 1), 0, batch_size=BATCH)
    before = peak()
    method(net, x, 0, batch_size=BATCH)
    print(
        f"{kind:16}{coalitions:7} coalitions  peak grew by {peak() - before:6.1f} MiB", flush=True
    )


if __name__ == "__main__":
    main()
