"""Scores: the number per example that is explained.

A score is a recipe (what to compute from the model's outputs) and operands (which class, per
example). Backends compile the recipe once and pass the operands as arrays, so another class costs
no new compilation; techniques never see the difference.
"""

import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from types import EllipsisType
from typing import Literal, Self, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from backlight.arrays import Array, Arrays, log_softmax, precision, smallest, softmax
from backlight.errors import TargetError
from backlight.outputs import OutputKind, Outputs, Path, array_at, describe, single

Classes: TypeAlias = int | Sequence[int] | NDArray[np.integer]
ElementIndex: TypeAlias = int | slice | EllipsisType | tuple[int | slice | EllipsisType, ...]


class Score(ABC):
    """One number per example, computed from the model's outputs or from an inner site's value."""

    @property
    def site(self) -> str | None:
        """The inner site whose value is scored; None for the model's outputs."""
        return None

    @property
    @abstractmethod
    def recipe(self) -> Hashable:
        """What needs compiling anew when it changes: everything but the operands."""

    @abstractmethod
    def bind(self, outputs: Outputs, count: int) -> "Score":
        """This score for `count` examples of a model with such outputs.

        Raises TargetError if the outputs have no such class or element.
        """

    @abstractmethod
    def operands(self) -> tuple[NDArray[np.int64], ...]:
        """Integer arrays with one row per example, shapes (N,) or (N, 1). Only of a bound score."""

    @abstractmethod
    def take(self, rows: NDArray[np.int64]) -> "Score":
        """The same score for these examples of the batch. Only of a bound score."""

    @abstractmethod
    def evaluate(self, outputs: object, operands: Sequence[Array], arrays: Arrays) -> Array:
        """The score, shape (N,), from native outputs and native operands; differentiable.

        It may run under a tracer, and for operands other than `self.operands()`.
        """

    @property
    def classes(self) -> NDArray[np.int64] | None:
        """The class explained for each example, shape (N,), where the score has one."""
        return None

    @property
    def rivals(self) -> NDArray[np.int64] | None:
        """The class that each is held against, shape (N,), in a contrast."""
        return None


Scale: TypeAlias = Literal["output", "probability", "log_probability", "logit", "margin"]


@dataclass(frozen=True, eq=False)
class ClassScore(Score):
    """The score of one class of a (N, classes) output, minus that of another in a contrast."""

    k: Classes
    versus: Classes | None
    path: Path
    scale: Scale
    kind: OutputKind | None = None

    @property
    def recipe(self) -> Hashable:
        return (type(self), self.path, self.scale, self.kind, self.versus is None)

    def bind(self, outputs: Outputs, count: int) -> Self:
        """See `Score.bind`; a contrast must be between two classes in at least one example."""
        output = single(outputs, self.path)
        columns = output.shape[1] if len(output.shape) == 2 else None
        if len(output.shape) == 1 and self.scale == "output":
            columns = 1  # a one-output model: class 0 is the output
        if columns is None:
            raise TargetError(
                f"A class needs an output of shape (N, classes), got {describe(output)}. "
                "Use Output(path, index=...) for an element, a channel or a region."
            )
        softmax_of_one = columns == 1 and output.kind == "logits"
        if softmax_of_one and self.scale in ("probability", "log_probability"):
            raise TargetError(
                "One output has no softmax: its only class would have probability 1. Use target=0, "
                "which explains the output as it is, or a function of it."
            )
        k = rows_of(self.k, count, columns)
        versus = None if self.versus is None else rows_of(self.versus, count, columns)
        if versus is not None and (k == versus).all():
            raise TargetError(f"Margin needs two classes, got {brief(k)} versus itself.")
        return replace(self, k=k, versus=versus, kind=output.kind)

    def operands(self) -> tuple[NDArray[np.int64], ...]:
        k = np.asarray(self.k, dtype=np.int64)
        return (k,) if self.versus is None else (k, np.asarray(self.versus, dtype=np.int64))

    def take(self, rows: NDArray[np.int64]) -> Self:
        k, *versus = (operand[rows] for operand in self.operands())
        return replace(self, k=k, versus=versus[0] if versus else None)

    def evaluate(self, outputs: object, operands: Sequence[Array], arrays: Arrays) -> Array:
        values = array_at(outputs, self.path)
        if values.ndim == 1:
            values = values[:, None]
        values = self.scaled(values, arrays)
        scores = [
            arrays.take_along_axis(values, classes[:, None], axis=1)[:, 0] for classes in operands
        ]
        return scores[0] if len(scores) == 1 else scores[0] - scores[1]

    def scaled(self, values: Array, arrays: Arrays) -> Array:
        """The model's values on the scale that is asked for."""
        match self.scale, self.kind:
            case "margin" | "log_probability", "probabilities":
                return logarithm(values, arrays)
            case "log_probability", "sigmoid":
                return logarithm(values, arrays)
            case "logit", "probabilities":
                return centred(logarithm(values, arrays), arrays)
            case "logit", "log_probabilities":
                return centred(values, arrays)
            case "margin" | "logit", "sigmoid":
                return log_odds(values, arrays)
            case "log_probability", "logits":
                return log_softmax(values, arrays)
            case "probability", "log_probabilities":
                return arrays.exp(values)
            case "probability", "logits":
                return softmax(values, arrays)
            case _:  # the model's outputs are on that scale already
                return values

    @property
    def classes(self) -> NDArray[np.int64]:
        return np.asarray(self.k, dtype=np.int64)

    @property
    def rivals(self) -> NDArray[np.int64] | None:
        return None if self.versus is None else np.asarray(self.versus, dtype=np.int64)

    def __repr__(self) -> str:
        name = {"output": "Class", "log_probability": "LogProbability"}.get(self.scale)
        parts = [brief(self.k)]
        parts += [] if self.versus is None else [f"versus={brief(self.versus)}"]
        parts += [] if self.path is None else [f"path={self.path!r}"]
        return f"{name or self.scale.capitalize()}({', '.join(parts)})"


