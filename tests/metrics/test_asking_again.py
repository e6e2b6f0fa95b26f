"""Infidelity, sensitivity, random targets and agreement against algebra, on nets with known answers."""

import array_api_strict as strict
import numpy as np
import pytest

import backlight
from backlight import Margin
from backlight.errors import HyperParameterError
from backlight.values.noise import normal
from backlight_methods import Gradient, InputXGradient
from backlight_metrics import Agreement, Infidelity, MaxSensitivity, RandomTarget
from backlight_metrics.infidelity import cells_of
from backlight_metrics.similarity import rank_correlation, top_share
from tests.metrics.nets import SIDE, Counting, additive, bent, judged, random
from tests.reference import places_by_shapes

pytestmark = places_by_shapes

X = random(4, 3, SIDE, SIDE)
WEIGHT = additive()[1][..., 1]


@pytest.mark.parametrize("scale", [1.0, 10.0, 100.0])
def test_exact_contributions_foretell_everything_whatever_their_scale(scale: float) -> None:
    model, _ = additive()
    found = judged(model, X, scale * (X - 0.3) * WEIGHT, Infidelity(), 1, baseline=0.3)
    np.testing.assert_allclose(found.values, 0, atol=1e-20)
    raw = judged(model, X, scale * (X - 0.3) * WEIGHT, Infidelity(raw=True), 1, baseline=0.3)
    if scale == 1:
        np.testing.assert_allclose(raw.values, 0, atol=1e-20)
    else:
        assert (raw.values > 1).all()


@pytest.mark.parametrize("scale", [1.0, 10.0, 100.0])
def test_exact_derivatives_do_too_where_changes_are_local(scale: float) -> None:
    model, _ = additive()
    maps = np.broadcast_to(scale * WEIGHT, X.shape)
    found = judged(model, X, maps, Infidelity(local=True), 1)
    np.testing.assert_allclose(found.values, 0, atol=1e-20)


def test_the_opposite_foretells_nothing_and_a_map_of_nothing_neither() -> None:
    model, _ = additive()
    np.testing.assert_allclose(judged(model, X, -X * WEIGHT, Infidelity(), 1).values, 1)
    np.testing.assert_allclose(judged(model, X, 0 * X, Infidelity(), 1).values, 1)
    other = judged(model, X, random(*X.shape, seed=5), Infidelity(), 1).values
    assert ((other > 0.3) & (other <= 1)).all()


def test_infidelity_by_its_definition() -> None:
    """A loop over the noise, with the factor by least squares."""
    net, x = bent(), random(3, 1, SIDE, SIDE, seed=2)
    maps = random(3, 1, SIDE, SIDE, seed=3)
    found = judged(net, x, maps, Infidelity(local=True, samples=7, radius=0.2), 1, seed=4).values
    raw = judged(net, x, maps, Infidelity(local=True, samples=7, radius=0.2, raw=True), 1, seed=4)
    for row in range(3):
        foretold, changes = [], []
        for sample in range(7):
            noise = 0.2 * (x.max() - x.min()) * normal(4, sample, 0, (1, SIDE, SIDE), "first")
            foretold.append((maps[row] * noise).sum())
            both = np.array(net.predict(np.stack([x[row], x[row] - noise])))[:, 1]
            changes.append(both[0] - both[1])
        p, d = np.array(foretold), np.array(changes)
        factor = max(np.linalg.lstsq(p[:, None], d, rcond=None)[0][0], 0)
        np.testing.assert_allclose(found[row], ((factor * p - d) ** 2).sum() / (d**2).sum())
        np.testing.assert_allclose(raw.values[row], ((p - d) ** 2).mean())


def test_a_score_that_never_changes_has_no_infidelity() -> None:
    flat = Counting(("head", lambda x: strict.zeros((x.shape[0], 2), dtype=strict.float64)))
    assert judged(flat, X, X, Infidelity(), 1).n_nan == 4


def test_a_map_by_place_stands_for_each_channel() -> None:
    model, _ = additive()
    maps = random(4, SIDE, SIDE)
    wide = np.broadcast_to(maps[:, None], X.shape)
    one, other = (judged(model, X, each, Infidelity(local=True), 1).values for each in (maps, wide))
    np.testing.assert_allclose(one, other)


