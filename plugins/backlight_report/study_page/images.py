"""The page's pictures: held inside it in few bytes, or in the files beside it."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from backlight_pictures.layers import SMALL, compact, read_map
from backlight_pictures.scale import Scale

BUDGET = 14_000_000
"""Bytes that all maps of a page may take together: 19 MB as text."""

LEAST = 3_000
"""Bytes that each map may take however many there are."""

COARSEST = 4
"""How many places along each side a pixel may be the mean of."""

HEAVY = 12_000
"""Bytes from which on a picture is stored as WebP."""

GreyMap: TypeAlias = tuple[NDArray[np.uint8], Scale]
"""A map's grey pixels (H, W) and their scale."""

LONGEST = 448
"""Pixels along the longer side of a picture on the page, two for each of the screen's."""


@dataclass(frozen=True)
class Shown:
    """A picture as the page refers to it.

    Attributes:
        source: its address: data or a file beside the page.
        width, height: of the picture itself, in pixels.
        scale: of a map that is coloured when it is looked at; None of any other picture.
        stride: how many places a pixel is the mean of, along each side.
    """

    source: str
    width: int
    height: int
    scale: Scale | None = None
    stride: int = 1

    @property
    def small(self) -> bool:
        """Whether each of its pixels is seen as a square."""
        return max(self.width, self.height) <= SMALL

    @property
    def kind(self) -> str:
        """The class of its image: which filters colour it."""
        if self.scale is None:
            return "drawn"
        return "signed" if self.scale.signed else "unsigned"


class Images:
    """Pictures by the paths that the study gives them.

    Args:
        files: their contents.
        maps: how many maps there are to share the budget.
        embed: put them into the page; else refer to the files beside it.
        private: show none.
    """

    def __init__(
        self, files: Mapping[str, bytes], maps: int, *, embed: bool, private: bool
    ) -> None:
        self.files = files
        self.allowed = max(LEAST, BUDGET // max(1, maps))
        self.embed = embed
        self.private = private

    def picture(self, path: str | None) -> Shown | None:
        """A picture of the data, or any that is shown as it is."""
        file = self._file(path)
        if file is None or path is None:
            return None
        with Image.open(io.BytesIO(file)) as image:
            if not self.embed:
                return Shown(quote(path), *image.size)
            held = Shown(data(file, f"image/{(image.format or 'png').lower()}"), *image.size)
            if len(file) <= HEAVY and max(image.size) <= LONGEST:
                return held
            lighter, address = lightened(image)
            return Shown(address, *lighter) if len(address) < len(held.source) else held

    def maps(self, paths: Sequence[str | None]) -> list[Shown | None]:
        """The maps of one row, all equally fine: as fine as their share of the budget allows."""
        found = {path: self._file(path) for path in paths if path is not None}
        grey = {path: read_map(file) for path, file in found.items() if file is not None}
        maps = {path: one for path, one in grey.items() if one is not None}
        shown = self._embedded(maps) if self.embed else beside(maps)
        return [shown.get(path) or self.picture(path) if path else None for path in paths]

    def _embedded(self, maps: Mapping[str, GreyMap]) -> dict[str, Shown]:
        stride = 1
        while True:
            files = {path: compact(grey, stride) for path, (grey, _) in maps.items()}
            size = sum(len(file) for file, _ in files.values())
            small = all(max(grey.shape) <= SMALL for grey, _ in maps.values())
            if small or stride == COARSEST or size <= self.allowed * len(maps):
                break
            stride *= 2
        return {
            path: Shown(data(*files[path]), grey.shape[1], grey.shape[0], scale, stride)
            for path, (grey, scale) in maps.items()
        }

    def _file(self, path: str | None) -> bytes | None:
        return None if path is None or self.private else self.files.get(path)


def beside(maps: Mapping[str, GreyMap]) -> dict[str, Shown]:
    return {
        path: Shown(quote(path), grey.shape[1], grey.shape[0], scale)
        for path, (grey, scale) in maps.items()
    }


def lightened(image: Image.Image) -> tuple[tuple[int, int], str]:
    """The size and the address of the picture as WebP, made smaller if it is larger than shown."""
    colours = image.convert("RGB")
    colours.thumbnail((LONGEST, LONGEST))
    file = io.BytesIO()
    colours.save(file, "WEBP", quality=82, method=4)
    return colours.size, data(file.getvalue(), "image/webp")


def data(file: bytes, media: str) -> str:
    return f"data:{media};base64,{base64.b64encode(file).decode('ascii')}"
