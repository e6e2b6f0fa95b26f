"""What compound operations consist of, in PyTorch's own arithmetic, and which are run as that.

Rules are for real numbers, but for sums and products: a complex number counts as two real ones, and
functions of such are opened too.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch

from backlight.graph.recognition import INSIDE, RECTIFIERS
from backlight.operations import Kind
from backlight.rules import Rules
from backlight_torch.records import Operand, Parts
from backlight_torch.table import ATTENTIONS, BATCH_NORMS, Call, Found


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


def safe_softmax(given: dict[str, Any], frozen: bool) -> list[torch.Tensor | None]:
    """A softmax that is 0 throughout where all x are -infinity."""
    x, axis = given["self"], given["dim"]
    highest = x.amax(axis, keepdim=True)
    nowhere = highest.detach().isneginf()
    size = torch.exp(x - highest.masked_fill(nowhere, 0.0))
    return [size / size.sum(axis, keepdim=True).masked_fill(nowhere, 1.0)]


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
    order = given["ord"] if "ord" in given else given["p"]
    order = 2.0 if order is None else order
    return [norm(given["self"], order, given.get("dim"), given.get("keepdim", False))]


def norm(x: torch.Tensor, order: float, dim: Sequence[int] | None, keep: bool) -> torch.Tensor:
    axes = list(range(x.ndim)) if dim is None else list(dim)
    if order == 2:
        squares = squared_magnitude(x) if x.is_complex() else x * x
        return squares.sum(axes, keepdim=keep).sqrt()
    size = x.abs()
    if math.isinf(order):
        return size.amax(axes, keepdim=keep) if order > 0 else size.amin(axes, keepdim=keep)
    if order <= 0:
        raise NotImplementedError("a norm of an order that is not positive")
    if order == 1:
        return size.sum(axes, keepdim=keep)
    return size.pow(order).sum(axes, keepdim=keep).pow(1 / order)


def hypotenuse(given: dict[str, Any], frozen: bool) -> list[torch.Tensor | None]:
    return [(given["self"].square() + given["other"].square()).sqrt()]


def logarithm_of_sum(given: dict[str, Any], frozen: bool) -> list[torch.Tensor | None]:
    both = torch.broadcast_tensors(given["self"], given["other"])  # type: ignore[no-untyped-call]
    return [torch.stack(both).logsumexp(0)]


def distance(given: dict[str, Any], frozen: bool) -> list[torch.Tensor | None]:
    return [norm(given["self"] - given["other"], given["p"], None, False)]


def distances(given: dict[str, Any], frozen: bool) -> list[torch.Tensor | None]:
    """Between each row of one array and each of another."""
    way = given["x1"].unsqueeze(-2) - given["x2"].unsqueeze(-3)
    return [norm(way, given.get("p", 2.0), (-1,), False)]


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


def shifted(product: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> Parts:
    """addmm and its kin: the first operand is added to a product of the other two."""

    def parts(given: dict[str, Any], frozen: bool) -> list[torch.Tensor | None]:
        shift, one, other = list(given.values())[:3]
        return [times(shift, given["beta"]) + times(product(one, other), given["alpha"])]

    return parts


def times(x: Any, number: float) -> Any:
    return x if number == 1 else x * number


def shifted_elements(given: dict[str, Any], frozen: bool) -> list[torch.Tensor | None]:
    return [given["self"] + times(given["tensor1"] * given["tensor2"], given["value"])]


def shifted_quotient(given: dict[str, Any], frozen: bool) -> list[torch.Tensor | None]:
    return [given["self"] + times(given["tensor1"] / given["tensor2"], given["value"])]


def multiple_added(given: dict[str, Any], frozen: bool) -> list[torch.Tensor | None]:
    return [given["self"] + given["other"] * given["alpha"]]


def multiple_taken(given: dict[str, Any], frozen: bool) -> list[torch.Tensor | None]:
    return [given["self"] - given["other"] * given["alpha"]]


def taken_from_multiple(given: dict[str, Any], frozen: bool) -> list[torch.Tensor | None]:
    return [given["other"] - given["self"] * given["alpha"]]


def truncated(given: dict[str, Any], frozen: bool) -> list[torch.Tensor | None]:
    return [(given["self"] / given["other"]).trunc()]


def between(given: dict[str, Any], frozen: bool) -> list[torch.Tensor | None]:
    return [given["self"] + given["weight"] * (given["end"] - given["self"])]


def convolution(given: dict[str, Any], frozen: bool) -> list[torch.Tensor | None]:
    """With a bias that depends on the explained value."""
    bias = given["bias"]
    plain = torch.ops.aten.convolution(*({**given, "bias": None}).values())
    return [plain + bias.reshape(-1, *(1,) * (plain.ndim - 2))]


def dense(given: dict[str, Any], frozen: bool) -> list[torch.Tensor | None]:
    return [given["input"] @ given["weight"].mT + given["bias"]]


def grouped(given: dict[str, Any], frozen: bool) -> list[torch.Tensor | None]:
    """Rows in groups, each with a matrix of its own; `offs` says where the groups end."""
    if given["offs"] is None or given["bias"] is not None or given["mat2"].ndim != 3:
        raise NotImplementedError("groups of columns")
    ends = given["offs"].tolist()
    sizes = [end - start for start, end in zip([0, *ends], ends, strict=False)]
    rows = given["self"][: ends[-1]].split(sizes)
    return [torch.cat([one @ given["mat2"][n] for n, one in enumerate(rows)])]


def cross(given: dict[str, Any], frozen: bool) -> list[torch.Tensor | None]:
    one, other, axis = given["self"], given["other"], given["dim"]
    forth = one.roll(-1, axis) * other.roll(-2, axis)
    return [forth - one.roll(-2, axis) * other.roll(-1, axis)]


def trilinear(given: dict[str, Any], frozen: bool) -> list[torch.Tensor | None]:
    """Three operands, with new axes where they have none, multiplied and summed up."""
    factors = []
    for number in (1, 2, 3):
        factor = given[f"i{number}"]
        for axis in sorted(given[f"expand{number}"]):
            factor = factor.unsqueeze(axis)
        factors.append(factor)
    one, two, three = factors
    return [(one * two * three).sum(given["sumdim"])]


def squared_magnitude(z: torch.Tensor) -> torch.Tensor:
    return torch.view_as_real(z.resolve_conj()).square().sum(-1)


def magnitude(given: dict[str, Any], frozen: bool) -> list[torch.Tensor | None]:
    """Of complex numbers, a function of two real ones."""
    return [squared_magnitude(given["self"]).sqrt()]


def polar(given: dict[str, Any], frozen: bool) -> list[torch.Tensor | None]:
    size, angle = given["abs"], given["angle"]
    return [torch.complex(size * angle.cos(), size * angle.sin())]


def quotient(given: dict[str, Any], frozen: bool) -> list[torch.Tensor | None]:
    upper, lower = given["self"], given["other"]
    if not lower.is_complex():
        return [upper * lower.reciprocal()]
    return [upper * lower.conj() * squared_magnitude(lower).reciprocal()]


def reciprocal(given: dict[str, Any], frozen: bool) -> list[torch.Tensor | None]:
    z = given["self"]
    return [z.conj() * squared_magnitude(z).reciprocal()]


def square(given: dict[str, Any], frozen: bool) -> list[torch.Tensor | None]:
    return [given["self"] * given["self"]]


PARTS: dict[str, Parts] = {
    **dict.fromkeys(ATTENTIONS.split(), attention),
    **dict.fromkeys(BATCH_NORMS.split(), instance_norm),
    **dict.fromkeys(("addmm", "baddbmm", "addmv"), shifted(torch.matmul)),
    "addbmm": shifted(lambda one, other: (one @ other).sum(0)),
    "addr": shifted(torch.outer),
    **{name: variance(name) for name in ("var", "std", "var_mean")},
    "native_layer_norm": layer_norm,
    "native_group_norm": group_norm,
    "_fused_rms_norm": rms_norm,
    "_softmax": softmax,
    "_safe_softmax": safe_softmax,
    "_log_softmax": log_softmax,
    "logsumexp": logsumexp,
    "glu": gate,
    "linalg_vector_norm": vector_norm,
    "norm": vector_norm,
    "hypot": hypotenuse,
    "logaddexp": logarithm_of_sum,
    "dist": distance,
    "_cdist_forward": distances,
    "_euclidean_dist": distances,
    "mkldnn_rnn_layer": recurrent,
    "addcmul": shifted_elements,
    "addcdiv": shifted_quotient,
    "lerp": between,
    "convolution": convolution,
    "linear": dense,
    "add": multiple_added,
    "sub": multiple_taken,
    "rsub": taken_from_multiple,
    "div": truncated,
    "_grouped_mm": grouped,
    "polar": polar,
    "linalg_cross": cross,
    "_trilinear": trilinear,
}
"""By the names of operations."""

OF_COMPLEX: dict[str, Parts] = {
    "abs": magnitude,
    "polar": polar,
    "div": quotient,
    "reciprocal": reciprocal,
    "pow": square,
}
"""What they consist of where a number is complex."""

COMPOUND = {
    "softmax": Kind.SOFTMAX,
    "log_softmax": Kind.LOG_SOFTMAX,
    "logsumexp": Kind.LOGSUMEXP,
    "normalize": Kind.NORMALIZATION,
}
"""Primitives that rules may want whole."""


def expander(rules: Rules) -> Callable[[Call, Found], Parts | None]:
    """Which operations rules see as what they consist of."""
    inside = bool(rules.kinds & (INSIDE - RECTIFIERS))

    def expand(call: Call, found: Found) -> Parts | None:
        if any(one.dtype.is_complex for one in call.operands):
            return None if call.name == "pow" and call["exponent"] != 2 else complex_parts(call)
        parts = PARTS.get(call.name)
        if parts is None or not is_compound(call, found):
            return None
        kind = COMPOUND.get(found[0])
        whole = kind is not None and (kind in rules.kinds or not inside)
        return None if whole and plain_weights(call, found) else parts

    return expand


def complex_parts(call: Call) -> Parts | None:
    return OF_COMPLEX.get(call.name) or (
        PARTS.get(call.name) if is_compound(call, ("other", (), {})) else None
    )


def is_compound(call: Call, found: Found) -> bool:
    """Whether there is something to be seen inside."""
    if call.name in ("add", "sub", "rsub"):
        return bool(call["alpha"] not in (None, 1))
    if call.name == "div":
        return bool(call["rounding_mode"] == "trunc")
    if found[0] in ("dot", "conv", "batch_norm"):
        return not plain_weights(call, found)
    return True


def plain_weights(call: Call, found: Found) -> bool:
    """Whether nothing but x, or one factor of a product, depends on the explained value."""
    scaled = any(call[name] not in (None, 1) for name in ("alpha", "beta"))
    first = 2 if found[0] in ("dot", "conv") else 1
    later = [one for one in found[1][first:] if isinstance(one, Operand)]
    return not scaled and not any(one.active for one in later)
