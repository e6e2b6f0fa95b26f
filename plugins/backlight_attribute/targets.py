"""What is asked about each example of a data set: why what is predicted, why what is true, why the one
rather than the other, why this class."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from backlight import Class, Function, Logit, Output, Score
from backlight.errors import InputError, TargetError, UnknownNameError
from backlight.values.examples import Labels, is_of_classes
from backlight.values.outputs import OutputKind, Path
from backlight_study.predictions import class_probabilities
from backlight_study.questions import OneOutput, rivals_among
from backlight_study.questions import targets as of_classes

TargetName: TypeAlias = str | int | Score
"""`predicted`, `true`, `contrast`, `output` (of one number), a class by name or number, or a score that
is the same for all examples."""

NAMED = ("predicted", "true", "contrast")
OF_LABELS = ("true", "contrast")


@final
@dataclass(frozen=True)
class Targets:
    """What is asked, and what the model's outputs are.

    Attributes:
        asked: a name for each target, and the class or score where it is none of `NAMED`.
        kind: what the outputs hold.
        width: how many outputs there are for each example.
        path: where they are among several.
    """

    asked: tuple[tuple[str, int | Score | None], ...]
    kind: OutputKind
    width: int
    path: Path = None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.asked)

    @property
    def single(self) -> bool:
        """Whether there is one output, for class 1 and against class 0."""
        return self.width == 1

    def predicted(self, outputs: NDArray[np.float64]) -> NDArray[np.int64]:
        """The class that the model predicts for each example, (n,); of equal ones the first.

        Args:
            outputs: (n, width).
        """
        return np.asarray(class_probabilities(outputs, self.kind).argmax(axis=1), dtype=np.int64)

    def knows(self, labels: Labels) -> NDArray[np.bool_]:
        """Of which examples the label is a class of the model, (n,)."""
        if not is_of_classes(labels):
            return np.zeros(len(labels), dtype=np.bool_)
        return np.asarray((labels >= 0) & (labels < max(self.width, 2)))

    def scores(self, outputs: NDArray[np.float64], true: NDArray[np.int64]) -> dict[str, Score]:
        """The score of these examples for each target, by its name.

        Args:
            outputs: what the model says of them, (n, width).
            true: their classes, (n,).
        """
        classes = self.predicted(outputs)
        rival = rivals_among(class_probabilities(outputs, self.kind), classes, true)
        known = of_classes(classes, rival, self.kind, self.single, self.path)
        known["true"] = self._of_classes(true)
        found: dict[str, Score] = {}
        for name, said in self.asked:
            if name in known and said is None:
                found[name] = known[name]
            elif isinstance(said, Score):
                found[name] = said
            else:
                found[name] = self._of_classes(np.full(len(outputs), said, dtype=np.int64))
        return found

    def _of_classes(self, classes: NDArray[np.int64]) -> Score:
        if self.single:
            return Function(OneOutput(self.kind, self.path), classes)
        return (Class if self.kind == "logits" else Logit)(classes, self.path)


def targets_of(
    said: Sequence[TargetName],
    kind: OutputKind,
    shape: tuple[int, ...],
    path: Path,
    classes: Sequence[str],
    labels: Labels | None,
) -> Targets:
    """What is asked, checked against the model's outputs and the data.

    Args:
        said: by the user; `predicted` where nothing is.
        shape: of the outputs, (n, ...).
        classes: names of the model's outputs, where they are known.
        labels: of some examples; None where they have none.

    Raises:
        TargetError: the outputs are no row of class scores; or there is no such class.
        InputError: a target needs labels of classes, which the data has not.
        UnknownNameError: nothing is called so.
    """
    width = shape[1] if len(shape) == 2 else 1
    if len(shape) > 2:
        raise TargetError(
            f"The model's outputs have shape {shape}: targets of a data set are of one row of outputs "
            "for each example. Wrap the model in one that gives such a row."
        )
    is_number = width == 1 and kind == "logits" and (labels is None or not is_of_classes(labels))
    asked: dict[str, int | Score | None] = {}
    for one in said or ("predicted",):
        if isinstance(one, Score):
            asked[repr(one)] = one
        elif is_number and one in ("predicted", "output"):
            asked["output"] = Output(path)
        elif one in NAMED:
            if one in OF_LABELS and (labels is None or not is_of_classes(labels)):
                raise InputError(
                    f"The target {one!r} needs a class for each example, which the data has not. Ask for "
                    "'predicted', or for a class by its number."
                )
            if one == "contrast" and width == 1:
                raise TargetError(
                    "One output for two classes needs no contrast: it is one. Ask for 'predicted'."
                )
            asked[str(one)] = None
        else:
            number = class_number(one, classes, max(width, 2))
            asked[f"class {classes[number] if classes else number}"] = number
    return Targets(tuple(asked.items()), kind, width, path)


def class_number(said: str | int, classes: Sequence[str], count: int) -> int:
    """The number of a class from its name or its number.

    Raises:
        UnknownNameError, TargetError: there is none.
    """
    if isinstance(said, str) and said in classes:
        return list(classes).index(said)
    if isinstance(said, str) and not said.isdecimal():
        raise UnknownNameError("target", said, (*NAMED, *classes))
    if not 0 <= int(said) < count:
        raise TargetError(f"The model has classes 0 to {count - 1}; there is no class {said}.")
    return int(said)
