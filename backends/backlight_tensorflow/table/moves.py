"""What moves, copies, drops or repeats numbers."""

from collections.abc import Callable, Collection

import numpy as np

from backlight_tensorflow.table.reading import BEFORE, Reading, Shape, Step, Steps, UnknownError


def broadcast(reading: Reading) -> Steps:
    wide = len(reading.result)
    axes = tuple(range(wide - reading.rank, wide))
    return reading.step("broadcast", 0, shape=reading.result, axes=axes)


def tile(reading: Reading) -> Steps:
    if -1 in (*reading.shapes[0], *reading.result):
        raise UnknownError
    pairs = zip(reading.result, reading.shapes[0], strict=True)
    return reading.step("tile", 0, repeats=tuple(now // max(was, 1) for now, was in pairs))


def pad(reading: Reading) -> Steps:
    pairs = np.reshape(reading.numbers(1), (-1, 2)).tolist()
    low, high = tuple(zip(*pairs, strict=True)) or ((), ())
    mode = reading.word("mode").lower() if reading.type == "MirrorPad" else "constant"
    operands = (0, 2) if reading.type == "PadV2" else (0,)
    interior = (0,) * reading.rank
    return reading.step("pad", *operands, low=low, high=high, interior=interior, mode=mode)


def concat(reading: Reading) -> Steps:
    last = len(reading.shapes) - 1
    at = last if reading.type == "ConcatV2" else 0
    parts = range(last) if reading.type == "ConcatV2" else range(1, last + 1)
    axis = reading.axis(at, len(reading.result))
    return reading.step("concat", *parts, axis=axis)


def split(reading: Reading) -> Steps:
    x, at = (0, 2) if reading.type == "SplitV" else (1, 0)
    axis = reading.axis(at, len(reading.shapes[x]))
    sizes = tuple(shape[axis] for shape in reading.results)
    return reading.step("split", x, axis=axis, sizes=sizes)


def take(reading: Reading) -> Steps:
    """Rows, or places along another axis; `batch_dims` pick for each of the examples."""
    if reading.attribute("batch_dims"):
        return reading.step("gather", 0, 1)
    return reading.step("take", 0, 1, axis=reading.axis(2))


def scattered(primitive: str) -> Callable[[Reading], Steps]:
    """Each place is told by as many numbers as there are in the last axis: by one, it is a row."""
    return lambda op: op.step(primitive, **({"axis": 0} if op.shapes[1][-1] == 1 else {}))


def stitched(reading: Reading) -> Steps:
    """Parts, each of which goes to places of its own: those come first."""
    half = len(reading.shapes) // 2
    return reading.step("gather", *range(half, 2 * half), *range(half))


def roll(reading: Reading) -> Steps:
    axes = tuple(axis % reading.rank for axis in reading.numbers(2))
    return reading.step("roll", 0, shifts=reading.numbers(1), axes=axes)


def sliced(reading: Reading) -> Steps:
    starts = reading.numbers(1)
    limits = tuple(map(sum, zip(starts, reading.result, strict=True)))
    return reading.step("slice", 0, starts=starts, limits=limits, strides=(1,) * reading.rank)


def strided_slice(reading: Reading) -> Steps:
    """As in Python: axes are cut, dropped and made. One primitive where there is one."""
    shape, result = reading.shapes[0], reading.result
    names = ("begin", "end", "ellipsis", "new_axis", "shrink_axis")
    masks = {name: int(reading.attribute(f"{name}_mask")) for name in names}
    numbers = zip(*(reading.numbers(place) for place in (1, 2, 3)), strict=True)
    marked = [({name for name in names if masks[name] >> at & 1}, *each)
              for at, each in enumerate(numbers)]  # fmt: skip
    given = [each for each in marked if "new_axis" not in each[0]]
    rest = next((at for at, (marks, *_) in enumerate(given) if "ellipsis" in marks), len(given))
    missing = len(shape) - len(given[:rest]) - len(given[rest + 1 :])
    given[rest : rest + 1] = [({"begin", "end"}, 0, 0, 1)] * missing
    pairs = list(zip(given, shape, strict=True))
    ranges = [cut(marks, slice(*numbers), length) for (marks, *numbers), length in pairs]
    dropped = [axis for axis, (marks, *_) in enumerate(given) if "shrink_axis" in marks]
    partial = [axis for axis, length in enumerate(shape) if ranges[axis] != range(length)]
    kept = tuple(length for axis, length in enumerate(shape) if axis not in dropped)
    if len(dropped) == 1 and set(partial) <= set(dropped) and kept == result:
        (axis,) = dropped
        return reading.step("index", 0, axis=axis, at=ranges[axis].start)
    if not partial:
        return reading.step("reshape", 0, shape=result)
    if -1 in shape:
        raise UnknownError
    starts, limits, strides = zip(*((r.start, r.stop, r.step) for r in ranges), strict=True)
    found = [
        Step(
            "slice",
            (0,),
            {"starts": starts, "limits": limits, "strides": strides},
            tuple(map(len, ranges)),
        )
    ]
    if found[0].shape != result:
        found.append(Step("reshape", (BEFORE,), {"shape": result}))
    return found


def cut(marks: Collection[str], numbers: slice, length: int) -> range:
    """The places that are left of an axis."""
    first, step = numbers.start, numbers.step
    if "shrink_axis" in marks:
        if length < 0 and first < 0:
            raise UnknownError
        first = first % length if length > 0 else first
        return range(first, first + 1)
    start, stop = (None if "begin" in marks else first), (None if "end" in marks else numbers.stop)
    whole = not start and stop is None and step == 1
    if step < 0 or (length < 0 and not whole):
        raise UnknownError
    return range(length)[slice(start, stop, step)]


def blocks(reading: Reading) -> Steps:
    """Squares of places from channels, or channels from squares of places."""
    size = int(reading.attribute("block_size"))
    if reading.word("data_format") != "NHWC":
        raise UnknownError
    shape, result, order = reading.shapes[0], reading.result, (0, 1, 3, 2, 4, 5)
    apart: Shape = (*shape[:3], size, size, result[-1])
    if reading.type == "SpaceToDepth":
        apart = (shape[0], result[1], size, result[2], size, shape[3])
    moved = tuple(apart[axis] for axis in order)
    return [
        Step("reshape", (0,), {"shape": apart}, apart),
        Step("transpose", (BEFORE,), {"permutation": order}, moved),
        Step("reshape", (BEFORE,), {"shape": result}),
    ]
