"""PNG files in memory: pixels, notes inside the file, and the text form that a page can hold."""

import base64
import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

SMALL = 224
"""Pixels along the shorter side up to which pictures are enlarged."""


def png(pixels: NDArray[np.uint8], notes: Mapping[str, str] | None = None) -> bytes:
    """A PNG file of uint8 pixels (H, W) or (H, W, 3), its notes readable by any image program."""
    about = PngInfo()
    for key, text in (notes or {}).items():
        about.add_itxt(key, text)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", pnginfo=about, optimize=True)
    return file.getvalue()


def data_uri(file: bytes, media: str = "image/png") -> str:
    """The file as the address of an image that needs no other file."""
    return f"data:{media};base64,{base64.b64encode(file).decode('ascii')}"


def enlarged(pixels: NDArray[Any], shorter: int = SMALL) -> NDArray[Any]:
    """Small pictures with every pixel repeated, so that the shorter side is about `shorter`."""
    times = max(1, round(shorter / min(pixels.shape[:2])))
    return pixels.repeat(times, axis=0).repeat(times, axis=1)
