"""What the user calls a model, behind one way to call it: modules, functions and Keras models."""

import io
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import cached_property
from itertools import chain, count
from typing import Any, cast, final

import torch
from torch import nn

from backlight.memory.keras_layers import is_keras
from backlight.model.naming import named_by_keras
from backlight.values.arrays import Channels
from backlight.values.inputs import Inputs, unwrapped
from backlight_torch.engine.running import unlisted_lowered
from backlight_torch.nets.calls import Calls, is_call, named, visited
from backlight_torch.nets.functions import modules_of
from backlight_torch.sites import Visitor


class Net(ABC):
    """A callable and the modules in it."""

    channels: Channels = "first"
    signals: bool = False
    rows: int | None = None
    """The only number of examples it can be called with, where there is only one."""

    @abstractmethod
    def call(self, inputs: Inputs) -> object:
        """The outputs."""

    @abstractmethod
    def roots(self) -> list[nn.Module]:
        """The modules that run in it; inner ones need not be listed."""

    @abstractmethod
    def modules(self) -> dict[str, nn.Module]:
        """The inner modules whose calls can be seen, by name."""

    def places(self) -> Collection[str]:
        """The names of what may be visited, as far as they are known without running it."""
        return self.modules()

    def named(self) -> AbstractContextManager[Callable[[], str]]:
        """Follow where in the net it runs: what is given says the name of the place."""
        return named(self.modules())

    def visited(self, visitor: Visitor) -> AbstractContextManager[None]:
        """Show a visitor what modules give."""
        return visited(self.modules(), visitor)

    def unoptimised(self) -> "Net":
        """The same net where all its operations can be seen in each call."""
        return self

    @contextmanager
    def seen(self, visitor: Visitor) -> Iterator[None]:
        """Show a visitor what modules and functions give."""
        places = visitor.places
        with ExitStack() as stack:
            if places is None or any(map(is_call, places)):
                within = stack.enter_context(self.named())
                stack.enter_context(Calls(visitor, within))
            stack.enter_context(self.visited(visitor))
            yield

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


class ModuleNet(Net):
    """An `nn.Module`."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        first = next((inner for inner in module.modules() if not inner._modules), module)
        if isinstance(first, SEQUENTIAL):
            self.channels = "last"
        looking = (one for one in module.modules() if isinstance(one, NEIGHBOURS))
        self.signals = isinstance(next(looking, None), (nn.RNNBase, nn.Conv1d))

    def roots(self) -> list[nn.Module]:
        return [self.module]

    def modules(self) -> dict[str, nn.Module]:
        return modules_by_name({"": self.module})

    def call(self, inputs: Inputs) -> object:
        positional, keyword = inputs.arguments()
        compiled = self.module.__dict__.get("_compiled_call_impl") is not None
        before: Any = self.module._call_impl if compiled else self.module
        return before(*positional, **keyword)


@final
class ScriptNet(ModuleNet):
    """A TorchScript module, whose optimiser hides operations from the second call on."""

    module: torch.jit.ScriptModule

    def unoptimised(self) -> Net:
        """A copy that never ran, with the module's own weights as they are now."""
        copy = self._copy
        for numbers in (torch.jit.ScriptModule.parameters, torch.jit.ScriptModule.buffers):
            for own, other in zip(numbers(copy), numbers(self.module), strict=True):
                own.data = other.data
        return ModuleNet(copy)

    @cached_property
    def _copy(self) -> torch.jit.ScriptModule:
        buffer = io.BytesIO()
        torch.jit.save(self.module, buffer)
        buffer.seek(0)
        found = torch.jit.load(buffer)  # type: ignore[no-untyped-call]
        return cast(torch.jit.ScriptModule, found.eval())


@final
class KerasNet(ModuleNet):
    """A Keras model or layer on the torch backend. Its sites go by the names of its layers."""

    def __init__(self, layer: Any) -> None:
        import keras

        super().__init__(layer)
        self.channels = "first" if keras.config.image_data_format() == "channels_first" else "last"

    def roots(self) -> list[nn.Module]:
        return [self.module, *self.modules().values()]

    def call(self, inputs: Inputs) -> object:
        positional = [unwrapped(value) for value in inputs.positional]
        keyword = {name: unwrapped(value) for name, value in inputs.keyword.items()}
        keyword.setdefault("training", False)
        return named_by_keras(self.module, self.module(inputs.attributed, *positional, **keyword))

    def wants(self) -> str:
        shape = getattr(self.module, "input_shape", None) if self.module.built else None
        return "" if shape is None else f"It wants inputs of shape {shape}."


@final
class FunctionNet(Net):
    """A plain function of tensors. Its sites are those of the modules it holds, if any."""

    def __init__(self, function: Callable[..., object]) -> None:
        # `torch.compile` hides what a function calls.
        self.function = getattr(function, "_torchdynamo_orig_callable", function)

    def roots(self) -> list[nn.Module]:
        # Looked up at each call: a variable of the function may hold another module by then.
        return list(modules_of(self.function).values())

    def modules(self) -> dict[str, nn.Module]:
        found = modules_of(self.function)
        if len(found) == 1:  # its modules' own names, and the variable's name for its result
            ((name, module),) = found.items()
            return {name: module, **modules_by_name({"": module})}
        return modules_by_name(found)

    def call(self, inputs: Inputs) -> object:
        positional, keyword = inputs.arguments()
        with unlisted_lowered():
            return self.function(*positional, **keyword)


def modules_by_name(roots: dict[str, nn.Module]) -> dict[str, nn.Module]:
    """Inner modules by path; a root with a name counts as inner, as it is called by a function."""
    found: dict[str, nn.Module] = {}
    for prefix, root in roots.items():
        if is_keras(root):
            found[prefix] = root
            # Keras gives the layers within a layer last first.
            for layer in reversed(cast(Any, root)._flatten_layers(include_self=False)):
                # By path where the name is taken, as inside a nested model used twice; by a number
                # where it has no path, as one without weights that was never built by itself.
                numbered = (f"{layer.name}_{number}" for number in count(2))
                names = chain([layer.name, layer.path or layer.name], numbered)
                found[next(name for name in names if name not in found)] = layer
            continue
        for name, module in root.named_modules(prefix=prefix):
            # A compiled module inside goes by the name of its wrapper.
            found[name.replace("._orig_mod", "")] = module
    found.pop("", None)
    return found
