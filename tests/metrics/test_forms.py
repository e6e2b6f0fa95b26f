"""Complexity, sparseness and completeness, and what is compared with a mask, against hand values."""

import warnings

import numpy as np
import pytest

import backlight
from backlight.errors import InputError
from backlight_methods import InputXGradient, IntegratedGradients, Saliency
from backlight_metrics import (
    CompletenessGap,
    Complexity,
    MassAccuracy,
    PointingGame,
    RankAccuracy,
    Sparseness,
)
from tests.metrics.nets import SIDE, additive, bent, judged, random
from tests.reference import places_by_shapes

pytestmark = places_by_shapes

X = random(4, 3, SIDE, SIDE)
PLACES = SIDE * SIDE


def value(metric, maps: np.ndarray, **said: object) -> np.ndarray:
    model, _ = additive()
    return judged(model, X[: len(maps)], maps, metric, 1, **said).values


def blank() -> np.ndarray:
    return np.zeros((1, SIDE, SIDE))


@pytest.mark.parametrize(
    ("metric", "one", "all_"), [(Complexity(), 0, 1), (Sparseness(), 1 - 1 / PLACES, 0)]
)
def test_ends_of_complexity_and_sparseness(metric, one: float, all_: float) -> None:
    spot = blank()
    spot[0, 2, 5] = -3.0
    np.testing.assert_allclose(value(metric, spot), one, atol=1e-12)
    np.testing.assert_allclose(value(metric, blank() + 0.1), all_, atol=1e-12)
    maps = random(4, SIDE, SIDE)
    np.testing.assert_allclose(value(metric, -7 * maps[:, ::-1]), value(metric, maps), rtol=1e-12)
    assert np.isnan(value(metric, blank())).all()


def test_complexity_and_sparseness_by_their_definitions() -> None:
    maps = random(4, SIDE, SIDE)
    share = np.abs(maps).reshape(4, -1) / np.abs(maps).sum(axis=(1, 2))[:, None]
    entropy = -(share * np.log(share)).sum(axis=1) / np.log(PLACES)
    np.testing.assert_allclose(value(Complexity(), maps), entropy)
    flat = np.abs(maps).reshape(4, -1)
    pairs = np.abs(flat[:, :, None] - flat[:, None, :]).sum(axis=(1, 2))
    gini = pairs / (2 * PLACES**2 * flat.mean(axis=1))  # the mean difference of all pairs
    np.testing.assert_allclose(value(Sparseness(), maps), gini)


def test_channels_are_summed_before_anything_else() -> None:
    maps = random(4, 3, SIDE, SIDE)
    for metric in (Complexity(), Sparseness()):
        np.testing.assert_allclose(value(metric, maps), value(metric, maps.sum(axis=1)))


def test_the_gap_is_the_techniques_own() -> None:
    net, x = bent(), 8 * random(3, 1, SIDE, SIDE)
    rough = IntegratedGradients(steps=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", backlight.BacklightWarning)
        promised = np.asarray(rough(net, x, 1).relative_gap)
    techniques = {"rough": rough, "saliency": Saliency()}
    found = backlight.evaluate(net, x, techniques, CompletenessGap(), 1)
    np.testing.assert_allclose(found["rough", "CompletenessGap"].values, promised)
    assert (promised > 1e-3).all()
    for name in ("saliency", "random", "uniform"):
        assert found[name, "CompletenessGap"].n_nan == 3
    assert any("Raise steps" in note for note in found.warnings["rough"])


def test_the_gap_of_exact_contributions_is_nothing() -> None:
    model, _ = additive()
    found = judged(model, X, InputXGradient()(model, X, 1), CompletenessGap(), 1)
    assert found.n in (0, 4)  # where it promises completeness it keeps it
    np.testing.assert_allclose(found.present, 0, atol=1e-6)


def mask() -> np.ndarray:
    found = np.zeros((4, SIDE, SIDE), dtype=bool)
    found[0, :4, :2] = True
    found[1, 6:, 6:] = True
    found[2] = True
    return found  # the last one is empty


SHARES = np.array([8, 4, PLACES]) / PLACES


@pytest.mark.parametrize("metric", [PointingGame(), MassAccuracy(), RankAccuracy()])
def test_localisation_of_known_maps(metric) -> None:
    masks = mask()
    for maps, expected in (
        (masks.astype(float), [1, 1, 1]),
        (np.ones(masks.shape), SHARES),
        (1.0 - masks, [0, 0, 1] if not isinstance(metric, MassAccuracy) else [0, 0, np.nan]),
    ):
        found = value(metric, maps, masks=masks)
        np.testing.assert_allclose(found[:3], expected, atol=1e-12)
        assert np.isnan(found[3])  # an empty mask is no hit


def test_localisation_by_the_definitions() -> None:
    masks, maps = mask(), random(4, 3, SIDE, SIDE, seed=3)
    flat, on = maps.sum(axis=1).reshape(4, -1), masks.reshape(4, -1)
    pointed, mass, rank = (
        value(metric, maps, masks=masks)[:3]
        for metric in (PointingGame(), MassAccuracy(), RankAccuracy())
    )
    for row in range(3):
        assert pointed[row] == on[row, flat[row].argmax()]
        positive = np.maximum(flat[row], 0)
        np.testing.assert_allclose(mass[row], positive[on[row]].sum() / positive.sum())
        top = np.argsort(-flat[row])[: on[row].sum()]
        np.testing.assert_allclose(rank[row], on[row, top].mean())
    assert ((mass >= 0) & (mass <= 1)).all()


def test_rank_accuracy_shares_the_border_among_ties() -> None:
    maps, masks = blank(), blank().astype(bool)
    masks[0, 0, :4] = True
    maps[0, 0, 0] = 2.0  # on the object
    maps[0, 0, 1:3] = maps[0, 5, :4] = 1.0  # 2 of these 6 are on it, and 3 have room
    np.testing.assert_allclose(value(RankAccuracy(), maps, masks=masks), (1 + 3 * 2 / 6) / 4)


def test_pointing_within_a_tolerance() -> None:
    maps, masks = blank(), blank().astype(bool)
    masks[0, 2, 2], maps[0, 4, 2] = True, 1.0
    assert value(PointingGame(), maps, masks=masks) == 0
    assert value(PointingGame(tolerance=1.9), maps, masks=masks) == 0
    assert value(PointingGame(tolerance=2), maps, masks=masks) == 1


def test_metrics_that_need_masks_say_so() -> None:
    model, _ = additive()
    with pytest.raises(InputError, match="give masks="):
        backlight.evaluate(model, X, {"map": X}, ["pointing_game", "srg"], 1)
    with pytest.raises(InputError, match=r"shape \(4, 8, 8\)"):
        backlight.evaluate(model, X, {"map": X}, "mass_accuracy", 1, masks=np.ones((4, 3, 8, 8)))
    with pytest.raises(InputError, match="truths"):
        backlight.evaluate(model, X, {"map": X}, "mass_accuracy", 1, masks=np.full((4, 8, 8), 0.5))
