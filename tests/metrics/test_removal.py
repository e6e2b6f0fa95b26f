"""SRG, deletion, insertion and decision flips against algebra, on nets with known answers."""

import array_api_strict as strict
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

import backlight
from backlight import Margin, Metric, Several
from backlight.errors import HyperParameterError
from backlight_metrics import SRG, Complexity, DecisionFlip, Deletion, Insertion
from backlight_metrics.removal import removed_counts
from tests.metrics.nets import SIDE, Counting, additive, bent, judged, random
from tests.reference import linear

PLACES = SIDE * SIDE
EACH = {"steps": PLACES}
"""Places are removed one by one."""


def closed(c: np.ndarray) -> np.ndarray:
    """SRG of contributions (N, places) of a score that is their sum, by the rank sum."""
    ordered = -np.sort(-c, axis=1)
    n = c.shape[1]
    return (ordered * (n - 1 - 2 * np.arange(n)) / n).sum(axis=1)


@pytest.fixture(scope="module")
def sums():
    """An additive net, pictures, and the exact contributions (N, C, H, W) to class 1."""
    model, weight = additive()
    x = random(5, 3, SIDE, SIDE, seed=4)
    return model, x, x * weight[..., 1]


@pytest.mark.parametrize("baseline", [0.0, 0.7])
def test_srg_of_a_sum_is_the_sum_over_ranks(sums, baseline: float) -> None:
    model, x, _ = sums
    weight = additive()[1][..., 1]
    c = (x - baseline) * weight
    found = judged(model, x, c, SRG(baseline=baseline, **EACH), 1)
    np.testing.assert_allclose(found.values, closed(c.sum(axis=1).reshape(5, -1)), rtol=1e-10)


def test_srg_changes_its_sign_with_the_map_and_no_map_has_more(sums) -> None:
    model, x, c = sums
    best = judged(model, x, c, SRG(**EACH), 1).values
    np.testing.assert_allclose(judged(model, x, -c, SRG(**EACH), 1).values, -best, rtol=1e-10)
    other = judged(model, x, random(*x.shape, seed=9), SRG(**EACH), 1).values
    assert (other < best).all()
    assert (np.abs(other) < 0.5 * best).all()


def test_the_curves_are_those_of_removal_place_by_place(sums) -> None:
    model, x, c = sums
    found = judged(model, x, c, SRG(**EACH), 1)
    by_place = -np.sort(-c.sum(axis=1).reshape(5, -1), axis=1)
    total = by_place.sum(axis=1, keepdims=True)
    gone = np.concatenate([np.zeros((5, 1)), np.cumsum(by_place, axis=1)], axis=1)
    np.testing.assert_allclose(found.details["most_relevant_first"], total - gone, atol=1e-10)
    np.testing.assert_allclose(found.details["least_relevant_first"], gone[:, ::-1], atol=1e-10)
    np.testing.assert_allclose(found.details["shares"][0], np.arange(PLACES + 1) / PLACES)


def test_deletion_and_insertion_are_the_areas_of_the_two_curves(sums) -> None:
    model, x, c = sums
    srg = judged(model, x, c, SRG(**EACH), 1)
    shares = srg.details["shares"][0]

    def area(curve: np.ndarray) -> np.ndarray:
        return np.trapezoid(curve, shares, axis=1)

    deletion = judged(model, x, c, Deletion(**EACH), 1)
    insertion = judged(model, x, c, Insertion(baseline=0.0, **EACH), 1)
    np.testing.assert_allclose(deletion.values, area(srg.details["most_relevant_first"]))
    np.testing.assert_allclose(insertion.values, area(srg.details["least_relevant_first"]))
    np.testing.assert_allclose(insertion.values - deletion.values, srg.values, atol=1e-10)
    curve = insertion.details["curve"]
    np.testing.assert_allclose(curve[:, 0], 0, atol=1e-10)
    np.testing.assert_allclose(curve[:, -1], c.sum(axis=(1, 2, 3)), rtol=1e-10)


