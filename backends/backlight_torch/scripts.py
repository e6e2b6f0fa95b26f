"""TorchScript modules as they were written: their optimiser hides operations from the second call on."""

import io
from threading import Lock
from typing import cast, final

import torch

from backlight_torch.nets import ModuleNet, Net


@final
class Unoptimised:
    """A copy of a TorchScript module that never ran, with the module's own weights."""

    def __init__(self) -> None:
        self._copy: torch.jit.ScriptModule | None = None
        self._making = Lock()

    def of(self, net: Net) -> Net:
        """The net to run in place of one that may have been optimised; any other net itself."""
        if not isinstance(net, ModuleNet) or not isinstance(net.module, torch.jit.ScriptModule):
            return net
        with self._making:
            if self._copy is None:
                self._copy = copied(net.module)
            share(self._copy, net.module)
        return ModuleNet(self._copy)


def copied(module: torch.jit.ScriptModule) -> torch.jit.ScriptModule:
    buffer = io.BytesIO()
    torch.jit.save(module, buffer)
    buffer.seek(0)
    found = torch.jit.load(buffer)  # type: ignore[no-untyped-call]
    return cast(torch.jit.ScriptModule, found.eval())


def share(copy: torch.nn.Module, module: torch.nn.Module) -> None:
    """Let the copy compute with the module's weights, as they are now."""
    pairs = [
        *zip(copy.parameters(), module.parameters(), strict=True),
        *zip(copy.buffers(), module.buffers(), strict=True),
    ]
    for own, other in pairs:
        own.data = other.data
