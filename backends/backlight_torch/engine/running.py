"""The state a net runs in: evaluation mode, gradients on or off, everything put back afterwards."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from threading import Lock, get_ident
from typing import Any, final

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.modules.module import register_module_forward_pre_hook
from torch.overrides import TorchFunctionMode

from backlight.interrupts import unbroken

_lock = Lock()
_held: dict[int, list[Any]] = {}
"""By id: a module whose training flag is held down, and by how many calls."""


@final
@dataclass
class Census:
    """What matters about a net's modules for running it.

    Attributes:
        lowered: modules whose training flag this call holds down.
        attention: whether some would take a fused path that skips their inner modules.
        recurrent: whether some are recurrent on an accelerator.
        compiled: whether parts are compiled, so that hooks inside do not run.
    """

    lowered: list[nn.Module]
    attention: bool = False
    recurrent: bool = False
    compiled: bool = False


@contextmanager
def running(
    roots: Iterable[nn.Module], *, graph: bool, hooked: bool, twice: bool = False
) -> Iterator[None]:
    """Inference mode of the modules, and gradients on or off, whatever the caller's own modes are.

    Args:
        roots: the modules that will run.
        graph: whether operations are recorded for a backward pass.
        hooked: whether the values of inner modules are wanted.
        twice: whether the backward pass is to be differentiated too.
    """
    census = Census([])
    try:
        lower(roots, census)
        with torch.inference_mode(False), torch.set_grad_enabled(graph), ExitStack() as more:
            if census.recurrent:
                more.enter_context(without_cudnn())
            if census.compiled and hooked:
                more.enter_context(without_compilation())
            if census.attention:
                more.enter_context(EveryModule())
            if twice:
                more.enter_context(without_fused_attention())
            yield
    finally:
        restore(census.lowered)


@unbroken
def lower(roots: Iterable[nn.Module], census: Census) -> None:
    """Set every training flag to False, counting who needs it so."""
    with _lock:
        for module in every(roots):
            held = _held.get(id(module))
            if held is not None:
                held[1] += 1
                census.lowered.append(module)
            elif getattr(module, "training", False):
                set_training(module, False)
                _held[id(module)] = [module, 1]
                census.lowered.append(module)
            trait = trait_of(type(module))  # type: ignore[arg-type]
            if trait == "attention":
                census.attention = True
            elif trait == "recurrent":
                census.recurrent |= any(weight.is_cuda for weight in module.parameters())
            if trait == "compiled" or module.__dict__.get("_compiled_call_impl") is not None:
                census.compiled = True


@cache
def trait_of(kind: type[nn.Module]) -> str | None:
    if issubclass(kind, (nn.MultiheadAttention, nn.TransformerEncoder, nn.TransformerEncoderLayer)):
        return "attention"
    if issubclass(kind, nn.RNNBase):
        return "recurrent"
    return "compiled" if kind.__name__ == "OptimizedModule" else None


def restore(modules: Iterable[nn.Module]) -> None:
    with _lock:
        for module in modules:
            held = _held[id(module)]
            held[1] -= 1
            if held[1] == 0:
                del _held[id(module)]
                set_training(module, True)


@contextmanager
def unlisted_lowered() -> Iterator[None]:
    """Evaluation mode for modules that a function calls and that cannot be seen in it beforehand: in
    a list, in another function, in an object."""
    thread, census = get_ident(), Census([])

    def lower_first(module: nn.Module, inputs: object) -> None:
        if get_ident() == thread and module.training:
            lower([module], census)

    handle = register_module_forward_pre_hook(lower_first)
    try:
        yield
    finally:
        handle.remove()
        restore(census.lowered)


def set_training(module: nn.Module, training: bool) -> None:
    if "training" in module.__dict__:  # the plain case, around the costs of Module.__setattr__
        module.__dict__["training"] = training
    else:
        module.training = training


def every(roots: Iterable[nn.Module]) -> Iterator[nn.Module]:
    """Each module once. `Module.modules()` takes several times as long, which small nets notice."""
    waiting: list[nn.Module | None] = list(roots)
    seen: set[int] = set()
    while waiting:
        module = waiting.pop()
        if module is not None and id(module) not in seen:
            seen.add(id(module))
            yield module
            waiting += module._modules.values()


@final
class Overlap:
    """A setting of the whole process, made when the first call needs it and unmade after the last.

    Plain context managers of two threads would put back each other's value.
    """

    def __init__(self, make: Callable[[], AbstractContextManager[Any]]) -> None:
        self.make = make
        self.lock = Lock()
        self.calls = 0
        self.open: AbstractContextManager[Any] | None = None

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self.lock:
            if self.calls == 0:
                self.open = self.make()
                self.open.__enter__()
            self.calls += 1
        try:
            yield
        finally:
            with self.lock:
                self.calls -= 1
                if self.calls == 0 and self.open is not None:
                    self.open.__exit__(None, None, None)
                    self.open = None


without_cudnn = Overlap(lambda: torch.backends.cudnn.flags(enabled=False))
"""cuDNN's recurrent cells have a backward pass in training mode only."""

without_compilation = Overlap(lambda: torch.compiler.set_stance("force_eager"))
"""Hooks that are added after compilation do not run in compiled code."""


without_fused_attention = Overlap(lambda: sdpa_kernel(SDPBackend.MATH))
"""The backward passes of fused kernels of attention have no derivative."""


class EveryModule(TorchFunctionMode):
    """Keeps transformer layers off their fused inference path, in this thread.

    That path gives other values at padded places than the one that has gradients, so that a score
    would differ between the two passes, and it calls no inner modules, whose sites would be missing.
    It is not taken where a mode like this one is active.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        return func(*args, **(kwargs or {}))
