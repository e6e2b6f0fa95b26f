"""Each technique against algebra: nets and helpers."""

import numpy as np

from backlight.values.noise import normal
from backlight_methods import (
    Smooth,
)
from backlight_methods.gradients.quadrature import error_weights, estimated, refined
from tests.reference import ReferenceModel, polynomial

CLOSE = {"rtol": 1e-7, "atol": 1e-8}
"""The reference model's central differences are good to about 1e-9."""


EXACT = {"rtol": 1e-12, "atol": 1e-13}


def random(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).normal(size=shape)


def slope_of(weights: list[np.ndarray], k: int, x: np.ndarray) -> np.ndarray:
    """d (sum_i w_pi x_i^(p+1)) / d x by hand, x of shape (..., features)."""
    return sum((p + 1) * weight[:, k] * x**p for p, weight in enumerate(weights))


def value_of(weights: list[np.ndarray], k: int, x: np.ndarray) -> np.ndarray:
    return sum((weight[:, k] * x ** (p + 1)).sum(-1) for p, weight in enumerate(weights))


def cubic(features: int, classes: int = 3, degree: int = 3) -> list[np.ndarray]:
    return [random(features, classes, seed=p + 1) for p in range(degree)]


def model_of(weights: list[np.ndarray], **options: object) -> ReferenceModel:
    return ReferenceModel(("head", polynomial(*weights)), **options)


def first(x: np.ndarray) -> np.ndarray:
    """Flattened to (N, features)."""
    return x.reshape(len(x), -1)


def textbook(rule: str, steps: int) -> list[tuple[float, float]]:
    """Nodes in [0, 1] with their weights, as a table or a textbook has them."""
    if rule == "gauss_legendre":
        near, far = 0.5 / np.sqrt(3), 0.5 * np.sqrt(0.6)
        tables = {
            1: [(0.5, 1.0)],
            2: [(0.5 - near, 0.5), (0.5 + near, 0.5)],
            3: [(0.5 - far, 5 / 18), (0.5, 8 / 18), (0.5 + far, 5 / 18)],
        }
        return tables[steps]
    found = []
    for step in range(steps):
        if rule == "midpoint":
            found.append(((step + 0.5) / steps, 1 / steps))
        elif rule == "left":
            found.append((step / steps, 1 / steps))
        elif rule == "right":
            found.append(((step + 1) / steps, 1 / steps))
        else:
            end = step in (0, steps - 1)
            found.append((step / (steps - 1), (0.5 if end else 1.0) / (steps - 1)))
    return found


def integrated(
    weights: list[np.ndarray], k: int, x: np.ndarray, b: np.ndarray, rule: str, steps: int
) -> np.ndarray:
    """Integrated gradients of one example, as a loop."""
    total = np.zeros_like(x)
    for node, weight in textbook(rule, steps):
        total = total + weight * slope_of(weights, k, b + node * (x - b))
    return (x - b) * total


STEEP = [np.array([[1.0], [0.0]]), np.zeros((2, 1)), np.zeros((2, 1)), np.array([[0.0], [1.0]])]
"""x0 + x1^4: linear in the first feature, steep in the second."""


MIXED = np.array([[1.0, 0.0], [0.1, 2.0], [1.0, 0.6], [0.5, 0.0]])


def steps_needed(rule: str, steps: int, tolerance: float, x: np.ndarray) -> int:
    """Refine by hand until the plain rule's gap and estimated error are within the tolerance."""
    change = value_of(STEEP, 0, x)
    intervals = steps - (rule == "trapezoid")
    nodes = np.array([node for node, _ in textbook(rule, steps)])
    before = None
    while True:
        values = integrated(STEEP, 0, x, np.zeros(2), rule, steps)
        slopes = np.stack([x * slope_of(STEEP, 0, node * x) for node in nodes])
        sizes = np.abs(error_weights(rule, nodes, intervals) @ slopes).sum(1)
        (error,) = estimated(sizes[:, None]) / np.abs(values).sum()
        if before is not None and rule != "midpoint":  # what the nodes at the ends are good for
            error = max(error, np.abs(values - before).sum() / np.abs(values).sum())
        before = values
        if abs(values.sum() - change) <= tolerance * abs(change) and error <= tolerance:
            return steps
        nodes, _, intervals = refined(rule, intervals)
        steps = intervals + (rule == "trapezoid")


def noisy(x: np.ndarray, technique: Smooth, sample: int, leaf: int = 0) -> np.ndarray:
    drawn = normal(technique.seed, sample, leaf, x.shape[1:])
    out = []
    for example in x:
        spread = example.max() - example.min() if technique.relative else 1.0
        out.append(example + technique.noise * spread * drawn)
    return np.array(out)
