"""The figures of a classifier, beside hand values and scikit-learn's."""

import json
import warnings

import numpy as np
import pytest
import sklearn.metrics

from backlight.errors import InputError
from backlight_study.performance import Average, Confusion, Estimate, Performance, performance
from tests.study.answers import answers, certain


def values(judged: Performance, figure: str) -> list[float | None]:
    return [getattr(one, figure).value for one in judged.classes]


def every_estimate(judged: Performance) -> list[Estimate]:
    figures = ("precision", "recall", "f1", "auc")
    return [
        judged.accuracy,
        judged.log_loss,
        judged.calibration.error,
        *(getattr(judged.macro, figure).estimate for figure in figures),
        *(getattr(one, figure) for one in judged.classes for figure in figures),
    ]


@pytest.fixture(scope="module")
def small() -> Performance:
    """Six examples of three classes: 0 0 0 1 1 2 answered by 0 0 1 1 0 1."""
    odds = certain([0, 0, 1, 1, 0, 1], 3) * 0.7 + 0.1
    return performance(np.array([0, 0, 0, 1, 1, 2]), odds, samples=50)


def test_by_hand(small: Performance) -> None:
    assert (small.correct, small.count) == (3, 6)
    assert small.accuracy.value == 0.5
    assert values(small, "precision") == pytest.approx([2 / 3, 1 / 3, None])
    assert values(small, "recall") == pytest.approx([2 / 3, 1 / 2, 0])
    assert values(small, "f1") == pytest.approx([2 / 3, 2 / 5, 0])
    # Of class 0: 3 x 3 pairs, of which 2 x 2 are in order and 2 x 1 + 1 x 2 are ties.
    # Of class 1: 2 x 4 pairs, 1 x 2 in order, 1 x 2 + 1 x 2 ties.
    assert values(small, "auc") == pytest.approx([6 / 9, 4 / 8, 0.5])
    assert [one.support for one in small.classes] == [3, 2, 1]
    assert small.log_loss.value == pytest.approx(-(np.log(0.8) + np.log(0.1)) / 2)
    assert small.calibration.error.value == pytest.approx(0.3)


def test_confusion_by_hand(small: Performance) -> None:
    assert small.confusion == (
        Confusion(0, 0, 2, 2 / 3),
        Confusion(0, 1, 1, 1 / 3),
        Confusion(1, 0, 1, 1 / 2),
        Confusion(1, 1, 1, 1 / 2),
        Confusion(2, 1, 1, 1.0),
    )


def test_what_is_undefined_is_none_and_says_why(small: Performance) -> None:
    precision = small.classes[2].precision
    assert precision == Estimate(None, reason="never predicted")
    assert small.macro.precision.over == (0, 1)
    assert small.macro.precision.left_out == (2,)
    assert small.macro.precision.estimate.value == pytest.approx(0.5)
    assert small.macro.recall.left_out == ()
    told = small.to_dict()["performance"]["undefined"]
    assert told == [{"figure": "precision", "reason": "never predicted", "classes": [2]}]


@pytest.mark.parametrize(
    ("count", "classes", "present"),
    [(400, 2, 2), (500, 10, 10), (500, 10, 7), (3000, 1000, 1000), (2000, 1000, 600)],
)
def test_figures_are_those_of_scikit_learn(count: int, classes: int, present: int) -> None:
    labels, odds = answers(count, classes, strength=4.0, present=present)
    judged = performance(labels, odds, samples=20)
    predicted = odds.argmax(axis=1)
    ids = np.arange(classes)
    assert judged.accuracy.value == sklearn.metrics.accuracy_score(labels, predicted)
    expected = sklearn.metrics.precision_recall_fscore_support(
        labels, predicted, labels=ids, zero_division=np.nan
    )
    for figure, column in zip(("precision", "recall"), expected, strict=False):
        found = np.array(values(judged, figure), dtype=float)  # None becomes NaN
        np.testing.assert_allclose(found, column, rtol=1e-12)
        mean = getattr(judged.macro, figure)
        assert mean.estimate.value == pytest.approx(np.nanmean(column), rel=1e-12)
        assert mean.left_out == tuple(np.flatnonzero(np.isnan(column)))
        assert sorted((*mean.over, *mean.left_out)) == list(range(classes))
    there = [k for k in range(classes) if judged.classes[k].f1.value is not None]
    assert there == sorted({*labels.tolist(), *predicted.tolist()})
    f1 = sklearn.metrics.f1_score(labels, predicted, labels=there, average=None)
    np.testing.assert_allclose([judged.classes[k].f1.value for k in there], f1, rtol=1e-12)
    assert judged.macro.f1.estimate.value == pytest.approx(
        sklearn.metrics.f1_score(labels, predicted, average="macro"), rel=1e-12
    )
    assert [one.support for one in judged.classes] == expected[3].tolist()
    assert judged.log_loss.value == pytest.approx(
        sklearn.metrics.log_loss(labels, odds, labels=ids)
    )
    matrix = np.zeros((classes, classes), dtype=int)
    for cell in judged.confusion:
        assert cell.count > 0
        matrix[cell.true, cell.predicted] = cell.count
        assert cell.share == cell.count / judged.classes[cell.true].support
    assert (matrix == sklearn.metrics.confusion_matrix(labels, predicted, labels=ids)).all()


