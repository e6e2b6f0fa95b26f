"""What compound operations consist of, in PyTorch's own arithmetic, and which are run as that.

Rules are for real numbers, but for sums and products: a complex number counts as two real ones, and
functions of such are expanded too.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch

from backlight.graph.recognition.recognition import INSIDE, RECTIFIERS
from backlight.rules.operations import Kind
from backlight.rules.rules import Rules
from backlight_torch.capture.records import Operand, Parts, Record
from backlight_torch.expansions import normalizations, products
from backlight_torch.expansions.normalizations import norm, squared_magnitude
from backlight_torch.expansions.products import shifted, times
from backlight_torch.table.reading import ATTENTIONS, BATCH_NORMS, Found


def logarithm_of_sum(self: torch.Tensor, other: torch.Tensor, **_: Any) -> torch.Tensor:
    both = torch.broadcast_tensors(self, other)  # type: ignore[no-untyped-call]
    return torch.stack(both).logsumexp(0)


def gate(self: torch.Tensor, dim: int, **_: Any) -> torch.Tensor:
    upper, lower = self.chunk(2, dim)
    return upper * torch.sigmoid(lower)


def polar(abs: torch.Tensor, angle: torch.Tensor, **_: Any) -> torch.Tensor:
    return torch.complex(abs * angle.cos(), abs * angle.sin())


def quotient(self: torch.Tensor, other: torch.Tensor, **_: Any) -> torch.Tensor:
    if not other.is_complex():
        return self * other.reciprocal()
    return self * other.conj() * squared_magnitude(other).reciprocal()


def parts_of(function: Callable[..., Any]) -> Parts:
    """A function of an operation's arguments by name, and of whether what it divides by is held."""

    def parts(given: dict[str, Any], frozen: bool) -> list[torch.Tensor | None]:
        found = function(**given, frozen=frozen)
        return list(found) if isinstance(found, tuple) else [found]

    return parts


def by_name(functions: Mapping[str, Callable[..., Any]]) -> dict[str, Parts]:
    return {name: parts_of(function) for name, function in functions.items()}


PARTS = by_name({
    **dict.fromkeys(ATTENTIONS.split(), products.attention),
    **dict.fromkeys(BATCH_NORMS.split(), normalizations.instance_norm),
    **dict.fromkeys(("addmm", "baddbmm", "addmv"), shifted(torch.matmul)),
    "addbmm": shifted(lambda one, other: (one @ other).sum(0)),
    "addr": shifted(torch.outer),
    "var": normalizations.variance,
    "std": lambda **given: normalizations.variance(**given).sqrt(),
    "var_mean": normalizations.variance_and_mean,
    "native_layer_norm": normalizations.layer_norm,
    "native_group_norm": normalizations.group_norm,
    "_fused_rms_norm": normalizations.rms_norm,
    "_softmax": normalizations.softmax,
    "_safe_softmax": normalizations.safe_softmax,
    "_log_softmax": normalizations.log_softmax,
    "logsumexp": normalizations.logsumexp,
    "linalg_vector_norm": lambda self, ord, dim, keepdim, **_: norm(self, ord, dim, keepdim),
    "norm": lambda self, p, dim=None, keepdim=False, **_: norm(self, p, dim, keepdim),
    "dist": lambda self, other, p, **_: norm(self - other, p),
    **dict.fromkeys(("_cdist_forward", "_euclidean_dist"), normalizations.distances),
    "glu": gate,
    "hypot": lambda self, other, **_: (self.square() + other.square()).sqrt(),
    "logaddexp": logarithm_of_sum,
    "addcmul": lambda self, tensor1, tensor2, value, **_: self + times(tensor1 * tensor2, value),
    "addcdiv": lambda self, tensor1, tensor2, value, **_: self + times(tensor1 / tensor2, value),
    "lerp": lambda self, end, weight, **_: self + weight * (end - self),
    "add": lambda self, other, alpha, **_: self + other * alpha,
    "sub": lambda self, other, alpha, **_: self - other * alpha,
    "rsub": lambda self, other, alpha, **_: other - self * alpha,
    "div": lambda self, other, **_: (self / other).trunc(),
    "mkldnn_rnn_layer": products.recurrent,
    "convolution": products.convolution,
    "_grouped_mm": products.grouped,
    "linalg_cross": products.cross,
    "_trilinear": products.trilinear,
    "polar": polar,
})  # fmt: skip
"""By the names of operations."""

OF_COMPLEX = by_name({
    "abs": lambda self, **_: squared_magnitude(self).sqrt(),
    "polar": polar,
    "div": quotient,
    "reciprocal": lambda self, **_: self.conj() * squared_magnitude(self).reciprocal(),
    "pow": lambda self, **_: self * self,
})  # fmt: skip
"""What they consist of where a number is complex."""

COMPOUND = {
    "softmax": Kind.SOFTMAX,
    "log_softmax": Kind.LOG_SOFTMAX,
    "logsumexp": Kind.LOGSUMEXP,
    "normalize": Kind.NORMALIZATION,
}
"""Primitives that rules may want whole."""


def expander(rules: Rules) -> Callable[[Record, Found], Parts | None]:
    """Which operations rules see as what they consist of."""
    inside = bool(rules.kinds & (INSIDE - RECTIFIERS))

    def expand(record: Record, found: Found) -> Parts | None:
        if any(one.dtype.is_complex for one in record.operands):
            if record.name in OF_COMPLEX:
                cube = record.name == "pow" and record["exponent"] != 2
                return None if cube else OF_COMPLEX[record.name]
            found = ("other", (), {})
        parts = PARTS.get(record.name)
        if parts is None or not is_compound(record, found):
            return None
        kind = COMPOUND.get(found[0])
        whole = kind is not None and (kind in rules.kinds or not inside)
        return None if whole and plain_weights(record, found) else parts

    return expand


def is_compound(record: Record, found: Found) -> bool:
    """Whether there is something to be seen inside."""
    if record.name in ("add", "sub", "rsub"):
        return bool(record["alpha"] not in (None, 1))
    if record.name == "div":
        return bool(record["rounding_mode"] == "trunc")
    if found[0] in ("dot", "conv", "batch_norm"):
        return not plain_weights(record, found)
    return True


def plain_weights(record: Record, found: Found) -> bool:
    """Whether nothing but x, or one factor of a product, depends on the explained value."""
    scaled = any(record[name] not in (None, 1) for name in ("alpha", "beta"))
    first = 2 if found[0] in ("dot", "conv") else 1
    later = [one for one in found[1][first:] if isinstance(one, Operand)]
    return not scaled and not any(one.active for one in later)
