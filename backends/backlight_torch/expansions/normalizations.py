"""What normalisations and other functions along axes consist of.

With `frozen`, what a normalisation divides by is held constant.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch


def held(size: torch.Tensor, frozen: bool) -> torch.Tensor:
    return size.detach() if frozen else size


def widened(x: torch.Tensor) -> torch.Tensor:
    """In float32 where it has 16 bits, as PyTorch's own kernels compute sizes."""
    return x.float() if x.dtype.itemsize < 4 else x


def centred(x: torch.Tensor, axes: Sequence[int], eps: float, frozen: bool) -> torch.Tensor:
    wide = widened(x)
    centre = wide - wide.mean(list(axes), keepdim=True)
    size = (centre * centre).mean(list(axes), keepdim=True) + eps
    return (centre * held(size.rsqrt(), frozen)).to(x.dtype)


def affine(y: torch.Tensor, weight: Any, bias: Any, shape: Sequence[int]) -> torch.Tensor:
    if weight is not None:
        y = y * weight.reshape(shape)
    return y if bias is None else y + bias.reshape(shape)


def of_channels(y: torch.Tensor, weight: Any, bias: Any) -> torch.Tensor:
    return affine(y, weight, bias, (-1,) + (1,) * (y.ndim - 2))


def layer_norm(
    input: torch.Tensor, normalized_shape: Any, weight: Any, bias: Any, eps: float, frozen: bool
) -> torch.Tensor:
    y = centred(input, range(-len(normalized_shape), 0), eps, frozen)
    return affine(y, weight, bias, normalized_shape)


def group_norm(
    input: torch.Tensor, weight: Any, bias: Any, group: int, eps: float, frozen: bool, **_: Any
) -> torch.Tensor:
    parts = input.reshape(input.shape[0], group, -1)
    return of_channels(centred(parts, [2], eps, frozen).reshape(input.shape), weight, bias)


def instance_norm(
    input: torch.Tensor, weight: Any, bias: Any, frozen: bool, **rest: Any
) -> torch.Tensor:
    """Batch normalisation by the statistics of the batch, which instance normalisation calls."""
    eps = rest["eps"] if "eps" in rest else rest["epsilon"]
    axes = [axis for axis in range(input.ndim) if axis != 1]
    return of_channels(centred(input, axes, eps, frozen), weight, bias)


def rms_norm(
    input: torch.Tensor, normalized_shape: Any, weight: Any, eps: float | None, frozen: bool
) -> torch.Tensor:
    axes = list(range(-len(normalized_shape), 0))
    eps = torch.finfo(input.dtype).eps if eps is None else eps
    wide = widened(input)
    y = wide * held(((wide * wide).mean(axes, keepdim=True) + eps).rsqrt(), frozen)
    return affine(y.to(input.dtype), weight, None, normalized_shape)


def softmax(self: torch.Tensor, dim: int, **_: Any) -> torch.Tensor:
    size = torch.exp(self - self.amax(dim, keepdim=True))
    return size / size.sum(dim, keepdim=True)


def safe_softmax(self: torch.Tensor, dim: int, **_: Any) -> torch.Tensor:
    """A softmax that is 0 throughout where all x are -infinity."""
    highest = self.amax(dim, keepdim=True)
    nowhere = highest.detach().isneginf()
    size = torch.exp(self - highest.masked_fill(nowhere, 0.0))
    return size / size.sum(dim, keepdim=True).masked_fill(nowhere, 1.0)


def log_softmax(self: torch.Tensor, dim: int, **_: Any) -> torch.Tensor:
    shifted = self - self.amax(dim, keepdim=True)
    return shifted - shifted.exp().sum(dim, keepdim=True).log()


def logsumexp(self: torch.Tensor, dim: Any, keepdim: bool, **_: Any) -> torch.Tensor:
    highest = self.amax(dim, keepdim=True)
    total = highest + (self - highest).exp().sum(dim, keepdim=True).log()
    return total if keepdim else total.squeeze(dim)


def norm(
    x: torch.Tensor, order: float | None, dim: Sequence[int] | None = None, keepdim: bool = False
) -> torch.Tensor:
    axes, order = axes_of(x, dim), 2.0 if order is None else order
    if order == 2:
        squares = squared_magnitude(x) if x.is_complex() else x * x
        return squares.sum(axes, keepdim=keepdim).sqrt()
    size = x.abs()
    if math.isinf(order):
        return size.amax(axes, keepdim=keepdim) if order > 0 else size.amin(axes, keepdim=keepdim)
    if order <= 0:
        raise NotImplementedError("a norm of an order that is not positive")
    if order == 1:
        return size.sum(axes, keepdim=keepdim)
    return size.pow(order).sum(axes, keepdim=keepdim).pow(1 / order)


def squared_magnitude(z: torch.Tensor) -> torch.Tensor:
    return torch.view_as_real(z.resolve_conj()).square().sum(-1)


def distances(x1: torch.Tensor, x2: torch.Tensor, p: float = 2.0, **_: Any) -> torch.Tensor:
    """Between each row of one array and each of another."""
    return norm(x1.unsqueeze(-2) - x2.unsqueeze(-3), p, (-1,))


def axes_of(x: torch.Tensor, dim: Sequence[int] | None) -> list[int]:
    """All where none are named."""
    return list(range(x.ndim) if dim is None else dim)


def variance(
    self: torch.Tensor, dim: Any, correction: float | None, keepdim: bool, **_: Any
) -> torch.Tensor:
    axes = axes_of(self, dim)
    mean = self.mean(axes, keepdim=True)
    centre = self - mean
    squares = (centre * centre).sum(axes, keepdim=keepdim)
    count = self.numel() // mean.numel()
    return squares / max(count - (1 if correction is None else correction), 0)


def variance_and_mean(
    self: torch.Tensor, dim: Any, keepdim: bool, **rest: Any
) -> tuple[torch.Tensor, ...]:
    mean = self.mean(axes_of(self, dim), keepdim=keepdim)
    return variance(self, dim, keepdim=keepdim, **rest), mean