@pytest.mark.parametrize(("classes", "present"), [(2, 2), (10, 7), (1000, 600)])
@pytest.mark.parametrize("decimals", [1, 12], ids=["ties", "no ties"])
def test_areas_are_those_of_scikit_learn(classes: int, present: int, decimals: int) -> None:
    labels, odds = answers(600, classes, strength=3.0, present=present)
    odds = odds.round(decimals)  # do not add up to 1 any more
    judged = performance(labels, odds, samples=20, independent=True)
    expected = [
        sklearn.metrics.roc_auc_score(labels == k, odds[:, k]) if (labels == k).any() else np.nan
        for k in range(classes)
    ]
    found = np.array(values(judged, "auc"), dtype=float)  # None becomes NaN
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert judged.macro.auc.estimate.value == pytest.approx(np.nanmean(expected), rel=1e-12)
    assert judged.macro.auc.left_out == tuple(np.flatnonzero(np.isnan(expected)))


def test_independent_probabilities_lose_in_every_class() -> None:
    labels, odds = answers(300, 4)
    odds = np.sqrt(odds)
    judged = performance(labels, odds, independent=True, samples=20)
    true = np.eye(4)[labels]
    each = [sklearn.metrics.log_loss(true[:, k], odds[:, k], labels=[0, 1]) for k in range(4)]
    assert judged.log_loss.value == pytest.approx(sum(each), rel=1e-12)


def test_one_class_alone() -> None:
    judged = performance(np.zeros(7, dtype=int), np.ones((7, 1)), samples=20)
    assert judged.accuracy.value == 1.0
    assert judged.log_loss.value == 0.0
    assert judged.classes[0].f1.value == 1.0
    assert judged.classes[0].auc == Estimate(None, reason="every example is of it")
    assert judged.macro.auc == Average(Estimate(None, reason="undefined for every class"), (), (0,))
    assert judged.calibration.error.value == 0.0
    assert judged.top_confusions() == ()
    json.dumps(judged.to_dict(), allow_nan=False)
    assert "every class" in str(judged)


def test_data_of_one_class_among_several_has_no_area() -> None:
    judged = performance(np.ones(5, dtype=int), np.full((5, 3), 1 / 3), samples=20)
    assert [one.auc.reason for one in judged.classes] == [
        "no example of it",
        "every example is of it",
        "no example of it",
    ]
    assert judged.classes[2].f1.reason == "no example of it, and never predicted"
    assert judged.classes[2].recall.reason == "no example of it"
    assert judged.classes[0].f1.value == 0.0  # predicted, as the first among equals, and wrong


def test_one_example_has_no_interval_where_nothing_tells_one() -> None:
    judged = performance(np.array([1]), np.array([[0.3, 0.7]]), samples=20)
    assert judged.accuracy.low == pytest.approx(0.2065, abs=1e-4)
    for one in (judged.log_loss, judged.calibration.error):
        assert one.value is not None
        assert one.low is one.high is None
        assert one.reason == "too few examples for an interval"


def test_what_is_ruled_out_and_true_is_an_infinite_loss() -> None:
    judged = performance(np.array([0, 1, 1]), certain([0, 0, 1], 2), samples=20)
    reason = "infinite: 1 of 3 examples have a probability of exactly 0 for what is true"
    assert judged.log_loss == Estimate(None, reason=reason)
    record = judged.to_dict()["performance"]
    assert record["log_loss"] is None
    assert record["undefined"] == [{"figure": "log_loss", "reason": reason, "classes": []}]
    assert reason in str(judged)


def test_half_precision_counts_like_single() -> None:
    labels, odds = answers(200, 5)
    half = odds.astype(np.float16)
    assert performance(labels, half, samples=20) == performance(
        labels, half.astype(np.float32), samples=20
    )


def test_a_seed_repeats_and_another_differs() -> None:
    labels, odds = answers(200, 3)
    first = performance(labels, odds, samples=50)
    assert performance(labels, odds, samples=50) == first
    assert performance(labels, odds, samples=50, seed=1) != first