def logarithm(probabilities: Array, arrays: Arrays) -> Array:
    """Their logarithm; one of 0 counts as a number near the smallest positive one.

    A sum and not a maximum, which rules for the backward pass would take for a rectifier.
    """
    return arrays.log(probabilities + smallest(probabilities))


def log_odds(probabilities: Array, arrays: Arrays) -> Array:
    """log p - log(1 - p): what a sigmoid was given; one of 1 was rounded by less than the precision."""
    rest = 1 - probabilities + precision(probabilities) / 4
    return logarithm(probabilities, arrays) - arrays.log(rest)


def centred(logarithms: Array, arrays: Arrays) -> Array:
    """Values (N, classes) minus their mean in each row."""
    return logarithms - arrays.mean(logarithms, axis=1, keepdims=True)


def Class(k: Classes, path: Path = None) -> ClassScore:  # noqa: N802
    """The model's output for class `k`, as it is; the meaning of an integer target.

    Args:
        k: one class for the whole batch, or one per example, shape (N,).
        path: where the (N, classes) array is among several outputs.
    """
    return ClassScore(k, None, path, "output")


def Probability(k: Classes, path: Path = None) -> ClassScore:  # noqa: N802
    """The probability of class `k`: softmax of logits, or the output of a net that ends in one.

    Of a net that ends in sigmoids, one per label, it is the output too.
    """
    return ClassScore(k, None, path, "probability")


def LogProbability(k: Classes, path: Path = None) -> ClassScore:  # noqa: N802
    """The logarithm of the probability of class `k`."""
    return ClassScore(k, None, path, "log_probability")


def Logit(k: Classes, path: Path = None) -> ClassScore:  # noqa: N802
    """The value of class `k` before the softmax or the sigmoid, as far as the outputs tell it.

    Logits are taken as they are. A softmax forgets what all its inputs have in common: of
    probabilities, or of their logarithms, it is log p_k minus the mean of log p over all classes, which
    is the logit minus the mean of the logits; a probability of 0 counts as one near the smallest
    positive number. Of independent sigmoids it is log p_k - log(1 - p_k). `Margin(k, j)` is
    `Logit(k)` - `Logit(j)` in each case.
    """
    return ClassScore(k, None, path, "logit")


