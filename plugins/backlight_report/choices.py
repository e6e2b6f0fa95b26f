"""What options of `backlight report` can be."""

from enum import StrEnum


class TakenFirst(StrEnum):
    """Which examples come first."""

    confidence = "confidence"
    loss = "loss"
    margin = "margin"
    borderline = "borderline"
    random = "random"
    error = "error"
    over = "over"
    under = "under"


class Task(StrEnum):
    """What the model is asked to do."""

    classification = "classification"
    multi_label = "multi-label"
    regression = "regression"


class Panels(StrEnum):
    """What is asked of the cases of a panel."""

    predicted = "predicted"
    true = "true"
    contrast = "contrast"
    label = "label"
    value = "value"


class Only(StrEnum):
    """Which examples are explained."""

    misclassified = "misclassified"
    correct = "correct"
    all = "all"
