"""What users call a model, however it is written: as nets that are called in one way."""

from collections.abc import Callable
from typing import cast

import torch
from torch import nn

from backlight.memory.keras_layers import is_keras
from backlight_torch.nets.exported import ExportedNet, is_exported
from backlight_torch.nets.styles import FunctionNet, KerasNet, ModuleNet, Net, ScriptNet


def net_of(net: object) -> Net:
    """The net behind what the user gave."""
    if isinstance(net, torch.export.ExportedProgram):
        net = net.module()
    while isinstance(net, nn.Module) and "_orig_mod" in net._modules:
        net = net._modules["_orig_mod"]  # torch.compile's wrapper
    if isinstance(net, torch.fx.GraphModule) and is_exported(net):
        return ExportedNet(net)
    if isinstance(net, torch.jit.ScriptModule):
        return ScriptNet(net)
    if isinstance(net, nn.Module):
        return KerasNet(net) if is_keras(net) else ModuleNet(net)
    return FunctionNet(cast(Callable[..., object], net))
