"""What is done with the values inside a net while it runs: listed, read, or replaced."""

import re
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import TypeAlias, final

import torch
from torch.utils import _pytree as pytree

from backlight.errors import SiteError
from backlight.model import Site
from backlight_torch.memory import version


@final
@dataclass(frozen=True)
class Place:
    """Something inside a net that computes a value.

    Attributes:
        name: the module's path or the layer's name.
        kind: its class.
        leaf: whether it holds no other modules.
    """

    name: str
    kind: str
    leaf: bool


Visitor: TypeAlias = Callable[[Place, object], object]
"""Called with the value of each place as it is computed; what it returns goes on in its stead."""


@final
@dataclass(frozen=True)
class Point:
    """Which value a site's name means: a place, which of its uses, and which of its results."""

    place: str
    use: int = 1
    result: str = ""

    @classmethod
    def parse(cls, name: str, places: Collection[str]) -> "Point":
        """The meaning of `name`, `name:2`, `name[0]` or `name:2[0]`."""
        if name in places:
            return cls(name)
        split = re.fullmatch(r"(.*?)(?::(\d+))?((?:\[[^\[\]]*\])*)", name, re.DOTALL)
        if split is None:  # brackets that do not match: no such site
            return cls(name)
        place, use, result = split.groups()
        return cls(place, int(use or 1), result)


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
class Uses:
    """Counts how often each place is used."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def count(self, place: Place) -> int:
        self._counts[place.name] += 1
        return self._counts[place.name]

    def name(self, place: Place) -> str:
        """The place's name: `name:2` the second time."""
        use = self.count(place)
        return place.name if use == 1 else f"{place.name}:{use}"


@final
@dataclass
class Survey:
    """Lists the sites."""

    rows: int
    sites: list[Site] = field(default_factory=list)
    _uses: Uses = field(default_factory=Uses)
    _seen: dict[int, tuple[torch.Tensor, int, bool]] = field(default_factory=dict)

    def __call__(self, place: Place, value: object) -> object:
        name = self._uses.name(place)
        for result, tensor in results(value).items():
            if usable(tensor, self.rows):
                pooled = self._pooled(place, tensor)
                self.sites.append(Site(name + result, tuple(tensor.shape), place.kind, pooled))
        return value

    def _pooled(self, place: Place, tensor: torch.Tensor) -> bool:
        """Whether the array is the result of a pooling: of a layer, or of a function."""
        before = self._seen.get(id(tensor))
        if before is not None and before[1] == version(tensor):
            return before[2]  # a container's result, or dropout's: what came in
        operation = "" if tensor.grad_fn is None else tensor.grad_fn.name()
        pooled = is_pooling(operation) or (place.leaf and is_pooling(place.kind))
        # The array is kept, so that no other one gets its id meanwhile.
        self._seen[id(tensor)] = (tensor, version(tensor), pooled)
        return pooled


def is_pooling(kind: str) -> bool:
    return "pool" in kind.lower() and "unpool" not in kind.lower()


@final
@dataclass
class SiteAccess:
    """Cuts a net at one point, reads it at another.

    Attributes:
        rows: the number of examples.
        cut: where the value is replaced by `value`, or by itself as the start of a new graph.
        value: the replacement.
        read: where the score is read.
        opens: whether gradients are switched on from the cut on. Before it no graph is needed.
        begun: told of what is differentiated, before the net goes on with it.
        leaf: what is differentiated: the replacement.
        seen: the value that was read.
    """

    rows: int
    cut: Point | None = None
    value: torch.Tensor | None = None
    read: Point | None = None
    opens: bool = False
    begun: Callable[[torch.Tensor], None] | None = None
    leaf: torch.Tensor | None = None
    seen: torch.Tensor | None = None
    _uses: Uses = field(default_factory=Uses)

    @property
    def places(self) -> set[str]:
        """The places it has to see."""
        return {point.place for point in (self.cut, self.read) if point is not None}

    def read_from(self, outputs: object) -> object:
        """What the score is computed from: the net's outputs, or what was read."""
        return outputs if self.read is None else self.seen

    def __call__(self, place: Place, value: object) -> object:
        use = self._uses.count(place)
        if self.cut is not None and (place.name, use) == (self.cut.place, self.cut.use):
            found = results(value)
            if self.cut.result in found:
                tensor = self._start(place, found[self.cut.result])
                value = with_result(value, self.cut.result, tensor)
        if self.read is not None and (place.name, use) == (self.read.place, self.read.use):
            found = results(value)
            if self.read.result in found:
                # A copy: a later operation in place must not change what was read.
                self.seen = self._checked(place, found[self.read.result]).clone()
        return value

    def _start(self, place: Place, tensor: torch.Tensor) -> torch.Tensor:
        own = self._checked(place, tensor)
        if self.value is None:
            with torch.inference_mode(False):  # in which the net may be at this point
                leaf = own.detach().clone()
        elif self.value.shape == own.shape:
            # An array that was made in inference mode has no graph; a copy has.
            leaf = self.value.clone() if self.value.is_inference() else self.value.detach()
        else:
            raise SiteError(
                f"The value for the site {place.name!r} must have its shape {tuple(own.shape)}, "
                f"got {tuple(self.value.shape)}."
            )
        self.leaf = leaf.requires_grad_()
        if self.begun is not None:
            self.begun(self.leaf)
        if self.opens:
            torch.set_grad_enabled(True)
        return leaf.clone()  # which the net may write into, unlike a leaf

    def _checked(self, place: Place, tensor: torch.Tensor) -> torch.Tensor:
        if not usable(tensor, self.rows):
            raise SiteError(
                f"The site {place.name!r} has a value of shape {tuple(tensor.shape)} and "
                f"{tensor.dtype}; a site must be a floating-point array with the {self.rows} "
                "examples on axis 0."
            )
        return tensor