def test_insertion_starts_at_the_blurred_picture(sums) -> None:
    model, x, c = sums
    weight = additive()[1][..., 1]
    found = judged(model, x, c, Insertion(), 1)
    blurred = gaussian_filter(x, [0, 0, 1.0, 1.0], mode="nearest")
    np.testing.assert_allclose(found.details["curve"][:, 0], (blurred * weight).sum(axis=(1, 2, 3)))


def test_the_mean_is_that_of_each_channel(sums) -> None:
    model, x, c = sums
    weight = additive()[1][..., 1]
    found = judged(model, x, c, Deletion(baseline="mean"), 1)
    mean = np.broadcast_to(x.mean(axis=(2, 3), keepdims=True), x.shape)
    np.testing.assert_allclose(found.details["curve"][:, -1], (mean * weight).sum(axis=(1, 2, 3)))


def test_several_baselines_are_averaged_over(sums) -> None:
    model, x, c = sums
    both = judged(model, x, c, Deletion(baseline=Several([0.0, 0.7])), 1).values
    each = [judged(model, x, c, Deletion(baseline=one), 1).values for one in (0.0, 0.7)]
    np.testing.assert_allclose(both, np.mean(each, axis=0))


@pytest.mark.parametrize("metric", [SRG(), Deletion(), DecisionFlip(), Insertion()])
def test_what_an_example_gets_does_not_depend_on_the_batch_size(metric) -> None:
    x, maps = random(7, 1, SIDE, SIDE, seed=5), random(7, 1, SIDE, SIDE, seed=6)
    maps = np.maximum(maps, 0)  # with ties
    whole = judged(bent(), x, maps, metric, None, batch_size=64, baseline=0.3)
    alone = judged(bent(), x, maps, metric, None, batch_size=1, baseline=0.3)
    np.testing.assert_allclose(alone.values, whole.values, rtol=1e-9, atol=1e-12)


def test_places_are_replaced_in_all_their_channels_and_as_many_as_said() -> None:
    """A map of which 64 % are zeros changes 50 % of the places at 50 %, and each of them wholly."""
    seen: list[np.ndarray] = []

    def watched(x):
        seen.append(np.array(x))
        return strict.reshape(x, (x.shape[0], -1)) @ strict.asarray(random(300, 3))

    x = 1 + np.abs(random(2, 3, 10, 10, seed=7))
    maps = np.abs(random(2, 10, 10, seed=8))
    for one in maps:
        one.reshape(-1)[np.argsort(one.reshape(-1))[:64]] = 0
    assert (maps == 0).mean() == 0.64
    model = Counting(("head", watched))
    judged(model, x, maps, Deletion(steps=2, orders=4), 1, batch_size=2)
    gone = [(one == 0) for one in seen if one.shape == x.shape]
    half = [one for one in gone if 0 < one.mean() < 1]
    assert half
    for one in half:
        assert (one.all(axis=1) == one.any(axis=1)).all()
        assert (one[:, 0].reshape(2, -1).sum(axis=1) == 50).all()


def test_a_map_without_differences_is_scored_without_bias(sums) -> None:
    """Raster order would give every example the same sign where weights fall from the top down."""
    weight = np.linspace(1, -1, PLACES)[:, None]
    model = Counting(
        ("head", lambda x: strict.reshape(x, (x.shape[0], -1)) @ strict.asarray(weight))
    )
    x = np.ones((200, 1, SIDE, SIDE))
    exact = closed(np.broadcast_to(weight[:, 0], (1, PLACES)))[0]
    found = judged(model, x, np.ones_like(x), SRG(orders=1), 0)
    assert abs(found.mean) < 0.05 * exact
    assert found.interval[0] < 0 < found.interval[1]
    # Several orders agree more with one another.
    several = judged(model, x, np.ones_like(x), SRG(orders=8), 0)
    assert np.std(several.values) < 0.6 * np.std(found.values)


