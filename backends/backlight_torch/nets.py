"""What the user calls a model, behind one way to call it: modules, functions and Keras models."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain
from threading import Lock, get_ident
from typing import Any, cast, final

import torch
from torch import nn

from backlight.arrays import Channels
from backlight.inputs import Inputs, unwrapped
from backlight.named import named_by_keras
from backlight_torch import functions
from backlight_torch.engine.running import unlisted_lowered
from backlight_torch.sites import Place, Visitor

registering = Lock()


class Net(ABC):
    """A callable and the modules in it."""

    channels: Channels = "first"
    signals: bool = False
    rows: int | None = None
    """The only number of examples it can be called with, where there is only one."""

    @abstractmethod
    def roots(self) -> list[nn.Module]:
        """The modules that run in it; inner ones need not be listed."""

    @abstractmethod
    def places(self) -> Collection[str]:
        """The names of what may be visited, as far as they are known without running it."""

    @abstractmethod
    def call(
        self, inputs: Inputs, visitor: Visitor | None = None, only: Collection[str] | None = None
    ) -> object:
        """The outputs. The visitor sees the values of the places named in `only`, or of all."""

    def modules(self) -> dict[str, nn.Module]:
        """The inner modules whose calls can be seen, by the names of `places`."""
        return {}

    def wants(self) -> str:
        """A sentence on what inputs it takes, empty where that is not known."""
        first = next(
            (module for root in self.roots() for module in root.modules() if wanted(module)), None
        )
        return "" if first is None else f"Its first layer with weights is {wanted(first)}."

    def numbers(self) -> Iterable[torch.Tensor]:
        """Its parameters, then its buffers."""
        for root in self.roots():
            if is_keras(root):  # whose `parameters` would make new ones
                yield from (variable.value for variable in cast(Any, root).variables)
            else:
                yield from chain(root.parameters(), root.buffers())


def wanted(module: nn.Module) -> str:
    for size in ("in_features", "in_channels", "num_embeddings", "input_size"):
        if isinstance(getattr(module, size, None), int):
            kind = getattr(module, "original_name", type(module).__name__)  # of TorchScript
            return f"{kind} with {size}={getattr(module, size)}"
    return ""


SEQUENTIAL = (nn.RNNBase, nn.Linear, nn.LayerNorm, nn.Embedding)
"""A net that begins with one of these has its features last: (N, steps, features)."""

NEIGHBOURS = (nn.RNNBase, nn.Conv1d, nn.Conv2d, nn.Conv3d)
"""Modules that look at neighbours along one axis or several."""


@final
class ModuleNet(Net):
    """An `nn.Module`. A TorchScript module has no sites: its inner modules run outside of Python."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        first = next((inner for inner in module.modules() if not inner._modules), module)
        if isinstance(first, SEQUENTIAL):
            self.channels = "last"
        looking = (one for one in module.modules() if isinstance(one, NEIGHBOURS))
        self.signals = isinstance(next(looking, None), (nn.RNNBase, nn.Conv1d))

    def roots(self) -> list[nn.Module]:
        return [self.module]

    def places(self) -> Collection[str]:
        return self.modules()

    def modules(self) -> dict[str, nn.Module]:
        return modules_by_name({"": self.module})

    def call(
        self, inputs: Inputs, visitor: Visitor | None = None, only: Collection[str] | None = None
    ) -> object:
        positional, keyword = inputs.arguments()
        module: Callable[..., object] = self.module
        if self.module.__dict__.get("_compiled_call_impl") is not None:
            module = cast(Callable[..., object], self.module._call_impl)  # what it was before
        if visitor is None:
            return module(*positional, **keyword)
        with visited(modules_by_name({"": self.module}), visitor, only):
            return module(*positional, **keyword)


@final
class FunctionNet(Net):
    """A plain function of tensors. Its sites are those of the modules it holds, if any."""

    def __init__(self, function: Callable[..., object]) -> None:
        self.function = functions.original(function)

    def roots(self) -> list[nn.Module]:
        # Looked up at each call: a variable of the function may hold another module by then.
        return list(functions.modules_of(self.function).values())

    def places(self) -> Collection[str]:
        return self.modules()

    def call(
        self, inputs: Inputs, visitor: Visitor | None = None, only: Collection[str] | None = None
    ) -> object:
        positional, keyword = inputs.arguments()
        with unlisted_lowered():
            if visitor is None:
                return self.function(*positional, **keyword)
            with visited(self.modules(), visitor, only):
                return self.function(*positional, **keyword)

    def modules(self) -> dict[str, nn.Module]:
        found = functions.modules_of(self.function)
        if len(found) == 1:  # its modules' own names, and the variable's name for its result
            ((name, module),) = found.items()
            return {name: module, **modules_by_name({"": module})}
        return modules_by_name(found)


