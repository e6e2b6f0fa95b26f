"""What the model says of every example: probabilities, classes, accuracy and confusions."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias, cast, final

import numpy as np
from numpy.typing import NDArray

from backlight import Examples, Model
from backlight.arrays import Array
from backlight.errors import BacklightError, InputError, TargetError
from backlight.outputs import OutputSpec, describe

Progress: TypeAlias = Callable[[str, int, int], None]
"""Told what is being done, how much of it is done, and how much there is."""


@final
@dataclass(frozen=True, eq=False)
class Predictions:
    """Probabilities (N, classes), the true classes, and what the outputs hold."""

    probabilities: NDArray[np.float64]
    labels: NDArray[np.int64]
    kind: str

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
) -> Predictions:
    """Ask the model about every example, batch by batch.

    Raises:
        InputError: the model cannot take such inputs.
        TargetError: its outputs are not a classifier's, or not of the examples' classes.
    """
    count = len(examples.x)
    found, kind = [], "logits"
    for start in range(0, count, batch_size):
        progress("Asking the model", start, count)
        batch = prepared(examples.x[start : start + batch_size])
        outputs = answered(model, batch, first=start == 0)
        if start == 0:
            kind = kind_of_outputs(model, batch)
            check_classifier(outputs, len(batch), examples.classes)
        values = model.to_numpy(cast(Array, outputs)).astype(np.float64)
        check_finite(values, kind, batch, examples, start)
        found.append(probabilities(values, kind))
    progress("Asking the model", count, count)
    return Predictions(np.concatenate(found), examples.labels, kind)


def answered(model: Model, batch: NDArray[Any], first: bool) -> object:
    try:
        return model.predict(model.prepare(batch))  # type: ignore[arg-type]
    except BacklightError as error:
        seen = str(error)
        cause = error
    except Exception as error:  # the user's network, which may fail in any way
        if not first:
            raise
        seen = f"{type(error).__name__}: {error}"
        cause = error  # type: ignore[assignment]
    said = " ".join(seen.split())[:400].rstrip(".")
    raise InputError(
        f"The model cannot take inputs of shape {batch.shape} (examples first): {said}. "
        "Pictures are read with the size and colours that --size and --colour say; --preprocess "
        "names a function of your own."
    ) from cause


def kind_of_outputs(model: Model, batch: NDArray[Any]) -> str:
    outputs = model.outputs(model.prepare(batch))  # type: ignore[arg-type]
    if not isinstance(outputs, OutputSpec):
        raise TargetError(
            f"The model returns several outputs, {describe(outputs)}; a report needs one of shape "
            "(N, classes). Give a model, or a function, that returns the class scores alone."
        )
    return outputs.kind


def check_classifier(outputs: object, rows: int, classes: Sequence[str]) -> None:
    shape = tuple(int(length) for length in outputs.shape)  # type: ignore[attr-defined]
    if len(shape) != 2 or shape[0] != rows or shape[1] < 2:
        raise TargetError(
            f"A report needs a classifier's outputs, (N, classes) with two classes or more; for "
            f"{rows} examples this model gives {shape}."
        )
    if classes and len(classes) != shape[1]:
        names = ", ".join(classes[:6]) + (" ..." if len(classes) > 6 else "")
        raise TargetError(
            f"The data has {len(classes)} classes ({names}), the model {shape[1]} outputs: they must "
            "be as many. If the data shows only some of the model's classes, name all of them with "
            "--classes FILE (one a line, in the model's order)."
        )


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
