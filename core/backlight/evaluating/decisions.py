"""What a model says of examples as they are: their scores, and what it decides."""

import numpy as np
from numpy.typing import NDArray

from backlight.errors import TargetError
from backlight.explaining.objective import Objective
from backlight.scores.class_scores import ClassScore
from backlight.values.outputs import array_at


def scores(objective: Objective) -> NDArray[np.float64]:
    """The score of each example, (n,)."""
    return objective.model.to_numpy(objective.score()).astype(np.float64)


def decisions(objective: Objective) -> NDArray[np.int64]:
    """What a model decides, (N,): in a contrast, whether the one class is ahead of its rival; else which
    class it predicts.

    Raises:
        TargetError: the score is of no class.
    """
    model = objective.model
    if objective.target.rivals is not None:
        return (scores(objective) > 0).astype(np.int64)
    score = check_decision(objective)
    outputs = array_at(model.predict(objective.inputs), score.path)
    values = model.to_numpy(outputs).astype(np.float64)
    if score.binary:
        line = 0.5 if score.kind == "probabilities" else 0.0
        return (values.reshape(len(values)) > line).astype(np.int64)
    return np.asarray(values.argmax(axis=1), dtype=np.int64)


def check_decision(objective: Objective) -> ClassScore:
    """The score of a class, for which the model decides by all its outputs; else TargetError."""
    score = objective.target
    if not isinstance(score, ClassScore):
        raise TargetError(
            f"There is no decision in {score!r}: say a class, or backlight.Margin(k, versus=j)."
        )
    if objective.moved is not None:
        raise TargetError(
            "A decision after changes of an inner value is told by a contrast alone: say "
            "target=backlight.Margin(k, versus=j)."
        )
    return score
