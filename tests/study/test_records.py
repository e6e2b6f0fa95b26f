"""What `study.json` tells of answers and findings: whose warnings, which gap, which cases."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from backlight.attribution.attribution import relative_gap
from backlight.values.layout import Layout
from backlight_findings import Finding
from backlight_methods import IntegratedGradients
from backlight_study.answers import Answer, warnings_of
from backlight_study.case_record import target_record
from backlight_study.format import StudyRecord
from backlight_study.judging import Judgement
from backlight_study.record import study_record
from backlight_study.run import study
from tests.study.nets import examples, torch_net

NAN = float("nan")


@pytest.mark.parametrize(
    ("told", "row", "expected"),
    [
        ("The gap of example 3 is 2 %.", 3, "The gap of this one is 2 %."),
        ("The gap of example 3 is 2 %.", 2, None),
        ("The gap of example 13 is 2 %.", 3, None),
        (
            "No gradient for examples 3, 5.",
            5,
            "No gradient for this one (and others in its batch).",
        ),
        ("No gradient for examples 3, 5.", 4, None),
        (
            "No gradient for examples 3, 5 and 2 more.",
            7,
            "No gradient for this one (and others in its batch).",
        ),
        ("Far off: example 3 ...", 0, "Far off: this one (and others in its batch)"),
        ("The net draws numbers.", 4, "The net draws numbers."),
    ],
)
def test_warnings_are_those_of_the_row(told: str, row: int, expected: str | None) -> None:
    assert warnings_of([told], row) == (() if expected is None else (expected,))


def test_warnings_keep_their_order_and_none_is_none() -> None:
    told = ["All.", "Only example 1.", "Only example 0.", "Last."]
    assert warnings_of(told, 0) == ("All.", "Only this one.", "Last.")
    assert warnings_of([], 0) == ()


@pytest.mark.parametrize(
    ("gap", "score", "baseline_score", "expected"),
    [
        (0.5, 3.0, 1.0, 0.25),
        (0.5, 1.0, 3.0, 0.25),
        (0.0, 3.0, 1.0, 0.0),
        (0.0, 2.0, 2.0, 0.0),
        (0.5, 2.0, 2.0, None),  # infinite, which JSON has not
        (0.5, 2.0, -np.inf, 0.0),
        (NAN, 2.0, 1.0, None),
        (0.5, 2.0, NAN, None),
        (NAN, 2.0, 2.0, None),
    ],
)
def test_the_relative_gap_told_is_the_gap_by_the_change(
    gap: float, score: float, baseline_score: float, expected: float | None
) -> None:
    numbers = {
        "score": np.array([score]),
        "baseline_score": np.array([baseline_score]),
        "gap": np.array([gap]),
        "error": np.array([NAN]),
        "standard_error": np.array([0.125]),
    }
    answer = Answer(np.zeros((1, 8, 8)), numbers, "", (("Beware.",),), Layout(None, (8, 8)))
    told = target_record("Margin(1, versus=0)", answer, "map.png")
    assert told["relative_gap"] == expected
    assert (told["error"], told["standard_error"], told["warnings"]) == (None, 0.125, ["Beware."])


def test_a_record_and_an_attribution_tell_the_same_gap() -> None:
    x = examples(4).x[:, None].astype(np.float64) / 255
    rough = IntegratedGradients(steps=2)(torch_net().double(), x, 1)
    assert rough.gap is not None
    assert rough.baseline_score is not None
    assert (rough.gap > 0).all()
    np.testing.assert_array_equal(
        np.asarray(rough.relative_gap), rough.gap / np.abs(rough.score - rough.baseline_score)
    )
    found = relative_gap(np.array([0.0, 1.0]), np.ones(2), np.ones(2))
    assert found.tolist() == [0.0, np.inf]


class Names:
    """Draws nothing, and gives the names of what it would."""

    def input(self, stem: str, stored: NDArray[Any]) -> str:
        return f"{stem}.png"

    def map(self, stem: str, technique: str, question: str, *drawn: object) -> str:
        return f"{stem}-{technique}-{question}.png"

    def finding(self, stem: str, map: NDArray[np.float64]) -> str:
        return f"{stem}.png"

    def scale(self, stem: str, technique: str, scale: object) -> str:
        return f"{stem}-{technique}.png"


def test_cases_and_findings_refer_to_each_other() -> None:
    made = study(torch_net(), examples(), methods=["saliency"], limit=4)
    rows = made.rows.tolist()
    other = next(row for row in range(90) if row not in rows)

    def finding(title: str, *about: int) -> Finding:
        return Finding("clusters", title, "low", about, {}, "It may be chance.")

    found = [finding("one", rows[2], other), finding("two"), finding("three", rows[0], rows[2])]
    about: StudyRecord = {"model": "net", "data": {"name": "d", "reading": "r"}, "call": "c"}
    record = study_record(made, Judgement(None, tuple(found)), Names(), about)
    ids = [case["id"] for case in record["cases"]]
    assert [case["row"] for case in record["cases"]] == rows
    assert [one["cases"] for one in record["findings"]] == [[ids[2]], [], [ids[0], ids[2]]]
    assert [one["rows"] for one in record["findings"]] == [[rows[2], other], [], [rows[0], rows[2]]]
    assert [case["findings"] for case in record["cases"]] == [[2], [], [0, 2], []]
    assert record["passes"]["metrics_forward"] == 0
