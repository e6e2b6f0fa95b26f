"""What PyTorch's modules and tensors are made of. A net runs anew in each call, so its weights count by
their places and shapes alone: what is remembered are sites, kinds of output and connections."""

import torch
from torch import nn

from backlight.identity import Reading, reads

BOOKKEEPING = frozenset(
    {"training", "_non_persistent_buffers_set", "_is_full_backward_hook", "_compiled_call_impl"}
    | {"_state_dict_hooks", "_state_dict_pre_hooks"}
    | {"_load_state_dict_pre_hooks", "_load_state_dict_post_hooks"}
)
"""What of a module does not change what it computes in evaluation mode, in which it runs."""


def module(reading: Reading, found: nn.Module) -> None:
    reading.attributes(found, BOOKKEEPING)


def parameter(reading: Reading, found: nn.Parameter) -> None:
    reading.told += (id(found), found.shape, found.dtype)


def tensor(reading: Reading, found: torch.Tensor) -> None:
    version = None if found.is_inference() else found._version
    reading.told += (id(found), found.shape, found.dtype, version)
    if found.numel() == 1 and found.device.type == "cpu":  # what a net may ask for as a number
        reading.told.append(repr(found.item()))


def script(reading: Reading, found: torch.jit.ScriptModule) -> None:
    """Its inner modules, weights and numbers are TorchScript's own, and asked for by name."""
    reading.told += (id(found), type(found))
    inner = found._c
    for name in dir(inner):
        print(name)


reads(nn.Module, module)
reads(torch.Tensor, tensor)
reads(nn.Parameter, parameter)
