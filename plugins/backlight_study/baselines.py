"""Baselines in a picture's own terms, brought through the preprocessing as the pictures are."""

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from backlight.errors import HyperParameterError
from backlight.values.layout import InputKind
from backlight_loading.preparation import Prepared
from backlight_study.kinds import CALLED

PictureBaseline: TypeAlias = Literal["black", "white", "grey", "mean", "blur"]

WORDS: Mapping[PictureBaseline, str] = {
    "black": "a black picture",
    "white": "a white picture",
    "grey": "a picture of the grey between black and white",
    "mean": "each picture's own mean colour",
    "blur": "each picture, blurred by a tenth of its longer side",
}
"""What stands for "nothing there", in words."""

BLUR = 0.1
"""The standard deviation of the blur, as a share of the longer side."""


def check_baseline(name: str | None, kind: InputKind = "picture") -> None:
    """Raise HyperParameterError for a name that is no `PictureBaseline`, or where there are no pictures.

    Args:
        kind: of the examples.
    """
    if name is not None and name not in get_args(PictureBaseline):
        raise HyperParameterError(
            f"A baseline for pictures is {', '.join(get_args(PictureBaseline))}; got {name!r}. "
            "Numbers and arrays in the model's own input are hyper-parameters of the techniques: "
            "integrated_gradients:baseline=0.5."
        )
    if name is not None and kind != "picture":
        raise HyperParameterError(
            f"The baseline {name!r} is said in a picture's terms, and the examples are "
            f"{CALLED[kind][1]}. Numbers in the model's own input are hyper-parameters of the "
            "techniques: integrated_gradients:baseline=0.5."
        )


def picture_baseline(
    name: PictureBaseline,
    stored: NDArray[Any],
    ends: tuple[float, float],
    prepared: Prepared,
) -> NDArray[Any]:
    """The baseline of each picture as the model takes it, shaped like `prepared(stored)`.

    Args:
        stored: pictures (n, H, W, channels), (n, channels, H, W) or (n, H, W).
        ends: the stored numbers that are black and white.
        prepared: brings pictures to the model.
    """
    black, white = ends
    sides = places(stored)
    match name:
        case "black" | "white" | "grey":
            share = {"black": 0.0, "grey": 0.5, "white": 1.0}[name]
            made = np.full(stored.shape, black + share * (white - black))
        case "mean":
            made = np.broadcast_to(
                stored.mean(axis=sides, keepdims=True, dtype=np.float64), stored.shape
            )
        case "blur":
            wide = BLUR * max(stored.shape[axis] for axis in sides)
            widths = [wide if axis in sides else 0.0 for axis in range(stored.ndim)]
            made = gaussian_filter(stored.astype(np.float64), widths, mode="nearest")
    whole = np.rint(made) if stored.dtype.kind in "iu" else made
    return prepared(whole.astype(stored.dtype))


def places(stored: NDArray[Any]) -> tuple[int, int]:
    """The axes of height and width."""
    first = stored.ndim == 4 and stored.shape[1] in (1, 3, 4) and stored.shape[3] not in (1, 3, 4)
    return (2, 3) if first else (1, 2)
