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
from typing import Any, Literal, Self, TypeAlias, cast, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from backlight.arrays import Array, Arrays, log_softmax, precision, smallest, softmax
from backlight.errors import BacklightError, TargetError
from backlight.outputs import (
    OutputKind,
    Outputs,
    OutputSpec,
    Path,
    array_at,
    describe,
    follow,
    located,
    paths,
    single,
    specified,
)

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
    def operands(self) -> tuple[NDArray[np.generic], ...]:
        """Arrays of numbers with one row per example, shapes (N, ...). Only of a bound score."""

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
    binary: bool = False

    @property
    def recipe(self) -> Hashable:
        return (type(self), self.path, self.scale, self.kind, self.versus is None, self.binary)

    def bind(self, outputs: Outputs, count: int) -> Score:
        """See `Score.bind`; a contrast must be between two classes in at least one example.

        One output, of shape (N,) or (N, 1), is that of a binary net: a probability p after a sigmoid
        is that of class 1, and 1 - p that of class 0; of a number z of unknown meaning, which is
        asked for a probability or a margin, z is the logit of class 1 over class 0. Only where the
        output itself is asked for and may be no class at all, a regression's value say, is class 0 the
        output as it is (see `Class`), and the bound score is an `Output`.
        """
        path = located(outputs, self.path)
        output = single(outputs, path)
        binary = len(output.shape) in (1, 2) and output.shape[1:] in ((), (1,))
        columns = 2 if binary else output.shape[1] if len(output.shape) == 2 else None
        if columns is None:
            raise TargetError(
                f"A class needs an output of shape (N, classes), got {describe(output)}. "
                "Use Output(path, index=...) for an element, a channel or a region."
            )
        if binary and output.kind in ("probabilities", "log_probabilities"):
            raise TargetError(
                "A softmax over one output gives 1 whatever goes in: there is nothing to explain. If "
                "the output is a sigmoid's, say backlight.wrap(net, outputs='sigmoid')."
            )
        if binary and self.scale == "output" and output.kind == "logits":
            return the_output(self.k, path, count).bind(outputs, count)
        kind: OutputKind = "probabilities" if binary and output.kind == "sigmoid" else output.kind
        what = "classes" if binary else "outputs"
        k = rows_of(self.k, count, columns, what)
        versus = None if self.versus is None else rows_of(self.versus, count, columns, what)
        if versus is not None and (k == versus).all():
            raise TargetError(f"Margin needs two classes, got {brief(k)} versus itself.")
        return replace(self, k=k, versus=versus, path=path, kind=kind, binary=binary)

    def operands(self) -> tuple[NDArray[np.int64], ...]:
        k = np.asarray(self.k, dtype=np.int64)
        return (k,) if self.versus is None else (k, np.asarray(self.versus, dtype=np.int64))

    def take(self, rows: NDArray[np.int64]) -> Self:
        k, *versus = (operand[rows] for operand in self.operands())
        return replace(self, k=k, versus=versus[0] if versus else None)

    def evaluate(self, outputs: object, operands: Sequence[Array], arrays: Arrays) -> Array:
        values, kind = array_at(outputs, self.path), self.kind
        if self.binary:
            values, kind = self.two_columns(values, arrays)
        values = self.scaled(values, kind, arrays)
        scores = [
            arrays.take_along_axis(values, classes[:, None], axis=1)[:, 0] for classes in operands
        ]
        return scores[0] if len(scores) == 1 else scores[0] - scores[1]

    def two_columns(self, values: Array, arrays: Arrays) -> tuple[Array, OutputKind]:
        """The one output of a binary net, (N,) or (N, 1), as those of a net with two classes: (N, 2)."""
        column = arrays.reshape(values, (-1, 1))
        if self.kind == "probabilities" and self.scale not in ("margin", "logit"):
            return arrays.concat([1 - column, column], axis=1), "probabilities"
        if self.kind == "probabilities":  # not by way of 1 - p, which is 0 for a p that rounds to 1
            column = log_odds(column, arrays)
        # Logits are known but for what they have in common: half of it on each side, none of it 0.
        return arrays.concat([-0.5 * column, 0.5 * column], axis=1), "logits"

    def scaled(self, values: Array, kind: OutputKind | None, arrays: Arrays) -> Array:
        """The model's values on the scale that is asked for."""
        match self.scale, kind:
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


