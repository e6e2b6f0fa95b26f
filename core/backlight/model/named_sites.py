"""The sites of a net by their names, for backends that know all values of a net from one trace."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar, final

from backlight.errors import SiteError, UnknownNameError
from backlight.model.model import Site
from backlight.values.tree import Tree

P = TypeVar("P")
"""How a backend says where a value is."""


@final
@dataclass(frozen=True)
class NamedSites(Generic[P]):
    """The sites of a net for inputs of given shapes.

    Attributes:
        listed: each value once, by its friendliest name, in order of computation.
        places: where each name points, also the less friendly ones and those that cannot be used.
        unusable: why some cannot be looked at, as a clause: `holds integers`.
    """

    listed: tuple[Site, ...]
    places: Mapping[str, P]
    unusable: Mapping[str, str]

    @property
    def usable(self) -> dict[str, P]:
        """Where the names point that can be looked at, the friendlier ones first."""
        names = dict.fromkeys((*(site.name for site in self.listed), *self.places))
        return {name: self.places[name] for name in names if name not in self.unusable}

    def at(self, name: str) -> Tree[P]:
        """Where a site is: one place, or those of all that a layer gives, where it gives several arrays.

        Raises:
            UnknownNameError, SiteError: as of `place`.
        """
        several = [one for one in self.places if one.startswith(name + "[")]
        if name in self.places or not several:
            return self.place(name)
        return tuple(map(self.place, several))

    def place(self, name: str) -> P:
        """Where a site is.

        Raises:
            UnknownNameError: no such site.
            SiteError: it holds no floating-point numbers, or not one row per example.
        """
        if name not in self.places:
            raise UnknownNameError("site", name, [site.name for site in self.listed])
        if name in self.unusable:
            raise SiteError(
                f"The site {name!r} {self.unusable[name]}: choose one of model.sites(x)."
            )
        return self.places[name]
