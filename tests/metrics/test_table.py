"""The table: controls, what is missing, comparisons, text and JSON; and the intervals' coverage."""

import json
from functools import partial

import numpy as np
import pytest

import backlight
from backlight import Comparison, Outcome
from backlight.errors import HyperParameterError, InputError, UnknownNameError
from backlight.evaluating.intervals import mean_interval
from backlight_methods import InputXGradient, Occlusion, Saliency
from backlight_metrics import SRG, Complexity, Deletion
from tests.metrics.nets import SIDE, additive, bent, judged, random
from tests.reference import places_by_shapes

pytestmark = places_by_shapes

X = random(6, 3, SIDE, SIDE)


@pytest.fixture(scope="module")
def table() -> backlight.Evaluation:
    model, weight = additive()
    maps = {"exact": X * weight[..., 1], "noise": random(*X.shape, seed=11), "bad": X.copy()}
    maps["bad"][2, 0, 0, 0] = np.nan
    return backlight.evaluate(model, X, maps, {"srg": SRG(), "spread": Complexity()}, 1)


def test_controls_are_in_every_table(table) -> None:
    assert table.techniques == ("exact", "noise", "bad")
    assert table.controls == ("random", "uniform", "centre", "edges")
    assert set(table.cells) == {
        (name, metric) for name in (*table.techniques, *table.controls) for metric in table.metrics
    }
    assert (table["uniform", "spread"].values == 1).all()


def test_controls_without_neighbours_are_left_out() -> None:
    net = backlight.wrap(bent())
    flat = backlight.evaluate(
        net, random(3, SIDE * SIDE), {"map": random(3, SIDE * SIDE)}, SRG(), 0
    )
    assert flat.controls == ("random", "uniform")


def test_edges_and_centre_are_what_they_are_called() -> None:
    from backlight.evaluating.controls import gaussian, sobel_size
    from backlight.evaluating.places import LeafPlaces

    picture = np.zeros((1, 6, 6, 2))
    picture[:, :, 3:, 1] = 1.0  # a step between columns 2 and 3
    found = sobel_size(picture, LeafPlaces((6, 6, 2), 3, True)).reshape(6, 6)
    assert (found[:, 2:4] == 4.0).all()
    assert (np.delete(found, [2, 3], axis=1) == 0).all()
    middle = gaussian((5, 9)).reshape(5, 9)
    assert np.unravel_index(middle.argmax(), middle.shape) == (2, 4)
    np.testing.assert_allclose(middle[2, 4 + 2] / middle[2, 4], np.exp(-((2 / 2.25) ** 2) / 2))


def test_the_exact_map_beats_the_controls_and_noise_does_not(table) -> None:
    exact, noise = table["exact", "srg"], table["noise", "srg"]
    assert exact.comparison is not None
    assert exact.comparison.is_better
    assert noise.comparison is not None
    assert not noise.comparison.is_better
    best = max(table.controls, key=lambda name: table[name, "srg"].mean)
    assert exact.comparison.control == best
    np.testing.assert_allclose(
        exact.comparison.mean, (exact.values - table[best, "srg"].values).mean()
    )
    assert table["exact", "spread"].comparison is None  # neither end is better
    assert table["random", "srg"].comparison is None


def test_lower_is_better_where_a_metric_says_so() -> None:
    model, weight = additive()
    found = judged(model, X, X * weight[..., 1], Deletion(), 1)
    assert found.comparison is not None
    assert found.comparison.is_better
    assert found.comparison.mean > 0


def test_maps_with_numbers_that_are_not_finite_have_no_value(table) -> None:
    cell = table["bad", "srg"]
    assert (cell.n, cell.n_nan) == (5, 1)
    assert np.isnan(cell.values[2])
    np.testing.assert_allclose(cell.mean, np.delete(cell.values, 2).mean())
    assert cell.comparison is not None
    assert cell.comparison.n == 5
    assert "(1 NaN)" in str(table)
    assert (
        next(
            one
            for one in table.to_dict()["cells"]
            if (one["technique"], one["metric"]) == ("bad", "srg")
        )["n_nan"]
        == 1
    )


def test_text_has_directions_units_counts_and_sentences(table) -> None:
    text = str(table)
    for part in (
        "score, higher is better",
        "no better or worse",
        "6 examples",
        "seed 0",
        "controls",
        "  uniform",
        "How much longer the score lasts",
        "* better than the best control",
    ):
        assert part in text
    rows = {line.split()[0]: line for line in text.splitlines() if line}
    assert "] *" in rows["exact"]
    assert "] -" in rows["noise"]


def test_json_holds_all_of_it_and_no_nan(table) -> None:
    found = json.loads(json.dumps(table.to_dict(), allow_nan=False))
    assert found["controls"] == ["random", "uniform", "centre", "edges"]
    assert found["metrics"]["srg"]["direction"] == "higher"
    assert found["metrics"]["spread"]["range"] == [0.0, 1.0]
    assert found["metrics"]["srg"]["range"] == [None, None]
    cell = next(one for one in found["cells"] if one["technique"] == "bad")
    assert cell["values"][2] is None
    assert len(cell["details"]["most_relevant_first"]) == 6


