"""The values inside a net: what they are called, and how they are read or replaced while it runs."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import final

import torch
from torch.utils import _pytree as pytree

from backlight.errors import SiteError


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
        result: which of its results.
    """

    place: str
    call: str
    result: str = ""

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


def with_result(value: object, result: str, tensor: torch.Tensor) -> object:
    """The value with one of its arrays replaced."""
    if isinstance(value, torch.Tensor):
        return tensor
    found, structure = pytree.tree_flatten_with_path(value)
    leaves = [tensor if written(path) == result else leaf for path, leaf in found]
    return pytree.tree_unflatten(leaves, structure)


def usable(tensor: torch.Tensor, rows: int) -> bool:
    """Whether it is a floating-point array with the examples on axis 0."""
    return tensor.is_floating_point() and tensor.ndim > 0 and tensor.shape[0] == rows


@final
@dataclass
class SiteAccess(Visitor):
    """Cuts a net at one point, reads it at another.

    Attributes:
        rows: the number of examples.
        cut: where the value is replaced by `value`, or by itself as the start of a new graph.
        value: the replacement.
        read: where the score is read.
        opens: whether gradients are switched on from the cut on. Before it no graph is needed.
        attached: whether what is differentiated keeps the graph of what it was computed from.
        begun: told of what is differentiated, before the net goes on with it.
        leaf: what is differentiated: the replacement.
        seen: the value that was read.
    """

    rows: int
    cut: Point | None = None
    value: torch.Tensor | None = None
    read: Point | None = None
    opens: bool = False
    attached: bool = False
    begun: Callable[[torch.Tensor], None] | None = None
    leaf: torch.Tensor | None = None
    seen: torch.Tensor | None = None

    @property
    def places(self) -> set[str]:  # type: ignore[override]
        return {point.place for point in (self.cut, self.read) if point is not None}

    def read_from(self, outputs: object) -> object:
        return outputs if self.read is None else self.seen

    def __call__(self, name: str, kind: str, value: object) -> object:
        if self.cut is not None and (tensor := self._at(self.cut, name, value)) is not None:
            value = with_result(value, self.cut.result, self._start(name, tensor))
        if self.read is not None and (tensor := self._at(self.read, name, value)) is not None:
            # A copy: a later operation in place must not change what was read.
            self.seen = tensor.clone()
        return value

    def _at(self, point: Point, name: str, value: object) -> torch.Tensor | None:
        """The array at a point, if this value has it."""
        tensor = results(value).get(point.result) if name == point.call else None
        if tensor is not None and not usable(tensor, self.rows):
            raise SiteError(
                f"The site {name!r} has a value of shape {tuple(tensor.shape)} and {tensor.dtype}; a "
                f"site must be a floating-point array with the {self.rows} examples on axis 0."
            )
        return tensor

    def _start(self, name: str, own: torch.Tensor) -> torch.Tensor:
        if self.value is None:
            with torch.inference_mode(False):  # in which the net may be at this point
                leaf = (own if self.attached else own.detach()).clone()
        elif self.value.shape == own.shape:
            # An array that was made in inference mode has no graph; a copy has.
            own_graph = self.attached or self.value.is_inference()
            leaf = self.value.clone() if own_graph else self.value.detach()
        else:
            raise SiteError(
                f"The value for the site {name!r} must have its shape {tuple(own.shape)}, got "
                f"{tuple(self.value.shape)}."
            )
        self.leaf = leaf.requires_grad_()
        if self.begun is not None:
            self.begun(self.leaf)
        if self.opens:
            torch.set_grad_enabled(True)
        return leaf.clone()  # which the net may write into, unlike a leaf
