"""The score of a net, in a graph that is being built."""

from collections.abc import Sequence
from typing import cast

import tensorflow as tf

from backlight.arrays import Array, Arrays
from backlight.scores import Score
from backlight_tensorflow import arrays as array_functions
from backlight_tensorflow.capture.flattening import Tensor

SCORE = "score_of_the_target"
"""What the operations of a score are called in graphs: an error at one is not the network's."""


def score_arguments(score: Score) -> tuple[list[Tensor], list[tf.TensorSpec]]:
    """The operands of a score as arguments of a program."""
    tensors = [tf.constant(operand) for operand in score.operands()]
    return tensors, [tf.TensorSpec((None, *each.shape[1:]), each.dtype) for each in tensors]


def scores_of(score: Score, outputs: object, operands: Sequence[Tensor]) -> Tensor:
    """The score of each example, from outputs and operands of a graph that is being built."""
    given = cast(Sequence[Array], operands)
    with tf.name_scope(SCORE):
        found = tf.convert_to_tensor(score.evaluate(outputs, given, cast(Arrays, array_functions)))
    # A score of integers, an argmax say, is a score that does not depend on the value.
    kept = found.dtype.is_floating or found.dtype.is_complex
    return found if kept else tf.cast(found, tf.float32)
