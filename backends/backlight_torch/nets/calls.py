"""Calls of modules inside a net, and of functions such as `relu` or `x + y`: seen in this thread as
they run, and what they give replaced."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from threading import Lock, get_ident
from typing import Any, TypeAlias, final

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from backlight.model.naming import Uses
from backlight_torch.sites import Visitor, results

registering = Lock()
Hook: TypeAlias = Callable[..., Any]


@contextmanager
def hooked(
    modules: Mapping[str, nn.Module], leave: Hook, enter: Hook | None = None
) -> Iterator[None]:
    """Tell of the calls of modules.

    Args:
        modules: by name.
        leave: called after each with its name, the module and what it gives; anything but None that it
            returns takes the place of that.
        enter: called before each with its name and the module.
    """
    thread, handles = get_ident(), []

    def own(hook: Hook, name: str) -> Hook:
        def passed(module: nn.Module, inputs: object, *value: object) -> object:
            """Other threads that run the module pass by."""
            return hook(name, module, *value) if get_ident() == thread else None

        return passed

    try:
        for name, module in modules.items():
            # TorchScript runs its inner modules outside of Python.
            if not isinstance(module, torch.jit.ScriptModule):
                with registering:  # two threads at once could be given the same hook number
                    if enter is not None:
                        handles.append(module.register_forward_pre_hook(own(enter, name)))
                    handles.append(module.register_forward_hook(own(leave, name)))
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def named(modules: Mapping[str, nn.Module]) -> Iterator[Callable[[], str]]:
    """Follow where the net is: in the innermost module that is being called, `name:2` the second time."""
    uses, running = Uses(), [""]

    def enter(name: str, module: nn.Module) -> None:
        running.append(uses(name))

    def leave(name: str, module: nn.Module, value: object) -> None:
        running.pop()

    with hooked(modules, leave, enter):
        yield lambda: running[-1]


@contextmanager
def visited(modules: Mapping[str, nn.Module], visitor: Visitor) -> Iterator[None]:
    """Show a visitor what modules give."""
    uses, wanted = Uses(), visitor.places

    def leave(name: str, module: nn.Module, value: object) -> object:
        return visitor(uses(name), type(module).__name__, value)

    seen = {name: one for name, one in modules.items() if wanted is None or name in wanted}
    with hooked(seen, leave):
        yield


BETWEEN = "/"
"""Stands between the module that a function is called in and the function: `layer4.1/relu:2`."""

LEAVING = frozenset({"numpy", "array", "tolist", "dlpack"})
"""What takes numbers out of PyTorch without an operation."""


@final
class Calls(TorchFunctionMode):
    """Shows a visitor what PyTorch's functions give: those that the net calls, not what they call."""

    def __init__(self, visitor: Visitor, within: Callable[[], str]) -> None:
        super().__init__()
        self._visitor = visitor
        self._within = within
        self._uses = Uses()

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
            self._visitor.read_out(word, args[0])
        if not word or word == "get" or not any(map(torch.is_tensor, results(value).values())):
            return value  # properties such as x.shape are functions here
        name = f"{self._within()}{BETWEEN}{word}"
        if self._visitor.places is not None and name not in self._visitor.places:
            return value
        return self._visitor(self._uses(name), word, value)


def is_call(place: str) -> bool:
    """Whether a place is a function's, not a module's."""
    return BETWEEN in place