def the_output(k: Classes, path: Path, count: int) -> "Output":
    """What class `k` of one output of unknown meaning is: the output for 0, and else refused."""
    rows_of(k, count, 2, "classes")
    if np.ndim(k) > 0 or np.asarray(k) not in (0, -1):
        each = " for each example" if np.ndim(k) else ""
        raise TargetError(f"Class {brief(k)}{each} was asked for. {UNKNOWN_MEANING}")
    return Output(path)


UNKNOWN_MEANING = (
    "The model has one output, and its last operation does not show what it means. The output as it is "
    "is target=0 or Output(). If it is the logit of a binary net, Margin(1, versus=0) is the evidence "
    "for class 1 and Margin(0, versus=1) that for class 0, with arrays too; if it is a probability, "
    "say backlight.wrap(net, outputs='sigmoid'), and Class(1), Class(0) are p and 1 - p."
)


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

    Of a net with one output that ends in a sigmoid, `Class(1)` is the output p and `Class(0)` is
    1 - p. Of one with one output of unknown meaning (a regression's value, a binary net's logit)
    `Class(0)` is the output as it is, the attribution's target says `Output()`, and no other class
    is accepted: for a binary net's logit z say `Margin(1, versus=0)`, which is z, or
    `Margin(0, versus=1)`, which is -z.

    Args:
        k: one class for the whole batch, or one per example, shape (N,).
        path: where the (N, classes) array is among several outputs.
    """
    return ClassScore(k, None, path, "output")


def Probability(k: Classes, path: Path = None) -> ClassScore:  # noqa: N802
    """The probability of class `k`: softmax of logits, or the output of a net that ends in one.

    Of a net that ends in sigmoids, one per label, it is the output too. A net with one output is
    binary: classes 1 and 0 have the probabilities p and 1 - p, p being the output after a sigmoid, or
    else the sigmoid of the output.
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
    positive number. Of independent sigmoids it is log p_k - log(1 - p_k). Of a binary net with one
    output it is half of the logit for class 1, and minus that for class 0. `Margin(k, j)` is
    `Logit(k)` - `Logit(j)` in each case.
    """
    return ClassScore(k, None, path, "logit")


def Margin(k: Classes, versus: Classes, path: Path = None) -> ClassScore:  # noqa: N802
    """Why `k` rather than `versus`: the difference of their logits.

    It is computed as log p_k - log p_versus where the net ends in a softmax; the two are equal. Of a
    binary net with one output, `Margin(1, versus=0)` is the logit: the output, or log p - log(1 - p) of
    one that is a probability.
    """
    if np.array_equal(np.asarray(k), np.asarray(versus)):
        raise TargetError(f"Margin needs two classes, got {k!r} versus itself.")
    return ClassScore(k, versus, path, "margin")


@final
@dataclass(frozen=True, eq=False)
class Output(Score):
    """An element, a channel or a region of an output of any shape; what is left is summed.

    Args:
        path: where the array is among several outputs: a key (the net's own name of the output), a
            field, a position (JAX sorts the keys of a dict), or a tuple of them.
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
        path = located(outputs, self.path)
        check_index(self.index, single(outputs, path).shape, "output")
        return replace(self, path=path, rows=count)

    def operands(self) -> tuple[NDArray[np.int64], ...]:
        return index_operands(self.index, self.rows)

    def take(self, rows: NDArray[np.int64]) -> "Output":
        return replace(self, rows=len(rows))

    def evaluate(self, outputs: object, operands: Sequence[Array], arrays: Arrays) -> Array:
        return pick(array_at(outputs, self.path), self.index, operands, arrays)

    def __repr__(self) -> str:
        parts = [] if self.path is None else [repr(self.path)]
        parts += (
            [] if isinstance(self.index, tuple) and not self.index else [f"index={self.index!r}"]
        )
        return f"Output({', '.join(parts)})"


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
class Function(Score):
    """A score of the user's own: `(outputs, arrays, *operands) -> (N,)`, each row from its own example.

    The batch is cut and repeated on the way, so the function sees any rows of it: what belongs to each
    example, such as labels or masks, is given as an operand, and comes with the same rows. What all
    examples share the function may close over.

    The function is compiled once per function object on the frameworks that compile, so pass the
    same object again rather than a new lambda, and other numbers as operands.

    Args:
        function: of the model's outputs, array functions, and the operands' rows; it is traced on the
            frameworks that compile.
        operands: arrays of numbers with one row per example, shapes (N, ...), NumPy's or the
            framework's own. Floating-point numbers of NumPy's take the model's dtype.
    """

    def __init__(self, function: Callable[..., Array], *operands: ArrayLike | Array) -> None:
        self.function = function
        self.given = cast(tuple[ArrayLike, ...], operands)

    @property
    def recipe(self) -> Hashable:
        forms = [np.asarray(one) for one in self.given]
        return (Function, self.function, *((one.shape[1:], one.dtype.str) for one in forms))

    def bind(self, outputs: Outputs, count: int) -> "Function":
        operands = [np.asarray(one) for one in self.given]
        for one in operands:
            if one.shape[:1] != (count,) or one.dtype.kind in "OSUmM":
                raise TargetError(
                    f"An operand of {self!r} must be numbers with one row for each of the {count} "
                    f"examples, shape ({count}, ...); got {one.dtype} of shape {one.shape}. What all "
                    "examples share the function may close over."
                )
        return Function(self.function, *operands)

    def operands(self) -> tuple[NDArray[np.generic], ...]:
        return tuple(np.asarray(one) for one in self.given)

    def take(self, rows: NDArray[np.int64]) -> "Function":
        return Function(self.function, *(one[rows] for one in self.operands()))

    def evaluate(self, outputs: object, operands: Sequence[Array], arrays: Arrays) -> Array:
        try:
            found = self.function(outputs, arrays, *operands)
        except (BacklightError, MemoryError):
            raise
        except Exception as error:  # the user's own code may fail in any way
            raise TargetError(
                f"{self!r} raised {type(error).__name__} for outputs {describe(specified(outputs))}: "
                f"{str(error).rstrip('. ')}. {ONE_EACH}"
            ) from error
        self._check(found, outputs)
        return found

    def _check(self, found: object, outputs: object) -> None:
        """One number per example, as far as shapes are known while the function is traced."""
        shape: Any = getattr(found, "shape", None)
        if shape is not None and getattr(shape, "rank", 0) is None:  # TensorFlow's word for unknown
            return
        given = specified(outputs)
        counts = {cast(OutputSpec, follow(given, path)).shape[:1] for path in paths(given)}
        one_each = shape is not None and len(shape) == 1
        if one_each and (not counts or counts & {tuple(shape), (None,)} or None in tuple(shape)):
            return
        gave = f"a {type(found).__name__}" if shape is None else f"shape {tuple(shape)}"
        raise TargetError(f"{self!r} gave {gave} for outputs {describe(given)}. {ONE_EACH}")

    def __repr__(self) -> str:
        name = getattr(self.function, "__name__", None) or repr(self.function)
        shapes = [str(np.shape(one)) for one in self.given]
        return f"Function({', '.join([name, *shapes])})"


ONE_EACH = (
    "A target function gives one number per example, shape (N,), for whichever rows of the batch it is "
    "shown. What belongs to each example, such as labels or masks, is passed as "
    "Function(f, labels, masks), and comes with the same rows as f(outputs, arrays, labels, masks)."
)


def rows_of(classes: Classes, count: int, columns: int, what: str = "outputs") -> NDArray[np.int64]:
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
        raise TargetError(f"The model has {columns} {what}, 0 to {columns - 1}; got class {worst}.")
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