def test_the_same_seed_gives_the_same_and_another_another() -> None:
    def values(seed: int) -> np.ndarray:
        model, _ = additive()
        found = backlight.evaluate(model, X, {"map": np.ones(X.shape)}, SRG(), 1, seed=seed)
        return np.stack([found[name, "SRG"].values for name in ("map", "random")])

    assert (values(3) == values(3)).all()
    assert (values(3) != values(4)).any(axis=1).all()


def test_techniques_by_name_as_methods_as_functions_and_as_attributions() -> None:
    model, _ = additive()
    method = InputXGradient()
    ready = method(model, X, 1)
    given = ["input_x_gradient", method, partial(method), ready]
    found = backlight.evaluate(model, X, given, SRG(), 1)
    assert found.techniques == (
        "input_x_gradient",
        "InputXGradient",
        "InputXGradient 2",
        "InputXGradient 3",
    )
    first, *rest = (found[name, "SRG"].values for name in found.techniques)
    for other in rest:
        np.testing.assert_allclose(other, first)


def broken(model, x, target, **said):
    raise RuntimeError("no maps today")


class Refuses(backlight.Metric):
    """Refuses everything."""

    def __init__(self) -> None:
        pass

    def __repr__(self) -> str:
        return "Refuses()"

    def evaluate(self, subject):
        if subject.map.gap is None:
            raise InputError("not this one")
        return Outcome(np.zeros(subject.count + 1))


def test_what_fails_is_in_the_table_with_its_reason() -> None:
    model, _ = additive()
    given = {"broken": broken, "small": np.ones((6, 4, 4)), "good": Saliency()}
    found = backlight.evaluate(model, X, given, {"srg": SRG(), "no": Refuses()}, 1)
    assert found.errors["broken"] == "RuntimeError: no maps today"
    assert "its places are not those" in found.errors["small"]
    assert found["broken", "srg"].error == found.errors["broken"]
    assert found["good", "no"].error == "not this one"
    assert found["good", "srg"].n == 6
    text = str(found)
    assert "broken gave no maps: RuntimeError: no maps today" in text
    assert "no of good: not this one" in text


@pytest.mark.parametrize(
    ("said", "error", "match"),
    [
        ({"metrics": "srgg"}, UnknownNameError, "Nearest: srg"),
        ({"methods": "salience"}, UnknownNameError, "Nearest: saliency"),
        ({"metrics": []}, HyperParameterError, "at least"),
        ({"seed": -1}, HyperParameterError, "seed"),
        ({"methods": {"random": X}}, HyperParameterError, "name of a control"),
        ({"methods": X[:2]}, InputError, "2 maps for 6 examples"),
        ({"methods": 3}, HyperParameterError, "What is judged"),
        ({"baseline": "grey"}, HyperParameterError, "'blur' or 'mean'"),
        ({"baseline": np.zeros((2, 2))}, InputError, "A baseline must be"),
    ],
)
def test_what_cannot_be_asked_is_said_at_once(said, error, match) -> None:
    model, _ = additive()
    given = {"methods": Saliency(), "metrics": SRG(), "target": 1, **said}
    with pytest.raises(error, match=match):
        backlight.evaluate(model, X, **given)


def test_signals_tables_and_several_inputs_have_places_too() -> None:
    model = bent()
    flat = random(4, SIDE * SIDE)
    found = backlight.evaluate(model, flat, Occlusion(), SRG(), 1)
    assert found["Occlusion", "SRG"].comparison is not None
    two = Two()
    pair = (random(4, 5, seed=1), random(4, 7, seed=2))
    exact = tuple(x * w for x, w in zip(pair, two.weights, strict=True))
    found = backlight.evaluate(two, pair, {"exact": InputXGradient()}, SRG(steps=12), None)
    c = -np.sort(-np.concatenate(exact, axis=1), axis=1)
    expected = (c * (11 - 2 * np.arange(12)) / 12).sum(axis=1)
    np.testing.assert_allclose(found["exact", "SRG"].values, expected, rtol=1e-6)


def Two() -> object:  # noqa: N802
    import array_api_strict as strict

    from tests.reference import ReferenceModel

    weights = random(5, seed=3), random(7, seed=4)

    def total(one, two):
        parts = zip((one, two), map(strict.asarray, weights), strict=True)
        first, second = (strict.sum(x * w[None, :], axis=1) for x, w in parts)
        return first + second

    model = ReferenceModel(("sum", total))
    model.weights = weights
    return model


@pytest.mark.parametrize(("n", "skew"), [(12, False), (60, False), (60, True)])
def test_bootstrap_intervals_cover_the_mean_in_95_of_100_samples(n: int, skew: bool) -> None:
    generator = np.random.default_rng(5)
    drawn = generator.gamma(4.0, size=(600, n)) if skew else generator.normal(4.0, size=(600, n))
    inside = 0
    for number, sample in enumerate(drawn):
        low, high = mean_interval(sample, number)
        inside += low <= 4.0 <= high
    assert 0.93 <= inside / 600 <= 0.97


def test_intervals_of_fewer_than_two_examples_are_unknown() -> None:
    assert np.isnan(mean_interval(np.array([1.0]), 0)).all()
    assert mean_interval(np.full(5, 2.0), 0) == (2.0, 2.0)
    assert not Comparison("random", 0.1, float("nan"), float("nan"), 1).is_better
