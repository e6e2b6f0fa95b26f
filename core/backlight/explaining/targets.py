"""From what the user said for `target` to a bound score."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeAlias, TypeGuard, cast

import numpy as np
from numpy.typing import NDArray

from backlight.errors import BacklightError, InputTypeError, TargetError
from backlight.explaining.rows import take_rows
from backlight.explaining.token_ids import whole_inputs
from backlight.model.model import Model
from backlight.scores.class_scores import Class, ClassScore
from backlight.scores.element_index import is_index
from backlight.scores.scores import ONE_EACH, Classes, Function, Output, Score
from backlight.scores.several import Top
from backlight.scores.traced_class import TracedClass
from backlight.values.arrays import AnyArray, Array, Arrays, shape_of
from backlight.values.inputs import Inputs
from backlight.values.outputs import (
    OutputKind,
    Outputs,
    OutputSpec,
    Path,
    array_at,
    describe,
    located,
    single,
)

Target: TypeAlias = (
    Score
    | Classes
    | Sequence[tuple[int, ...]]
    | AnyArray
    | Callable[[Any, Arrays], Array | AnyArray]
    | None
)
"""What users may say for `target`; None is resolved by looking at the model's outputs."""

Targets: TypeAlias = Top | Sequence[Score | Callable[[Any, Arrays], Array | AnyArray]]
"""What users may say for several targets at once."""


def listed(target: object) -> TypeGuard[Targets]:
    """Whether these are several targets: a list with a score or a function in it. One of classes, or of
    index tuples, is one target, with a class or an element for each example."""
    if not isinstance(target, (list, tuple)):
        return isinstance(target, Top)
    return any(isinstance(one, Score) or callable(one) for one in target)


def each(
    model: Model, inputs: Inputs, blocks: Sequence[NDArray[np.int64]], targets: Targets
) -> Sequence[Target]:
    """Several targets one by one.

    Raises:
        TargetError: `Top` was asked of outputs that are no row of class scores, or of too many classes.
    """
    if not isinstance(targets, Top):
        return targets
    outputs = model.outputs(take_rows(model, inputs, blocks[0]))
    path = located(outputs, targets.path)
    width = single(outputs, path).shape[1:]
    if len(width) != 1 or not targets.count <= width[0] != 1:
        raise TargetError(
            f"Top({targets.count}) takes a row of at least so many class scores per example, and of at "
            f"least two; the model gives {describe(outputs)}."
        )
    ranked = ranked_classes(model, inputs, blocks, path, targets.count)
    return [targets.score(ranked[:, place], path) for place in range(targets.count)]


def as_score(
    target: Score | Classes | Sequence[tuple[int, ...]] | Callable[[Any, Arrays], Array | AnyArray],
    outputs: "Outputs | None" = None,
) -> Score:
    """A target as a score: integers mean `Class`, a callable means `Function`, a list of tuples of
    integers an element of the output for each example. A tuple of integers is the index of one element
    for all examples where the output has several axes behind the batch; else it has a class for each.

    Args:
        target: as the user gave it.
        outputs: of the model, where they are known.
    """
    if isinstance(target, Score):
        return target
    if callable(target):
        return Function(target)
    if isinstance(target, list) and any(map(is_index, target)):
        return Output(index=target)
    if is_index(target) and outputs is not None and len(single(outputs, None).shape) > 2:
        return Output(index=target)
    return Class(cast(Classes, target))


def resolve(
    model: Model, inputs: Inputs, blocks: Sequence[NDArray[np.int64]], target: Target
) -> tuple[Score, bool]:
    """The bound score of the whole batch, and whether it is that of the predicted classes.

    Raises:
        TargetError: the outputs have no such class or element; or no target was given, and the
            outputs are neither one number nor one row of class scores per example.
    """
    block = take_rows(model, inputs, blocks[0])
    site = target.site if isinstance(target, Score) else None
    outputs: Outputs = model.outputs(block) if site is None else value_spec(model, block, site)
    if target is None:
        return predicted_score(model, inputs, blocks, outputs)
    if model.owns(target):
        classes = cast(Array, target)
        known = model.has_numbers(classes)
        target = model.to_numpy(classes) if known else TracedClass(classes, model.arrays)
    score = as_score(cast(Score | Classes, target), outputs)
    if isinstance(score, Function):
        score = score.with_operands([on_host(model, one) for one in score.given])
    score = score.bind(outputs, inputs.count)
    if isinstance(score, Function) and len(blocks) > 1:
        check_rows(model, inputs, blocks[0], score)
    if isinstance(score, ClassScore) and score.kind == "logits" and score.scale != "output":
        score = replace(score, kind=kind_by_values(model, inputs, blocks, score))
    return score, False


def value_spec(model: Model, inputs: Inputs, at: str) -> OutputSpec:
    """What a score of an inner value is bound to."""
    # Not from the list of sites: backends also know shorter names of some.
    return OutputSpec(shape_of(model.array_at(inputs, at)))


def on_host(model: Model, operand: object) -> NDArray[np.generic]:
    """An operand of a function as NumPy has it, in a dtype that goes with the model's outputs."""
    if model.owns(operand):
        return model.to_numpy(cast(Array, operand))
    array = np.asarray(operand)
    return model.to_numpy(model.asarray(array)) if array.dtype.kind in "fiub" else array


