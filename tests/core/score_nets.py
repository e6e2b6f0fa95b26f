"""Scores: nets and helpers."""

import array_api_strict as strict
import numpy as np
import pytest

from backlight import (
    Attribution,
)
from backlight.values.arrays import log_softmax, softmax
from backlight.values.outputs import OutputSpec
from backlight.values.tree import map_nested
from backlight_methods import Gradient
from tests.reference import ReferenceModel, polynomial

CLOSE = {"rtol": 1e-6, "atol": 1e-7}


EXACT = {"rtol": 1e-11, "atol": 1e-12}


RNG = np.random.default_rng(1)


WEIGHTS = RNG.normal(size=(2, 3, 4))


X = RNG.normal(size=(5, 3))


LOGITS = X @ WEIGHTS[0] + X**2 @ WEIGHTS[1]


ODDS = np.exp(LOGITS) / np.exp(LOGITS).sum(1, keepdims=True)


logits = polynomial(*WEIGHTS)


LAST = {
    "logits": logits,
    "probabilities": lambda x: softmax(logits(x), strict),
    "log_probabilities": lambda x: log_softmax(logits(x), strict),
}


KINDS = pytest.mark.parametrize("kind", LAST)


def model(kind: str = "logits") -> ReferenceModel:
    return ReferenceModel(("head", LAST[kind]), kind=kind)


def explained(target: object, kind: str = "logits") -> Attribution:
    return Gradient()(model(kind), X, target)


class Nested(ReferenceModel):
    """A model whose outputs are nested: `nest` arranges what the last stage gives."""

    def __init__(self, nest, *stages, **options):
        super().__init__(*stages, **options)
        self.nest = nest

    def run(self, inputs, at=None, value=None, stop=None):
        found = super().run(inputs, at, value, stop)
        return found if stop else self.nest(found)

    def outputs(self, inputs):
        def described(part):
            return OutputSpec(tuple(part.shape), self.kind) if hasattr(part, "shape") else ()

        return map_nested(described, self.predict(inputs))


EACH = [3, 0, 2, 1, -1]


MASKS = RNG.normal(size=(5, 4))