def test_permuted_places_of_net_input_and_map_give_the_same(sums) -> None:
    model, x, c = sums
    order = np.random.default_rng(0).permutation(PLACES)
    weight = additive()[1].reshape(3, PLACES, 3)[:, order].reshape(-1, 3)
    other = Counting(
        ("head", lambda x: strict.reshape(x, (x.shape[0], -1)) @ strict.asarray(weight))
    )

    def moved(array: np.ndarray) -> np.ndarray:
        return array.reshape(5, 3, PLACES)[:, :, order].reshape(array.shape)

    np.testing.assert_allclose(
        judged(other, moved(x), moved(c), SRG(), 1).values,
        judged(model, x, c, SRG(), 1).values,
        rtol=1e-10,
    )


def patch(share: int) -> Counting:
    """Class 1 is ahead while more than none of the first `share` places are there."""

    def decide(x):
        flat = strict.reshape(x, (x.shape[0], -1))
        there = strict.sum(flat[:, :share], axis=1)
        return strict.stack([strict.zeros_like(there) + 0.5, there], axis=1)

    return Counting(("head", decide))


@pytest.mark.parametrize("target", [1, Margin(1, versus=0)])
def test_a_decision_by_a_patch_is_turned_by_the_patchs_share(target) -> None:
    x = np.ones((3, 1, SIDE, SIDE))
    maps = np.zeros((3, SIDE, SIDE))
    maps[:, 0, :] = 2.0
    maps[:, 1, :4] = 1.5
    found = judged(patch(12), x, maps, DecisionFlip(steps=PLACES), target)
    np.testing.assert_allclose(found.values, 12 / PLACES)
    assert found.counts() == {"turned": 3}
    assert found.details["turned"].all()
    # The map's negative turns it last, a scaled one as soon.
    np.testing.assert_allclose(
        judged(patch(12), x, -maps, DecisionFlip(steps=PLACES), target).values, 1.0
    )
    np.testing.assert_allclose(
        judged(patch(12), x, 100 * maps, DecisionFlip(steps=PLACES), target).values, 12 / PLACES
    )


def test_what_nothing_turns_counts_as_all_and_is_counted() -> None:
    model = Counting(
        ("head", lambda x: strict.stack([0 * x[:, 0, 0, 0], 0 * x[:, 0, 0, 0] + 1], axis=1))
    )
    found = judged(model, np.ones((2, 1, 4, 4)), random(2, 4, 4), DecisionFlip(), 1)
    assert found.values.tolist() == [1.0, 1.0]
    assert found.counts() == {"turned": 0}


def test_a_margin_that_is_not_ahead_has_no_value() -> None:
    x = np.stack([np.ones((1, SIDE, SIDE)), np.zeros((1, SIDE, SIDE))])
    found = judged(patch(12), x, random(2, SIDE, SIDE), DecisionFlip(), Margin(1, versus=0))
    assert not np.isnan(found.values[0])
    assert np.isnan(found.values[1])
    assert (found.n, found.n_nan) == (1, 1)


def test_a_score_of_no_class_has_no_decision() -> None:
    found = judged(bent(), random(2, 1, SIDE, SIDE), random(2, SIDE, SIDE), "decision_flip", total)
    assert "There is no decision" in (found.error or "")


def total(outputs, arrays):
    return arrays.sum(outputs, axis=1)


def test_counts_of_removed_places_are_even_and_complete() -> None:
    assert removed_counts(4, 20).tolist() == [0, 1, 2, 3, 4]
    assert removed_counts(100, 4).tolist() == [0, 25, 50, 75, 100]
    assert removed_counts(1, 20).tolist() == [0, 1]


@pytest.mark.parametrize(
    "made",
    [
        lambda: SRG(steps=0),
        lambda: SRG(orders=1.5),
        lambda: Deletion(baseline="blurry"),
        lambda: Insertion(baseline=float("nan")),
    ],
)
def test_hyper_parameters_out_of_range_are_refused(made) -> None:
    with pytest.raises(HyperParameterError):
        made()


