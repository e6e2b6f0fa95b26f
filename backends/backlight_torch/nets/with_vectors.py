"""A net that is given vectors in the place of ids."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import cast, final

import torch
from torch import nn

from backlight.values.inputs import Inputs
from backlight.values.lookups import Lookups
from backlight_torch.nets.styles import Net
from backlight_torch.sites import Point, Visitor, results, with_results


@final
class WithVectors(Net):
    """A net as a function of the vectors that it looks up for ids.

    Args:
        net: it, called with ids.
        lookups: where it looks them up.
    """

    def __init__(self, net: Net, lookups: Lookups) -> None:
        self.net, self.lookups = net, lookups
        self.channels, self.signals, self.rows = net.channels, net.signals, net.rows

    def call(self, inputs: Inputs) -> object:
        places, values = self.net.places(), self.lookups.values(inputs)
        arrays = {
            Point.parse(site, places): cast(torch.Tensor, one) for site, one in values.items()
        }
        with self.net.seen(Replaced(arrays, _visitor.get())):
            return self.net.call(self.lookups.without(inputs))

    def roots(self) -> list[nn.Module]:
        return self.net.roots()

    def modules(self) -> dict[str, nn.Module]:
        return self.net.modules()

    def places(self) -> Collection[str]:
        return self.net.places()

    def named(self) -> AbstractContextManager[Callable[[], str]]:
        return self.net.named()

    @contextmanager
    def seen(self, visitor: Visitor) -> Iterator[None]:
        before = _visitor.set(visitor)
        try:
            yield
        finally:
            _visitor.reset(before)

    def unoptimised(self) -> Net:
        net = self.net.unoptimised()
        return self if net is self.net else WithVectors(net, self.lookups)

    def wants(self) -> str:
        return self.net.wants()


@final
class Replaced(Visitor):
    """Puts arrays in the places of what is computed at some points, and shows that to another visitor."""

    def __init__(self, arrays: Mapping[Point, torch.Tensor], visitor: Visitor | None) -> None:
        self.arrays, self.visitor = arrays, visitor
        own = {point.place for point in arrays}
        shown = set() if visitor is None else visitor.places
        self.places = None if shown is None else {*own, *shown}

    def __call__(self, name: str, kind: str, value: object) -> object:
        own = results(value)
        given = {
            point.result: array.to(own[point.result].dtype)
            for point, array in self.arrays.items()
            if point.call == name and point.result in own
        }
        changed = with_results(value, given) if given else value
        return changed if self.visitor is None else self.visitor(name, kind, changed)

    def read_out(self, word: str, array: torch.Tensor) -> None:
        if self.visitor is not None:
            self.visitor.read_out(word, array)


_visitor: ContextVar[Visitor | None] = ContextVar("visitor", default=None)
"""Of each thread: who looks at the values inside."""
