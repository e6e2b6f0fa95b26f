"""Where in a net an operation runs: the innermost module that is being called."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from threading import get_ident
from typing import final

import torch
from torch import nn

from backlight_torch.exported import following
from backlight_torch.nets import Net, registering


@final
class Places:
    """The names of the modules that are running, as sites have them: `name:2` the second time."""

    def __init__(self) -> None:
        self.running: list[str] = []
        self._uses: Counter[str] = Counter()

    def __call__(self) -> str:
        return self.running[-1] if self.running else ""

    def enter(self, name: str) -> None:
        self._uses[name] += 1
        use = self._uses[name]
        self.running.append(name if use == 1 else f"{name}:{use}")

    def at(self, name: str) -> None:
        """It is in this module now, whatever it was in before."""
        self.running = [name]

    def leave(self) -> None:
        self.running.pop()


@contextmanager
def named(net: Net) -> Iterator[Places]:
    """Follow the calls of the net's modules in this thread."""
    thread, places = get_ident(), Places()
    handles = []

    def follow(name: str, module: nn.Module) -> None:
        def enter(module: nn.Module, inputs: object) -> None:
            if get_ident() == thread:
                places.enter(name)

        def leave(module: nn.Module, inputs: object, value: object) -> None:
            if get_ident() == thread:
                places.leave()

        with registering:  # two threads at once could be given the same hook number
            handles.append(module.register_forward_pre_hook(enter))
            handles.append(module.register_forward_hook(leave))

    try:
        for name, module in net.modules().items():
            if not isinstance(module, torch.jit.ScriptModule):
                follow(name, module)
        with following(places.at):
            yield places
    finally:
        for handle in handles:
            handle.remove()
