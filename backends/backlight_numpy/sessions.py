"""Sessions of ONNX Runtime: what they take, and how they are run."""

import warnings
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from backlight.errors import BacklightWarning, InputError, ModelError
from backlight.values.arrays import Channels, shape_of
from backlight.values.inputs import Inputs
from backlight.values.layout import COLOURS
from backlight_numpy.nets import Net, hosted

DTYPES = {
    "tensor(double)": np.float64,
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(int16)": np.int16,
    "tensor(int8)": np.int8,
    "tensor(uint8)": np.uint8,
    "tensor(bool)": np.bool_,
}
"""By what a session says that it takes."""


@final
class Session(Net):
    """A session, whose inputs go by position or by name.

    Numbers are converted to the dtype that an input has: floating-point numbers and integers to
    floating-point ones, integers to integers that can hold them. One whose batch has a fixed length is
    run as often as that takes, the last batch filled up with its last example.
    """

    def __init__(self, session: Any) -> None:
        self._session = session
        self._inputs = {one.name: one for one in session.get_inputs()}
        dtypes = [DTYPES.get(one.type, np.object_) for one in self._inputs.values()]
        floating = [np.dtype(one) for one in dtypes if np.issubdtype(one, np.floating)]
        self.floating = floating[0] if floating else None
        self.channels = channels_of([one.shape for one in self._inputs.values()])
        lengths = [one.shape[0] for one in self._inputs.values() if one.shape]
        self._length = next((one for one in lengths if isinstance(one, int)), None)
        if self._length is not None:
            warnings.warn(
                f"This ONNX model was written for batches of {self._length}: examples are run "
                f"{'one by one' if self._length == 1 else f'{self._length} at a time'}. One whose first "
                "axis has a name instead of a length is faster.",
                BacklightWarning,
                stacklevel=2,
            )

    def identity(self) -> Hashable:
        return None  # it does not change

    def outputs(self, inputs: Inputs) -> object:
        if self._length is None:
            return self._run(inputs)
        count = inputs.count
        parts = []
        for start in range(0, count, self._length):
            rows = np.minimum(np.arange(start, start + self._length), count - 1)
            parts.append(self._run(inputs.map_rows(lambda array: array[rows])))  # type: ignore[index] # noqa: B023
        return joined(parts, self._length, count)

    def _run(self, inputs: Inputs) -> object:
        feed = self._feed(inputs)
        names = [one.name for one in self._session.get_outputs()]
        found = [plain(one) for one in self._session.run(names, feed)]
        return found[0] if len(found) == 1 else dict(zip(names, found, strict=True))

    def _feed(self, inputs: Inputs) -> dict[str, NDArray[Any]]:
        positional, keyword = inputs.arguments()
        feed = {**dict(zip(self._inputs, positional, strict=False)), **keyword}
        if len(positional) + len(keyword) != len(feed) or set(feed) != set(self._inputs):
            taken = ", ".join(f"{one.name} {one.shape}" for one in self._inputs.values())
            raise InputError(
                f"This ONNX model takes the inputs {taken}: one array for one, a tuple in this order, or "
                f"a dict by name. Got {len(positional)} by position, {sorted(keyword) or 'none'} by name."
            )
        return {name: converted(np.asarray(feed[name]), self._inputs[name].type) for name in feed}


def channels_of(shapes: Sequence[Sequence[object]]) -> Channels:
    """Where a declared input of four axes shows that it has colours; else first, where ONNX's own
    convolutions have them."""
    for shape in shapes:
        if len(shape) == 4 and shape[3] in COLOURS and shape[1] not in COLOURS:
            return "last"
    return "first"


def converted(array: NDArray[Any], wanted: str) -> NDArray[Any]:
    """The array in the dtype that an input has, where that keeps what it says; else as it is, which the
    session refuses by name."""
    dtype = DTYPES.get(wanted)
    if dtype is None or array.dtype == dtype:
        return array.astype(np.object_) if wanted == "tensor(string)" else array
    kinds = array.dtype.kind, np.dtype(dtype).kind
    if kinds[1] == "f" and kinds[0] in "fiub":
        return array.astype(dtype)
    whole = kinds[0] in "iub" and kinds[1] in "iu"
    return array.astype(dtype) if whole and (array.astype(dtype) == array).all() else array


def plain(output: object) -> object:
    """An output as an array: rows of probabilities by class, as converters of classifiers write them,
    are put side by side in the order of their classes."""
    if isinstance(output, list) and output and all(isinstance(row, Mapping) for row in output):
        return np.asarray([list(row.values()) for row in output])
    return output


def joined(parts: Sequence[object], length: int, count: int) -> object:
    """The outputs of several batches as those of one.

    Raises:
        ModelError: an output has not the examples on axis 0.
    """
    first = hosted(parts[0])
    if isinstance(first, dict):
        return {name: joined([one[name] for one in parts], length, count) for name in first}  # type: ignore[index]
    arrays = list(map(np.asarray, parts))
    shapes = {shape_of(one) for one in arrays}
    if any(shape[:1] != (length,) for shape in shapes):
        raise ModelError(
            f"This ONNX model was written for batches of {length}, and gives an output of shape "
            f"{shapes.pop()}: the examples' axis must come first."
        )
    return np.concatenate(arrays)[:count]