@final
class KerasNet(Net):
    """A Keras model or layer on the torch backend. Its sites go by the names of its layers."""

    def __init__(self, layer: Any) -> None:
        import keras

        self.layer = layer
        self.channels = "first" if keras.config.image_data_format() == "channels_first" else "last"

    def roots(self) -> list[nn.Module]:
        return [self.layer, *modules_by_name({"": self.layer}).values()]

    def places(self) -> Collection[str]:
        return self.modules()

    def modules(self) -> dict[str, nn.Module]:
        return modules_by_name({"": self.layer})

    def call(
        self, inputs: Inputs, visitor: Visitor | None = None, only: Collection[str] | None = None
    ) -> object:
        positional = [unwrapped(value) for value in inputs.positional]
        keyword = {name: unwrapped(value) for name, value in inputs.keyword.items()}
        keyword.setdefault("training", False)
        if visitor is None:
            return named_by_keras(self.layer, self.layer(inputs.attributed, *positional, **keyword))
        with visited(modules_by_name({"": self.layer}), visitor, only):
            return named_by_keras(self.layer, self.layer(inputs.attributed, *positional, **keyword))

    def wants(self) -> str:
        shape = getattr(self.layer, "input_shape", None) if self.layer.built else None
        return "" if shape is None else f"It wants inputs of shape {shape}."


def net_of(net: object) -> Net:
    """The net behind what the user gave."""
    if isinstance(net, torch.export.ExportedProgram):
        net = net.module()
    while isinstance(net, nn.Module) and "_orig_mod" in net._modules:
        net = net._modules["_orig_mod"]  # torch.compile's wrapper
    if isinstance(net, torch.fx.GraphModule):
        from backlight_torch.exported import ExportedNet, is_exported

        if is_exported(net):
            return ExportedNet(net)
    if isinstance(net, nn.Module):
        return KerasNet(net) if is_keras(net) else ModuleNet(net)
    return FunctionNet(cast(Callable[..., object], net))


def is_keras(module: nn.Module) -> bool:
    return any(base.__module__.split(".")[0] == "keras" for base in type(module).__mro__)


def modules_by_name(roots: dict[str, nn.Module]) -> dict[str, nn.Module]:
    """Inner modules by path; a root with a name counts as inner, as it is called by a function."""
    found: dict[str, nn.Module] = {}
    for prefix, root in roots.items():
        if is_keras(root):
            found[prefix] = root
            for layer in cast(Any, root)._flatten_layers(include_self=False):
                # By path where the name is taken, as inside a nested model used twice.
                found[layer.path if layer.name in found else layer.name] = layer
            continue
        for name, module in root.named_modules(prefix=prefix):
            # A compiled module inside goes by the name of its wrapper.
            found[name.replace("._orig_mod", "")] = module
    found.pop("", None)
    return found


def is_leaf(module: nn.Module) -> bool:
    """Whether it holds no other modules. Keras keeps a layer's weights in one, its layers apart."""
    return module._modules.keys() <= {"_torch_params"} and not getattr(module, "_layers", ())


@contextmanager
def visited(
    modules: dict[str, nn.Module], visitor: Visitor, only: Collection[str] | None
) -> Iterator[None]:
    """Let the visitor see, and replace, the values of these modules in this thread."""
    thread = get_ident()
    handles = []
    try:
        for name, module in modules.items():
            if (only is None or name in only) and not isinstance(module, torch.jit.ScriptModule):
                place = Place(name, type(module).__name__, is_leaf(module))
                with registering:  # two threads at once could be given the same hook number
                    handles.append(
                        module.register_forward_hook(partial(visit, thread, visitor, place))
                    )
        yield
    finally:
        for handle in handles:
            handle.remove()


def visit(
    thread: int, visitor: Visitor, place: Place, module: nn.Module, inputs: object, value: object
) -> object:
    """A forward hook. Other threads that run the module pass by."""
    if get_ident() != thread:
        return None
    replaced = visitor(place, value)
    return None if replaced is value else replaced
