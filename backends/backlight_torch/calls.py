"""Calls of functions inside a net, `relu` or `x + y`, seen and replaced as those of its modules are."""

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, final

import torch
from torch.overrides import TorchFunctionMode

from backlight_torch.naming import named
from backlight_torch.nets import Net
from backlight_torch.sites import Place, Visitor, results

BETWEEN = "/"
"""Stands between the module that a function is called in and the function: `layer4.1/relu:2`."""

LEAVING = frozenset({"numpy", "array", "tolist", "dlpack"})
"""What takes numbers out of PyTorch without an operation."""


@final
@dataclass(frozen=True)
class Left:
    """What a visitor is shown of a tensor whose numbers are taken out."""

    array: torch.Tensor


@final
class Calls(TorchFunctionMode):
    """Shows a visitor what PyTorch's functions give: those that the net calls, not what they call."""

    def __init__(
        self, visitor: Visitor, within: Callable[[], str], only: Collection[str] | None
    ) -> None:
        super().__init__()
        self._visitor = visitor
        self._within = within
        self._only = only

    def __torch_function__(
        self,
        func: Any,
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        value = func(*args, **(kwargs or {}))
        word = getattr(func, "__name__", "").strip("_")
        if word in LEAVING:
            self._visitor(Place(word, word, True), Left(args[0]))
        if not word or word == "get" or not any(map(torch.is_tensor, results(value).values())):
            return value  # properties such as x.shape are functions here
        name = f"{self._within()}{BETWEEN}{word}"
        if self._only is not None and name not in self._only:
            return value
        return self._visitor(Place(name, word, True), value)


@contextmanager
def functions_visited(net: Net, visitor: Visitor, only: Collection[str] | None) -> Iterator[None]:
    """Let the visitor see, and replace, what functions give that this thread calls in the net."""
    with named(net) as within, Calls(visitor, within, only):
        yield


def is_call(place: str) -> bool:
    """Whether a place is a function's, not a module's."""
    return BETWEEN in place
