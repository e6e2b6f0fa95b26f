"""Which of a model's outputs a command is about."""

from typing import Any

from backlight import Model
from backlight.errors import TargetError
from backlight.values.outputs import LOGITS, OutputSpec, Path, describe, located, paths, single
from backlight_loading.preparation import ModelInput


def chosen_output(model: Model[Any], batch: ModelInput, path: Path) -> tuple[Path, OutputSpec]:
    """Where the output that is meant is among all, and what it is.

    Raises:
        TargetError: there are several, and none is said.
        UnknownNameError: there is none of this name.
    """
    outputs = model.outputs(model.prepare(batch))
    known = list(paths(outputs))
    if path is None and len(known) > 1 and (LOGITS,) not in known:
        raise TargetError(
            f"The model returns several outputs, {describe(outputs)}: say which one holds the class "
            "scores, by its name or position, with --scores (scores= in Python)."
        )
    whole = located(outputs, path)
    return whole, single(outputs, whole)
