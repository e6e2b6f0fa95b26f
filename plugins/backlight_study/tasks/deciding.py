"""Which task a model and its data are of: known from what they say of themselves, or said."""

from collections.abc import Mapping
from typing import get_args

import numpy as np

from backlight import Model
from backlight.errors import HyperParameterError, InputError
from backlight.values.examples import Labels, is_of_classes
from backlight.values.outputs import OutputSpec
from backlight.values.outputs import Path as OutputPath
from backlight_datasets import Source
from backlight_loading.outputs import chosen_output
from backlight_loading.preparation import ModelInput
from backlight_study.checks import class_names
from backlight_study.predictions import check_classifier, classified
from backlight_study.replies import BLOCK, CheckOutputs, Replies, outputs_of
from backlight_study.tasks import multi_label, regression
from backlight_study.tasks.classification import Classification
from backlight_study.tasks.multi_label import MultiLabel
from backlight_study.tasks.regression import Regression
from backlight_study.tasks.task import Task, TaskName

TYPES: Mapping[TaskName, type[Task]] = {
    "classification": Classification,
    "multi-label": MultiLabel,
    "regression": Regression,
}

CHECKS: Mapping[TaskName, CheckOutputs] = {
    "classification": check_classifier,
    "multi-label": multi_label.check_outputs,
    "regression": regression.check_outputs,
}

OPTIONS = {
    1: ("--task regression (task= in Python)", "give classes as whole numbers"),
    2: (
        "--task multi-label",
        "--task regression (task= in Python)",
        "give one class for each example as (N,)",
    ),
}


def check_task(said: str | None) -> None:
    """Raise HyperParameterError for a name that is no `TaskName`."""
    if said is not None and said not in get_args(TaskName):
        raise HyperParameterError(f"A task is {', '.join(get_args(TaskName))}; got {said!r}.")


def decided_task(
    task: TaskName | None,
    source: Source,
    model: Model,
    sample: ModelInput,
    scores: OutputPath,
) -> TaskName:
    """Which task it is, by the first examples' labels and the outputs for one example; see `task_of`.

    Args:
        task: that the user says, if any.
        sample: one example as the model takes it, (1, ...).
        scores: which of several outputs is meant.

    Raises:
        InputError: the model cannot take the sample; or as `task_of`.
        TargetError: there are several outputs, and none is said.
    """
    outputs_of(model, sample)  # whatever a net of the user's raises is told as such
    _, output = chosen_output(model, sample, scores)
    labels = source.read(0, min(len(source), BLOCK)).labels
    return task_of(task, labels, output)


def task_of(said: TaskName | None, labels: Labels, outputs: OutputSpec) -> TaskName:
    """Which task it is; what is said must go with the labels.

    Labels that are one whole number for each example are classes. Truth values are labels, and so are
    rows of 0 and 1 beside outputs that are sigmoids. Numbers that are not all 0 and 1, beside outputs
    that are no probabilities, are to be predicted. All else is doubtful.

    Args:
        said: by the user, if anything.
        labels: of some examples.
        outputs: their shape and kind.

    Raises:
        InputError: it is doubtful and not said, or labels are not of the task that is said.
    """
    classes, truths = is_of_classes(labels), labels.dtype == np.bool_
    seen = f"labels of {labels.dtype} with shape (N{''.join(f', {n}' for n in labels.shape[1:])})"
    if labels.shape[1:] == (1,) and outputs.shape[1:] > (1,):
        raise InputError(
            f"The labels are a column, (N, 1), and the model has {outputs.shape[1]} outputs: give one "
            "class for each example, (N,), as of y[:, 0]."
        )
    if said == "classification" and not classes:
        raise InputError(
            f"A classification needs a class for each example, whole numbers (N,); the data has {seen}."
        )
    if said == "multi-label" and labels.ndim != 2:
        raise InputError(
            f"A multi-label task needs 0 or 1 for each label, (N, labels); the data has {seen}. Of a "
            "table say the column of each label, --label, or what separates names in a cell, "
            "--label-separator."
        )
    if said == "regression" and truths:
        raise InputError(f"A regression needs true numbers; the data has {seen}.")
    if said is not None:
        return said
    if classes:
        return "classification"
    if truths:
        return "multi-label"
    binary = bool(np.isin(labels, (0, 1)).all())
    if outputs.kind == "sigmoid" and binary and labels.ndim == 2:
        return "multi-label"
    if outputs.kind == "logits" and not binary:
        return "regression"
    only = " that are 0 and 1" if binary else ""
    raise InputError(
        f"It is not clear what the model is to do: the data has {seen}{only}, and the model's outputs "
        f"are {OUTPUTS[outputs.kind]}. Say which it is: {' or '.join(OPTIONS[labels.ndim])}."
    )


OUTPUTS = {
    "logits": "numbers that may be logits or values",
    "probabilities": "probabilities that add up to 1",
    "log_probabilities": "logarithms of probabilities",
    "sigmoid": "probabilities of sigmoids",
}


def built_task(task: TaskName, model: Model, source: Source, replies: Replies, seed: int) -> Task:
    """The task with what the model says.

    Raises:
        InputError: labels that are not of the task.
        TargetError: outputs likewise.
    """
    if task == "multi-label":
        return multi_label.multi_label(source, replies, seed)
    if task == "regression":
        return regression.regression(source, replies, seed)
    found = classified(model, replies)
    names = tuple(class_names(source, found, model.class_names))
    return Classification(replies, names, found, len(source.classes) > 1, seed=seed)
