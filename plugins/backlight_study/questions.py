"""What is asked about an example: why the predicted class, why the true one, why the one rather than
the other. All in one quantity, so that the answers share a scale."""

from dataclasses import dataclass
from typing import Literal, TypeAlias, final, get_args

import numpy as np
from numpy.typing import NDArray

from backlight import Class, Function, Logit, Margin, Score
from backlight.scores.class_scores import log_odds
from backlight.values.arrays import Array, Arrays
from backlight.values.outputs import OutputKind, Path, array_at
from backlight_study.predictions import Predictions

Question: TypeAlias = Literal["predicted", "true", "contrast", "label", "value"]
"""Three of a class; why this label; why this number."""

QUESTIONS: tuple[Question, ...] = get_args(Question)

CENTRED = (
    "minus their mean over all classes: what the softmax was given, but for what classes share"
)

QUANTITIES: dict[OutputKind, str] = {
    "logits": "the class scores as the model gives them",
    "probabilities": f"logits: the logarithms of the model's probabilities, {CENTRED}",
    "log_probabilities": f"logits: the logarithms of probabilities that the model gives, {CENTRED}",
    "sigmoid": "logits: log p \N{MINUS SIGN} log (1 \N{MINUS SIGN} p), what each sigmoid was given",
}
"""Which quantity is explained for outputs of a kind; a contrast is the difference of two of them."""


def targets(
    predicted: NDArray[np.int64],
    rival: NDArray[np.int64],
    kind: OutputKind,
    single: bool,
    path: Path,
) -> dict[Question, Score]:
    """A target for each question about some examples. One output needs no contrast: it is one already.

    Args:
        predicted: their predicted classes, (n,).
        rival: what these are held against, the true classes of misclassified examples, (n,).
        kind: what the outputs hold.
        single: whether the model has one output, for class 1 and against class 0.
        path: where the class scores are among several outputs.
    """
    if single:
        output = OneOutput(kind, path)
        return {"predicted": Function(output, predicted), "true": Function(output, rival)}
    score = Class if kind == "logits" else Logit
    return {
        "predicted": score(predicted, path),
        "true": score(rival, path),
        "contrast": Margin(predicted, versus=rival, path=path),
    }


@final
@dataclass(frozen=True)
class OneOutput:
    """What the one output of a binary net says for class `k`, 0 or 1: its logit, or minus that."""

    kind: OutputKind
    path: Path = None

    def __call__(self, outputs: object, arrays: Arrays, k: Array) -> Array:
        values = arrays.reshape(array_at(outputs, self.path), (-1,))
        if self.kind == "log_probabilities":
            values = arrays.exp(values)
        logits = values if self.kind == "logits" else log_odds(values, arrays)
        return logits * arrays.astype(2 * k - 1, logits.dtype)


def rivals(predictions: Predictions, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """What the predicted classes of these examples are held against: the true ones, or, where the
    prediction is right, the second most probable ones."""
    return rivals_among(
        predictions.probabilities[rows], predictions.classes[rows], predictions.labels[rows]
    )


def rivals_among(
    probabilities: NDArray[np.float64], predicted: NDArray[np.int64], true: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The same from probabilities (n, classes), predicted and true classes (n,)."""
    others = probabilities.copy()
    others[np.arange(len(others)), predicted] = -np.inf
    return np.where(true != predicted, true, others.argmax(axis=1)).astype(np.int64)


def quantity(predictions: Predictions, classes: list[str]) -> str:
    """In words, which quantity the maps explain."""
    if not predictions.single:
        return QUANTITIES[predictions.kind]
    what = "the model's one output"
    if predictions.kind != "logits":
        what = f"log p \N{MINUS SIGN} log (1 \N{MINUS SIGN} p) of {what} p"
    return f"{what} for {classes[1]}, and minus that for {classes[0]}"