def Margin(k: Classes, versus: Classes, path: Path = None) -> ClassScore:  # noqa: N802
    """Why `k` rather than `versus`: the difference of their logits.

    It is computed as log p_k - log p_versus where the net ends in a softmax; the two are equal.
    """
    if np.array_equal(np.asarray(k), np.asarray(versus)):
        raise TargetError(f"Margin needs two classes, got {k!r} versus itself.")
    return ClassScore(k, versus, path, "margin")


@final
@dataclass(frozen=True, eq=False)
class Output(Score):
    """An element, a channel or a region of an output of any shape; what is left is summed.

    Args:
        path: where the array is among several outputs: a key, a position, or a tuple of them.
        index: indexes the axes after the batch: an integer, a slice, `...` or a tuple of them. The
            axes that remain are summed: `Output("out", index=(3,))` of a (N, classes, H, W)
            segmentation is the evidence for class 3 in the whole picture,
            `Output("out", index=(3, 10, 12))` that at one pixel.
    """

    path: Path = None
    index: ElementIndex = ()
    rows: int | None = field(default=None, repr=False)

    @property
    def recipe(self) -> Hashable:
        return (Output, self.path, shape_of_index(self.index))

    def bind(self, outputs: Outputs, count: int) -> "Output":
        check_index(self.index, single(outputs, self.path).shape, "output")
        return replace(self, rows=count)

    def operands(self) -> tuple[NDArray[np.int64], ...]:
        return index_operands(self.index, self.rows)

    def take(self, rows: NDArray[np.int64]) -> "Output":
        return replace(self, rows=len(rows))

    def evaluate(self, outputs: object, operands: Sequence[Array], arrays: Arrays) -> Array:
        return pick(array_at(outputs, self.path), self.index, operands, arrays)


@final
@dataclass(frozen=True, eq=False)
class Neuron(Score):
    """The value of a unit, a channel or a region inside the model; what is left is summed.

    Args:
        at: an inner site, as named by `model.sites(x)`.
        index: as in `Output`: axes after the batch, in the site's own order of axes.
    """

    at: str
    index: ElementIndex = ()
    rows: int | None = field(default=None, repr=False)

    @property
    def site(self) -> str:
        return self.at

    @property
    def recipe(self) -> Hashable:
        return (Neuron, self.at, shape_of_index(self.index))

    def bind(self, outputs: Outputs, count: int) -> "Neuron":
        """Here `outputs` is the specification of the site's value."""
        check_index(self.index, single(outputs, None).shape, f"site {self.at!r}")
        return replace(self, rows=count)

    def operands(self) -> tuple[NDArray[np.int64], ...]:
        return index_operands(self.index, self.rows)

    def take(self, rows: NDArray[np.int64]) -> "Neuron":
        return replace(self, rows=len(rows))

    def evaluate(self, outputs: object, operands: Sequence[Array], arrays: Arrays) -> Array:
        return pick(array_at(outputs, None), self.index, operands, arrays)


@final
@dataclass(frozen=True, eq=False)
class Function(Score):
    """A score of the user's own: `(outputs, arrays) -> (N,)`, each row from its own example.

    The function is compiled once per function object on the frameworks that compile, so pass the
    same object again rather than a new lambda.
    """

    function: Callable[[object, Arrays], Array]

    @property
    def recipe(self) -> Hashable:
        return (Function, self.function)

    def bind(self, outputs: Outputs, count: int) -> "Function":
        return self

    def operands(self) -> tuple[NDArray[np.int64], ...]:
        return ()

    def take(self, rows: NDArray[np.int64]) -> "Function":
        return self

    def evaluate(self, outputs: object, operands: Sequence[Array], arrays: Arrays) -> Array:
        return self.function(outputs, arrays)


