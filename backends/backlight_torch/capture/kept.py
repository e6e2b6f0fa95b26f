"""The tensors of values, safe from what is written into them later."""

from collections.abc import Iterable
from typing import final

import torch

from backlight_torch.memory import address


@final
class Kept:
    """Tensors by the numbers of their values."""

    def __init__(self) -> None:
        self.tensors: dict[int, torch.Tensor] = {}
        self._there: dict[int, list[int]] = {}
        """By memory: the values whose tensors are there."""

    def keep(self, value: int, array: torch.Tensor) -> None:
        if value not in self.tensors:
            self.tensors[value] = array.detach()
            self._there.setdefault(address(array), []).append(value)

    def protect(self, arrays: Iterable[torch.Tensor]) -> None:
        """Copy what is kept of arrays that an operation is about to write into."""
        for array in arrays:
            for value in self._there.pop(address(array), ()):
                self.tensors[value] = self.tensors[value].clone()
