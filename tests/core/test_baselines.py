"""Baselines that are made of the examples, drawn or computed: which each gets, and what is refused."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import array_api_strict as strict
import numpy as np
import pytest

from backlight import Drawn, MadeBaseline, Method, Several
from backlight.errors import HyperParameterError, InputError
from backlight.values.noise import drawn_rows
from backlight_methods import (
    DeepLIFT,
    ExpectedGradients,
    FeatureAblation,
    IntegratedGradients,
    Occlusion,
    Smooth,
)
from tests.methods.judges import any_numbers
from tests.reference import ReferenceModel, places_by_shapes, polynomial
from tests.tape import arrays as functions

pytestmark = [*any_numbers, places_by_shapes]
DRAW = np.random.default_rng(0)
WEIGHT = DRAW.normal(size=(4, 2))
LINEAR = ReferenceModel(("head", polynomial(WEIGHT)))
X, DATA = DRAW.normal(size=(5, 4)), DRAW.normal(size=(9, 4))
K = 1
CLOSE = {"rtol": 1e-9, "atol": 1e-9}


def values(method: Method, baseline: object) -> np.ndarray:
    found = replace(method, baseline=baseline)(LINEAR, X, K, batch_size=2)
    return np.asarray(found.values)


def by_algebra(baselines: np.ndarray) -> np.ndarray:
    """Of the linear model, for baselines (samples, N, 4) that are averaged."""
    return WEIGHT[:, K] * (X - baselines.mean(axis=0))


def of_rows(seed: int, samples: int) -> np.ndarray:
    """What the five examples draw of the data, (samples, 5, 4)."""
    return np.stack([DATA[drawn_rows(seed, row, 9, samples)] for row in range(5)], axis=1)


KINDS: dict[str, tuple[object, list[np.ndarray]]] = {
    "function": (lambda x: x * x, [X * X]),
    "drawn": (Drawn(DATA, samples=4, seed=3), [*of_rows(3, 4)]),
    "several for each": (Several([DATA[:5], DATA[3:8]]), [DATA[:5], DATA[3:8]]),
    "one for each, one for all": (Several([DATA[:5], 0.5]), [DATA[:5], np.full(X.shape, 0.5)]),
    "made ones": (Several([np.zeros_like, Drawn(DATA, 2, 3)]), [0 * X, *of_rows(3, 2)]),
}
"""Baselines, and what they are for the examples."""


TECHNIQUES = [IntegratedGradients(steps=2), DeepLIFT(), FeatureAblation(), Occlusion()]


@pytest.mark.parametrize("method", TECHNIQUES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_technique_takes_baselines_of_every_kind(method: Method, kind: str) -> None:
    baseline, expected = KINDS[kind]
    np.testing.assert_allclose(values(method, baseline), by_algebra(np.stack(expected)), **CLOSE)


# Draws


def test_each_example_draws_its_own_rows_and_none_twice() -> None:
    drawn = [tuple(drawn_rows(0, row, 30, 10)) for row in range(40)]
    assert len(set(drawn)) == 40
    assert all(len(set(one)) == 10 for one in drawn)
    assert np.bincount(np.ravel(drawn), minlength=30).min() > 3
    assert sorted(drawn_rows(0, 0, 30, 30)) == list(range(30))
    assert tuple(drawn_rows(1, 0, 30, 10)) != drawn[0]


def test_inputs_draw_the_same_rows_of_their_data() -> None:
    model = ReferenceModel(("head", lambda a, b: a * b))
    x = (np.ones((3, 2)), np.full((3, 2), 2.0))
    data = DRAW.normal(size=(50, 2))
    baseline = (Drawn(data, 1), Drawn(10 * data, 1))
    found = IntegratedGradients(steps=4, baseline=baseline)(model, x, 0)
    rows = [drawn_rows(0, row, 50, 1)[0] for row in range(3)]
    np.testing.assert_allclose(found.baseline_score, 10 * data[rows, 0] ** 2, **CLOSE)


def test_as_many_samples_of_each_input_are_needed() -> None:
    model, x = ReferenceModel(("head", lambda a, b: a * b)), (np.ones((3, 2)),) * 2
    baseline = (Drawn(np.ones((9, 2)), 2), Drawn(np.ones((9, 2)), 3))
    with pytest.raises(InputError, match="have 2, 3 baselines for each example: say as many"):
        DeepLIFT(baseline=baseline)(model, x, 0)
    shared = DeepLIFT(baseline=(Drawn(np.ones((9, 2)), 2), 0.0))(model, x, 0)
    np.testing.assert_allclose(shared.baseline_score, 0.0)


def test_expected_gradients_draw_among_the_draws() -> None:
    found = ExpectedGradients(baseline=Drawn(DATA, 9), samples=12)(LINEAR, X, K)
    assert np.abs(np.asarray(found.values) - by_algebra(np.stack([DATA] * 5, 1))).max() < 1.0
    repeated = ExpectedGradients(baseline=Drawn(DATA, 9), samples=12)(LINEAR, X, K, batch_size=1)
    np.testing.assert_allclose(repeated.values, found.values, **CLOSE)


def test_words_are_drawn_from_tables_and_ids_from_ids() -> None:
    ids = np.array([[3, 4, 5]])
    model = ReferenceModel(("head", lambda x: strict.astype(x, strict.float64)))
    found = FeatureAblation(baseline=Drawn(np.array([[1, 1, 2]]), 1))(model, ids, 0)
    np.testing.assert_array_equal(found.values, [[2.0, 0.0, 0.0]])
    table = np.array([["a", 1.0], ["b", 2.0]], dtype=object)
    (made,) = Drawn(table, 1).of(np.array([["c", 3.0]], dtype=object), None, np.arange(1))
    assert made.tolist()[0] in table.tolist()


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"data": 3.0}, "Drawn.data must be an array with an example in each row"),
        ({"data": np.zeros((0, 4))}, "Drawn.data must be an array with an example in each row"),
        ({"data": [[1.0]]}, "Drawn.data must be an array with an example in each row"),
        ({"data": DATA, "samples": 10}, "Drawn.samples must be from 1 to the 9 rows of the data"),
        ({"data": DATA, "samples": 0}, "Drawn.samples must be from 1 to the 9 rows"),
        ({"data": DATA, "samples": 1, "seed": -1}, "Drawn.seed must be at least 0"),
    ],
)
def test_what_cannot_be_drawn(options: dict, wanted: str) -> None:
    with pytest.raises(HyperParameterError, match=wanted):
        Drawn(**options)


def test_data_of_another_shape_are_refused() -> None:
    with pytest.raises(
        InputError, match=r"shaped like an example, \(4,\); got data of shape \(9, 3"
    ):
        values(DeepLIFT(), Drawn(DATA[:, :3], 2))


# Functions


def test_a_function_sees_native_arrays_nested_as_the_inputs_are() -> None:
    seen = []

    def swapped(x: tuple) -> tuple:
        seen.extend(x)
        return x[1], x[0]

    model = ReferenceModel(("head", lambda a, b: 2 * a + 3 * b))
    found = DeepLIFT(baseline=swapped)(model, (X, X**2), 0)
    np.testing.assert_allclose(found.values[0], (X - X**2) * [2, 0, 0, 0], **CLOSE)
    assert {type(one) for one in seen} == {type(strict.asarray(0.0))}
    own = DeepLIFT(baseline=(lambda one: -one, 0.0))(model, (X, X**2), 0)
    np.testing.assert_allclose(own.values[0], 2 * X * [2, 0, 0, 0], **CLOSE)


def test_a_function_at_an_inner_site_sees_its_value() -> None:
    model = ReferenceModel(("inner", lambda x: x * x), ("head", polynomial(WEIGHT)))
    found = IntegratedGradients(steps=2, baseline=lambda y: y / 2)(model, X, K, at="inner")
    np.testing.assert_allclose(found.values, WEIGHT[:, K] * X**2 / 2, **CLOSE)


def test_a_function_is_computed_once_for_a_block() -> None:
    calls = []

    def counted(x):
        calls.append(len(np.asarray(x)))
        return x * 0.0

    IntegratedGradients(steps=3, baseline=counted)(LINEAR, X, K, batch_size=5)
    assert calls == [5, 1]  # all rows, then the first alone


def test_noise_around_a_technique_leaves_each_point_its_own_baseline() -> None:
    method = Smooth(inner=DeepLIFT(baseline=lambda x: x - 1.0), samples=3, noise=0.5)
    found = method(LINEAR, X, K)
    np.testing.assert_allclose(found.values, np.broadcast_to(WEIGHT[:, K], X.shape), **CLOSE)


def failing(x: object) -> object:
    raise KeyError("gone")


@pytest.mark.parametrize(
    ("function", "wanted"),
    [
        (lambda x: functions.mean(x, axis=0), r"gave shape \(4,\) for a value of shape \(5, 4\)"),
        (lambda x: x - functions.mean(x), "another baseline alone than among the others"),
        (lambda x: x * float("nan"), "gave numbers that are NaN or infinite"),
        (failing, r"The baseline function failing raised KeyError for a value of shape \(5, 4\)"),
        (lambda x: None, "must be a number or an array, got None"),
        (lambda x: 0.0, r"gave shape \(\) for a value"),
    ],
)
def test_what_a_function_must_not_give(function: Callable, wanted: str) -> None:
    with pytest.raises(InputError, match=wanted):
        IntegratedGradients(baseline=function)(LINEAR, X, K)


def test_functions_are_shown_by_their_names() -> None:
    assert repr(DeepLIFT(baseline=failing)).startswith("DeepLIFT(baseline=failing, ")
    assert repr(Several([lambda x: x])) == "Several(values=[<lambda>])"
    assert (
        repr(Several([partial(failing)]))
        == "Several(values=[functools.partial(<function failing>)])"
    )
    assert DeepLIFT(baseline=failing) == DeepLIFT(baseline=failing)
    assert DeepLIFT(baseline=failing) != DeepLIFT(baseline=partial(failing))
    text = "Drawn(data=array(float64, (9, 4), mean 2), samples=2, seed=0)"
    assert repr(Drawn(np.full((9, 4), 2.0), 2)) == text


# What others make


@dataclass(frozen=True)
class Reversed(MadeBaseline):
    """The examples backwards."""

    times: int = 1

    def of(self, value, layout, rows):
        assert len(value) == len(rows)
        return (value[:, ::-1],) * self.times


def test_what_others_make_is_a_baseline() -> None:
    found = values(DeepLIFT(), Reversed())
    np.testing.assert_allclose(found, by_algebra(X[None, :, ::-1]), **CLOSE)
    with pytest.raises(InputError, match=r"Reversed\(times=0\) made no baseline at all"):
        values(DeepLIFT(), Reversed(0))
