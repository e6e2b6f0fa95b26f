"""Nets with known answers, in float64 on the reference model, and counters of what they are asked."""

import array_api_strict as strict
import numpy as np

import backlight
from backlight import Cell, Metric
from tests.reference import ReferenceModel, linear

SIDE = 8


def random(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).normal(size=shape)


class Counting(ReferenceModel):
    """The reference model, which counts the rows whose score or prediction it is asked for."""

    rows = 0

    def score(self, inputs, score, **where):
        self.rows += self.prepare(inputs).count
        return super().score(inputs, score, **where)

    def predict(self, inputs):
        self.rows += self.prepare(inputs).count
        return super().predict(inputs)


def additive(channels: int = 3, side: int = SIDE, classes: int = 3) -> tuple[Counting, np.ndarray]:
    """A net whose scores are sums over the numbers of pictures (N, C, H, W), and its weights
    (C, H, W, classes)."""
    weight = random(channels, side, side, classes, seed=1)
    return Counting(("head", linear(weight.reshape(-1, classes)))), weight


def bent(side: int = SIDE) -> ReferenceModel:
    """A net of pictures (N, 1, H, W) whose score no sum over places gives."""
    weight = strict.asarray(random(side * side, 6, seed=2) / side)
    head = strict.asarray(random(6, 3, seed=3))
    return ReferenceModel(
        ("hidden", lambda x: strict.tanh(strict.reshape(x, (x.shape[0], -1)) @ weight)),
        ("head", lambda x: x @ head),
    )


def judged(
    model: object, x: np.ndarray, maps: object, metric: str | Metric, target: object, **said: object
) -> Cell:
    """The cell of one map and one metric."""
    evaluation = backlight.evaluate(model, x, {"map": maps}, {"it": metric}, target, **said)
    return evaluation["map", "it"]