def check_rows(model: Model, inputs: Inputs, block: NDArray[np.int64], score: Function) -> None:
    """Raise TargetError if a function gives examples other scores when their rows come in another
    order: then it reads something of the batch as it was, and would be given other examples' parts
    of it. Costs two forward passes of one block.
    """
    rows = block if len(block) > 1 else np.arange(2)

    def scores(order: NDArray[np.int64]) -> NDArray[np.float64]:
        found = model.score(take_rows(model, inputs, order), score.take(order))
        return model.to_numpy(found).astype(np.float64)

    def same(one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
        size = float(np.abs(one).max(initial=0.0))
        return one.shape == other.shape and np.allclose(one, other, 1e-3, 1e-4 * size, True)

    forwards, backwards = scores(rows), scores(rows[::-1])[::-1]
    if not same(forwards, backwards) and same(forwards, scores(rows)):
        raise TargetError(
            f"{score!r} gives examples other scores when their rows come in another order, and the "
            f"batch of {inputs.count} is cut into blocks. {ONE_EACH}"
        )


ROWS_LOOKED_AT = 32
SUM_OF_PROBABILITIES = 1e-4
"""How far from 1 the probabilities of an example may sum to, in float32 and with clipping."""


def kind_by_values(
    model: Model, inputs: Inputs, blocks: Sequence[NDArray[np.int64]], score: ClassScore
) -> OutputKind:
    """What an output holds whose last operation does not tell: behind a softmax there may be a
    flatten, a clip, or a mean over several nets. Looked at once for a model, and not where the user
    has said it."""
    if model.declared is not None:
        return model.declared

    def look() -> OutputKind:
        outputs = model.predict(take_rows(model, inputs, blocks[0][:ROWS_LOOKED_AT]))
        values = model.to_numpy(array_at(outputs, score.path)).astype(np.float64)
        if score.binary and ((values >= 0) & (values <= 1)).all():
            raise TargetError(
                "The model has one output, and its last operation does not show whether it is a "
                "probability or a logit; the numbers seen, all between 0 and 1, may be either. Say "
                "backlight.wrap(net, outputs='sigmoid') or backlight.wrap(net, outputs='logits')."
            )
        return "logits" if score.binary else kind_of_numbers(values)

    return model.recall("kind of output", score.path, look)


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
    path = located(outputs, None)
    width = single(outputs, path).shape[1:]
    if width in ((), (1,)):
        return Output(path).bind(outputs, inputs.count), False
    if len(width) != 1:
        raise TargetError(
            "Without a target the output must be one number or one row of class scores per "
            f"example, got {describe(outputs)}. "
            "Say target=Output(index=...), a class score or a function."
        )
    classes = ranked_classes(model, inputs, blocks, path, 1)[:, 0]
    return Class(classes, path).bind(outputs, inputs.count), True


def ranked_classes(
    model: Model, inputs: Inputs, blocks: Sequence[NDArray[np.int64]], path: Path, count: int
) -> NDArray[np.int64]:
    """The classes with the highest outputs of each example, shape (N, count), of the array at `path`;
    of equal ones the first."""

    def highest(rows: NDArray[np.int64]) -> NDArray[np.int64]:
        scores = array_at(model.predict(take_rows(model, inputs, rows)), path)
        numbers = model.to_numpy(scores).astype(np.float64)
        found = np.where(np.isnan(numbers), np.inf, numbers)  # first, so that it is told
        return np.argsort(-found, axis=1, kind="stable")[:, :count].astype(np.int64)

    return np.concatenate([highest(rows) for rows in blocks])


COMPLEX = "complex numbers"


def numbers_in(array: Array) -> str:
    """What numbers that are no floats are, in words."""
    name = str(getattr(array, "dtype", ""))
    words = {"bool": "truths", "complex": COMPLEX}
    return next((word for part, word in words.items() if part in name), "integers")


def check_differentiable(model: Model, inputs: Inputs, advice: str = "") -> None:
    """Raise InputTypeError if gradients with respect to these inputs cannot exist.

    Args:
        advice: what to do where they hold the ids of tokens, as a clause, if that is known.
    """
    found = whole_inputs(model, inputs)
    if not found:
        return
    integer, whole = list(found), list(found.values())
    held = " and ".join(dict.fromkeys(map(numbers_in, whole)))
    if COMPLEX in held:
        raise InputTypeError(
            f"Inputs {integer} hold {held}. Attributions are of real numbers: give the real and the "
            "imaginary part as two inputs, and put them together in the model."
        )
    raise InputTypeError(
        f"Inputs {integer} hold {held}, which have no gradient. Convert pictures and other "
        f"numbers to floating point; {advice or at_the_embedding(model, inputs, whole)}."
    )


def at_the_embedding(model: Model, inputs: Inputs, whole: Sequence[Array]) -> str:
    """What to do with the ids of tokens among other inputs."""
    shapes = list(map(shape_of, whole))
    try:
        sites = [site.name for site in model.sites(inputs) if site.shape[:-1] in shapes]
    except BacklightError:
        sites = []
    named = (
        f": at={sites[0]!r}"
        if sites
        else ", if it is among model.sites(x), or hide features, which takes no gradient: "
        "method='feature_ablation'"
    )
    return f"for token ids attribute at the embedding{named}"
