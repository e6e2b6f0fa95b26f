"""A model and the examples it is judged on, checked against each other."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlight import Examples, Model
from backlight.errors import InputError
from backlight.values.examples import is_of_classes, labels_of
from backlight.values.outputs import Path as OutputPath
from backlight.values.outputs import array_at
from backlight_datasets import Source
from backlight_loading.outputs import chosen_output
from backlight_loading.preparation import ModelInput
from backlight_loading.techniques import Technique
from backlight_study.predictions import Predictions, check_classifier, some_of
from backlight_study.replies import CheckOutputs, example_in_words, outputs_of


def check(examples: Examples) -> None:
    """Raise InputError unless these are examples with labels that can be theirs."""
    x, labels = np.asarray(examples.x), labels_of(examples.labels)
    if not len(x):
        raise InputError("There are no examples.")
    if len(labels) != len(x):
        raise InputError(
            f"There must be one label, or one row of labels, for each of the {len(x)} examples; got an "
            f"array of {labels.dtype} of shape {labels.shape}."
        )
    if len(examples.names) not in (0, len(x)):
        raise InputError(f"There are {len(x)} examples, but {len(examples.names)} names for them.")
    if not is_of_classes(labels):
        return
    count, names = len(examples.classes), examples.names

    def called(row: int) -> str:
        return f"example {row} ({names[row]})" if len(names) else f"example {row}"

    check_labels(labels, (2 if count == 1 else count) or None, called)


def first_of(source: Source) -> NDArray[Any]:
    """The first example that can be read, (1, ...).

    Raises:
        InputError: there is none.
    """
    reasons: list[str] = []
    for number in range(len(source)):
        batch = source.read(number, number + 1)
        if len(batch.x):
            return batch.x
        reasons += map(str, batch.skipped)
    seen = f" The first reason: {reasons[0]}" if reasons else ""
    raise InputError(f"There are no examples that can be read.{seen}")


def check_labels(labels: NDArray[Any], count: int | None, called: Callable[[int], str]) -> None:
    """Raise InputError for a label that is none of so many classes.

    Args:
        called: what the example of a row is called.
    """
    outside = labels < 0 if count is None else (labels < 0) | (labels >= count)
    if outside.any():
        row = int(np.flatnonzero(outside)[0])
        known = f"0 to {count - 1}" if count else "0 or more"
        raise InputError(f"Labels must be {known}; {called(row)} has {labels[row]}.")


def class_names(
    source: Source, predictions: Predictions, declared: Sequence[str] | None = None
) -> list[str]:
    """The names of all classes of the model: the examples' own, or what the model calls them, or their
    numbers. One name is enough for one output, which is for it or against it.

    Args:
        declared: what the model itself calls them, in their order.

    Raises:
        InputError: labels are not the classes' positions, as far as names tell.
    """
    check_names([str(name) for name in source.classes], declared or ())
    count = predictions.probabilities.shape[1]
    ids = predictions.ids
    check_labels(predictions.labels, count, lambda row: example_in_words(source, int(ids[row])))
    names = [str(name) for name in source.classes]
    if len(names) == 1:
        names = [f"not {names[0]}", *names]
    return names or list(declared or ()) or [f"class {k}" for k in range(count)]


def check_names(names: Sequence[str], declared: Sequence[str]) -> None:
    """Raise InputError where the data names the model's classes in another order, or where the model
    calls them by numbers that are not their positions, and the data may mean either."""
    order = f"The model calls its classes {some_of(declared)}, in this order"
    if names and tuple(names) != tuple(declared) and sorted(names) == sorted(declared):
        raise InputError(
            f"{order}; the data has {some_of(names)}. Name them in the model's order: --classes FILE "
            "(classes= in Python)."
        )
    if not names and declared and all(name.lstrip("-").isdecimal() for name in declared):
        raise InputError(
            f"{order}: labels must be positions in it, 0 to {len(declared) - 1}, not these numbers. Give "
            f"labels of positions, and name the classes in the data: classes={tuple(declared)}."
        )


def trial(
    model: Model,
    x: ModelInput,
    classes: Sequence[str],
    chosen: Sequence[Technique],
    scores: OutputPath = None,
    checked: CheckOutputs = check_classifier,
) -> None:
    """Run the model on one example, and look for the inner sites that techniques are told.

    Args:
        x: the example as the model takes it, (1, ...).
        classes: the data's names of them.
        checked: raises an error for outputs that are not of the task.

    Raises:
        BacklightError: the model cannot take it, or has no such site.
    """
    outputs = outputs_of(model, x)
    path, _ = chosen_output(model, x, scores)
    checked(array_at(outputs, path), 1, classes)
    for technique in chosen:
        if technique.at is not None:
            model.activation(model.prepare(x), technique.at)  # type: ignore[arg-type]
