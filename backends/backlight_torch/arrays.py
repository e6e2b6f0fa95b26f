"""The array functions that rules use: those of the array API standard, on torch's tensors."""

from typing import Any

import array_api_compat.torch as standard
import torch


def __getattr__(name: str) -> Any:
    return getattr(standard, name)


def zeros_like(x: torch.Tensor) -> torch.Tensor:
    """One 0 for all places: rules write into no array, and filling one takes as long as a product."""
    return torch.zeros((), dtype=x.dtype, device=x.device).expand(x.shape)
