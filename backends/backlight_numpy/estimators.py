"""Estimators as scikit-learn defines them: what they are asked, and what they tell of themselves."""

from collections.abc import Hashable
from math import prod
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from backlight.errors import InputError, ModelError
from backlight.explaining.targets import kind_of_numbers
from backlight.memory.identity import identity_of
from backlight.values.arrays import Array, shape_of
from backlight.values.frame_columns import FrameColumns
from backlight.values.inputs import Inputs
from backlight.values.outputs import OutputKind, Outputs, OutputSpec
from backlight.values.tree import map_nested
from backlight_numpy.nets import Net, copied
from backlight_numpy.recognition import VERBS


@final
class Estimator(Net):
    """An estimator: `predict_proba` where it has that, else `decision_function`, else `predict`.

    It takes tables, (N, columns). Inputs of more axes, pictures say, are laid out in rows as
    `x.reshape(len(x), -1)` does, where that is as many columns as the estimator was fitted with.

    Args:
        estimator: fitted.
        verb: what it is asked; None for the first that it has.
        columns: of the data frames that it is given, whose rows it is asked about; None where it is given
            arrays.
    """

    def __init__(
        self, estimator: Any, verb: str | None = None, columns: FrameColumns | None = None
    ) -> None:
        self._estimator = estimator
        self._columns = columns
        self._verb = verb or next(name for name in VERBS if hasattr(estimator, name))

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """Those of one output; None where they are called by their positions."""
        classes = getattr(self._estimator, "classes_", None)
        if self._verb == "predict" or not isinstance(classes, np.ndarray) or classes.ndim != 1:
            return None
        by_position = classes.dtype.kind in "iu" and (classes == np.arange(len(classes))).all()
        return None if by_position else tuple(map(str, classes.tolist()))

    def with_columns(self, columns: FrameColumns) -> "Estimator | None":
        fitted = getattr(self._estimator, "feature_names_in_", None)
        of_these = fitted is not None and set(fitted) <= set(columns.names)
        if not columns.refusal and not of_these:
            return None
        return Estimator(self._estimator, self._verb, columns)

    def identity(self) -> Hashable:
        return identity_of(self._estimator)

    def outputs(self, inputs: Inputs) -> object:
        if isinstance(inputs.attributed, (tuple, dict)):
            raise InputError(
                "An estimator takes one array, a table with the examples on axis 0; got "
                f"{len(inputs.attributed)} arrays."
            )
        table = inputs.with_attributed(self._rows(inputs.attributed))
        positional, keyword = table.map_rows(copied).arguments()  # a scaler may write into them
        if self._columns is not None:
            positional = self._columns.frame(np.asarray(positional[0])), *positional[1:]
        found = getattr(self._estimator, self._verb)(*positional, **keyword)
        if self._verb == "predict" and np.asarray(found).dtype.kind != "f":
            raise ModelError(
                f"The {type(self._estimator).__name__} only says which class it predicts, with neither "
                "predict_proba nor decision_function: there is no score to explain. Wrap a function of "
                "arrays that gives one, with framework='numpy'."
            )
        return found

    def _rows(self, x: Array) -> Array:
        shape = shape_of(x)
        columns = getattr(self._estimator, "n_features_in_", None)
        rows = len(shape) > 2 and columns == prod(shape[1:]) != shape[1]
        return np.reshape(x, (shape[0], -1)) if rows else x  # type: ignore[call-overload]

    def specified(self, outputs: object) -> Outputs:
        def specification(part: NDArray[Any]) -> OutputSpec:
            return OutputSpec(shape_of(part), self._kind(part))

        return map_nested(specification, outputs)  # type: ignore[arg-type, return-value]

    def _kind(self, output: NDArray[Any]) -> OutputKind:
        """Probabilities of one class each sum to 1; those of several labels are each its own."""
        if self._verb == "predict_log_proba":
            return "log_probabilities"
        if self._verb != "predict_proba":
            return "logits"
        exclusive = output.ndim == 2 and kind_of_numbers(output) == "probabilities"
        return "probabilities" if exclusive else "sigmoid"
