"""What a classifier says of every example: probabilities, classes, and what it confuses."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from numpy.typing import NDArray

from backlight import Model
from backlight.errors import InputError, TargetError
from backlight.explaining.targets import kind_of_numbers
from backlight.progress import Progress
from backlight.values.arrays import Array, shape_of
from backlight.values.examples import is_of_classes
from backlight.values.outputs import OutputKind, Path
from backlight_datasets import BlockStore, Source
from backlight_loading.preparation import ModelInput, PreparedInput
from backlight_study.replies import Replies, ask_all


@final
@dataclass(frozen=True, eq=False)
class Predictions:
    """What is known of all examples that could be read.

    Attributes:
        probabilities: (N, classes), float64.
        labels: the true classes, (N,).
        ids: their numbers in the source, rising, (N,).
        kind: what the outputs hold.
        single: whether the model has one output, that of class 1 of two.
        path: where it is among several outputs.
        skipped: those that could not be read, with the reason.
    """

    probabilities: NDArray[np.float64]
    labels: NDArray[np.int64]
    ids: NDArray[np.int64]
    kind: OutputKind
    single: bool = False
    path: Path = None
    skipped: tuple[str, ...] = ()

    @cached_property
    def classes(self) -> NDArray[np.int64]:
        """The most probable class of each example."""
        return np.asarray(self.probabilities.argmax(axis=1), dtype=np.int64)

    @cached_property
    def wrong(self) -> NDArray[np.bool_]:
        """Which are misclassified."""
        return np.asarray(self.classes != self.labels)

    @property
    def correct(self) -> int:
        return int((~self.wrong).sum())

    @cached_property
    def confusion(self) -> dict[tuple[int, int], int]:
        """How many examples of a true class got which predicted class; only what occurs."""
        pairs = zip(self.labels.tolist(), self.classes.tolist(), strict=True)
        return dict(sorted(Counter(pairs).items()))


def predict(
    model: Model,
    source: Source,
    prepared: PreparedInput,
    sample: ModelInput,
    block_length: int,
    progress: Progress,
    path: Path = None,
    store: BlockStore | None = None,
) -> Predictions:
    """Ask a classifier about every example; see `ask_all`.

    Raises:
        InputError: the labels are not one class for each example.
    """
    asked = ask_all(
        model, source, prepared, sample, block_length, progress, check_classifier, path, store
    )
    return classified(model, asked)


def classified(model: Model, replies: Replies) -> Predictions:
    """What a classifier says.

    Raises:
        InputError: the labels are not one class for each example.
        TargetError: its one output is always 1.
    """
    if not is_of_classes(replies.labels):
        raise InputError(
            f"A classifier's examples have a class each, whole numbers (N,); got {replies.labels.dtype} "
            f"{replies.labels.shape}."
        )
    together, kind = replies.outputs, replies.kind
    alone = together.shape[1] == 1
    if kind == "logits" and model.declared is None:
        kind = kind_of_one(together) if alone else kind_of_numbers(together)
    if alone and kind == "probabilities" and (together == 1).all():
        raise TargetError(
            "The model's one output is 1 for every example, as of a softmax over one number. A net with "
            "one output needs a sigmoid there, or nothing."
        )
    odds = class_probabilities(together, kind)
    labels = np.asarray(replies.labels, dtype=np.int64)
    return Predictions(odds, labels, replies.ids, kind, alone, replies.path, replies.skipped)


def kind_of_one(values: NDArray[np.float64]) -> OutputKind:
    """What one output holds whose last operation does not tell: a probability, if it always is between
    0 and 1; as a logit it would speak for class 1 without exception."""
    return "sigmoid" if bool(((values >= 0) & (values <= 1)).all()) else "logits"


def check_classifier(outputs: Array, rows: int, classes: Sequence[str]) -> None:
    """Raise TargetError unless these are scores of so many classes for so many examples."""
    shape = shape_of(outputs)
    if shape in ((rows,), (rows, 1)):
        if len(classes) > 2:
            raise TargetError(
                f"The data has {len(classes)} classes ({some_of(classes)}), the model one output: that "
                "is enough for two, of which the output is for the second."
            )
        return
    if len(shape) != 2 or shape[0] != rows or shape[1] < 2:
        raise TargetError(
            "A report needs a classifier's outputs, (N, classes), or (N, 1) or (N,) for two classes; for "
            f"{rows} examples this model gives {shape}."
        )
    if classes and len(classes) != shape[1]:
        raise TargetError(
            f"The data has {len(classes)} classes ({some_of(classes)}), the model {shape[1]} outputs: "
            "they must be as many. If the data shows only some of the model's classes, name all of them "
            "with --classes FILE (one a line, in the model's order)."
        )


def some_of(classes: Sequence[str]) -> str:
    """The first six of these names in a row."""
    return ", ".join(classes[:6]) + (" ..." if len(classes) > 6 else "")


def class_probabilities(outputs: NDArray[np.float64], kind: str) -> NDArray[np.float64]:
    """The probabilities of all classes, (n, classes), from outputs (n, k): one output is of class 1 of
    two."""
    one = outputs.shape[1] == 1
    return odds_of_one(outputs, kind) if one else probabilities(outputs, kind)


def probabilities(values: NDArray[np.float64], kind: str) -> NDArray[np.float64]:
    """Probabilities from logits or log-probabilities; those of a softmax or a sigmoid as they are."""
    if kind in ("probabilities", "sigmoid"):
        return values
    if kind == "log_probabilities":
        return np.exp(values)
    exponential = np.exp(values - values.max(axis=1, keepdims=True))
    return np.asarray(exponential / exponential.sum(axis=1, keepdims=True))


def odds_of_one(values: NDArray[np.float64], kind: str) -> NDArray[np.float64]:
    """The probabilities of class 0 and class 1 from one output (N, 1), that of class 1."""
    if kind == "logits":
        return probabilities(np.concatenate([np.zeros_like(values), values], axis=1), "logits")
    first = probabilities(values, kind)
    return np.concatenate([1 - first, first], axis=1)
