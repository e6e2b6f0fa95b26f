"""Suspect labels: by hand, and flipped labels of handwritten digits under a good net."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict

from backlight_findings import SuspectLabels, label_scores
from tests.findings.planted import studied

PROBABILITIES = np.array(
    [
        [0.7, 0.2, 0.1],
        [0.1, 0.8, 0.1],  # labelled 0: surer of 1 than where 1 is the label
        [0.3, 0.36, 0.34],  # labelled 0: says 1, but is not sure of it
        [0.2, 0.5, 0.3],
        [0.1, 0.9, 0.0],
        [0.2, 0.1, 0.7],
    ]
)
LABELS = np.array([0, 0, 0, 1, 1, 2])


def test_scores_by_hand() -> None:
    scores = label_scores(LABELS, PROBABILITIES)
    assert scores.self_confidence == pytest.approx([0.7, 0.1, 0.3, 0.5, 0.9, 0.7])
    assert scores.normalised_margin == pytest.approx([0.5, -0.7, -0.06, 0.2, 0.8, 0.5])
    assert scores.suggested.tolist() == [1, 1, 1, 2, 0, 0]
    assert scores.suspect.tolist() == [False, True, False, False, False, False]


def test_the_finding_says_which_and_what() -> None:
    predicted = PROBABILITIES.argmax(axis=1)
    (finding,) = SuspectLabels()(studied(LABELS, predicted, probabilities=PROBABILITIES))
    assert finding.rows == (1,)
    assert finding.severity == "high"
    assert finding.title == (
        "1 label of 6 may be wrong, 50 % of the mistakes: most often (in 1) class 0 where the model says "
        "class 1, at 80 %."
    )
    assert "not trained on" in finding.caveat
    assert finding.evidence["labels"] == [
        {
            "row": 1,
            "label": "class 0",
            "suggested": "class 1",
            "self_confidence": 0.1,
            "normalised_margin": pytest.approx(-0.7),
        }
    ]


def test_a_model_is_called_sure_where_it_is() -> None:
    pair, rest = [[0.02, 0.98, 0], [0.06, 0.94, 0]], [[0.9, 0.1, 0], [0.2, 0.7, 0.1], [0, 0.5, 0.5]]
    probabilities = np.array([*pair, [0.3, 0.1, 0.6], *rest])
    labels = np.array([0, 0, 0, 0, 1, 2])
    (finding,) = SuspectLabels()(
        studied(labels, probabilities.argmax(axis=1), probabilities=probabilities)
    )
    assert finding.title.endswith(
        "(in 2) class 0 where the model is sure of class 1, at 96 % on average."
    )


def test_what_is_not_known_is_left_out_and_counted() -> None:
    unknown = PROBABILITIES.copy()
    unknown[0, 2] = np.nan
    scores = label_scores(LABELS, unknown)
    assert np.isnan(scores.normalised_margin[0])
    (finding,) = SuspectLabels()(
        studied(LABELS, np.array([0, 1, 1, 1, 1, 2]), probabilities=unknown)
    )
    assert (finding.evidence["left_out"], finding.evidence["examples"]) == (1, 5)


def test_a_class_that_is_nobodys_label_is_suggested_to_nobody() -> None:
    scores = label_scores(np.zeros(4, dtype=np.int64), np.array([[0.2, 0.8]] * 4))
    assert not scores.suspect.any()
    assert SuspectLabels()(studied(np.zeros(3, dtype=np.int64), np.zeros(3, dtype=np.int64))) == []


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, 5 % of them flipped, which those are, and probabilities of nets that have not seen them."""
    data, truth = load_digits(return_X_y=True)
    random = np.random.default_rng(0)
    flipped = random.random(len(truth)) < 0.05
    labels = np.where(flipped, (truth + random.integers(1, 10, len(truth))) % 10, truth)
    net = LogisticRegression(C=0.1, max_iter=300)
    return labels, flipped, cross_val_predict(net, data / 16, labels, cv=3, method="predict_proba")


def test_flipped_labels_are_found(digits: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    labels, flipped, probabilities = digits
    scores = label_scores(labels, probabilities)
    for suspicion in (-scores.normalised_margin, -scores.self_confidence):
        assert roc_auc_score(flipped, suspicion) > 0.97
    study = studied(labels, probabilities.argmax(axis=1), probabilities=probabilities)
    (finding,) = SuspectLabels()(study)
    rows = np.array(finding.rows)
    assert flipped[rows].mean() > 0.75
    assert flipped[rows].sum() > 0.6 * flipped.sum()
    assert (np.diff(scores.normalised_margin[rows]) >= 0).all()
    assert finding.severity == "high"
