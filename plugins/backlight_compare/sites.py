"""How far two nets agree inside: the first inner value at which they part."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast, final

import numpy as np
from numpy.typing import NDArray

from backlight import Model
from backlight.errors import BacklightError, UnknownNameError
from backlight.values.arrays import Channels
from backlight.values.layout import InputKind, input_layout
from backlight_loading.preparation import ModelInput


@final
@dataclass(frozen=True)
class SitePair:
    """An inner value of the first net, and that of the second one which is nearest to it.

    Attributes:
        first, second: the sites' names; the latter None where no site has as many numbers of each axis.
        difference: the largest |first - second|, relative to the largest |first|.
        agrees: whether that is within the tolerance.
    """

    first: str
    second: str | None
    difference: float
    agrees: bool


def paired(
    models: tuple[Model, Model],
    inputs: tuple[ModelInput, ModelInput],
    kind: InputKind,
    tolerance: float,
    named: Mapping[str, str],
) -> tuple[SitePair, ...]:
    """Each site of the first net, in its order, with the nearest of those of the second one that have its
    shape, channels aside from where they are; or with the one that is named for it.

    Args:
        kind: of the inputs.

    Raises:
        UnknownNameError: a name is no site's.
    """
    sites = [
        [site.name for site in model.sites(cast(Any, x))]
        for model, x in zip(models, inputs, strict=True)
    ]
    for name, other in named.items():
        for said, known in ((name, sites[0]), (other, sites[1])):
            if said not in known:
                raise UnknownNameError("site", said, known)
    values = [
        {
            name: found
            for name in names
            if (found := channels_last(model, x, name, kind)) is not None
        }
        for model, x, names in zip(models, inputs, sites, strict=True)
    ]
    return tuple(
        nearest(name, value, values[1], tolerance, named.get(name))
        for name, value in values[0].items()
    )


def channels_last(
    model: Model, x: ModelInput, name: str, kind: InputKind
) -> NDArray[np.float64] | None:
    """The value at a site with its channels behind its places; None of what is no array of numbers."""
    try:
        value: NDArray[Any] = model.to_numpy(model.array_at(cast(Any, x), name))
    except BacklightError:  # a site that is no array with the examples first
        return None
    if value.dtype.kind != "f":
        return None
    axis = channel_axis(value.shape, model.channels, 2 if kind == "series" else 3)
    return np.moveaxis(value.astype(np.float64), axis, -1)


def channel_axis(shape: tuple[int, ...], channels: Channels, more: int) -> int:
    """Of a value laid out over places, as the framework has it; else the last axis.

    Args:
        more: it is laid out if it has more axes than this.
    """
    laid_out = len(shape) > more and input_layout(shape, channels) is not None
    return 1 if laid_out and channels == "first" else len(shape) - 1


def nearest(
    name: str,
    value: NDArray[np.float64],
    others: Mapping[str, NDArray[np.float64]],
    tolerance: float,
    wanted: str | None,
) -> SitePair:
    """The site whose value is nearest to this one."""
    names = [wanted] if wanted is not None else list(others)
    alike = [other for other in names if other in others and others[other].shape == value.shape]
    if not alike:
        return SitePair(name, wanted, float("inf"), False)
    size = float(np.abs(value).max()) or 1.0
    off = {other: float(np.abs(others[other] - value).max()) / size for other in alike}
    best = min(alike, key=off.__getitem__)
    return SitePair(name, best, off[best], off[best] <= tolerance)


def parting(pairs: Sequence[SitePair]) -> tuple[SitePair | None, SitePair | None]:
    """The last pair that agrees, and the first one after it, from which on none does; None where there is
    no such pair. One net may show values that the other computes in one step: pairs that differ before
    one that agrees are no parting."""
    agreeing = [place for place, pair in enumerate(pairs) if pair.agrees]
    last = agreeing[-1] if agreeing else -1
    behind = [pair for pair in pairs[last + 1 :] if pair.second is not None]
    return (pairs[last] if agreeing else None), (behind[0] if behind else None)
