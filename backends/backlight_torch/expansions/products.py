"""What attention, recurrent layers and other products of several operands consist of."""

from collections.abc import Callable
from typing import Any

import torch


def attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    attn_mask: torch.Tensor | None = None,
    attn_bias: torch.Tensor | None = None,
    scale: float | None = None,
    **_: Any,
) -> torch.Tensor:
    if dropout_p:
        raise NotImplementedError("attention with dropout")
    if key.shape[-3] != query.shape[-3]:
        times = query.shape[-3] // key.shape[-3]
        key, value = (one.repeat_interleave(times, -3) for one in (key, value))
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    weights = (query @ key.transpose(-2, -1)) * scale
    if is_causal:
        shape, home = weights.shape[-2:], weights.device
        closed = torch.full(shape, -torch.inf, dtype=weights.dtype, device=home).triu(1)
        weights = weights + closed
    mask = attn_bias if attn_mask is None else attn_mask
    if mask is not None:
        if mask.dtype == torch.bool:
            mask = torch.zeros_like(mask, dtype=query.dtype).masked_fill(~mask, -torch.inf)
        weights = weights + mask
    return torch.ops.aten._safe_softmax(weights, -1) @ value  # type: ignore[no-any-return]


def recurrent(
    input: torch.Tensor, hx_: torch.Tensor, cx_: torch.Tensor, mode: int, reverse: bool, **rest: Any
) -> tuple[torch.Tensor, ...]:
    """One direction of one layer of an LSTM, (steps, N, features)."""
    if mode != 2:
        raise NotImplementedError("a fused recurrent layer other than an LSTM")
    h, c = (one.reshape(one.shape[-2:]) for one in (hx_, cx_))
    steps = list(range(input.shape[0]))
    results: dict[int, torch.Tensor] = {}
    for step in reversed(steps) if reverse else steps:
        gates = torch.nn.functional.linear(
            input[step], rest["weight0"], rest["weight2"]
        ) + torch.nn.functional.linear(h, rest["weight1"], rest["weight3"])
        enter, forget, new, leave = gates.chunk(4, 1)
        c = torch.sigmoid(forget) * c + torch.sigmoid(enter) * torch.tanh(new)
        h = torch.sigmoid(leave) * torch.tanh(c)
        results[step] = h
    return torch.stack([results[step] for step in steps]), h, c


def times(x: Any, number: float) -> Any:
    return x if number == 1 else x * number


def shifted(product: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> Callable[..., Any]:
    """addmm and its kin: the first operand is added to a product of the other two."""

    def found(beta: float, alpha: float, frozen: bool, **operands: Any) -> torch.Tensor:
        shift, one, other = list(operands.values())[:3]
        total: torch.Tensor = times(shift, beta) + times(product(one, other), alpha)
        return total

    return found


def convolution(bias: torch.Tensor, frozen: bool, **rest: Any) -> torch.Tensor:
    """With a bias that depends on the explained value."""
    plain: torch.Tensor = torch.ops.aten.convolution(**rest, bias=None)
    return plain + bias.reshape(-1, *(1,) * (plain.ndim - 2))


def grouped(
    self: torch.Tensor, mat2: torch.Tensor, offs: torch.Tensor | None, bias: Any, **_: Any
) -> torch.Tensor:
    """Rows in groups, each with a matrix of its own; `offs` says where the groups end."""
    if offs is None or bias is not None or mat2.ndim != 3:
        raise NotImplementedError("groups of columns")
    ends = offs.tolist()
    sizes = [end - start for start, end in zip([0, *ends], ends, strict=False)]
    rows = torch.split_with_sizes(self[: ends[-1]], sizes)
    return torch.cat([one @ mat2[n] for n, one in enumerate(rows)])


def cross(self: torch.Tensor, other: torch.Tensor, dim: int, **_: Any) -> torch.Tensor:
    forth = self.roll(-1, dim) * other.roll(-2, dim)
    return forth - self.roll(-2, dim) * other.roll(-1, dim)


def trilinear(sumdim: Any, **given: Any) -> torch.Tensor:
    """Three operands, with new axes where they have none, multiplied and summed up."""
    factors = []
    for number in (1, 2, 3):
        factor = given[f"i{number}"]
        for axis in sorted(given[f"expand{number}"]):
            factor = factor.unsqueeze(axis)
        factors.append(factor)
    one, two, three = factors
    found: torch.Tensor = (one * two * three).sum(sumdim)
    return found
