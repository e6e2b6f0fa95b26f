"""What is asked about an example: why the predicted class, why the true one, why the one rather than
the other. All in one quantity, so that the answers share a scale."""

from dataclasses import dataclass
from typing import Literal, TypeAlias, final

import numpy as np

from backlight import Class, Function, Logit, Margin
from backlight.explaining.targets import Target
from backlight.scores.class_scores import log_odds
from backlight.values.arrays import Array, Arrays
from backlight.values.outputs import OutputKind, Path, array_at
from backlight_study.predictions import Predictions

Question: TypeAlias = Literal["predicted", "true", "contrast"]

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


@final
@dataclass(frozen=True)
class Case:
    """An example to explain.

    Attributes:
        row: its number among the examples.
        true, predicted: its classes.
        rival: what the predicted class is held against: the true class, or the second most probable
            one where the prediction is right.
        kind: what the outputs hold.
        single: whether the model has one output, for class 1 and against class 0.
        path: where the class scores are among several outputs.
    """

    row: int
    true: int
    predicted: int
    rival: int
    kind: OutputKind = "logits"
    single: bool = False
    path: Path = None

    @property
    def questions(self) -> dict[Question, Target]:
        """A target for each question. One output needs no contrast: it is one already."""
        asked: dict[Question, Target] = {"predicted": self.target(self.predicted)}
        if self.true != self.predicted:
            asked["true"] = self.target(self.true)
        if not self.single:
            asked["contrast"] = Margin(self.predicted, versus=self.rival, path=self.path)
        return asked

    def target(self, k: int) -> Target:
        if self.single:
            return Function(OneOutput(k, self.kind, self.path))
        return (Class if self.kind == "logits" else Logit)(k, self.path)


@final
@dataclass(frozen=True)
class OneOutput:
    """What the one output of a binary net says for class `k`, 0 or 1: its logit, or minus that."""

    k: int
    kind: OutputKind
    path: Path = None

    def __call__(self, outputs: object, arrays: Arrays) -> Array:
        values = arrays.reshape(array_at(outputs, self.path), (-1,))
        if self.kind == "log_probabilities":
            values = arrays.exp(values)
        logits = values if self.kind == "logits" else log_odds(values, arrays)
        return logits if self.k == 1 else -logits


def case_of(predictions: Predictions, row: int) -> Case:
    true, predicted = int(predictions.labels[row]), int(predictions.classes[row])
    rival = true
    if true == predicted:
        others = predictions.probabilities[row].copy()
        others[predicted] = -np.inf
        rival = int(others.argmax())
    return Case(row, true, predicted, rival, predictions.kind, predictions.single, predictions.path)


def quantity(predictions: Predictions, classes: list[str]) -> str:
    """In words, which quantity the maps explain."""
    if not predictions.single:
        return QUANTITIES[predictions.kind]
    what = "the model's one output"
    if predictions.kind != "logits":
        what = f"log p \N{MINUS SIGN} log (1 \N{MINUS SIGN} p) of {what} p"
    return f"{what} for {classes[1]}, and minus that for {classes[0]}"
