"""The values inside a net: what they are called, and how they are read or replaced while it runs."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

import torch
from torch.utils import _pytree as pytree

from backlight.errors import SiteError
from backlight.values.tree import Tree


class Visitor(ABC):
    """Sees the values inside a net as they are computed.

    Attributes:
        places: the names of what it sees, whichever time that is called: paths of modules, names of
            layers, functions within them; None for all.
    """

    places: Collection[str] | None = None

    @abstractmethod
    def __call__(self, name: str, kind: str, value: object) -> object:
        """What goes on in the value's stead.

        Args:
            name: of what computes it: `name:2` when it is called a second time.
            kind: its class.
        """

    def read_from(self, outputs: object) -> object:
        """What the score is computed from: the net's outputs, or what was read."""
        return outputs

    def read_out(self, word: str, array: torch.Tensor) -> None:  # noqa: B027
        """Told of numbers that leave PyTorch without an operation."""


@final
@dataclass(frozen=True)
class Point:
    """Which value a site's name means.

    Attributes:
        place: what computes it.
        call: the same with the number of the call.
        result: which of its results; those behind it, where it has parts.
    """

    place: str
    call: str
    result: str = ""

    @property
    def name(self) -> str:
        return self.call + self.result

    @classmethod
    def parse(cls, name: str, places: Collection[str]) -> "Point":
        """The meaning of `name`, `name:2`, `name[0]` or `name:2[0]`."""
        split = re.fullmatch(r"(.*?)(?::(\d+))?((?:\[[^\[\]]*\])*)", name, re.DOTALL)
        if name in places or split is None:  # brackets that do not match: no such site
            return cls(name, name)
        place, use, result = split.groups()
        return cls(place, place if int(use or 1) == 1 else f"{place}:{int(use)}", result)


def results(value: object) -> dict[str, torch.Tensor]:
    """The arrays in a value by how one gets there: nothing, `[0]`, `[1][0]`, `['logits']`, `[field]`."""
    if isinstance(value, torch.Tensor):
        return {"": value}
    found, _ = pytree.tree_flatten_with_path(value)
    return {written(path): leaf for path, leaf in found if isinstance(leaf, torch.Tensor)}


def written(path: pytree.KeyPath) -> str:
    """A path in brackets. Dots would read like the path of a module."""
    return "".join(f"[{str(key).lstrip('.').strip('[]')}]" for key in path)


def with_results(value: object, replaced: Mapping[str, torch.Tensor]) -> object:
    """The value with some of its arrays replaced."""
    if isinstance(value, torch.Tensor):
        return replaced[""]
    found, structure = pytree.tree_flatten_with_path(value)
    leaves = [replaced.get(written(path), leaf) for path, leaf in found]
    return pytree.tree_unflatten(leaves, structure)


def usable(tensor: torch.Tensor, rows: int) -> bool:
    """Whether it is a floating-point array with the examples on axis 0."""
    return tensor.is_floating_point() and tensor.ndim > 0 and tensor.shape[0] == rows


@final
@dataclass
class SiteAccess(Visitor):
    """Cuts a net at some points, reads it at others.

    Attributes:
        rows: the number of examples.
        cuts: where values are differentiated at; what leads to them is not, but from another cut.
        value: what replaces the arrays at the only cut.
        reads: where values are read: by the score, at one point.
        opens: whether gradients are switched on from the first cut on. Before it no graph is needed.
        attached: whether what is differentiated keeps the graph of what it was computed from.
        begun: told of what is differentiated, before the net goes on with it.
        starts: what is differentiated at each cut that was come across.
        seen: the values that were read.
    """

    rows: int
    cuts: Sequence[Point] = ()
    value: Sequence[torch.Tensor] | None = None
    reads: Sequence[Point] = ()
    opens: bool = False
    attached: bool = False
    begun: Callable[[torch.Tensor], None] | None = None
    starts: dict[Point, Tree[torch.Tensor]] = field(default_factory=dict)
    seen: dict[Point, Tree[torch.Tensor]] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether each cut was come across."""
        return all(point in self.starts for point in self.cuts)

    @property
    def places(self) -> set[str]:  # type: ignore[override]
        return {point.place for point in (*self.cuts, *self.reads)}

    def read_from(self, outputs: object) -> object:
        return self.seen.get(self.reads[0]) if self.reads else outputs

    def __call__(self, name: str, kind: str, value: object) -> object:
        for point in self.cuts:
            if found := self._at(point, name, value):
                starts = self._started(point, found)
                self.starts[point] = tree_of(point, starts)
                if self.opens:
                    torch.set_grad_enabled(True)
                # Copies, which the net may write into, unlike what is differentiated.
                value = with_results(value, {path: one.clone() for path, one in starts.items()})
        for point in self.reads:
            if found := self._at(point, name, value):
                # Copies: a later operation in place must not change what was read.
                self.seen[point] = tree_of(
                    point, {path: one.clone() for path, one in found.items()}
                )
        return value

    def _at(self, point: Point, name: str, value: object) -> dict[str, torch.Tensor]:
        """The arrays at a point, if this value has them."""
        if name != point.call:
            return {}
        found = {
            path: tensor
            for path, tensor in results(value).items()
            if path.startswith(point.result)
            and (tensor.is_floating_point() or path == point.result)
        }
        for path, tensor in found.items():
            if not usable(tensor, self.rows):
                others = [name + one for one in found if usable(found[one], self.rows)]
                advice = f" Name another: {', '.join(map(repr, others))}." if others else ""
                raise SiteError(
                    f"The site {name + path!r} has a value of shape {tuple(tensor.shape)} and "
                    f"{tensor.dtype}; a site must be a floating-point array with the {self.rows} "
                    f"examples on axis 0.{advice}"
                )
        return found

    def _started(self, point: Point, found: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """What is differentiated at a cut, for each of its arrays."""
        own = [tuple(one.shape) for one in found.values()]
        given = None if self.value is None else [tuple(one.shape) for one in self.value]
        if given is not None and given != own:
            wanted, got = (one[0] if len(one) == 1 else one for one in (own, given))
            raise SiteError(
                f"The value for the site {point.name!r} must have its shape {wanted}, got {got}."
            )
        values = self.value or tuple(found.values())
        return {path: self._start(one) for path, one in zip(found, values, strict=True)}

    def _start(self, own: torch.Tensor) -> torch.Tensor:
        follows = own.requires_grad and torch.is_grad_enabled()
        if follows and self.value is None and self.begun is None:
            return own.clone()  # another cut may lead to it
        with torch.inference_mode(False):  # in which the net may be at this point
            start = own if self.attached else own.detach()
            # An array that was made in inference mode has no graph; a copy has.
            copies = self.value is None or self.attached or own.is_inference()
            leaf = start.clone() if copies else start
        leaf.requires_grad_()
        if self.begun is not None:
            self.begun(leaf)
        return leaf


def tree_of(point: Point, arrays: Mapping[str, torch.Tensor]) -> Tree[torch.Tensor]:
    """The value at a point from its arrays by their paths: one array, or a tuple of all."""
    return arrays[point.result] if point.result in arrays else tuple(arrays.values())
