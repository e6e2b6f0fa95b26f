"""Points on the way from a baseline to the input."""

import array_api_strict as strict
import numpy as np

from backlight import Class, Objective
from backlight.values.arrays import between
from backlight_methods.gradients.paths import Paths
from tests.reference import ReferenceModel, linear

PLACES = np.array([0.0, 0.3, 0.5, 0.7, 1.0])
X = np.random.default_rng(0).uniform(size=(2, 400))
START = np.random.default_rng(1).normal(size=(1, 400))


def points(x: np.ndarray, start: np.ndarray) -> np.ndarray:
    model = ReferenceModel(("out", linear(np.ones((400, 1)))))
    inputs = model.prepare(x)
    score = Class(0).bind(model.outputs(inputs), 2)
    objective = Objective(model, inputs, score, None, 8, np.arange(2), 2)
    found, ways = Paths(objective, [strict.asarray(start)]).points([0] * 5, PLACES)
    np.testing.assert_array_equal(np.asarray(ways), [x - start])
    return np.asarray(found)


def test_the_ends_of_the_way_are_the_baseline_and_the_input_exactly() -> None:
    found = points(X, START)
    np.testing.assert_array_equal(found[0], np.tile(START, (2, 1)))
    np.testing.assert_array_equal(found[-1], X)
    assert (START + (X - START) != X).any()  # adding the way to the baseline does not give x
    expected = START + PLACES[:, None, None] * (X - START)
    np.testing.assert_allclose(found, expected, rtol=1e-14, atol=1e-15)


def test_shares_of_0_and_1_are_the_ends_exactly() -> None:
    share = strict.asarray(np.arange(400) % 3 / 2)
    found = np.asarray(between(strict.asarray(START), strict.asarray(X), share))
    np.testing.assert_array_equal(found[:, 0::3], np.tile(START[:, 0::3], (2, 1)))
    np.testing.assert_array_equal(found[:, 2::3], X[:, 2::3])
