"""What is looked at: a model, one example of its input, and the score that would be explained."""

from dataclasses import dataclass
from typing import cast, final

import numpy as np

from backlight import Class, Examples, Model, Objective, Score, wrap
from backlight.errors import InputError, TargetError
from backlight.explaining.preparing import prepare
from backlight.explaining.rows import take_rows
from backlight.explaining.spatial import last_feature_map
from backlight.explaining.targets import Target
from backlight.scores.class_scores import ClassScore
from backlight.values.arrays import shape_of
from backlight.values.inputs import Inputs
from backlight.values.tree import Tree, leaves, names
from backlight_loading.arguments import output_path
from backlight_loading.inputs import Reading, in_code, load_input
from backlight_loading.models import load_model


@final
@dataclass(frozen=True, eq=False)
class ScoredExample:
    """See the module.

    Attributes:
        explained: the score as a function of the example.
        predicted: whether it is the score of the predicted class.
    """

    explained: Objective
    predicted: bool

    @property
    def model(self) -> Model:
        return self.explained.model

    @property
    def inputs(self) -> Inputs:
        """Native, one example."""
        return self.explained.inputs

    @property
    def score(self) -> Score:
        """Bound to the example."""
        return self.explained.target

    def __str__(self) -> str:
        arrays = zip(names(self.inputs.attributed), leaves(self.inputs.attributed), strict=True)
        shapes = {name: str(shape_of(leaf)) for name, leaf in arrays}
        alone = len(shapes) == 1
        shown = ", ".join(text if alone else f"{name} {text}" for name, text in shapes.items())
        which = ", the predicted class" if self.predicted else ""
        model = self.model
        return f"{model.framework} {model.version}, input {shown}, score {self.score!r}{which}"

    def objective(self, at: str | None = None) -> Objective:
        """What a technique would be asked to explain."""
        return self.explained.at_site(at)

    def feature_map(self) -> str:
        """The site that class activation maps read."""
        return last_feature_map(self.objective())


def scored_example(model: object, x: object, target: Target = None) -> ScoredExample:
    """The first example of `x`, and the score of this target or of the predicted class."""
    wrapped = wrap(model, inputs=x)
    first = take_rows(wrapped, wrapped.prepare(cast(Tree, x)), np.arange(1))
    (explanation,) = prepare(wrapped, first, target)
    return ScoredExample(explanation.objective, explanation.predicted)


def target_of(text: str | None) -> ClassScore | None:
    """The class that `3` or `logits:3` names on the command line, the latter of one of several outputs;
    `decoder:logits:3` of a nested one. A number for an output is its position.

    Raises:
        TargetError: it ends in no class.
    """
    if text is None:
        return None
    path, _, k = text.rpartition(":")
    if not k.lstrip("-").isdecimal():
        raise TargetError(f"--target is a class, or OUTPUT:CLASS such as logits:3; got {text!r}.")
    return Class(int(k), output_path(path or None))


def load_scored_example(
    model: str, data: str, reading: Reading, framework: str | None, target: Target
) -> ScoredExample:
    """From what the command line names.

    Raises:
        BacklightError: what is wrong with the model, the input or the target.
    """
    found = in_code(data)  # first: its arrays may tell which framework a plain function is of
    net = load_model(model)
    wrapped = wrap(net, framework, inputs=None if isinstance(found, Examples) else found)
    x = load_input(data, found, net, wrapped, reading)
    try:
        return scored_example(wrapped, x, target)
    except SystemExit as error:  # it is the user's network
        raise InputError(f"{model} tried to end the program: SystemExit: {error}.") from error
