"""Pictures as arrays."""

from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from backlight_loading.picture_folders import read, upright
from backlight_loading.preparation import Colour, Size

MODES = {"grey": "L", "rgb": "RGB"}


def pixels(
    picture: Path | BinaryIO | Image.Image, size: Size | None, colour: Colour | None
) -> NDArray[np.uint8]:
    """A picture, uint8, (H, W, 1) or (H, W, 3); without a size and colours, in its own."""
    found = (
        upright(picture.copy(), size) if isinstance(picture, Image.Image) else read(picture, size)
    )
    mode = MODES[colour] if colour else found.mode
    if found.mode != mode:
        found = found.convert(mode)
    return np.asarray(found, dtype=np.uint8).reshape(found.height, found.width, -1)