def rows_asked(maps: dict[str, np.ndarray], metrics: list[Metric], target: object, **said) -> int:
    """How many examples go through the model for these metrics of these maps and the controls."""
    model, _ = additive()
    x = random(4, 3, SIDE, SIDE, seed=4)
    backlight.evaluate(model, x, maps, metrics, target, batch_size=1, **said)
    return model.rows


def test_metrics_maps_and_orders_share_the_points_that_they_ask_about() -> None:
    """One example in a pass, so that none is there to fill it up: points are counted."""
    margin, maps = Margin(1, versus=0), {"one": random(4, SIDE, SIDE, seed=8)}
    srg, steps = SRG(steps=8), {"steps": 8}
    as_it_is = rows_asked(maps, [Complexity()], margin)
    asked = rows_asked(maps, [srg], margin)
    # Two walks along the map and along random numbers, without their ends, and the baseline.
    assert asked - as_it_is > 4 * (2 * 7 * 2 + 1)
    same = [srg, Deletion(**steps), Insertion(baseline=0.0, **steps), DecisionFlip(**steps)]
    assert rows_asked(maps, same, margin) == asked
    assert rows_asked(maps, [SRG(baseline=0.0, **steps), srg], margin, baseline=0.0) == asked
    assert rows_asked({**maps, "other": 3 * maps["one"]}, [srg], margin) == asked
    both = [srg, SRG(baseline=0.5, **steps)]
    assert rows_asked(maps, both, margin) == 2 * asked - as_it_is
    # Of a class, the decision is another question.
    of_class = rows_asked(maps, [srg], 1)
    assert of_class - rows_asked(maps, [Complexity()], 1) == asked - as_it_is
    assert rows_asked(maps, [srg, DecisionFlip(**steps)], 1) > of_class


def test_places_that_hold_the_baseline_already_cost_nothing() -> None:
    x = random(4, 3, SIDE, SIDE, seed=4)
    x[:, :, :, 2:] = 0.0  # all but a quarter
    counts = []
    for baseline in (0.0, 9.0):
        model, weight = additive()
        found = judged(model, x, x * weight[..., 1], SRG(steps=PLACES), 1, baseline=baseline)
        if baseline == 0.0:
            c = (x * weight[..., 1]).sum(axis=1).reshape(4, -1)
            np.testing.assert_allclose(found.values, closed(c), rtol=1e-10)
        counts.append(model.rows)
    assert counts[0] < 0.5 * counts[1]


class Failing(Counting):
    """A net that fails where more than half of a picture is replaced by 9."""

    def score(self, inputs, score, **where):
        x = np.asarray(self.prepare(inputs).attributed)
        if ((x == 9.0).mean(axis=(1, 2, 3)) > 0.5).any():
            raise ArithmeticError("too much is gone")
        return super().score(inputs, score, **where)


def test_a_net_that_fails_costs_the_metrics_that_asked_and_no_others() -> None:
    weight = additive()[1]
    model = Failing(("head", linear(weight.reshape(-1, 3))))
    x = random(4, 3, SIDE, SIDE, seed=4)
    found = backlight.evaluate(
        model, x, {"map": x * weight[..., 1]}, [SRG(baseline=9.0), Deletion(), Complexity()], 1
    )
    assert found["map", "SRG"].error == "ArithmeticError: too much is gone"
    assert found["map", "Deletion"].n == found["map", "Complexity"].n == 4


def test_progress_counts_passes_up_to_what_was_foreseen() -> None:
    model, weight = additive()
    x, told = random(5, 3, SIDE, SIDE, seed=4), []
    maps = {"map": x * weight[..., 1]}
    given = backlight.evaluate(
        model, x, maps, [SRG()], 1, batch_size=3, progress=lambda *one: told.append(one)
    )
    assert given["map", "SRG"].n == 5
    assert {what for what, _, _ in told} == {"Judging"}
    done = [count for _, count, _ in told]
    assert done[0] == 0
    assert done == sorted(done)
    assert 0.8 * model.rows < done[-1] <= told[-1][2] < 1.2 * model.rows
