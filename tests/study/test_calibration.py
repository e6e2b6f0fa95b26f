"""Calibration, beside hand values and scikit-learn's curve."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from backlight_study.performance import performance
from tests.study.answers import answers


def test_by_hand() -> None:
    # Confidence 0.9 twice, once right; 0.6 twice, both right: 1/2 x 0.4 + 1/2 x 0.4.
    odds = np.array([[0.9, 0.1], [0.1, 0.9], [0.6, 0.4], [0.4, 0.6]])
    found = performance(np.array([0, 0, 0, 1]), odds, samples=20).calibration
    assert found.error.value == pytest.approx(0.4)
    full = [(one.count, one.confidence, one.accuracy) for one in found.bins if one.count]
    assert full == [(2, pytest.approx(0.6), 1.0), (2, pytest.approx(0.9), 0.5)]


def test_ends_of_bins_belong_to_the_bin_below() -> None:
    found = performance(np.array([0, 0]), np.array([[0.6, 0.4], [1.0, 0.0]]), samples=20)
    bins = found.calibration.bins
    assert len(bins) == 15
    assert (bins[8].count, bins[14].count) == (1, 1)  # (8/15, 9/15] and (14/15, 1]
    assert bins[0].low == 0.0
    assert bins[14].high == 1.0
    assert bins[0].confidence is bins[0].accuracy is None


@pytest.mark.parametrize("classes", [2, 10])
def test_bins_are_those_of_scikit_learn(classes: int) -> None:
    labels, odds = answers(2000, classes, strength=1.0)
    found = performance(labels, odds, samples=20).calibration
    right, confidence = odds.argmax(axis=1) == labels, odds.max(axis=1)
    accuracy, sure = calibration_curve(right, confidence, n_bins=15)
    full = [one for one in found.bins if one.count]
    np.testing.assert_allclose([one.accuracy for one in full], accuracy, rtol=1e-12)
    np.testing.assert_allclose([one.confidence for one in full], sure, rtol=1e-12)
    shares = np.array([one.count for one in full]) / 2000
    assert found.error.value == pytest.approx(shares @ np.abs(accuracy - sure), rel=1e-12)


@pytest.mark.parametrize(("sharpness", "within"), [(1.0, True), (2.0, False)])
def test_chance_tells_a_calibrated_model_from_a_confident_one(
    sharpness: float, within: bool
) -> None:
    random = np.random.default_rng(3)
    odds = random.dirichlet(np.ones(3), size=1500)
    labels = (random.random((1500, 1)) > odds.cumsum(axis=1)).sum(axis=1)
    told = odds**sharpness / (odds**sharpness).sum(axis=1, keepdims=True)
    found = performance(labels, told, samples=200).calibration
    assert (found.error.value <= found.chance[1]) == within


@pytest.mark.parametrize("excess", [0.0, 0.03, 0.1])
def test_intervals_cover_the_true_error(excess: float) -> None:
    """At least 95 % of them, also where the model is calibrated and the true error 0."""
    covered = 0
    random = np.random.default_rng(0)
    for seed in range(200):
        confidence = np.repeat([0.63, 0.77, 0.9], 100)
        odds = np.stack([confidence, 1 - confidence], axis=1)
        labels = (random.random(300) >= confidence - excess).astype(int)
        error = performance(labels, odds, samples=100, seed=seed).calibration.error
        covered += error.low <= excess + 1e-12 <= error.high
    assert covered >= 0.93 * 200
