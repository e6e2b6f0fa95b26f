"""Features by name."""

import re
from collections.abc import Callable, Mapping
from typing import TypeAlias

from backlight.errors import HyperParameterError, UnknownNameError, reason, shown
from backlight.features.features import Features
from backlight.plugins.catalogue import Catalogue
from backlight.plugins.choices import normalised

FeaturesOrName: TypeAlias = Features | str

FEATURES: Catalogue[Features] = Catalogue(
    "backlight_features",
    "feature kind",
    Features,  # type: ignore[type-abstract]
    "Grid(8, 8)",
)


def features() -> Mapping[str, Callable[..., Features]]:
    """Every installed kind of features by name; see `backlight.methods` for what is left out."""
    return FEATURES.all()


def named_features(said: FeaturesOrName) -> Features:
    """Features from their name, with numbers after a colon if they take any: `grid:16x16`, `channels`.

    Raises:
        UnknownNameError: no such name.
        HyperParameterError: numbers that it does not take.
    """
    if isinstance(said, Features):
        return said
    name, colon, rest = said.partition(":")
    if normalised(name) not in FEATURES.offered():
        raise UnknownNameError("kind of features", name, FEATURES.offered())
    if not colon:
        return FEATURES.make(name, {})
    if not re.fullmatch(r"\d+(x\d+)*", rest.strip()):
        raise HyperParameterError(
            f"Features are written NAME or NAME:numbers, such as grid:16x16; got {shown(said)}."
        )
    try:
        return FEATURES.all()[normalised(name)](*map(int, rest.split("x")))
    except TypeError as error:
        raise HyperParameterError(f"{said} cannot be made: {reason(error)}.") from error


def require_features(owner: object) -> None:
    """Raise `HyperParameterError` unless `owner.features` is None, features or a name, or a tuple or
    dict of these for several inputs."""
    given: object = getattr(owner, "features")  # noqa: B009
    parts = [*given.values()] if isinstance(given, dict) else given
    several = list(parts) if isinstance(parts, (tuple, list)) else [parts]
    if given is None or (several and all(isinstance(one, (Features, str)) for one in several)):
        return
    raise HyperParameterError(
        f"{type(owner).__name__}.features must be features such as Grid(16, 16), a name such as "
        f"'grid:16x16', or a tuple or dict of these for several inputs; got {shown(given)}."
    )
