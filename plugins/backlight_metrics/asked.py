"""What the command `backlight evaluate` is asked: a model, some of its examples, and a score of each."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast, final

import numpy as np
from numpy.typing import NDArray

from backlight import Attribution, Class, Margin, Model, wrap
from backlight.errors import HyperParameterError, InputError
from backlight.evaluating.replacement import Replacement
from backlight.explaining.explanation import blocks_of
from backlight.explaining.objective import default_batch_size
from backlight.explaining.targets import ranked_classes
from backlight.scores.class_scores import ClassScore
from backlight.values.examples import is_of_classes
from backlight.values.layout import input_layout
from backlight_loading.examples import is_folder, load_examples
from backlight_loading.mask_fitting import Fitting, fitted_masks, without_mask
from backlight_loading.masks import MasksGiven, open_masks
from backlight_loading.models import load_model, wanted_shape
from backlight_loading.picture_folders import upright_size
from backlight_loading.preparation import (
    Colour,
    Size,
    ends_of,
    preparation,
    told_of_pictures,
    wanted_picture,
)
from backlight_loading.preprocessing import Preprocessing
from backlight_loading.techniques import Technique


@final
@dataclass(frozen=True, eq=False)
class Asked:
    """See the module.

    Attributes:
        model: wrapped.
        x: the model's inputs, those examples that are judged.
        target: the score of each.
        rows: which of the data's examples these are.
        names: of all the data's examples.
        fitting: how masks become truths at the model's places.
        told: the choice in words.
    """

    model: Model
    x: NDArray[Any]
    target: ClassScore
    rows: NDArray[np.int64]
    names: Sequence[str]
    fitting: Fitting
    told: str

    def masks(self, given: MasksGiven) -> NDArray[np.bool_]:
        """Those of the examples that are judged.

        Raises:
            InputError: there are not as many as examples, or one does not fit.
        """
        masks = open_masks(given, len(self.names))
        names = [self.names[row] for row in self.rows.tolist()]
        found, lacking = fitted_masks(masks, self.rows.tolist(), names, self.fitting)
        if lacking:
            print(without_mask(lacking, len(names)), file=sys.stderr)
        return found

    def function(self, technique: Technique) -> Callable[..., Attribution[Any]]:
        """The technique as a function, at the inner site that was said for it."""
        call = cast(Callable[..., Attribution[Any]], technique.method)
        return call if technique.at is None else partial(call, at=technique.at)


def asked(
    model: str,
    data: str,
    question: str,
    limit: int,
    seed: int,
    *,
    framework: str | None,
    size: Size | None,
    colour: Colour | None,
    classes: tuple[str, ...],
    preprocessing: Preprocessing,
    batch_size: int | None,
) -> Asked:
    """From what the command line names.

    Raises:
        BacklightError: what is wrong with the model, the data or the question.
    """
    net = load_model(model)
    wrapped = wrap(net, framework)
    wanted = wanted_picture(wanted_shape(net), wrapped.channels)
    given = [name for name, option in (("--size", size), ("--colour", colour)) if option]
    examples = load_examples(
        data,
        size or wanted[0],
        colour or wanted[1],
        classes,
        options=[] if is_folder(data) else given,
    )
    if not len(examples.x):
        raise InputError(f"There are no examples in {data}.")
    if not is_of_classes(np.asarray(examples.labels)):
        raise InputError(
            f"The command judges classifiers by a class per example, and {data} has labels of shape "
            f"{np.shape(examples.labels)}. `backlight report` studies nets with several labels and "
            "regression; backlight.evaluate takes any score."
        )
    stored, prepared = np.asarray(examples.x), preparation(net, wrapped, preprocessing)
    x = prepared(stored)
    names = examples.names or [str(row) for row in range(len(stored))]
    wrapped = told_of_pictures(wrapped, net, framework, x.ndim)
    labels, count = np.asarray(examples.labels, dtype=np.int64), len(x)
    inputs = wrapped.prepare(x)
    shape: tuple[int, ...] = getattr(wrapped.outputs(x[:1]), "shape", ())
    if len(shape) != 2 or shape[1] < 2:
        raise InputError(
            f"The command judges classifiers with a row of class scores per example, got {shape}; "
            "backlight.evaluate takes any score."
        )
    blocks = blocks_of(count, batch_size or default_batch_size(inputs))
    predicted = ranked_classes(wrapped, inputs, blocks, None, 1)[:, 0]
    rows = np.arange(count)
    if question == "contrast":
        rows = np.flatnonzero(predicted != labels)
        if not len(rows):
            raise InputError("The model gets every example right: there is no contrast to explain.")
    some = rows
    if len(rows) > limit:
        some = np.sort(np.random.default_rng(seed).choice(rows, limit, replace=False))
    told = f"{len(some)} of {len(rows)} examples" + (
        " that the model gets wrong: predicted rather than true class"
        if question == "contrast"
        else f": {question} class"
    )
    target = {
        "predicted": lambda: Class(predicted[some]),
        "true": lambda: Class(labels[some]),
        "contrast": lambda: Margin(predicted[some], labels[some]),
    }[question]()
    fitting = Fitting(
        stored.shape[1:],
        str(stored.dtype),
        ends_of(stored),
        prepared,
        grid_of(x, wrapped),
        wrapped.channels,
        (lambda row: upright_size(Path(data) / names[row])) if is_folder(data) else None,
    )
    return Asked(wrapped, x[some], target, some.astype(np.int64), names, fitting, told)


def grid_of(x: NDArray[Any], model: Model) -> tuple[int, ...]:
    """The places of the model's inputs: all axes but those of examples and channels."""
    layout = input_layout(x.shape, model.channels, model.declared_channels)
    return tuple(x.shape[1:]) if layout is None else tuple(layout.grid)


def baseline_of(text: str) -> Replacement:
    """A number, `blur` or `mean`.

    Raises:
        HyperParameterError: it is none of these.
    """
    if text == "blur" or text == "mean":
        return "blur" if text == "blur" else "mean"
    try:
        return float(text)
    except ValueError:
        raise HyperParameterError(
            f"--baseline takes a number, blur or mean; got {text!r}."
        ) from None
