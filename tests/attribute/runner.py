"""A process that goes on with a store of attributions again and again; see `tests.datasets.writer`."""

import sys
from pathlib import Path

import torch

from backlight import Examples
from backlight.progress import Progress
from backlight_attribute import Attributions, attribute_dataset
from tests.datasets.writer import serve
from tests.study.nets import Net, examples

COUNT, LENGTH = 120, 4
DATA = examples(COUNT)
BLOCKS = COUNT // LENGTH


def run(folder: Path, progress: Progress = lambda what, done, total: None) -> Attributions:
    """Go on with what is missing; one example in twenty cannot be explained."""
    x = (DATA.x / 255).astype("float32")[:, None]
    x[3::20] = float("nan")
    return attribute_dataset(
        Net().eval(),
        Examples(x, DATA.labels, DATA.classes, DATA.names),
        store=folder,
        methods=["gradient", "input_x_gradient"],
        targets=["predicted", "contrast"],
        block_length=LENGTH,
        progress=progress,
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    serve(run)
    sys.exit(0)
