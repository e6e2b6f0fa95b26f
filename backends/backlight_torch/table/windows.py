"""What slides windows over places: convolutions, pooling, patches, resizing."""

from typing import Any

from backlight_torch.capture.records import Record
from backlight_torch.table.reading import Found, Row, all_of, flag, row


def convolution(c: Record) -> Found:
    count, transposed, groups = c.rank - 2, bool(c["transposed"]), int(c["groups"])
    places = tuple(range(2, c.rank))
    attributes = {
        "strides": c.listed("stride", count),
        "padding": tuple((one, one) for one in c.listed("padding", count)),
        "dilation": c.listed("dilation", count),
        "base_dilation": (1,) * count,
        "groups": groups,
        "transposed": transposed,
        "x_axes": (0, 1, *places),
        "weight_axes": ((0, 1) if groups > 1 else 1, 0, *places) if transposed else (0, 1, *places),
        "result_axes": (0, 1, *places),
    }
    operands = [c["input"], c["weight"]]
    return "conv", operands if c["bias"] is None else [*operands, c["bias"]], attributes


def pooled(c: Record) -> Found:
    if c["divisor_override"] is not None:
        return "linear_map", [c.x], {}
    count, before = c.places, c.rank - c.places
    window = c.listed("kernel_size", count)
    strides = c.listed("stride", count) if c["stride"] else window
    dilation = c.listed("dilation", count) if c["dilation"] else (1,) * count
    low = c.listed("padding", count)
    high = []
    for length, result, size, step, apart, pad in zip(
        c.x.shape[before:], c.shape[before:], window, strides, dilation, low, strict=True
    ):
        reach = (result - 1) * step + (size - 1) * apart + 1 - length - pad
        high.append(max(reach, pad) if c["ceil_mode"] else pad)
    attributes: dict[str, Any] = {
        "window": (1,) * before + window,
        "strides": (1,) * before + strides,
        "padding": ((0, 0),) * before + tuple(zip(low, high, strict=True)),
        "dilation": (1,) * before + dilation,
    }
    if c.name.startswith("max"):
        return "max_pool", [c.x], attributes
    return "avg_pool", [c.x], {**attributes, "count_padding": bool(c["count_include_pad"])}


def moved_along(c: Record) -> tuple[int, ...]:
    """The axes that windows move along: the last."""
    return tuple(range(c.rank - c.places, c.rank))


def method(c: Record) -> str:
    return next((word for word in ("nearest", "cubic") if word in c.name), "linear")


ROWS: dict[str, Row] = {
    "unfold": row(
        "windows",
        axes=lambda c: (c.axis("dimension"),),
        window=lambda c: (int(c["size"]),),
        strides=lambda c: (int(c["step"]),),
        padding=((0, 0),),
        dilation=(1,),
        layout="starts in place, taps last",
    ),
    "im2col": row(
        "windows",
        axes=lambda c: (c.rank - 2, c.rank - 1),
        window=lambda c: tuple(c["kernel_size"]),
        strides=lambda c: tuple(c["stride"]),
        padding=lambda c: tuple((one, one) for one in c["padding"]),
        dilation=lambda c: tuple(c["dilation"]),
        layout="channels and taps, then starts",
    ),
    **all_of(pooled, "avg_pool2d avg_pool3d max_pool2d_with_indices max_pool3d_with_indices"),
    **all_of(
        row("adaptive_avg_pool", axes=moved_along),
        "_adaptive_avg_pool2d _adaptive_avg_pool3d",
    ),
    **all_of(
        row("adaptive_max_pool", axes=moved_along),
        "adaptive_max_pool2d adaptive_max_pool3d fractional_max_pool2d fractional_max_pool3d",
    ),
    **all_of(
        row(
            "resize",
            axes=moved_along,
            method=method,
            aligned=flag("align_corners"),
        ),
        "upsample_nearest1d upsample_nearest2d upsample_nearest3d _upsample_nearest_exact1d "
        "_upsample_nearest_exact2d _upsample_nearest_exact3d upsample_linear1d upsample_bilinear2d "
        "upsample_trilinear3d upsample_bicubic2d _upsample_bilinear2d_aa _upsample_bicubic2d_aa",
    ),
    **all_of(convolution, "convolution _convolution"),
}
