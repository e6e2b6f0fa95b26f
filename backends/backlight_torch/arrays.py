"""The array functions that rules use: those of the array API standard on torch's tensors, and faster
ones where torch's own take ten times as long as a product does on a CPU."""

from typing import Any

import array_api_compat.torch as standard
import torch

BITS = {torch.float32: torch.int32, torch.float64: torch.int64}
LARGE = 1 << 25
"""Bytes from which on it is memory that takes the time, of which this needs more."""


def __getattr__(name: str) -> Any:
    return getattr(standard, name)


def where(
    condition: torch.Tensor, x: torch.Tensor | float, y: torch.Tensor | float
) -> torch.Tensor:
    """`torch.where`; bit by bit where that is the same: for arrays of one shape and dtype."""
    if not alike(condition, x, y):
        return torch.where(condition, x, y)
    assert isinstance(x, torch.Tensor) and isinstance(y, torch.Tensor)
    integer = BITS[x.dtype]
    mask = condition.view(torch.int8).neg().to(integer)
    one, other = x.view(integer), y.view(integer)
    return (one ^ other).bitwise_and_(mask).bitwise_xor_(other).view(x.dtype)


def isfinite(x: torch.Tensor) -> torch.Tensor:
    return (x - x) == 0 if x.dtype in BITS else torch.isfinite(x)


def alike(condition: torch.Tensor, x: torch.Tensor | float, y: torch.Tensor | float) -> bool:
    if not isinstance(x, torch.Tensor) or not isinstance(y, torch.Tensor):
        return False
    return (
        condition.shape == x.shape == y.shape
        and condition.dtype == torch.bool
        and condition.device == x.device == y.device == torch.device("cpu")
        and x.dtype == y.dtype
        and x.dtype in BITS
        and x.nbytes <= LARGE
        and not (x.is_neg() or y.is_neg())
        and not (torch.is_grad_enabled() and (x.requires_grad or y.requires_grad))
    )
