"""What an ATen operation computes, given which of its operands depend on the explained value."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from backlight.operations import AFFINE, Kind
from backlight_torch import kernels
from backlight_torch.complex_numbers import COMPLEX_PARTS
from backlight_torch.recognised import Condition, Recognised, Slope


def positive(x: torch.Tensor) -> torch.Tensor:
    return x > 0


def between(low: float, high: float) -> Slope:
    return lambda x: (x > low) & (x < high)


def recognised(
    func: Any,
    name: str,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    operands: Sequence[Any],
    given: Sequence[Any],
    conditions: Sequence[Condition | None],
) -> Recognised | None:
    """What it computes; None if it only moves numbers.

    Args:
        func: the ATen operation, and `name`, its name.
        args, kwargs: its arguments, tensors as operands.
        operands: all of these.
        given: the arguments themselves.
        conditions: for each argument, the comparison with 0 that it is the result of.
    """
    if func.namespace not in ("aten", "prims"):
        return Recognised(Kind.OTHER, replayable=not func._schema.is_mutable)
    found = _recognised(func, name, args, kwargs, operands, given, conditions)
    if found is not None and any(operand.tensor.is_complex() for operand in operands):
        return of_complex(found, name, given)
    return found


def _recognised(
    func: Any,
    name: str,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    operands: Sequence[Any],
    given: Sequence[Any],
    conditions: Sequence[Condition | None],
) -> Recognised | None:
    active = [operand.active for operand in operands]
    count = sum(active)
    one = _activation(name, args, kwargs, given, conditions, count)
    if one is not None:
        return one
    if name in kernels.MOVES or name.removesuffix("_copy") in kernels.MOVES:
        return None
    if name in kernels.SUMS:
        return Recognised(Kind.SUM) if active[0] and count == 1 else Recognised(Kind.OTHER)
    two = _arithmetic(name, args, kwargs, given, active)
    if two is not None:
        return two
    linear = _linear(name, args, operands, active)
    if linear is not None:
        return linear
    more = _reduction(name, args, given, active)
    if more is not None:
        return more
    if name in kernels.RANDOM:
        training = len(given) < 3 or given[2] is not False
        return Recognised(Kind.OTHER, replayable=False) if training else None
    if name in kernels.OPENED:
        return opened()
    if torch.Tag.pointwise in func.tags and count == 1:
        return Recognised(Kind.ELEMENTWISE)
    return Recognised(Kind.OTHER, replayable="out" not in kwargs)


def opened() -> Recognised:
    """An operation that is always shown as what it consists of."""
    return Recognised(Kind.OTHER, opened=True)


def of_complex(found: Recognised, name: str, given: Sequence[Any]) -> Recognised:
    """What an operation computes that has complex operands, from what it would be of real ones."""
    if found.kind in (Kind.ADD, Kind.MUL, Kind.MATMUL):
        return found
    if found.kind in AFFINE:
        return Recognised(Kind.SUM)
    if found.opened or (name in COMPLEX_PARTS and (name != "pow" or given[1] == 2)):
        return opened()
    return Recognised(Kind.OTHER, replayable=found.replayable)


def _activation(
    name: str,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    given: Sequence[Any],
    conditions: Sequence[Condition | None],
    count: int,
) -> Recognised | None:
    """Functions of each number by itself, rectifiers in all their spellings first."""
    if count != 1:
        return None
    if name in kernels.UNARY:
        return Recognised(kernels.UNARY[name]) if is_active(args[0]) else None
    if name == "elu":
        scaled = len(given) > 2 and given[2] != 1
        return Recognised(Kind.SELU if scaled else Kind.ELU)
    if name == "threshold":
        rectifier = given[1] == 0 and given[2] == 0
        return Recognised(Kind.RELU if rectifier else Kind.ELEMENTWISE)
    if name in ("clamp", "hardtanh", "clamp_min", "clamp_max"):
        low, high = bounds(name, given, kwargs)
        if any(isinstance(bound, torch.Tensor) for bound in (low, high)):
            return None
        return cut(low, high)
    if name in ("maximum", "minimum", "clamp_min", "clamp_max") and len(given) == 2:
        constant = next(value for value, one in zip(given, args, strict=True) if not is_active(one))
        if name == "maximum" and not bool(constant.any()):
            return Recognised(Kind.RELU, slope=positive)
        return Recognised(Kind.MAX if name == "maximum" else Kind.MIN)
    if name == "where" and len(given) == 3 and conditions[0] is not None:
        kept = 1 if is_active(args[1]) else 2
        holds = conditions[0].above if kept == 1 else conditions[0].below
        other = given[3 - kept]
        same = args[kept].edge == conditions[0].edge
        if same and holds and not bool(other.any()):
            return Recognised(Kind.RELU, slope=positive)
    if name == "masked_fill" and conditions[1] is not None and not given[2]:
        mask = conditions[1]
        if args[0].edge == mask.edge and mask.below:
            return Recognised(Kind.RELU, slope=positive)
    if name == "mul" and len(given) == 2:
        kept = 0 if is_active(args[0]) else 1
        held = conditions[1 - kept]
        if held is not None and held.above and args[kept].edge == held.edge:
            return Recognised(Kind.RELU, slope=positive)
    return None


def bounds(name: str, given: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Any, Any]:
    if name == "clamp_min":
        return given[1], None
    if name == "clamp_max":
        return None, given[1]
    defaults = (-1.0, 1.0) if name == "hardtanh" else (None, None)
    low = given[1] if len(given) > 1 else kwargs.get("min", defaults[0])
    high = given[2] if len(given) > 2 else kwargs.get("max", defaults[1])
    return low, high


def cut(low: float | None, high: float | None) -> Recognised:
    """A cut at two numbers, or at one."""
    if high is None:
        assert low is not None
        kind = Kind.RELU if low == 0 else Kind.MAX
        return Recognised(kind, slope=lambda x: x > low)
    if low is None:
        return Recognised(Kind.MIN, slope=lambda x: x < high)
    if low == 0:
        return Recognised(Kind.RELU6, slope=between(low, high))
    kind = Kind.HARD_TANH if low < 0 < high else Kind.ELEMENTWISE
    return Recognised(kind, slope=between(low, high))


def _arithmetic(
    name: str,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    given: Sequence[Any],
    active: Sequence[bool],
) -> Recognised | None:
    """Sums, products, quotients and powers, number by number."""
    count = sum(active)
    if name in ("add", "sub", "rsub", "_foreach_add"):
        return Recognised(Kind.ADD if count > 1 else Kind.SHIFT)
    if name in kernels.PLACED_SUMS:
        if given[4:] and given[4] not in ("sum", "mean"):
            return Recognised(Kind.OTHER)
        if count > 1:
            return Recognised(Kind.ADD)
        return Recognised(Kind.SHIFT if active[0] and not given[4:] else Kind.SUM)
    if name == "neg":
        return Recognised(Kind.SCALE)
    if name == "mul":
        return Recognised(Kind.MUL if count > 1 else Kind.SCALE)
    if name == "div":
        if kwargs.get("rounding_mode") is not None:
            return Recognised(Kind.OTHER)
        if count > 1:
            return Recognised(Kind.DIV)
        return Recognised(Kind.SCALE if is_active(args[0]) else Kind.POW)
    if name == "pow":
        if count > 1:
            return Recognised(Kind.OTHER)
        return Recognised(Kind.POW if is_active(args[0]) else Kind.ELEMENTWISE)
    if name in ("maximum", "minimum"):  # of two active operands
        return Recognised(Kind.MAX if name == "maximum" else Kind.MIN)
    if name == "lerp" and not is_active(args[2]):
        return Recognised(Kind.ADD if count > 1 else Kind.SUM)
    if name in kernels.WITH_SHIFT:
        return Recognised(Kind.SHIFT) if active[0] and count == 1 else opened()
    return None


def _linear(
    name: str, args: Sequence[Any], operands: Sequence[Any], active: Sequence[bool]
) -> Recognised | None:
    """Products and convolutions with constant weights, or of two active operands."""
    if name in kernels.PRODUCTS or name in kernels.CONVOLUTIONS:
        if any(active[2:]):
            return opened()
        if active[0] and active[1]:
            return Recognised(Kind.MATMUL)
        kind = Kind.DENSE if name in kernels.PRODUCTS else Kind.CONVOLUTION
        bias = 2 if len(operands) > 2 and name not in kernels.GROUPED else None
        return Recognised(kind, weight=active.index(False), bias=bias)
    if name in kernels.SHIFTED_PRODUCTS:
        if active[0]:
            return opened() if any(active[1:]) else Recognised(Kind.SHIFT)
        if active[1] and active[2]:
            return Recognised(Kind.MATMUL)
        return Recognised(Kind.DENSE, weight=2 if active[1] else 1, bias=0)
    if name in kernels.BILINEAR and sum(active) < 3 and not is_maximum_of_bag(name, args):
        return Recognised(Kind.SUM if sum(active) == 1 else Kind.MATMUL)
    return None


def is_maximum_of_bag(name: str, given: Sequence[Any]) -> bool:
    return name == "_embedding_bag" and given[4] == 2


def _reduction(
    name: str, args: Sequence[Any], given: Sequence[Any], active: Sequence[bool]
) -> Recognised | None:
    """Pooling, maxima over axes, softmax and normalisation."""
    count = sum(active)
    if count != 1 or not active[0]:
        return None
    if name in kernels.MAX_POOLS:
        return Recognised(Kind.MAX_POOL)
    rank = len(args[0].shape)
    if name in ("amax", "amin", "max", "min"):
        chosen = given[1] if len(given) > 1 else ()
        axes = [chosen] if isinstance(chosen, int) else list(chosen)
        whole = tuple(sorted(axis % rank for axis in axes)) or tuple(range(rank))
        kind = Kind.MAX if name in ("amax", "max") else Kind.MIN
        return Recognised(kind, axes=whole)
    if name in kernels.SOFTMAXES:
        axes = [given[1]] if isinstance(given[1], int) else list(given[1])
        return Recognised(kernels.SOFTMAXES[name], axes=tuple(sorted(axis % rank for axis in axes)))
    if name in kernels.BATCH_NORMS:
        training = name == "native_batch_norm" and bool(given[5])
        training |= name == "_native_batch_norm_legit" and given[3] is True
        training |= name in ("cudnn_batch_norm", "miopen_batch_norm") and bool(given[5])
        training |= given[3] is None
        return Recognised(Kind.NORMALIZATION if training else Kind.BATCH_NORM)
    if name in kernels.NORMALIZATIONS:
        return Recognised(Kind.NORMALIZATION)
    return None


def is_active(argument: Any) -> bool:
    return bool(getattr(argument, "active", False))
