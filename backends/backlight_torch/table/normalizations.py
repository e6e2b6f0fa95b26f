"""Normalisations that libraries compute in one."""

from typing import Any

import torch

from backlight_torch.capture.records import Record
from backlight_torch.table.reading import Found


def batch_norm(c: Record) -> Found:
    epsilon = float(c["eps"] if c["eps"] is not None else c["epsilon"])
    if c["running_mean"] is None or c["training"]:
        axes = tuple(axis for axis in range(c.rank) if axis != 1)
        return normalised(c, axes, epsilon, channel_axis=1)
    scale = 1.0 if c["weight"] is None else c["weight"]
    offset = 0.0 if c["bias"] is None else c["bias"]
    operands = [c.x, scale, offset, c["running_mean"], c["running_var"]]
    return "batch_norm", operands, {"axis": 1, "epsilon": epsilon}


def normalised(c: Record, axes: tuple[int, ...], epsilon: float, **more: Any) -> Found:
    operands, scale, offset = [c.x], c["weight"], c["bias"]
    if scale is not None or offset is not None:
        operands.append(1.0 if scale is None else scale)
    if offset is not None:
        operands.append(offset)
    centred = c.name != "_fused_rms_norm"
    return "normalize", operands, {"axes": axes, "epsilon": epsilon, "centred": centred, **more}


def layer_norm(c: Record) -> Found:
    axes = tuple(range(c.rank - len(c["normalized_shape"]), c.rank))
    return normalised(c, axes, torch.finfo(c.dtype).eps if c["eps"] is None else float(c["eps"]))


def group_norm(c: Record) -> Found:
    axes, groups = tuple(range(1, c.rank)), int(c["group"])
    return normalised(c, axes, float(c["eps"]), groups=groups, channel_axis=1)