def test_top_confusions_are_mistakes_by_count() -> None:
    labels, odds = answers(2000, 6)
    judged = performance(labels, odds, samples=20)
    top = judged.top_confusions(4)
    matrix = sklearn.metrics.confusion_matrix(labels, odds.argmax(axis=1))
    np.fill_diagonal(matrix, 0)
    assert [cell.count for cell in top] == sorted(matrix.ravel().tolist(), reverse=True)[:4]
    assert all(matrix[cell.true, cell.predicted] == cell.count for cell in top)


@pytest.mark.parametrize("classes", [1, 2, 10, 1000])
def test_the_record_is_the_documented_one(classes: int) -> None:
    labels, odds = answers(300, classes, present=max(1, classes - 1))
    judged = performance(labels, odds, samples=20)
    record = json.loads(json.dumps(judged.to_dict(), allow_nan=False))
    assert set(record) == {"performance", "confusion"}
    found = record["performance"]
    assert found["accuracy"]["correct"] == judged.correct
    assert set(found["accuracy"]) == {"value", "low", "high", "correct", "count"}
    assert set(found["macro"]) == {"precision", "recall", "f1", "auc"}
    assert [one["class"] for one in found["classes"]] == list(range(classes))
    for one in found["classes"]:
        assert set(one) == {"class", "precision", "recall", "f1", "auc", "support"}
        assert all(
            one[figure] is None or set(one[figure]) == {"value", "low", "high"}
            for figure in ("precision", "recall", "f1", "auc")
        )
    told = {(one["figure"], k) for one in found["undefined"] for k in one["classes"]}
    none = {
        (figure, one["class"])
        for one in found["classes"]
        for figure in ("precision", "recall", "f1", "auc")
        if one[figure] is None
    }
    assert told == none
    assert set(found["calibration"]) == {"error", "chance", "binning", "bins"}
    assert set(found["log_loss"]) == {"value", "low", "high"}
    assert found["intervals"]["level"] == 0.95
    assert sum(cell["count"] for cell in record["confusion"]) == 300
    assert set(record["confusion"][0]) == {"true", "predicted", "count", "share"}


@pytest.mark.parametrize(("count", "classes"), [(40, 2), (300, 10), (1200, 1000)])
def test_each_figure_is_inside_of_its_interval(count: int, classes: int) -> None:
    labels, odds = answers(count, classes, strength=3.0)
    for one in every_estimate(performance(labels, odds, samples=200)):
        if one.value is None:
            assert one.reason
            continue
        assert one.low is not None and one.high is not None
        assert one.low <= one.value <= one.high
        assert one.low < one.high


def test_text_names_classes_and_cuts() -> None:
    labels, odds = answers(3000, 30)
    judged = performance(labels, odds, samples=20)
    text = judged.text([f"kind {k}" for k in range(30)], most=3)
    worst = sorted(range(30), key=lambda k: judged.classes[k].f1.value)[:3]
    assert "The 3 of 30 classes with the lowest F1:" in text
    for k in range(30):
        assert (f"\nkind {k} " in text.partition("lowest F1")[2].partition("Most")[0]) == (
            k in worst
        )
    assert f"{judged.correct} of 3000 right" in text
    assert f"{judged.accuracy.value:.3f}" in str(judged)
    assert all(len(line) <= 100 for line in str(judged).splitlines())


BAD = np.full((3, 2), 0.5)


@pytest.mark.parametrize(
    ("labels", "odds", "keys", "said"),
    [
        ([0, 1], BAD, {}, "2 labels, but answers for 3"),
        ([0, 1, 2], BAD, {}, "Labels must be 0 to 1.*example 2 has 2"),
        ([0, -1, 1], BAD, {}, "example 1 has -1"),
        ([0.0, 1.0, 1.0], BAD, {}, "whole numbers"),
        ([], np.zeros((0, 2)), {}, r"shape \(0, 2\)"),
        ([0, 1, 1], BAD[:, 0], {}, r"shape \(N, classes\)"),
        ([0, 1, 1], BAD * 3, {}, "example 0 has 1.5 for class 0"),
        ([0, 1, 1], BAD * [[1], [np.nan], [1]], {}, "example 1 has nan"),
        ([0, 1, 1], BAD * [[1], [1], [0.9]], {}, "example 2 add up to 0.9.*independent"),
        ([0, 1, 1], BAD, {"samples": 3}, "at least 20; got 3"),
    ],
)
def test_what_cannot_be_judged(
    labels: list[int], odds: np.ndarray, keys: dict[str, int], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        performance(np.array(labels), odds, **keys)


def test_nothing_warns() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        performance(np.array([0, 1, 1]), certain([0, 0, 1], 3), samples=20, independent=True)
