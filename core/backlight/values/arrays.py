"""The arrays of a framework, as techniques may use them.

`Array` is any framework's own array: techniques use its operators and, through `Arrays`, functions
with the names and meaning of the Python array API standard (2024.12). Nothing else: so a technique
that runs on one framework runs on all of them, and mypy says when it strays.
"""

from collections.abc import Sequence
from types import EllipsisType
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

if TYPE_CHECKING:  # which knows defaults; `typing` does from Python 3.13 on
    from typing_extensions import TypeVar
else:
    from typing import TypeVar

Index: TypeAlias = int | slice | EllipsisType | None
Scalar: TypeAlias = float | int


class Array(Protocol):
    """A framework's own array. Operands are arrays of the same framework and dtype, or numbers."""

    @property
    def dtype(self) -> object: ...
    @property
    def ndim(self) -> int: ...
    def __add__(self, other: "Array | Scalar", /) -> "Array": ...
    def __radd__(self, other: Scalar, /) -> "Array": ...
    def __sub__(self, other: "Array | Scalar", /) -> "Array": ...
    def __rsub__(self, other: Scalar, /) -> "Array": ...
    def __mul__(self, other: "Array | Scalar", /) -> "Array": ...
    def __rmul__(self, other: Scalar, /) -> "Array": ...
    def __truediv__(self, other: "Array | Scalar", /) -> "Array": ...
    def __rtruediv__(self, other: Scalar, /) -> "Array": ...
    def __pow__(self, other: Scalar, /) -> "Array": ...
    def __matmul__(self, other: "Array", /) -> "Array": ...
    def __neg__(self) -> "Array": ...
    def __getitem__(self, index: Index | tuple[Index, ...], /) -> "Array": ...
    def __gt__(self, other: "Array | Scalar", /) -> "Array": ...
    def __lt__(self, other: "Array | Scalar", /) -> "Array": ...

    # `==` and `!=` are inherited from object in the type system; techniques do not use them.


class AnyArray(Protocol):
    """What tells arrays of any framework, NumPy's included, from other things."""

    @property
    def shape(self) -> Any: ...
    @property
    def dtype(self) -> Any: ...


if TYPE_CHECKING:
    ArrayT = TypeVar("ArrayT", default=Array)
else:
    ArrayT = TypeVar("ArrayT")
"""The arrays of a framework, as in `Model[torch.Tensor]`. Without a word they are `Array`: any."""

Axis: TypeAlias = int | tuple[int, ...] | None


class Arrays(Protocol):
    """Array functions: the array API standard's names and semantics on one framework's arrays."""

    def abs(self, x: Array, /) -> Array: ...
    def sqrt(self, x: Array, /) -> Array: ...
    def exp(self, x: Array, /) -> Array: ...
    def log(self, x: Array, /) -> Array: ...
    def maximum(self, x: Array, y: Array, /) -> Array: ...
    def where(self, condition: Array, x: Array, y: Array, /) -> Array: ...
    def sum(self, x: Array, /, *, axis: Axis = None, keepdims: bool = False) -> Array: ...
    def mean(self, x: Array, /, *, axis: Axis = None, keepdims: bool = False) -> Array: ...
    def max(self, x: Array, /, *, axis: Axis = None, keepdims: bool = False) -> Array: ...
    def min(self, x: Array, /, *, axis: Axis = None, keepdims: bool = False) -> Array: ...
    def argmax(self, x: Array, /, *, axis: int) -> Array: ...
    def reshape(self, x: Array, /, shape: tuple[int, ...]) -> Array: ...
    def permute_dims(self, x: Array, /, axes: tuple[int, ...]) -> Array: ...
    def expand_dims(self, x: Array, /, *, axis: int) -> Array: ...
    def broadcast_to(self, x: Array, /, shape: tuple[int, ...]) -> Array: ...
    def concat(self, arrays: Sequence[Array], /, *, axis: int = 0) -> Array: ...
    def take(self, x: Array, indices: Array, /, *, axis: int) -> Array: ...
    def take_along_axis(self, x: Array, indices: Array, /, *, axis: int = -1) -> Array: ...
    def zeros_like(self, x: Array, /) -> Array: ...
    def isfinite(self, x: Array, /) -> Array: ...
    def all(self, x: Array, /, *, axis: Axis = None, keepdims: bool = False) -> Array: ...
    def astype(self, x: Array, dtype: object, /) -> Array: ...
    @property
    def float32(self) -> object: ...


Channels: TypeAlias = Literal["first", "last"]


def shape_of(x: Array | AnyArray) -> tuple[int, ...]:
    """The shape as plain integers, whatever the framework calls it (TensorFlow has its own class)."""
    return tuple(int(length) for length in x.shape)  # type: ignore[union-attr]


SINGLE = 2.0**-23
"""The distance from 1 to the next larger number of float32."""


def precision(x: Array) -> float:
    """The distance from 1 to the next larger number of the array's floating-point dtype."""
    name = str(x.dtype)
    digits = {"float64": 2.0**-52, "bfloat16": 2.0**-7, "float16": 2.0**-10}
    return next((step for dtype, step in digits.items() if dtype in name), SINGLE)


def of_dtype(x: Array, like: Array, arrays: Arrays) -> Array:
    """The array in the dtype of another."""
    return x if x.dtype == like.dtype else arrays.astype(x, like.dtype)


def widened(x: Array, arrays: Arrays) -> Array:
    """The array as float32 where its floating-point numbers have fewer digits (float16, bfloat16)."""
    return arrays.astype(x, arrays.float32) if precision(x) > SINGLE else x


def between(start: Array, end: Array, share: Array) -> Array:
    """start + share * (end - start): exactly `start` where the share is 0 and `end` where it is 1.

    Args:
        share: from 0 to 1; all three broadcast against each other.
    """
    return share * end + (1.0 - share) * start


def smallest(x: Array) -> float:
    """A number near the smallest positive one of the array's floating-point dtype, whose inverse is
    finite."""
    name = str(x.dtype)
    numbers = {"float64": 2.0**-1022, "bfloat16": 2.0**-126, "float16": 2.0**-15}
    return next((number for dtype, number in numbers.items() if dtype in name), 2.0**-126)


def softmax(x: Array, arrays: Arrays) -> Array:
    """exp(x_k) / sum_j exp(x_j) along axis 1, shifted by the maximum so that nothing overflows."""
    exponential = arrays.exp(x - arrays.max(x, axis=1, keepdims=True))
    return exponential / arrays.sum(exponential, axis=1, keepdims=True)


def log_softmax(x: Array, arrays: Arrays) -> Array:
    """x_k - log sum_j exp(x_j) along axis 1, shifted by the maximum so that nothing overflows."""
    shifted = x - arrays.max(x, axis=1, keepdims=True)
    return shifted - arrays.log(arrays.sum(arrays.exp(shifted), axis=1, keepdims=True))
