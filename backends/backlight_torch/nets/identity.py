"""What PyTorch's modules and tensors are made of. A net runs anew in each call, so its weights count by
their places and shapes alone: what is remembered are sites, kinds of output and connections."""

import re
from typing import Any

import torch
from torch import nn

from backlight.memory.keras_layers import IGNORED, is_layer
from backlight.memory.reading import Reading, reads

BOOKKEEPING = frozenset(
    {"training", "_non_persistent_buffers_set", "_is_full_backward_hook", "_compiled_call_impl"}
    | {"_state_dict_hooks", "_state_dict_pre_hooks"}
    | {"_load_state_dict_pre_hooks", "_load_state_dict_post_hooks"}
)
"""What of a module does not change what it computes in evaluation mode, in which it runs."""
HOOKS = ("_forward_pre_hooks", "_forward_hooks")


def module(reading: Reading, found: nn.Module) -> None:
    ignored = IGNORED if is_layer(type(found)) else frozenset()
    reading.attributes(found, ignored | BOOKKEEPING.union(HOOKS))
    for hooks in HOOKS:
        # Calls in other threads may be following the module at this moment.
        users = [hook for hook in list(vars(found)[hooks].values()) if not is_own(hook)]
        reading.part(hooks, users)


def is_own(hook: object) -> bool:
    """Whether a hook is one of those by which a call follows the net, and lets go of it at its end."""
    return getattr(hook, "__module__", "").partition(".")[0] == __name__.partition(".")[0]


def parameter(reading: Reading, found: nn.Parameter) -> None:
    reading.told += (id(found), found.shape, found.dtype)


def tensor(reading: Reading, found: torch.Tensor) -> None:
    version = None if found.is_inference() else found._version
    reading.told += (id(found), found.shape, found.dtype, version)
    if found.numel() == 1 and found.device.type == "cpu":  # what a net may ask for as a number
        reading.told.append(repr(found.item()))


def script(reading: Reading, found: torch.jit.ScriptModule) -> None:
    """Its numbers are TorchScript's own, and asked for by name."""
    inner = found._c
    reading.told.append(inner.qualified_name)
    for name in names_in_script(inner.qualified_name, inner):
        value = inner.getattr(name)
        if not isinstance(value, (torch.Tensor, torch.ScriptObject)):
            reading.told.append(name)
            reading.waiting.append(value)
    reading.waiting += found.children()


_names: dict[str, set[str]] = {}


def names_in_script(kind: str, inner: Any) -> set[str]:
    """What the code of a kind of TorchScript module reads of it."""
    if kind not in _names:
        codes = [inner._get_method(name).code for name in inner._method_names()]
        said = {name for code in codes for name in re.findall(r"\b\w+\.(\w+)", code)}
        _names[kind] = {name for name in said if inner.hasattr(name)}
    return _names[kind]


reads(nn.Module, module)
reads(torch.jit.ScriptModule, script)
reads(torch.Tensor, tensor)
reads(nn.Parameter, parameter)