def rows_of(classes: Classes, count: int, columns: int) -> NDArray[np.int64]:
    """One class per example, checked against the number of classes; negatives count from the end."""
    array = np.asarray(classes)
    if array.dtype.kind not in "iu":
        raise TargetError(f"A class is an integer, got {classes!r} of dtype {array.dtype}.")
    if array.ndim > 1 or (array.ndim == 1 and len(array) != count):
        raise TargetError(
            f"Give one class for the batch, or one for each of its {count} examples; "
            f"got an array of shape {array.shape}."
        )
    outside = (array < -columns) | (array >= columns)
    if outside.any():
        worst = array[outside].flat[0] if array.ndim else array
        raise TargetError(
            f"The model has {columns} outputs, 0 to {columns - 1}; got class {worst}."
        )
    return np.broadcast_to(np.where(array < 0, array + columns, array), (count,)).astype(np.int64)


def brief(classes: Classes) -> str:
    """Classes in a few characters: one number where all are equal."""
    array = np.asarray(classes)
    if array.ndim == 0 or (array.size and (array == array.flat[0]).all()):
        return str(int(array.flat[0]))
    listed = ", ".join(str(k) for k in array[:6])
    return f"[{listed}{', ...' if array.size > 6 else ''}]"


def entries(index: ElementIndex) -> tuple[int | slice | EllipsisType, ...]:
    """The entries of an index, NumPy's integers made plain ones."""
    given = index if isinstance(index, tuple) else (index,)
    for one in given:
        if not isinstance(one, (slice, EllipsisType)) and not hasattr(one, "__index__"):
            raise TargetError(
                f"An index is made of integers, slices and `...`, got {one!r} in {index!r}."
            )
    return tuple(
        one if isinstance(one, (slice, EllipsisType)) else operator.index(one) for one in given
    )


def shape_of_index(index: ElementIndex) -> Hashable:
    """An index without its integers: they travel as operands."""
    return tuple("integer" if isinstance(entry, int) else repr(entry) for entry in entries(index))


def index_operands(index: ElementIndex, rows: int | None) -> tuple[NDArray[np.int64], ...]:
    integers = [entry for entry in entries(index) if isinstance(entry, int)]
    return tuple(np.full(rows or 1, integer, dtype=np.int64) for integer in integers)


def full_index(index: ElementIndex, axes: int) -> list[int | slice]:
    """An index with one entry for each of the axes after the batch, `...` spelled out."""
    given = list(entries(index))
    if Ellipsis in given:
        at = given.index(Ellipsis)
        given[at : at + 1] = [slice(None)] * (axes - len(given) + 1)
    given += [slice(None)] * (axes - len(given))
    return [entry for entry in given if not isinstance(entry, EllipsisType)]


def check_index(index: ElementIndex, shape: tuple[int, ...], what: str) -> None:
    lengths = shape[1:]
    given = full_index(index, len(lengths))
    fits = len(given) == len(lengths) and all(
        0 <= entry < length
        if isinstance(entry, int)
        else (entry.step or 1) > 0 and len(range(*entry.indices(length))) > 0
        for entry, length in zip(given, lengths, strict=True)
    )
    if not fits:
        raise TargetError(
            f"Index {index!r} does not fit the {what} of shape {shape}: it addresses the axes after "
            "the batch, each integer at least 0 and below the axis's length, each slice forwards and "
            "not empty."
        )


def pick(value: Array, index: ElementIndex, operands: Sequence[Array], arrays: Arrays) -> Array:
    """`value[:, *index]` summed over what is left, integers taken from the operands: shape (N,)."""
    integers = iter(operands)
    for axis, entry in enumerate(full_index(index, value.ndim - 1), start=1):
        if isinstance(entry, int):
            # Every row of an operand is the same here; a length-1 take keeps the axis in its place.
            value = arrays.take(value, next(integers)[:1], axis=axis)
        elif entry != slice(None):
            value = value[(*(slice(None),) * axis, entry, ...)]
    return value if value.ndim == 1 else arrays.sum(value, axis=tuple(range(1, value.ndim)))


Target: TypeAlias = Score | Classes | Array | Callable[[object, Arrays], Array] | None
"""What users may say for `target`; None is resolved by looking at the model's outputs."""


def as_score(target: Score | Classes | Callable[[object, Arrays], Array]) -> Score:
    """A target as a score: integers mean `Class`, a callable means `Function`."""
    if isinstance(target, Score):
        return target
    if callable(target):
        return Function(target)
    return Class(target)
