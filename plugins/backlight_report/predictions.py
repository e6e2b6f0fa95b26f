"""What the model says of every example: probabilities, classes, accuracy and confusions."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias, cast, final

import numpy as np
from numpy.typing import NDArray

from backlight import Examples, Model
from backlight.errors import BacklightError, InputError, TargetError
from backlight.explaining.targets import kind_of_numbers
from backlight.values.outputs import OutputKind, Path, array_at, describe, located, paths, single

Progress: TypeAlias = Callable[[str, int, int], None]
"""Told what is being done, how much of it is done, and how much there is."""


@final
@dataclass(frozen=True, eq=False)
class Predictions:
    """What is known of all examples.

    Attributes:
        probabilities: (N, classes), float64.
        labels: the true classes, (N,).
        kind: what the outputs hold.
        single: whether the model has one output, that of class 1 of two.
        path: where it is among several outputs.
    """

    probabilities: NDArray[np.float64]
    labels: NDArray[np.int64]
    kind: OutputKind
    single: bool = False
    path: Path = None

    @cached_property
    def classes(self) -> NDArray[np.int64]:
        """The most probable class of each example."""
        return np.asarray(self.probabilities.argmax(axis=1), dtype=np.int64)

    @property
    def correct(self) -> int:
        return int((self.classes == self.labels).sum())

    @cached_property
    def confusion(self) -> dict[tuple[int, int], int]:
        """How many examples of a true class got which predicted class; only what occurs."""
        pairs = zip(self.labels.tolist(), self.classes.tolist(), strict=True)
        return dict(sorted(Counter(pairs).items()))


def predict(
    model: Model,
    examples: Examples,
    prepared: Callable[[NDArray[Any]], NDArray[Any]],
    batch_size: int,
    progress: Progress,
    path: Path = None,
) -> Predictions:
    """Ask the model about every example, batch by batch; of several outputs, about the one at `path`.

    Raises:
        InputError: the model cannot take such inputs.
        TargetError: its outputs are not a classifier's, or not of the examples' classes.
    """
    count = len(examples.x)
    found = []
    kind: OutputKind = "logits"
    for start in range(0, count, batch_size):
        progress("Asking the model", start, count)
        batch = prepared(examples.x[start : start + batch_size])
        outputs = answered(model, batch, start)
        if start == 0:
            path, kind = class_scores(model, batch, path)
            check_classifier(array_at(outputs, path), len(batch), examples.classes)
        values = model.to_numpy(array_at(outputs, path)).astype(np.float64)
        values = values.reshape(len(batch), -1)
        check_finite(values, kind, batch, examples, start)
        found.append(values)
    progress("Asking the model", count, count)
    together = np.concatenate(found)
    alone = together.shape[1] == 1
    if kind == "logits" and model.declared is None:
        kind = kind_of_one(together) if alone else kind_of_numbers(together)
    if alone and kind == "probabilities" and (together == 1).all():
        raise TargetError(
            "The model's one output is 1 for every example, as of a softmax over one number. A net with "
            "one output needs a sigmoid there, or nothing."
        )
    odds = odds_of_one(together, kind) if alone else probabilities(together, kind)
    return Predictions(odds, examples.labels, kind, alone, path)


def answered(model: Model, batch: NDArray[Any], start: int = 0) -> object:
    """The outputs for the examples from number `start` on; whatever the user's network raises, calls
    to end the program included, is an InputError."""
    try:
        return model.predict(model.prepare(batch))  # type: ignore[arg-type]
    except BacklightError as error:
        seen, cause = str(error), cast(BaseException, error)
    except (Exception, SystemExit) as error:
        seen, cause = f"{type(error).__name__}: {error}", error
    said = " ".join(seen.split())[:400].rstrip(".")
    if start:
        last = start + len(batch) - 1
        raise InputError(f"The model failed for examples {start} to {last}: {said}.") from cause
    raise InputError(
        f"The model cannot take inputs of shape {batch.shape} (examples first): {said}. "
        "Pictures are read with the size and colours that --size and --colour say; --preprocess "
        "names a function of your own."
    ) from cause


def class_scores(model: Model, batch: NDArray[Any], path: Path) -> tuple[Path, OutputKind]:
    """Where the class scores are among the outputs, and what they hold."""
    outputs = model.outputs(model.prepare(batch))  # type: ignore[arg-type]
    if path is None and len(list(paths(outputs))) > 1:
        raise TargetError(
            f"The model returns several outputs, {describe(outputs)}: say which one holds the class "
            "scores, by its name or position, with --scores (scores= in Python)."
        )
    whole = located(outputs, path)
    return whole, single(outputs, whole).kind


def kind_of_one(values: NDArray[np.float64]) -> OutputKind:
    """What one output holds whose last operation does not tell: a probability, if it always is between
    0 and 1; as a logit it would speak for class 1 without exception."""
    return "sigmoid" if bool(((values >= 0) & (values <= 1)).all()) else "logits"


def check_classifier(outputs: object, rows: int, classes: Sequence[str]) -> None:
    shape = tuple(int(length) for length in outputs.shape)  # type: ignore[attr-defined]
    if shape in ((rows,), (rows, 1)):
        if len(classes) > 2:
            raise TargetError(
                f"The data has {len(classes)} classes ({listed(classes)}), the model one output: that is "
                "enough for two, of which the output is for the second."
            )
        return
    if len(shape) != 2 or shape[0] != rows or shape[1] < 2:
        raise TargetError(
            "A report needs a classifier's outputs, (N, classes), or (N, 1) or (N,) for two classes; for "
            f"{rows} examples this model gives {shape}."
        )
    if classes and len(classes) != shape[1]:
        raise TargetError(
            f"The data has {len(classes)} classes ({listed(classes)}), the model {shape[1]} outputs: "
            "they must be as many. If the data shows only some of the model's classes, name all of them "
            "with --classes FILE (one a line, in the model's order)."
        )


def listed(classes: Sequence[str]) -> str:
    return ", ".join(classes[:6]) + (" ..." if len(classes) > 6 else "")


def check_finite(
    values: NDArray[np.float64], kind: str, batch: NDArray[Any], examples: Examples, start: int
) -> None:
    """Raise InputError for outputs that rank no class, since NaN would count as the first one."""
    usable = np.isfinite(values)
    if kind in ("logits", "log_probabilities"):
        # A class that is ruled out (the logarithm of 0) is an answer, but not every class at once.
        usable |= np.isneginf(values) & usable.any(axis=1, keepdims=True)
    if usable.all():
        return
    row = int(np.flatnonzero(~usable.all(axis=1))[0])
    name = f" ({examples.names[start + row]})" if len(examples.names) else ""
    prepared = batch[row]
    fine = prepared.dtype.kind != "f" or bool(np.isfinite(prepared).all())
    cause = "" if fine else " Its input, as prepared for the model, is not finite already."
    raise InputError(
        f"The model's outputs for example {start + row}{name} are not all finite numbers.{cause}"
    )


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
