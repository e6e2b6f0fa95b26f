"""Nets that say of each label whether an example has it, beside hand values and scikit-learn."""

import json

import numpy as np
import pytest
import sklearn.metrics
from scipy.stats import bootstrap

from backlight.errors import InputError
from backlight_study.performance import multi_label_performance
from backlight_study.performance.counts import Counts


def drawn(count: int, labels: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    has = random.random((count, labels)) < random.uniform(0.1, 0.6, labels)
    return has, 1 / (1 + np.exp(-random.normal(size=has.shape) - 1.5 * has + 1.0))


def test_by_hand() -> None:
    has = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 0]], dtype=bool)
    odds = np.array([[0.9, 0.2, 0.1], [0.4, 0.8, 0.2], [0.5, 0.7, 0.3], [0.1, 0.6, 0.4]])
    found = multi_label_performance(has, odds, samples=20)
    first, second, third = found.labels
    assert (first.missed, first.invented, first.mistakes) == (1, 1, 2)
    assert (second.missed, second.invented) == (0, 1)
    assert first.figures.precision.value == 0.5
    assert first.figures.auc.value == 0.75
    assert second.figures.precision.value == pytest.approx(2 / 3)
    assert second.figures.recall.value == 1.0
    assert third.figures.precision.reason == "never predicted"
    assert third.figures.recall.reason == "no example of it"
    assert found.macro.recall.left_out == (2,)
    assert found.macro.recall.estimate.value == 0.75
    assert found.exact.value == 0.25


@pytest.mark.parametrize(("count", "labels"), [(300, 1), (300, 2), (500, 10), (300, 400)])
def test_figures_are_those_of_scikit_learn(count: int, labels: int) -> None:
    has, odds = drawn(count, labels)
    found = multi_label_performance(has, odds, samples=20, threshold=0.4)
    said = odds >= 0.4
    expected = [
        sklearn.metrics.precision_recall_fscore_support(has[:, k], said[:, k], average="binary")[:3]
        for k in range(labels)
    ]
    for column, figure in enumerate(("precision", "recall", "f1")):
        ours = [getattr(one.figures, figure).value for one in found.labels]
        np.testing.assert_allclose(ours, [one[column] for one in expected], rtol=1e-12)
        mean = getattr(found.macro, figure).estimate
        assert mean.value == pytest.approx(np.mean(ours))
        assert mean.low < mean.value < mean.high
    ours = [one.figures.auc.value for one in found.labels]
    theirs = [sklearn.metrics.roc_auc_score(has[:, k], odds[:, k]) for k in range(labels)]
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    assert sum(one.mistakes for one in found.labels) == (has != said).sum()
    assert found.exact.value == sklearn.metrics.accuracy_score(has, said)
    record = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert len(record["labels"]) == labels


def test_bootstrap_is_that_of_scipy() -> None:
    has, odds = drawn(120, 4)
    said = odds >= 0.5

    def f1(rows: np.ndarray) -> float:
        h, s = has[rows], said[rows]
        counts = Counts(*(one.sum(axis=0).astype(float) for one in (h, s, h & s)))
        return float(counts.f1.mean())

    expected = bootstrap(
        (np.arange(120),),
        f1,
        vectorized=False,
        n_resamples=4000,
        method="percentile",
        rng=np.random.default_rng(0),
    )
    ours = multi_label_performance(has, odds, samples=4000).macro.f1.estimate
    ends = [expected.confidence_interval.low, expected.confidence_interval.high]
    assert [ours.low, ours.high] == pytest.approx(ends, abs=0.2 * expected.standard_error)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    has, odds = drawn(100, 7)
    whole = multi_label_performance(has, odds, samples=50)
    for module in ("multi_label", "areas"):
        monkeypatch.setattr(f"backlight_study.performance.{module}.BLOCK", 300)
    assert multi_label_performance(has, odds, samples=50) == whole


@pytest.mark.parametrize(
    ("has", "odds", "keys", "said"),
    [
        (np.ones((3, 2)), np.ones((3, 2)), {}, "truth values.*float64"),
        (np.ones((3, 1), dtype=bool), np.ones((3, 2)), {}, r"shape \(3, 2\)"),
        (np.ones((3, 2), dtype=bool), np.full((3, 2), np.nan), {}, "example 0 has nan"),
        (np.ones((3, 2), dtype=bool), np.ones((3, 2)), {"threshold": 2.0}, "threshold"),
    ],
)
def test_what_cannot_be_judged(
    has: np.ndarray, odds: np.ndarray, keys: dict[str, float], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        multi_label_performance(has, odds, **keys)
