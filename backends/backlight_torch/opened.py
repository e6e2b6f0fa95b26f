"""What compound operations consist of, in PyTorch's own arithmetic."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import torch

from backlight.operations import Kind
from backlight.rules import Rules
from backlight_torch import kernels
from backlight_torch.records import Operand, Record

Parts: TypeAlias = Callable[[dict[str, Any], bool], list[torch.Tensor | None]]
"""The results from arguments by name, with divisors held constant where that is asked for."""

ARITHMETIC = frozenset(
    {
        Kind.ADD,
        Kind.SUM,
        Kind.MUL,
        Kind.DIV,
        Kind.EXP,
        Kind.LOG,
        Kind.SQRT,
        Kind.RSQRT,
        Kind.POW,
        Kind.ELEMENTWISE,
    }
)
"""What composites consist of: where no rule is for any of it, there is nothing to open them for."""

COMPOUND = frozenset({Kind.SOFTMAX, Kind.LOG_SOFTMAX, Kind.LOGSUMEXP, Kind.NORMALIZATION})


def is_opened(record: Record, rules: Rules) -> bool:
    """Whether rules see what it consists of in its stead."""
    if record.found.opened:
        return True
    kind = record.found.kind
    return kind in COMPOUND and kind not in rules.kinds and bool(rules.kinds & ARITHMETIC)


def parts_of(record: Record) -> Parts | None:
    """How to compute it from its parts; None where that is not known."""
    name = record.name
    if name in kernels.ATTENTIONS:
        return attention
    if name in kernels.BATCH_NORMS:
        return instance_norm
    if name in ("var", "std", "var_mean"):
        return variance(name)
    return PARTS.get(name)


def run_opened(
    record: Record, parts: Parts, inputs: Sequence[torch.Tensor], frozen: bool = False
) -> list[torch.Tensor | None]:
    """All results from these active operands."""
    given = iter(inputs)
    values = {id(one): next(given) if one.active else one.tensor for one in record.operands}

    def filled(value: Any) -> Any:
        if isinstance(value, Operand):
            return values[id(value)]
        return [filled(item) for item in value] if isinstance(value, list) else value

    arguments: dict[str, Any] = {}
    for number, argument in enumerate(record.func._schema.arguments):
        if number < len(record.args):
            arguments[argument.name] = filled(record.args[number])
        elif argument.name in record.kwargs:
            arguments[argument.name] = filled(record.kwargs[argument.name])
        else:
            arguments[argument.name] = argument.default_value
    return parts(arguments, frozen)


def held(size: torch.Tensor, frozen: bool) -> torch.Tensor:
    return size.detach() if frozen else size


def centred(x: torch.Tensor, axes: Sequence[int], eps: float, frozen: bool) -> torch.Tensor:
    centre = x - x.mean(list(axes), keepdim=True)
    size = (centre * centre).mean(list(axes), keepdim=True) + eps
    return centre * held(size.rsqrt(), frozen)


def affine(y: torch.Tensor, weight: Any, bias: Any, shape: Sequence[int]) -> torch.Tensor:
    if weight is not None:
        y = y * weight.reshape(shape)
    return y if bias is None else y + bias.reshape(shape)


def layer_norm(given: dict[str, Any], frozen: bool) -> list[torch.Tensor | None]:
    x, shape = given["input"], given["normalized_shape"]
    y = centred(x, range(-len(shape), 0), given["eps"], frozen)
    return [affine(y, given["weight"], given["bias"], shape)]


def group_norm(given: dict[str, Any], frozen: bool) -> list[torch.Tensor | None]:
    x, groups = given["input"], given["group"]
    y = centred(x.reshape(x.shape[0], groups, -1), [2], given["eps"], frozen).reshape(x.shape)
    return [affine(y, given["weight"], given["bias"], (-1,) + (1,) * (x.ndim - 2))]


def instance_norm(given: dict[str, Any], frozen: bool) -> list[torch.Tensor | None]:
    """Batch normalisation by the statistics of the batch, which instance normalisation calls."""
    x = given["input"]
    eps = given["eps"] if "eps" in given else given["epsilon"]
    y = centred(x, [axis for axis in range(x.ndim) if axis != 1], eps, frozen)
    return [affine(y, given["weight"], given["bias"], (-1,) + (1,) * (x.ndim - 2))]


def rms_norm(given: dict[str, Any], frozen: bool) -> list[torch.Tensor | None]:
    x, shape, eps = given["input"], given["normalized_shape"], given["eps"]
    axes = list(range(-len(shape), 0))
    eps = torch.finfo(x.dtype).eps if eps is None else eps
    y = x * held(((x * x).mean(axes, keepdim=True) + eps).rsqrt(), frozen)
    return [affine(y, given["weight"], None, shape)]


def softmax(given: dict[str, Any], frozen: bool) -> list[torch.Tensor | None]:
    x, axis = given["self"], given["dim"]
    size = torch.exp(x - x.amax(axis, keepdim=True))
    return [size / size.sum(axis, keepdim=True)]


def log_softmax(given: dict[str, Any], frozen: bool) -> list[torch.Tensor | None]:
    x, axis = given["self"], given["dim"]
    shifted = x - x.amax(axis, keepdim=True)
    return [shifted - shifted.exp().sum(axis, keepdim=True).log()]


def logsumexp(given: dict[str, Any], frozen: bool) -> list[torch.Tensor | None]:
    x, axis = given["self"], given["dim"]
    highest = x.amax(axis, keepdim=True)
    total = highest + (x - highest).exp().sum(axis, keepdim=True).log()
    return [total if given["keepdim"] else total.squeeze(axis)]


def attention(given: dict[str, Any], frozen: bool) -> list[torch.Tensor | None]:
    query, key, value = given["query"], given["key"], given["value"]
    if given.get("dropout_p"):
        raise NotImplementedError("attention with dropout")
    if key.shape[-3] != query.shape[-3]:
        times = query.shape[-3] // key.shape[-3]
        key, value = (one.repeat_interleave(times, -3) for one in (key, value))
    scale = given.get("scale")
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    weights = (query @ key.transpose(-2, -1)) * scale
    if given.get("is_causal"):
        open_ = torch.ones(weights.shape[-2:], dtype=torch.bool, device=weights.device).tril()
        weights = weights + torch.zeros_like(weights[0, 0]).detach().masked_fill(~open_, -torch.inf)
    mask = given.get("attn_mask", given.get("attn_bias"))
    if mask is not None:
        if mask.dtype == torch.bool:
            mask = torch.zeros_like(mask, dtype=query.dtype).masked_fill(~mask, -torch.inf)
        weights = weights + mask
    return [torch.ops.aten._safe_softmax(weights, -1) @ value]


def gate(given: dict[str, Any], frozen: bool) -> list[torch.Tensor | None]:
    upper, lower = given["self"].chunk(2, given["dim"])
    return [upper * torch.sigmoid(lower)]


def vector_norm(given: dict[str, Any], frozen: bool) -> list[torch.Tensor | None]:
    if given["ord"] != 2:
        raise NotImplementedError("a norm other than Euclid's")
    x, axes = given["self"], given["dim"]
    axes = list(range(x.ndim)) if axes is None else axes
    return [(x * x).sum(axes, keepdim=given["keepdim"]).sqrt()]


def variance(name: str) -> Parts:
    def parts(given: dict[str, Any], frozen: bool) -> list[torch.Tensor | None]:
        x, axes = given["self"], given["dim"]
        axes = list(range(x.ndim)) if axes is None else axes
        mean = x.mean(list(axes), keepdim=True)
        centre = x - mean
        keep = given["keepdim"]
        squares = (centre * centre).sum(axes, keepdim=keep)
        count = x.numel() // mean.numel()
        correction = 1 if given.get("correction") is None else given["correction"]
        found = squares / max(count - correction, 0)
        if name == "std":
            return [found.sqrt()]
        return [found, x.mean(axes, keepdim=keep)] if name == "var_mean" else [found]

    return parts


def recurrent(given: dict[str, Any], frozen: bool) -> list[torch.Tensor | None]:
    """One direction of one layer of an LSTM, (steps, N, features)."""
    if given["mode"] != 2:
        raise NotImplementedError("a fused recurrent layer other than an LSTM")
    x, h, c = given["input"], given["hx_"], given["cx_"]
    h, c = (one.reshape(one.shape[-2:]) for one in (h, c))
    steps = list(range(x.shape[0]))
    results: dict[int, torch.Tensor] = {}
    for step in reversed(steps) if given["reverse"] else steps:
        gates = torch.nn.functional.linear(
            x[step], given["weight0"], given["weight2"]
        ) + torch.nn.functional.linear(h, given["weight1"], given["weight3"])
        enter, forget, new, leave = gates.chunk(4, 1)
        c = torch.sigmoid(forget) * c + torch.sigmoid(enter) * torch.tanh(new)
        h = torch.sigmoid(leave) * torch.tanh(c)
        results[step] = h
    return [torch.stack([results[step] for step in steps]), h, c]


PARTS: dict[str, Parts] = {
    "native_layer_norm": layer_norm,
    "native_group_norm": group_norm,
    "_fused_rms_norm": rms_norm,
    "_softmax": softmax,
    "_safe_softmax": softmax,
    "_log_softmax": log_softmax,
    "logsumexp": logsumexp,
    "glu": gate,
    "linalg_vector_norm": vector_norm,
    "mkldnn_rnn_layer": recurrent,
}
