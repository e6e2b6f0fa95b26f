"""What the command `backlight evaluate` is asked: a model, some of its examples, and a score of each."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path as FilePath
from typing import Any, cast, final

import numpy as np
from numpy.typing import NDArray

from backlight import Attribution, Class, Margin, Model, wrap
from backlight.errors import HyperParameterError, InputError
from backlight.evaluating.replacement import Replacement
from backlight.explaining.objective import default_batch_size
from backlight.explaining.preparing import blocks_of
from backlight.explaining.rows import take_rows
from backlight.explaining.targets import ranked_classes
from backlight.scores.class_scores import ClassScore
from backlight.values.examples import is_of_classes
from backlight.values.inputs import Inputs
from backlight.values.layout import input_layout
from backlight.values.outputs import OutputKind, Path, array_at
from backlight_loading.examples import TAKEN, is_folder, load_examples
from backlight_loading.mask_fitting import Fitting, fitted_masks, without_mask
from backlight_loading.masks import MasksGiven, open_masks
from backlight_loading.models import load_model, wanted_shape
from backlight_loading.outputs import chosen_output
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
    scores: Path = None,
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
        taken=f"{TAKEN} Techniques are judged on texts and tables by `backlight report`.",
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
    path, alone = scores_at(wrapped, x[:1], scores)
    blocks = blocks_of(count, batch_size or default_batch_size(inputs))
    if alone is None:
        predicted = ranked_classes(wrapped, inputs, blocks, path, 1)[:, 0]
    else:
        if labels.max() > 1:
            raise InputError(
                "The model's one output tells two classes apart, and the data has labels up to "
                f"{labels.max()}."
            )
        predicted = sides_of(wrapped, inputs, blocks, path, alone)
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
    said = (labels if question == "true" else predicted)[some]
    if alone is not None:  # one output needs no contrast: it is one already
        target = Margin(said, 1 - said, path)
    elif question == "contrast":
        target = Margin(said, labels[some], path)
    else:
        target = Class(said, path)
    fitting = Fitting(
        stored.shape[1:],
        str(stored.dtype),
        ends_of(stored),
        prepared,
        grid_of(x, wrapped),
        wrapped.channels,
        (lambda row: upright_size(FilePath(data) / names[row])) if is_folder(data) else None,
    )
    return Asked(wrapped, x[some], target, some.astype(np.int64), names, fitting, told)


def scores_at(model: Model, x: NDArray[Any], path: Path) -> tuple[Path, OutputKind | None]:
    """Where the class scores are; and of one output, that of class 1 of two, what it holds.

    Raises:
        InputError: the outputs are no classifier's.
        TargetError: there are several, and none is said.
    """
    whole, output = chosen_output(model, x, path)
    if output.shape[1:] in ((), (1,)):
        return whole, output.kind
    if len(output.shape) != 2:
        raise InputError(
            f"The command judges classifiers, whose outputs are (N, classes), or (N, 1) or (N,) for two "
            f"classes; got {output.shape}. backlight.evaluate takes any score."
        )
    return whole, None


def sides_of(
    model: Model,
    inputs: Inputs,
    blocks: Sequence[NDArray[np.int64]],
    path: Path,
    kind: OutputKind,
) -> NDArray[np.int64]:
    """Which of two classes one output is for, 0 or 1."""
    found = [array_at(model.predict(take_rows(model, inputs, rows)), path) for rows in blocks]
    values = np.concatenate([model.to_numpy(one).reshape(-1) for one in found])
    if kind == "logits" and model.declared is None and ((values >= 0) & (values <= 1)).all():
        raise InputError(
            "The model's one output lies between 0 and 1 for every example, but nothing shows whether "
            "it is a probability: say backlight.wrap(net, outputs='sigmoid'), or outputs='logits'."
        )
    return np.asarray(values > (0 if kind == "logits" else 0.5), dtype=np.int64)


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
