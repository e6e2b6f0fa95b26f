"""From what the user said for `target` to a bound score."""

from collections.abc import Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray

from backlight.arrays import Array, shape_of
from backlight.errors import InputTypeError, TargetError
from backlight.inputs import Inputs
from backlight.model import Model
from backlight.objective import take_rows
from backlight.outputs import Outputs, OutputSpec, describe, single
from backlight.scores import Class, Classes, Neuron, Output, Score, Target, as_score
from backlight.tree import leaves, names


def resolve(
    model: Model, inputs: Inputs, blocks: Sequence[NDArray[np.int64]], target: Target
) -> tuple[Score, bool]:
    """The bound score of the whole batch, and whether it is that of the predicted classes.

    Raises:
        TargetError: the outputs have no such class or element; or no target was given, and the
            outputs are neither one number nor one row of class scores per example.
    """
    if isinstance(target, Neuron):
        block = take_rows(model, inputs, blocks[0])
        # Not from the list of sites: backends also know shorter names of some.
        value = model.activation(block, target.at)
        return target.bind(OutputSpec(shape_of(value)), inputs.count), False
    outputs = model.outputs(take_rows(model, inputs, blocks[0]))
    if target is None:
        return predicted_score(model, inputs, blocks, outputs)
    if model.owns(target):
        target = cast(Classes, model.to_numpy(cast(Array, target)))
    score = as_score(cast(Score | Classes, target))
    return score.bind(outputs, inputs.count), False


def predicted_score(
    model: Model, inputs: Inputs, blocks: Sequence[NDArray[np.int64]], outputs: Outputs
) -> tuple[Score, bool]:
    """The output of a one-output model, else the class with the highest output of each example."""
    output = single(outputs, None)
    width = output.shape[1:]
    if width in ((), (1,)):
        return Output().bind(outputs, inputs.count), False
    if len(width) != 1:
        raise TargetError(
            "Without a target the output must be one number or one row of class scores per "
            f"example, got {describe(outputs)}. "
            "Say target=Output(index=...), a class score or a function."
        )
    return Class(predict_classes(model, inputs, blocks)).bind(outputs, inputs.count), True


def predict_classes(
    model: Model, inputs: Inputs, blocks: Sequence[NDArray[np.int64]]
) -> NDArray[np.int64]:
    """The class with the highest output for each example, shape (N,)."""
    return np.concatenate(
        [
            model.to_numpy(cast(Array, model.predict(take_rows(model, inputs, rows)))).argmax(
                axis=1
            )
            for rows in blocks
        ]
    ).astype(np.int64)


def check_differentiable(model: Model, inputs: Inputs) -> None:
    """Raise InputTypeError if gradients with respect to these inputs cannot exist."""
    integer = [
        name
        for name, leaf in zip(names(inputs.attributed), leaves(inputs.attributed), strict=True)
        if not model.is_floating(leaf)
    ]
    if integer:
        raise InputTypeError(
            f"Inputs {integer} hold integers, which have no gradient. Convert pictures to floating "
            "point; for token ids attribute at the embedding, with at='the embedding's name'."
        )
