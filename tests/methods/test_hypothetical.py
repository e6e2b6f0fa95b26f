"""Hypothetical contributions of one-hot inputs, against their definition and against algebra."""

from dataclasses import replace

import array_api_strict as strict
import numpy as np
import pytest

from backlight import DinucleotideShuffles, Drawn, Method, Several
from backlight.errors import HyperParameterError, InputError
from backlight_methods import DeepLIFT, ExpectedGradients, IntegratedGradients
from tests.methods.judges import any_numbers
from tests.reference import ReferenceModel, places_by_shapes
from tests.tape import arrays as functions

pytestmark = [*any_numbers, places_by_shapes]
LENGTH, K = 6, 1
DRAW = np.random.default_rng(0)
CODES = np.eye(4)
X = CODES[DRAW.integers(0, 4, (3, LENGTH))]
HIDDEN, HEAD = DRAW.normal(size=(LENGTH * 4, 5)), DRAW.normal(size=(5, 2))
BASELINES = np.stack([CODES[DRAW.integers(0, 4, (3, LENGTH))], np.full(X.shape, 0.25)])
"""Two for each example: another sequence, and all letters alike."""
CLOSE = {"rtol": 1e-9, "atol": 1e-9}
TECHNIQUES: list[Method] = [IntegratedGradients(steps=9), DeepLIFT(), ExpectedGradients(samples=7)]


def flat(x):
    return functions.reshape(x, (-1, LENGTH * 4))


def rectifying() -> ReferenceModel:
    def hidden(x):
        return functions.maximum(flat(x) @ strict.asarray(HIDDEN), 0.0)

    return ReferenceModel(("hidden", hidden), ("head", lambda y: y @ strict.asarray(HEAD)))


@pytest.mark.parametrize("method", TECHNIQUES)
def test_of_a_linear_model_it_is_weight_of_the_letter_minus_that_of_the_baseline(
    method: Method,
) -> None:
    weight = DRAW.normal(size=(LENGTH, 4))
    model = ReferenceModel(
        ("head", lambda x: flat(x) @ strict.asarray(np.stack([weight.ravel()] * 2, axis=1)))
    )
    start = BASELINES[0]
    found = replace(method, baseline=start, hypothetical=True)(model, X, K)
    expected = weight - (weight * start).sum(axis=2, keepdims=True)
    np.testing.assert_allclose(found.values, expected, **CLOSE)


@pytest.mark.parametrize("method", [IntegratedGradients(steps=9), DeepLIFT()])
def test_it_is_the_mean_over_baselines_of_what_multipliers_say_of_each_letter(
    method: Method,
) -> None:
    model, several = rectifying(), Several(list(BASELINES))
    found = replace(method, baseline=several, hypothetical=True, keep="each")(model, X, K)
    assert found.gap is None
    expected = np.zeros((len(BASELINES), *X.shape))
    for number, start in enumerate(BASELINES):
        factors = np.asarray(replace(method, baseline=start, multipliers=True)(model, X, K).values)
        for letter in range(4):
            change = CODES[letter] - start
            expected[number, ..., letter] = (factors * change).sum(axis=2)
    np.testing.assert_allclose(found.each, expected, **CLOSE)
    np.testing.assert_allclose(found.values, expected.mean(axis=0), **CLOSE)


@pytest.mark.parametrize("method", TECHNIQUES)
@pytest.mark.parametrize("baseline", [Drawn(X, samples=3), DinucleotideShuffles(4)])
def test_of_the_letter_that_is_there_it_is_its_contribution(
    method: Method, baseline: object
) -> None:
    contributions = replace(method, baseline=baseline)(rectifying(), X, K)
    found = replace(method, baseline=baseline, hypothetical=True)(rectifying(), X, K, batch_size=2)
    there = (X * np.asarray(found.values)).sum(axis=2)
    np.testing.assert_allclose(there, np.asarray(contributions.values).sum(axis=2), **CLOSE)


def test_what_is_no_one_hot_input_is_refused() -> None:
    for x in (X / 2, np.ones(X.shape)):
        with pytest.raises(InputError, match="hypothetical=True needs one-hot sequences"):
            DeepLIFT(hypothetical=True)(rectifying(), x, K)


@pytest.mark.parametrize(
    "options", [{"multipliers": True}, {"tolerance": 0.1}], ids=["multipliers", "tolerance"]
)
def test_it_is_no_sum_and_no_multiplier(options: dict) -> None:
    with pytest.raises(HyperParameterError, match=r"IntegratedGradients.hypothetical must be F"):
        IntegratedGradients(hypothetical=True, **options)
