"""Operations with the values that went through them, as rules see them."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias, cast, final

import torch

from backlight.rules.operations import Operation
from backlight.rules.rules import AppliedOperation
from backlight.values.arrays import Array, Arrays
from backlight_torch import arrays

Params: TypeAlias = Mapping[str, torch.Tensor]
Forward: TypeAlias = Callable[[Sequence[torch.Tensor], "Params | None"], torch.Tensor]
"""The first result of an operation from its active operands, and its weights where others are meant."""
Backward: TypeAlias = Callable[
    [torch.Tensor, Sequence[torch.Tensor], "Params | None", bool], "tuple[torch.Tensor, ...] | None"
]
"""A derivative that needs no forward: of grad, operands, weights, frozen. None where it has none."""


@final
class TorchApplication(AppliedOperation):
    """An operation and what went through it.

    `forward` runs it again; `derivative`, if there is one, is tried before autograd is asked.
    """

    def __init__(
        self,
        operation: Operation,
        inputs: Sequence[torch.Tensor],
        output: torch.Tensor | None,
        forward: Forward,
        *,
        derivative: Backward | None = None,
        find_params: Callable[[], dict[str, torch.Tensor]] | None = None,
        frozen: Forward | None = None,
        parts: tuple[AppliedOperation, ...] = (),
    ) -> None:
        self.operation = operation
        self.arrays = cast(Arrays, arrays)
        self.inputs = cast(tuple[Array, ...], tuple(inputs))
        self._output = output
        self._forward = forward
        self._derivative = derivative
        self._find_params = find_params
        self._params: dict[str, torch.Tensor] | None = None
        self._frozen = frozen
        self.parts = parts
        self.reference = None
        self.native: tuple[torch.Tensor, Callable[[], tuple[torch.Tensor, ...]]] | None = None
        """A gradient that autograd has taken back already, and what came of it."""

    @property
    def output(self) -> Array:  # type: ignore[override]
        if self._output is None:
            self._output = self._run(self._tensors(None), None)
        return cast(Array, self._output)

    @property
    def params(self) -> Mapping[str, Array]:  # type: ignore[override]
        if self._params is None:
            self._params = self._find_params() if self._find_params is not None else {}
        return cast(Mapping[str, Array], self._params)

    def vjp(
        self,
        grad: Array,
        *,
        inputs: Sequence[Array] | None = None,
        params: Mapping[str, Array] | None = None,
        frozen: bool = False,
    ) -> tuple[Array, ...]:
        given = cast(torch.Tensor, grad)
        weights = cast("Params | None", params)
        plain = inputs is None and params is None and not frozen
        if plain and self.native is not None and self.native[0] is given:
            return cast(tuple[Array, ...], self.native[1]())
        at = self._tensors(inputs)
        if self._derivative is not None:
            found = self._derivative(given, at, weights, frozen)
            if found is not None:
                return cast(tuple[Array, ...], found)
        forward = self._frozen if frozen and self._frozen is not None else self._forward
        with torch.enable_grad():
            starts = [one.detach().requires_grad_() for one in at]
            result = forward(starts, weights)
            if not result.requires_grad:
                return cast(tuple[Array, ...], tuple(torch.zeros_like(one) for one in at))
            gradients = torch.autograd.grad(
                result, starts, given.expand_as(result), allow_unused=True
            )
        return cast(
            tuple[Array, ...],
            tuple(
                torch.zeros_like(one) if gradient is None else gradient
                for one, gradient in zip(at, gradients, strict=True)
            ),
        )

    def replay(
        self,
        *,
        inputs: Sequence[Array] | None = None,
        params: Mapping[str, Array] | None = None,
    ) -> Array:
        return cast(Array, self._run(self._tensors(inputs), cast("Params | None", params)))

    def _run(self, inputs: Sequence[torch.Tensor], params: Params | None) -> torch.Tensor:
        with torch.no_grad():
            return self._forward([one.detach() for one in inputs], params)

    def _tensors(self, inputs: Sequence[Array] | None) -> list[torch.Tensor]:
        # Its own derivative, too, comes from running it again.
        given = self.given(self.inputs if inputs is None else inputs)
        return cast(list[torch.Tensor], list(given))
