"""The score and its gradient as one program, made from a trace."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import tensorflow as tf

from backlight.arrays import Array, Arrays
from backlight.errors import ModelError
from backlight.scores import Score
from backlight_tensorflow import arrays as array_functions
from backlight_tensorflow.capture.flattening import Tensor, Value
from backlight_tensorflow.capture.tracing import Trace


@dataclass(frozen=True)
class Evaluation:
    """What a program computes. Its arguments: the trace's, the value at the site, the operands.

    Attributes:
        traced: the network.
        score: whose recipe is compiled; other operands come as arguments.
        scored: the inner value that is scored; None for the outputs.
        at: the inner value to differentiate at; None for the first `width` arguments.
        replaced: whether a value at the site is given.
        differentiated: whether gradients are wanted.
    """

    traced: Trace
    score: Score
    scored: Value | None
    at: Value | None
    replaced: bool
    differentiated: bool
    width: int
    arguments: int

    def __call__(self, *tensors: Tensor) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """The scores; the gradients; what they were taken at, where that is not an argument."""
        given, rest = list(tensors[: self.arguments]), list(tensors[self.arguments :])
        copy = self.traced.copy(given)
        places, activation = given[: self.width], []
        if self.at is not None:
            if self.replaced:
                places = [rest.pop(0)]
            else:
                places = activation = [tf.identity(copy.tensor(self.at))]
            copy.replace(self.at, places[0])
        outputs = self.traced.results(copy) if self.scored is None else copy.tensor(self.scored)
        scores = scores_of(self.score, outputs, rest)
        gradients = gradients_of(scores, places) if self.differentiated else []
        return scores, gradients, activation


def score_arguments(score: Score) -> tuple[list[Tensor], list[tf.TensorSpec]]:
    """The operands of a score as arguments of a program."""
    tensors = [tf.constant(operand) for operand in score.operands()]
    return tensors, [tf.TensorSpec((None, *each.shape[1:]), each.dtype) for each in tensors]


SCORE = "score_of_the_target"
"""What the operations of a score are called in graphs: an error at one is not the network's."""


def scores_of(score: Score, outputs: object, operands: Sequence[Tensor]) -> Tensor:
    """The score of each example, from outputs and operands of a graph that is being built."""
    given = cast(Sequence[Array], operands)
    with tf.name_scope(SCORE):
        found = tf.convert_to_tensor(score.evaluate(outputs, given, cast(Arrays, array_functions)))
    # A score of integers, an argmax say, is a score that does not depend on the value.
    kept = found.dtype.is_floating or found.dtype.is_complex
    return found if kept else tf.cast(found, tf.float32)


def gradients_of(scores: Tensor, places: Sequence[Tensor]) -> list[Tensor]:
    """d (sum of the scores) / d each place; zero where nothing leads there, or for integers."""
    floating = [place for place in places if place.dtype.is_floating]
    try:
        found = iter(tf.gradients(scores, floating))
    except LookupError as error:
        raise ModelError(f"TensorFlow cannot differentiate this model: {error}") from error
    return [
        dense(next(found), place) if place.dtype.is_floating else tf.zeros_like(place)
        for place in places
    ]


def dense(gradient: Tensor | tf.IndexedSlices | None, place: Tensor) -> Tensor:
    """A gradient as an array like its place, from TensorFlow's three ways of saying it."""
    if gradient is None:
        return tf.zeros_like(place)
    if isinstance(gradient, tf.IndexedSlices):
        rows = gradient.indices[:, None]
        return tf.tensor_scatter_nd_add(tf.zeros_like(place), rows, gradient.values)
    return gradient
