"""From what the user said for `target` to a bound score."""

from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import cast
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from backlight.arrays import Array, shape_of
from backlight.errors import InputTypeError, TargetError
from backlight.inputs import Inputs
from backlight.model import Model
from backlight.objective import take_rows
from backlight.outputs import OutputKind, Outputs, OutputSpec, array_at, describe, single
from backlight.scores import Class, Classes, ClassScore, Neuron, Output, Score, Target, as_score
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
    score = as_score(cast(Score | Classes, target)).bind(outputs, inputs.count)
    if isinstance(score, ClassScore) and score.kind == "logits" and score.scale != "output":
        score = replace(score, kind=kind_by_values(model, inputs, blocks, score))
    return score, False


ROWS_LOOKED_AT = 32
SUM_OF_PROBABILITIES = 1e-4
"""How far from 1 the probabilities of an example may sum to, in float32 and with clipping."""

_kinds: WeakKeyDictionary[Model, dict[Hashable, OutputKind]] = WeakKeyDictionary()


def kind_by_values(
    model: Model, inputs: Inputs, blocks: Sequence[NDArray[np.int64]], score: ClassScore
) -> OutputKind:
    """What an output holds whose last operation does not tell: behind a softmax there may be a
    flatten, a clip, or a mean over several nets. Looked at once for a model, and not where the user
    has said it."""
    if model.declared is not None:
        return model.declared
    known = _kinds.setdefault(model, {})
    key = (score.path, model.structure())
    if key not in known:
        outputs = model.predict(take_rows(model, inputs, blocks[0][:ROWS_LOOKED_AT]))
        values = model.to_numpy(array_at(outputs, score.path)).astype(np.float64)
        known[key] = kind_of_numbers(values)
    return known[key]


def kind_of_numbers(values: NDArray[np.float64]) -> OutputKind:
    """Probabilities are never negative and sum to 1 in every row; their logarithms likewise."""

    def sums_to_1(numbers: NDArray[np.float64]) -> bool:
        return bool((np.abs(numbers.sum(axis=1) - 1) <= SUM_OF_PROBABILITIES).all())

    if (values >= 0).all() and sums_to_1(values):
        return "probabilities"
    if (values <= 0).all() and sums_to_1(np.exp(values)):
        return "log_probabilities"
    return "logits"


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
