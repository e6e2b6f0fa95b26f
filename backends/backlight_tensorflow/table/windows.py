"""What slides windows over places: convolutions, pooling, patches, resizing."""

from collections.abc import Sequence
from typing import TypeAlias

from backlight_tensorflow.table.reading import BEFORE, Reading, Shape, Step, Steps, UnknownError

Pairs: TypeAlias = tuple[tuple[int, int], ...]


def padding(
    reading: Reading, lengths: Shape, window: Shape, strides: Shape, dilation: Shape
) -> Pairs:
    """How much is added before and behind, axis by axis, under the operation's word for it."""
    word = reading.word("padding")
    if word == "VALID":
        return ((0, 0),) * len(window)
    if word == "EXPLICIT":
        listed = list(reading.attribute("explicit_paddings"))
        return tuple(zip(listed[::2], listed[1::2], strict=True))
    if -1 in lengths:
        raise UnknownError
    return tuple(map(same, lengths, window, strides, dilation))


def same(length: int, window: int, stride: int, dilation: int) -> tuple[int, int]:
    """`SAME`: as many windows as strides fit into the length, the odd place behind."""
    most = (-(-length // stride) - 1) * stride + (window - 1) * dilation + 1
    missing = max(most - length, 0)
    return missing // 2, missing - missing // 2


def convolution(reading: Reading) -> Steps:
    """Also transposed ones, which are told by the convolution that they are the transpose of."""
    transposed, depthwise = "BackpropInput" in reading.type, "Depthwise" in reading.type
    x, weight = (2, 1) if transposed else (0, 1)
    rank, kernel = len(reading.shapes[x]), reading.shapes[weight]
    axes = tuple(range(rank)) if reading.channels_first else (0, rank - 1, *range(1, rank - 1))
    strides = of_places(reading.attribute("strides"), axes)
    dilation = of_places(reading.attribute("dilations") or (1,) * rank, axes)
    wide = reading.result if transposed else reading.shapes[x]
    lengths = tuple(wide[at] for at in axes[2:])
    pairs = padding(reading, lengths, kernel[: rank - 2], strides, dilation)
    if len(pairs) == rank:
        pairs = tuple(pairs[at] for at in axes[2:])
    incoming, outgoing, places = rank - 2, rank - 1, tuple(range(rank - 2))
    laid: Steps = []
    weight_axes: tuple[int | None, ...] = (outgoing, incoming, *places)
    groups = max(wide[axes[1]] // kernel[incoming], 1)
    if depthwise:
        # What comes out of each channel is on the weight's last axis: the two are put together.
        groups, several = kernel[incoming], kernel[outgoing]
        if transposed and several > 1:
            raise UnknownError
        merged = (*kernel[:incoming], groups * several)
        laid = [Step("reshape", (weight,), {"shape": merged}, merged)]
        weight, weight_axes = BEFORE, (incoming, None, *places)
    elif transposed:
        weight_axes = (incoming, outgoing, *places)
    attributes = {
        "strides": strides,
        "padding": pairs,
        "dilation": dilation,
        "base_dilation": (1,) * len(places),
        "groups": groups,
        "transposed": transposed,
        "x_axes": axes,
        "weight_axes": weight_axes,
        "result_axes": axes,
    }
    return [*laid, Step("conv", (x, weight), attributes)]


def of_places(numbers: Sequence[int], axes: Shape) -> tuple[int, ...]:
    """Of one number for each axis, or for each place, those of the places."""
    if len(numbers) == len(axes):
        return tuple(int(numbers[at]) for at in axes[2:])
    return tuple(map(int, numbers))


def pool(reading: Reading) -> Steps:
    if reading.type == "MaxPoolV2":
        window, strides = reading.numbers(1), reading.numbers(2)
    else:
        window, strides = (tuple(reading.attribute(name)) for name in ("ksize", "strides"))
    once = (1,) * reading.rank
    attributes = {
        "window": window,
        "strides": strides,
        "padding": padding(reading, reading.shapes[0], window, strides, once),
        "dilation": once,
    }
    if reading.type.startswith("Max"):
        return reading.step("max_pool", 0, **attributes)
    return reading.step("avg_pool", 0, **attributes, count_padding=False)


def patches(reading: Reading) -> Steps:
    window, strides, dilation = (
        tuple(reading.attribute(name)) for name in ("ksizes", "strides", "rates")
    )
    pairs = padding(reading, reading.shapes[0], window, strides, dilation)
    inner = slice(1, -1)  # the places, between examples and channels
    return reading.step(
        "windows",
        window=window[inner],
        strides=strides[inner],
        padding=pairs[inner],
        dilation=dilation[inner],
        axes=tuple(range(1, reading.rank - 1)),
        layout="places, taps, channels",
    )


def resize(reading: Reading) -> Steps:
    """Centres on centres, or corners on corners; what starts at the first place is not known further."""
    aligned = bool(reading.attribute("align_corners"))
    if not (aligned or reading.attribute("half_pixel_centers")):
        return reading.step("linear_map")
    method = {"ResizeBilinear": "bilinear", "ResizeBicubic": "bicubic"}
    word = method.get(reading.type, "nearest")
    return reading.step("resize", 0, axes=(1, 2), method=word, aligned=aligned)
