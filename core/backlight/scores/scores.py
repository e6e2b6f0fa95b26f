"""Scores: the number per example that is explained.

A score is a recipe (what to compute from the model's outputs) and operands (which class, per
example). Backends compile the recipe once and pass the operands as arrays, so another class costs
no new compilation; techniques never see the difference.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, cast, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from backlight.errors import BacklightError, TargetError
from backlight.memory.memory import version_of
from backlight.scores import element_index
from backlight.scores.element_index import ElementIndex
from backlight.values.arrays import AnyArray, Array, Arrays
from backlight.values.outputs import (
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
    def unit(self) -> str:
        """What the score, and so what is summed up to it, is measured in: "logit", "probability",
        "log-probability", "log-odds"; "" where that is not known. Only of a bound score."""
        return ""

    @property
    def classes(self) -> NDArray[np.int64] | None:
        """The class explained for each example, shape (N,), where the score has one."""
        return None

    @property
    def rivals(self) -> NDArray[np.int64] | None:
        """The class that each is held against, shape (N,), in a contrast."""
        return None

    @property
    def difference(self) -> "tuple[Score, Score] | None":
        """Two bound scores, the first minus the second of which is this one; None where it is none."""
        return None


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
            `Output("out", index=(3, 10, 12))` that at one pixel. An array of integers, shape (N,), in
            an integer's place has one for each example; so has a list of N tuples of integers,
            `[(3, 10, 12), (0, 1, 5)]`.
    """

    path: Path = None
    index: ElementIndex = ()

    @property
    def recipe(self) -> Hashable:
        return (Output, self.path, element_index.form(self.index))

    def bind(self, outputs: Outputs, count: int) -> "Output":
        path = located(outputs, self.path)
        shape = single(outputs, path).shape
        return Output(path, element_index.bound(self.index, shape, count, "output"))

    def operands(self) -> tuple[NDArray[np.int64], ...]:
        return element_index.operands(self.index)

    def take(self, rows: NDArray[np.int64]) -> "Output":
        return replace(self, index=element_index.take(self.index, rows))

    def evaluate(self, outputs: object, operands: Sequence[Array], arrays: Arrays) -> Array:
        return element_index.pick(array_at(outputs, self.path), self.index, operands, arrays)

    def __repr__(self) -> str:
        parts = [] if self.path is None else [repr(self.path)]
        whole = isinstance(self.index, tuple) and not self.index
        parts += [] if whole else [f"index={element_index.shown(self.index)}"]
        return f"Output({', '.join(parts)})"


@final
@dataclass(frozen=True, eq=False)
class Neuron(Score):
    """The value of a unit, a channel or a region inside the model; what is left is summed.

    Args:
        at: an inner site, as named by `model.sites(x)`.
        index: as in `Output`: axes after the batch, in the site's own order of axes. Or a function
            `(value, arrays) -> (N,)` of the site's value: see `Function`.
    """

    at: str
    index: ElementIndex | Callable[[Any, Arrays], Array | AnyArray] = ()

    @property
    def site(self) -> str:
        return self.at

    @property
    def recipe(self) -> Hashable:
        return (Neuron, self.at, element_index.form(self._index))

    def bind(self, outputs: Outputs, count: int) -> "Neuron | Function":
        """Here `outputs` is the specification of the site's value."""
        if callable(self.index):
            return Function(self.index, at=self.at).bind(outputs, count)
        shape = single(outputs, None).shape
        index = element_index.bound(self.index, shape, count, f"site {self.at!r}")
        return Neuron(self.at, index)

    def operands(self) -> tuple[NDArray[np.int64], ...]:
        return element_index.operands(self._index)

    def take(self, rows: NDArray[np.int64]) -> "Neuron":
        return replace(self, index=element_index.take(self._index, rows))

    def evaluate(self, outputs: object, operands: Sequence[Array], arrays: Arrays) -> Array:
        return element_index.pick(array_at(outputs, None), self._index, operands, arrays)

    @property
    def _index(self) -> ElementIndex:
        """Of a bound neuron: it is no function."""
        return cast(ElementIndex, self.index)

    def __repr__(self) -> str:
        index = name_of(self.index) if callable(self.index) else element_index.shown(self.index)
        return f"Neuron(at={self.at!r}, index={index})"


@final
class Function(Score):
    """A score of the user's own: `(outputs, arrays, *operands) -> (N,)`, each row from its own example.

    The batch is cut and repeated on the way, so the function sees any rows of it: what belongs to each
    example, such as labels or masks, is given as an operand, and comes with the same rows. What all
    examples share the function may close over.

    The function is compiled once per function object on the frameworks that compile, and anew when
    what it reads has changed, so pass the same object again rather than a new lambda, and other numbers
    as operands.

    Args:
        function: of the model's outputs, array functions, and the operands' rows; it is traced on the
            frameworks that compile.
        operands: arrays of numbers with one row per example, shapes (N, ...), NumPy's or the
            framework's own. Floating-point numbers of NumPy's take the model's dtype.
        at: an inner site, whose value the function is then of, instead of the model's outputs.
    """

    def __init__(
        self,
        function: Callable[..., Array | AnyArray],
        *operands: ArrayLike | AnyArray,
        at: str | None = None,
    ) -> None:
        self.function, self.at = function, at
        self.given = cast(tuple[ArrayLike, ...], operands)

    @property
    def site(self) -> str | None:
        return self.at

    @property
    def recipe(self) -> Hashable:
        forms = [np.asarray(one) for one in self.given]
        version = version_of(self.function)
        return (Function, self.at, version, *((one.shape[1:], one.dtype.str) for one in forms))

    def bind(self, outputs: Outputs, count: int) -> "Function":
        operands = [np.asarray(one) for one in self.given]
        for one in operands:
            if one.shape[:1] != (count,) or one.dtype.kind in "OSUmM":
                raise TargetError(
                    f"An operand of {self!r} must be numbers with one row for each of the {count} "
                    f"examples, shape ({count}, ...); got {one.dtype} of shape {one.shape}. What all "
                    "examples share the function may close over."
                )
        return self.with_operands(operands)

    def operands(self) -> tuple[NDArray[np.generic], ...]:
        return tuple(np.asarray(one) for one in self.given)

    def take(self, rows: NDArray[np.int64]) -> "Function":
        return self.with_operands([one[rows] for one in self.operands()])

    def with_operands(self, operands: Sequence[NDArray[np.generic]]) -> "Function":
        """The same of other operands."""
        return Function(self.function, *operands, at=self.at)

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
        return cast(Array, found)

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
        parts = [name_of(self.function), *(str(np.shape(one)) for one in self.given)]
        parts += [] if self.at is None else [f"at={self.at!r}"]
        return f"Function({', '.join(parts)})"


def name_of(function: Callable[..., Array | AnyArray]) -> str:
    return getattr(function, "__name__", None) or repr(function)


ONE_EACH = (
    "A target function gives one number per example, shape (N,), for whichever rows of the batch it is "
    "shown. What belongs to each example, such as labels or masks, is passed as "
    "Function(f, labels, masks), and comes with the same rows as f(outputs, arrays, labels, masks)."
)
