"""The picture files of a report: inputs, maps with their scale inside, and colour bars."""

from collections.abc import Mapping
from pathlib import Path
from shutil import rmtree
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlight.values.arrays import Channels
from backlight_loading.names import all_legible
from backlight_pictures.colour_bar import colour_bar
from backlight_pictures.layers import map_file
from backlight_pictures.png import enlarged, png
from backlight_pictures.scale import Scale, scale_of
from backlight_pictures.stored import shown
from backlight_report.directory import FOLDER
from backlight_study.questions import Question

LONGEST = 60
"""How many bytes a name may give to a file's name."""


class PictureFiles:
    """Writes a report's pictures into its folder, and keeps what the page shows.

    Args:
        folder: of the report.
        channels: where the model has them, where a picture's shape does not tell.
        ends: the stored numbers that are drawn black and white, unless bytes are stored.
    """

    def __init__(self, folder: Path, channels: Channels, ends: tuple[float, float]) -> None:
        self.folder, self.channels, self.ends = folder, channels, ends
        self.files: dict[str, bytes] = {}
        (folder / FOLDER).mkdir()

    def input(self, stem: str, stored: NDArray[Any]) -> str:
        picture = shown(stored, self.channels, self.ends)
        return self._write(f"{stem}-input.png", png(enlarged(picture)))

    def map(
        self,
        stem: str,
        technique: str,
        question: Question,
        map: NDArray[np.float64],
        scale: Scale,
        notes: Mapping[str, str],
    ) -> str:
        name = f"{stem}-{plain(technique)}-{question}.png"
        return self._write(name, map_file(map, scale, all_legible(dict(notes))))

    def scale(self, stem: str, technique: str, scale: Scale) -> str:
        return self._write(f"{stem}-{plain(technique)}-scale.png", png(colour_bar(scale)))

    def panel(self, stem: str, content: bytes) -> str:
        """A panel for a slide."""
        return self._write(f"{stem}.png", content)

    def finding(self, stem: str, map: NDArray[np.float64]) -> str:
        """A map that belongs to a finding, on a scale of its own."""
        return self._write(f"{stem}.png", map_file(map, scale_of([map])))

    def remove(self) -> None:
        """Take all pictures away."""
        rmtree(self.folder / FOLDER)
        self.files.clear()

    def _write(self, name: str, content: bytes) -> str:
        path = f"{FOLDER}/{name}"
        if path not in self.files:
            (self.folder / path).write_bytes(content)
            self.files[path] = content
        return path


def plain(name: str) -> str:
    """A name as part of a file's name; file systems take about 255 bytes for all of it.

    The end of a long one stays, where names that begin alike differ.
    """
    made = "".join(sign if sign.isalnum() or sign in "-_" else "_" for sign in name).encode()
    if len(made) > LONGEST:
        made = made[: LONGEST - 20] + made[-20:]
    return made.decode(errors="ignore")  # a character may have been cut in two
