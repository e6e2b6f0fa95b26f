"""Studies that nets made: the demo of clothes as its command makes it, and photos with a net for 1,000
classes."""

import json
from pathlib import Path
from typing import Any

from backlight_demo.command import Framework, net, photo_examples
from backlight_loading import Preprocessing
from backlight_report import report

Record = dict[str, Any]


def clothes(folder: Path) -> None:
    """`backlight demo`."""
    from backlight.command_line import main

    try:
        main(["demo", "--framework", "torch", "-o", str(folder)])
    except SystemExit as ended:
        if ended.code not in (None, 0):
            raise


def photos(folder: Path) -> None:
    """What `backlight demo photos` explains, by three techniques that are quick, and without metrics."""
    examples, credit = photo_examples()
    report(
        net("efficientnet_lite0", Framework.torch),
        examples,
        directory=folder,
        methods=["gradient", "input_x_gradient", "grad_cam"],
        only="all",
        limit=len(examples.x),
        preprocessing=Preprocessing(divide_by=1, mean=(127,), std=(128,)),
        batch_size=8,
        metrics=[],
        model_name="EfficientNet-Lite0",
        data_name="photos from other packages",
        reading=credit,
    )


def record_of(folder: Path) -> Record:
    record: Record = json.loads((folder / "study.json").read_text(encoding="utf-8"))
    return record
