"""Where a technique that reads a feature map has its rules end: there, or at the input.

Both are sensible, and only the technique knows. So it is started on a model that stops it as soon as it
asks for a backward pass that obeys rules.
"""

from dataclasses import replace
from typing import cast, final

from backlight import Gradient, Method, Model, Score
from backlight.inputs import Inputs
from backlight.rules import Rules
from backlight.tree import Tree
from backlight_check.subject import Subject


@final
class Asked(Exception):  # noqa: N818 - not an error: it ends the run
    """The technique has asked for a backward pass that obeys rules, down to `at`."""

    def __init__(self, at: str | None) -> None:
        super().__init__(at)
        self.at = at


@final
class Watched:
    """A model in all but the backward passes that obey rules."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def __getattr__(self, name: str) -> object:
        return getattr(self._model, name)

    def gradient(
        self,
        inputs: Inputs | Tree,
        score: Score,
        *,
        at: str | None = None,
        value: Tree | None = None,
        rules: Rules | None = None,
        reference: Tree | None = None,
    ) -> Gradient:
        if rules is not None:
            raise Asked(at)
        return self._model.gradient(inputs, score, at=at, value=value, reference=reference)


def where_rules_end(subject: Subject, method: Method, at: str) -> str | None:
    """The site that this technique's rules act down to, if it reads its map at `at`; None for the input.

    Raises:
        BacklightError: the technique refuses this model or this input before that.
    """
    watched = replace(subject.objective(at), model=cast(Model, Watched(subject.model)))
    try:
        method.attribute(watched)
    except Asked as asked:
        return asked.at
    return at
