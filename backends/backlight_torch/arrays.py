"""The array functions that rules use: those of the array API standard, on torch's tensors."""

from typing import Any

import array_api_compat.torch as standard
import torch


def __getattr__(name: str) -> Any:
    return getattr(standard, name)


def zeros_like(x: torch.Tensor) -> torch.Tensor:
    """One 0 for all places: rules write into no array, and filling one takes as long as a product."""
    return torch.zeros((), dtype=x.dtype, device=x.device).expand(x.shape)


BITS = {2: torch.int16, 4: torch.int32, 8: torch.int64}
"""Whole numbers by their size in bytes."""


def where(condition: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """One of two numbers, chosen bit by bit on a CPU, where PyTorch's own choice takes the time of
    twenty products."""
    own = x.dtype == y.dtype and x.is_floating_point() and x.device.type == "cpu"
    if not own or torch.is_grad_enabled() or x.element_size() not in BITS:
        return torch.where(condition, x, y)
    bits = BITS[x.element_size()]
    chosen, there = condition.view(torch.int8).neg().to(bits), y.view(bits)
    return ((x.view(bits) ^ there) & chosen).bitwise_xor_(there).view(x.dtype)


def isfinite(x: torch.Tensor) -> torch.Tensor:
    return x.abs() < torch.inf if x.is_floating_point() else torch.isfinite(x)