def test_cells_are_a_grid() -> None:
    from backlight.evaluating.places import LeafPlaces

    found = cells_of(LeafPlaces((3, 6, 4), 1, True), 3).reshape(6, 4)
    assert found.tolist() == [[0, 0, 1, 2]] * 2 + [[3, 3, 4, 5]] * 2 + [[6, 6, 7, 8]] * 2
    assert cells_of(LeafPlaces((5,), None, False), 3).tolist() == [0, 1, 2, 3, 4]


def test_the_gradient_of_a_linear_score_never_changes() -> None:
    model, _ = additive()
    found = backlight.evaluate(model, X, Gradient(), MaxSensitivity(samples=3), 1)
    cell = found["Gradient", "MaxSensitivity"]
    assert cell.comparison is None  # with a map that never changes, say
    np.testing.assert_allclose(cell.values, 0, atol=1e-9)  # central differences
    assert (found["uniform", "MaxSensitivity"].values == 0).all()
    assert (found["random", "MaxSensitivity"].values > 0.3).all()


def test_sensitivity_by_its_definition() -> None:
    """x * w changes by d * w: the largest move there is comes close to r |w|."""
    model, _ = additive()
    found = judged(model, X, InputXGradient(), MaxSensitivity(radius=0.1, samples=12), 1)
    reach = 0.1 * (X.max() - X.min())
    norms = np.sqrt((WEIGHT**2).sum()) * reach / np.sqrt(((X * WEIGHT) ** 2).sum(axis=(1, 2, 3)))
    # The mean square of a uniform number in [-1, 1] is a third.
    assert (found.values > norms / np.sqrt(3)).all()
    assert (found.values < norms).all()
    np.testing.assert_allclose(found.values, norms / np.sqrt(3), rtol=0.25)
    scaled = judged(
        model, X, lambda *a, **b: tenfold(*a, **b), MaxSensitivity(radius=0.1, samples=12), 1
    )
    np.testing.assert_allclose(scaled.values, found.values, rtol=1e-6)


def tenfold(*given, **said):
    import dataclasses

    found = InputXGradient()(*given, **said)
    return dataclasses.replace(found, values=found.values * 10)


def test_the_class_stays_and_flips_are_counted() -> None:
    weight = np.zeros((SIDE * SIDE, 2))
    weight[:, 1] = 1.0
    net = Counting(("head", lambda x: strict.reshape(x, (x.shape[0], -1)) @ strict.asarray(weight)))
    x = np.zeros((3, 1, SIDE, SIDE))
    x[0] += 1.0  # far from the border of the classes
    x[1] += 1e-6  # on it
    x[2] -= 1.0
    found = judged(net, x, InputXGradient(), MaxSensitivity(samples=20), 1)
    assert found.details["flips"][[0, 2]].tolist() == [0, 0]
    assert 4 <= found.details["flips"][1] <= 16


def test_a_radius_needs_a_range() -> None:
    model, _ = additive()
    found = judged(model, np.ones_like(X), Gradient(), MaxSensitivity(), 1)
    assert "no range of the data" in (found.error or "")


def test_maps_that_are_there_already_cannot_be_asked_again() -> None:
    model, _ = additive()
    for metric in (MaxSensitivity(), RandomTarget()):
        assert "give the technique itself" in (judged(model, X, X, metric, 1).error or "")


def opposite() -> Counting:
    weight = random(3 * SIDE * SIDE, 1, seed=8)
    both = strict.asarray(np.concatenate([weight, -weight], axis=1))
    return Counting(("head", lambda x: strict.reshape(x, (x.shape[0], -1)) @ both))


@pytest.mark.parametrize("target", [1, 0, Margin(1, versus=0)])
def test_a_class_and_its_opposite_have_opposite_maps(target) -> None:
    found = backlight.evaluate(opposite(), X, InputXGradient(), RandomTarget(), target)
    cell = found["InputXGradient", "RandomTarget"]
    np.testing.assert_allclose(cell.values, -1, atol=1e-9)
    other = 0 if target == 1 else 1 if target == 0 else 0
    assert (cell.details["class"] == other).all()
    assert (np.abs(found["random", "RandomTarget"].values) < 0.5).all()
    assert found["uniform", "RandomTarget"].n_nan == 4
    np.testing.assert_allclose(found["edges", "RandomTarget"].values, 1)


