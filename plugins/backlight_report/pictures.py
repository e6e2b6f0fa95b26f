"""The picture files of a report: inputs, overlays and colour bars, each with its scale inside."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlight.values.arrays import Channels
from backlight_loading.names import legible
from backlight_loading.preprocessing import channel_axis
from backlight_pictures.colour_bar import colour_bar
from backlight_pictures.colours import overlay
from backlight_pictures.png import enlarged, png
from backlight_report.directory import FOLDER
from backlight_report.explanations import Row
from backlight_study.questions import Question

LONGEST = 60
"""How many bytes a name may give to a file's name."""


def shown(x: NDArray[Any], channels: Channels, extremes: tuple[float, float]) -> NDArray[np.uint8]:
    """One stored example as a picture, uint8 (H, W) or (H, W, 3).

    Args:
        x: (H, W), (C, H, W) or (H, W, C).
        channels: where the model has them, if the shape does not tell.
        extremes: what is drawn black and what white, unless bytes are stored.
    """
    values = x
    if values.dtype != np.uint8:
        low, high = extremes
        share = (values.astype(np.float64) - low) / ((high - low) or 1)
        values = np.rint(255 * share.clip(0, 1)).astype(np.uint8)
    if values.ndim == 2:
        return np.asarray(values)
    values = np.moveaxis(values, channel_axis(x[None], channels) - 1, -1)
    if values.shape[-1] == 4:
        values = values[..., :3]
    if values.shape[-1] != 3:
        values = np.rint(values.mean(axis=-1)).astype(np.uint8)
    return np.asarray(values, dtype=np.uint8)


class PictureFiles:
    """Writes a report's pictures into its folder, and keeps what the page shows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: dict[str, bytes] = {}
        (folder / FOLDER).mkdir()

    def input(self, stem: str, picture: NDArray[np.uint8]) -> str:
        return self._write(f"{stem}-input.png", png(enlarged(picture)))

    def map(self, stem: str, row: Row, question: Question, picture: NDArray[np.uint8]) -> str:
        """An overlay; the file notes method, target, and which value has the strongest colour."""
        attribution = row.attributions[question]
        notes = {
            "method": legible(attribution.method),
            "target": legible(attribution.target),
            "limit": repr(row.scale.limit),
            "signed": repr(row.scale.signed),
        }
        pixels = enlarged(overlay(row.maps[question], row.scale, picture))
        return self._write(f"{stem}-{plain(row.technique.name)}-{question}.png", png(pixels, notes))

    def bar(self, stem: str, row: Row) -> str:
        file = f"{stem}-{plain(row.technique.name)}-scale.png"
        return self._write(file, png(colour_bar(row.scale)))

    def _write(self, name: str, content: bytes) -> str:
        path = f"{FOLDER}/{name}"
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
