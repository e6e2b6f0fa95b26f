"""Superpixels of pictures, by scikit-image."""

from abc import abstractmethod
from dataclasses import dataclass
from types import ModuleType
from typing import final

import numpy as np
from numpy.typing import NDArray

from backlight.errors import InputError, is_real, is_whole, require
from backlight.features.features import Features, Labels, Part, layout_of, over_places
from backlight.plugins.extras import extra
from backlight.values.layout import Layout


class Superpixels(Features):
    """Parts of each picture that look alike. Pictures have superpixels of their own, and not equally
    many."""

    @abstractmethod
    def segmented(self, picture: NDArray[np.float64]) -> NDArray[np.int64]:
        """Labels from 0, (height, width), of a picture (height, width, channels), from 0 to 1."""

    def label(self, part: Part) -> Labels:
        layout = layout_of(part, self)
        if len(layout.grid) != 2 or layout.tokens:
            raise InputError(
                f"{self!r} needs pictures; a value of shape {part.shape} has "
                f"{len(layout.grid)} axes of places. Use Grid, Windows or Segments."
            )
        if part.numbers is None:
            raise InputError(
                f"{self!r} looks at pictures, and here there are only values for them. Make the labels "
                "of the pictures first: Segments(labels)."
            )
        labels = np.stack(
            [self.segmented(one) for one in pictures(part.numbers().astype(np.float64), layout)]
        )
        names = tuple(f"superpixel {number}" for number in range(int(labels.max()) + 1))
        return over_places(part, labels, names)


@final
@dataclass(frozen=True)
class SLIC(Superpixels):
    """Clusters of neighbouring pixels of like colour. Achanta, Shaji, Smith, Lucchi, Fua, Suesstrunk,
    "SLIC Superpixels Compared to State-of-the-art Superpixel Methods" (2012).

    Args:
        segments: how many there are, about.
        compactness: how much nearness counts beside likeness, greater than 0.
    """

    segments: int = 64
    compactness: float = 10.0

    def __post_init__(self) -> None:
        require(is_whole(self.segments) and self.segments >= 1, self, "segments", "at least 1")
        positive = is_real(self.compactness) and self.compactness > 0
        require(positive, self, "compactness", "greater than 0")

    def segmented(self, picture: NDArray[np.float64]) -> NDArray[np.int64]:
        colours = picture.shape[-1] == 3
        found = segmentation().slic(
            picture if colours else picture.mean(axis=-1),
            n_segments=self.segments,
            compactness=self.compactness if colours else self.compactness / 100,
            channel_axis=-1 if colours else None,
            start_label=0,
        )
        return np.asarray(found, dtype=np.int64)


@final
@dataclass(frozen=True)
class Felzenszwalb(Superpixels):
    """Parts between which the picture changes more than within. Felzenszwalb, Huttenlocher, "Efficient
    Graph-Based Image Segmentation" (2004).

    Args:
        scale: a larger one makes larger parts, greater than 0.
        sigma: of the blur beforehand, in pixels, at least 0.
        smallest: how many pixels a part has at least.
    """

    scale: float = 100.0
    sigma: float = 0.8
    smallest: int = 20

    def __post_init__(self) -> None:
        require(is_real(self.scale) and self.scale > 0, self, "scale", "greater than 0")
        require(is_real(self.sigma) and self.sigma >= 0, self, "sigma", "at least 0")
        require(is_whole(self.smallest) and self.smallest >= 1, self, "smallest", "at least 1")

    def segmented(self, picture: NDArray[np.float64]) -> NDArray[np.int64]:
        found = segmentation().felzenszwalb(
            picture, scale=self.scale, sigma=self.sigma, min_size=self.smallest, channel_axis=-1
        )
        return np.asarray(found, dtype=np.int64)


def pictures(value: NDArray[np.float64], layout: Layout) -> NDArray[np.float64]:
    """Pictures (N, height, width, channels), each brought to 0 to 1."""
    last = (
        value[..., None]
        if layout.channel_axis is None
        else np.moveaxis(value, layout.channel_axis, -1)
    )
    low = last.min(axis=(1, 2, 3), keepdims=True)
    size = last.max(axis=(1, 2, 3), keepdims=True) - low
    return np.asarray((last - low) / np.where(size > 0, size, 1.0))


def segmentation() -> ModuleType:
    """scikit-image's segmentation, which few need and which is an extra."""
    use = "Superpixels, other than labels of your own in Segments(labels), need scikit-image"
    return extra("skimage.segmentation", "superpixels", use)