def test_other_classes_are_drawn_evenly_and_never_the_own() -> None:
    model, _ = additive()
    x = np.zeros((300, 3, SIDE, SIDE))
    drawn = judged(model, x, InputXGradient(), RandomTarget(), 1, batch_size=64).details["class"]
    assert set(drawn.tolist()) == {0, 2}
    assert 110 < (drawn == 0).sum() < 190


def test_agreement_of_equal_opposite_and_grown_maps() -> None:
    model, _ = additive()
    maps = random(4, SIDE, SIDE)
    given = {"one": maps, "grown": np.exp(maps), "opposite": -maps}
    found = backlight.evaluate(
        model, X, given, {"rank": Agreement(), "top": Agreement(measure="overlap")}, 1
    )
    one = found["one", "rank"]
    np.testing.assert_allclose(one.details["with grown"], 1)
    np.testing.assert_allclose(one.details["with opposite"], -1)
    np.testing.assert_allclose(one.values, 0, atol=1e-12)
    np.testing.assert_allclose(found["one", "top"].details["with grown"], 1)
    np.testing.assert_allclose(found["one", "top"].details["with opposite"], 0)
    assert set(found["random", "rank"].details) == {"with one", "with grown", "with opposite"}
    alone = judged(model, X, maps, Agreement(), 1)
    assert alone.n_nan == 4


def test_rank_correlation_and_top_places_with_ties_by_hand() -> None:
    one, other = np.array([[1.0, 2.0, 2.0, 5.0]]), np.array([[1.0, 3.0, 2.0, 2.0]])
    a, b = np.array([1, 2.5, 2.5, 4]), np.array([1, 4, 2.5, 2.5])
    np.testing.assert_allclose(rank_correlation(one, other), np.corrcoef(a, b)[0, 1])
    assert top_share(one, 0.5).tolist() == [[0, 0.5, 0.5, 1]]
    assert top_share(np.ones((1, 4)), 0.25).tolist() == [[0.25] * 4]


@pytest.mark.parametrize(
    "metric",
    [
        Infidelity(samples=6),
        Infidelity(local=True, samples=6),
        MaxSensitivity(samples=2),
        RandomTarget(),
    ],
)
def test_what_an_example_gets_does_not_depend_on_the_batch_size(metric) -> None:
    x = random(5, 1, SIDE, SIDE, seed=5)
    whole, alone = (
        judged(bent(), x, InputXGradient(), metric, 1, batch_size=size, baseline=0.3).values
        for size in (64, 1)
    )
    np.testing.assert_allclose(alone, whole, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    "metric",
    [
        Infidelity(samples=6),
        Infidelity(local=True, samples=9),
        MaxSensitivity(samples=3),
        RandomTarget(),
    ],
)
def test_passes_and_explanations_foretold_are_those_counted(metric) -> None:
    model, _ = additive()
    x, calls = random(3, 3, SIDE, SIDE), []

    def counted(*given, **said):
        before = model.rows
        found = InputXGradient()(*given, **said)
        calls.append(model.rows - before)
        return found

    judged(model, x, counted, metric, 1)
    cost = metric.cost(SIDE * SIDE)
    assert len(calls) - 1 <= cost.explanations
    if not isinstance(metric, RandomTarget):
        assert len(calls) - 1 == cost.explanations


@pytest.mark.parametrize(
    "made",
    [
        lambda: Infidelity(samples=0),
        lambda: Infidelity(raw="yes"),
        lambda: Infidelity(radius=0),
        lambda: MaxSensitivity(radius=-1),
        lambda: MaxSensitivity(samples=2.5),
        lambda: Agreement(measure="mean"),
        lambda: Agreement(share=0),
    ],
)
def test_hyper_parameters_out_of_range_are_refused(made) -> None:
    with pytest.raises(HyperParameterError):
        made()
