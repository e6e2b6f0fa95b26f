"""Scores of a class: its output, its probability, its logit, and the margin between two classes."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from backlight.errors import TargetError
from backlight.scores.element_index import brief
from backlight.scores.scores import Classes, Output, Score
from backlight.values.arrays import Array, Arrays, log_softmax, precision, smallest, softmax
from backlight.values.outputs import (
    OutputKind,
    Outputs,
    Path,
    array_at,
    describe,
    located,
    single,
)

Scale: TypeAlias = Literal["output", "probability", "log_probability", "logit", "margin"]

UNITS: Mapping[str | None, str] = {
    "logit": "logit",
    "logits": "logit",
    "margin": "log-odds",
    "probability": "probability",
    "probabilities": "probability",
    "sigmoid": "probability",
    "log_probability": "log-probability",
    "log_probabilities": "log-probability",
}
"""The units of scales, and of what outputs hold."""


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
        # A logit of outputs that are logits is the output as it is.
        plain = self.scale == "logit" and self.kind == "logits" and not self.binary
        scale = "output" if plain else self.scale
        return (type(self), self.path, scale, self.kind, self.versus is None, self.binary)

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
                "Use Output(path, index=...) for an element, a channel or a region; an element of the "
                "only output is a tuple, (3, 7), or a list of tuples, one for each example."
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
    def unit(self) -> str:
        """See `Score.unit`."""
        return UNITS.get(self.kind if self.scale == "output" else self.scale, "")

    @property
    def classes(self) -> NDArray[np.int64]:
        return np.asarray(self.k, dtype=np.int64)

    @property
    def rivals(self) -> NDArray[np.int64] | None:
        return None if self.versus is None else np.asarray(self.versus, dtype=np.int64)

    @property
    def difference(self) -> tuple[Score, Score] | None:
        if self.versus is None:
            return None
        alone = replace(self, versus=None, scale="logit")
        return alone, replace(alone, k=self.versus)

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
