"""What moves, copies, drops or repeats numbers."""

import numpy as np

from backlight_tensorflow.table.reading import BEFORE, Reading, Shape, Step, Steps, UnknownError


def reshape(reading: Reading) -> Steps:
    return reading.step("reshape", 0, shape=reading.results[0])


def transpose(reading: Reading) -> Steps:
    return reading.step("transpose", 0, permutation=reading.numbers(1))


def broadcast(reading: Reading) -> Steps:
    wide = len(reading.results[0])
    axes = tuple(range(wide - reading.rank, wide))
    return reading.step("broadcast", 0, shape=reading.results[0], axes=axes)


def tile(reading: Reading) -> Steps:
    if -1 in (*reading.shapes[0], *reading.results[0]):
        raise UnknownError
    pairs = zip(reading.results[0], reading.shapes[0], strict=True)
    return reading.step("tile", 0, repeats=tuple(now // max(was, 1) for now, was in pairs))


def pad(reading: Reading) -> Steps:
    pairs = np.reshape(reading.numbers(1), (-1, 2)).tolist()
    low, high = tuple(zip(*pairs, strict=True)) or ((), ())
    mode = reading.word("mode").lower() if reading.op.type == "MirrorPad" else "constant"
    operands = (0, 2) if reading.op.type == "PadV2" else (0,)
    interior = (0,) * reading.rank
    return reading.step("pad", *operands, low=low, high=high, interior=interior, mode=mode)


def concat(reading: Reading) -> Steps:
    last = len(reading.shapes) - 1
    at = last if reading.op.type == "ConcatV2" else 0
    parts = range(last) if reading.op.type == "ConcatV2" else range(1, last + 1)
    axis = reading.axis(at, len(reading.results[0]))
    return reading.step("concat", *parts, axis=axis)


def stack(reading: Reading) -> Steps:
    axis = int(reading.attribute("axis")) % len(reading.results[0])
    return reading.step("stack", axis=axis)


def unstack(reading: Reading) -> Steps:
    return reading.step("unstack", 0, axis=int(reading.attribute("axis")) % reading.rank)


def split(reading: Reading) -> Steps:
    x, at = (0, 2) if reading.op.type == "SplitV" else (1, 0)
    axis = reading.axis(at, len(reading.shapes[x]))
    sizes = tuple(shape[axis] for shape in reading.results)
    return reading.step("split", x, axis=axis, sizes=sizes)


def take(reading: Reading) -> Steps:
    """Rows, or places along another axis; `batch_dims` pick for each of the examples."""
    if reading.op.type == "GatherV2":
        if reading.attribute("batch_dims"):
            return reading.step("gather", 0, 1)
        return reading.step("take", 0, 1, axis=reading.axis(2))
    return reading.step("take", 0, 1, axis=0)


def scattered(reading: Reading) -> Steps:
    """Written into zeros, by constant places."""
    return reading.step("gather", 1, 0)


def stitched(reading: Reading) -> Steps:
    """Parts, each of which goes to places of its own: those come first."""
    half = len(reading.shapes) // 2
    return reading.step("gather", *range(half, 2 * half), *range(half))


def flip(reading: Reading) -> Steps:
    return reading.step("flip", 0, axes=reading.axes(1))


def roll(reading: Reading) -> Steps:
    axes = tuple(axis % reading.rank for axis in reading.numbers(2))
    return reading.step("roll", 0, shifts=reading.numbers(1), axes=axes)


def sliced(reading: Reading) -> Steps:
    starts = reading.numbers(1)
    limits = tuple(map(sum, zip(starts, reading.results[0], strict=True)))
    return reading.step("slice", 0, starts=starts, limits=limits, strides=(1,) * reading.rank)


def strided_slice(reading: Reading) -> Steps:
    """As in Python: axes are cut, dropped and made."""
    begins, ends, steps = (reading.numbers(place) for place in (1, 2, 3))
    shape = reading.shapes[0]
    masks = {
        name: int(reading.attribute(f"{name}_mask"))
        for name in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")
    }

    def says(name: str, at: int) -> bool:
        return bool(masks[name] >> at & 1)

    given = [at for at in range(len(begins)) if not says("new_axis", at)]
    missing = len(shape) - len(given) + any(says("ellipsis", at) for at in given)
    ranges: list[range] = []
    dropped: list[int] = []
    for at in given:
        if says("ellipsis", at):
            ranges += [range(length) for length in shape[len(ranges) : len(ranges) + missing]]
            continue
        length = shape[len(ranges)]
        if says("shrink_axis", at):
            place = begins[at] % max(length, 1)
            dropped.append(len(ranges))
            ranges.append(range(place, place + 1))
            continue
        begin = None if says("begin", at) else begins[at]
        end = None if says("end", at) else ends[at]
        whole = begin in (None, 0) and end is None and steps[at] == 1
        if length < 0 and not whole:
            raise UnknownError
        ranges.append(range(length)[slice(begin, end, steps[at])])
    ranges += [range(length) for length in shape[len(ranges) :]]
    if any(each.step < 0 for each in ranges):
        raise UnknownError
    return cut(reading, shape, ranges, dropped)


def cut(reading: Reading, shape: Shape, ranges: list[range], dropped: list[int]) -> Steps:
    """One primitive where there is one: an index, a slice, a reshape."""
    result = reading.results[0]
    partial = [
        axis for axis, (each, length) in enumerate(zip(ranges, shape, strict=True))
        if each != range(length)
    ]  # fmt: skip
    kept = tuple(length for axis, length in enumerate(shape) if axis not in dropped)
    if len(dropped) == 1 and set(partial) <= set(dropped) and kept == result:
        (axis,) = dropped
        return reading.step("index", 0, axis=axis, at=ranges[axis].start)
    if not partial:
        return reading.step("reshape", 0, shape=result)
    if -1 in shape:
        raise UnknownError
    attributes = {
        "starts": tuple(each.start for each in ranges),
        "limits": tuple(each.stop for each in ranges),
        "strides": tuple(each.step for each in ranges),
    }
    found = [Step("slice", (0,), attributes, tuple(map(len, ranges)))]
    if found[0].shape != result:
        found.append(Step("reshape", (BEFORE,), {"shape": result}))
    return found


def blocks(reading: Reading) -> Steps:
    """Squares of places from channels, or channels from squares of places."""
    size = int(reading.attribute("block_size"))
    shape, result = reading.shapes[0], reading.results[0]
    if reading.word("data_format") != "NHWC":
        raise UnknownError
    if reading.op.type == "SpaceToDepth":
        apart = (shape[0], result[1], size, result[2], size, shape[3])
        order = (0, 1, 3, 2, 4, 5)
    else:
        apart = (shape[0], shape[1], shape[2], size, size, result[3])
        order = (0, 1, 3, 2, 4, 5)
    moved = tuple(apart[axis] for axis in order)
    return [
        Step("reshape", (0,), {"shape": apart}, apart),
        Step("transpose", (BEFORE,), {"permutation": order}, moved),
        Step("reshape", (BEFORE,), {"shape": result}),
    ]
