"""What a study comes down to is made of its record, and says so where there is nothing."""

from typing import Any

import pytest

from backlight_study.summary import speaking, summary_record

Record = dict[str, Any]


def cells(*found: tuple[int, int, int]) -> list[Record]:
    return [{"true": true, "predicted": said, "count": count} for true, said, count in found]


def finding(kind: str, severity: str, rows: list[int]) -> Record:
    return {"kind": kind, "severity": severity, "rows": rows, "title": f"{kind} of {rows}."}


def row(name: str, *beats: bool | None, control: bool = False, n: int = 10) -> Record:
    values = {f"metric {k}": {"beats_controls": one, "n": n} for k, one in enumerate(beats)}
    return {"name": name, "control": control, "values": values}


def record(**changes: Any) -> Record:
    accuracy = {"value": 0.9, "low": 0.88, "high": 0.915, "correct": 1800, "count": 2000}
    return {
        "order": None,
        "performance": {"accuracy": accuracy},
        "classes": ["Shirt", "Coat, a long one", "Bag", "Hat", "Shoe"],
        "confusion": cells((0, 0, 300), (0, 1, 90), (0, 2, 5), (0, 3, 4), (0, 4, 1), (1, 0, 80)),
        "findings": [],
        "findings_failed": [],
        "metrics": None,
        "input": {"kind": "picture"},
        "features": None,
        **changes,
    }


def said(about: str, **changes: Any) -> list[str]:
    return [one["text"] for one in summary_record(record(**changes)) if one["about"] == about]


def test_how_good_it_is_and_what_it_mistakes() -> None:
    assert said("performance") == [
        "The model is right on 1,800 of 2,000 pictures, 90.0 % (95 % interval: 88.0 to 91.5 %)."
    ]
    assert said("confusion") == [
        "Shirt is what it gets wrong most: 100 of 400, 56 % of all its mistakes. It takes them mostly "
        "for Coat (90), Bag (5) and Hat (4)."
    ]


def test_no_class_is_named_where_none_stands_out() -> None:
    for confusion in ([(0, 1, 3), (1, 0, 3)], [(0, 1, 1)], [(0, 0, 9)], []):
        assert said("confusion", confusion=cells(*confusion)) == []
    (text,) = said("confusion", confusion=cells((1, 0, 2), (0, 1, 1)))
    assert text.startswith("Coat is what it gets wrong most: 2 of 2, 67 %")
    assert text.endswith("It takes them for Shirt (2).")


def test_patterns_are_told_and_labels_that_they_may_explain() -> None:
    findings = [
        finding("suspect_labels", "high", [1, 2, 3, 4]),
        finding("clusters", "high", [3, 4, 5]),
        finding("mean_maps", "low", [1, 2]),
        finding("disagreement", "medium", [1]),
    ]
    found = [one for one in summary_record(record(findings=findings)) if one["about"] == "findings"]
    assert [one["place"] for one in found] == [1, 0]
    assert found[0]["text"] == "A pattern: clusters of [3, 4, 5]."
    assert found[1]["text"].startswith(
        "Look at the labels: suspect_labels of [1, 2, 3, 4]. 2 of them"
    )
    assert "of them" not in said("findings", findings=findings[:1])[-1]


def test_no_pattern_is_an_answer() -> None:
    low = [finding("clusters", "low", [1])]
    for findings in ([], low):
        assert said("findings", findings=findings) == [
            "No pattern was found that the mistakes share beyond what chance explains."
        ]
    (text,) = said("findings", findings_failed=["clusters: no memory"])
    assert text.endswith("beyond what chance explains. 1 of the searches failed.")
    few = {"accuracy": {"value": 0.5, "low": 0.3, "high": 0.7, "correct": 7, "count": 14}}
    assert said("findings", performance=few)[0].endswith(" Of 7 there is little to see.")
    perfect = {"accuracy": {"value": 1.0, "low": None, "high": None, "correct": 7, "count": 7}}
    assert said("findings", performance=perfect, confusion=cells((0, 0, 7))) == [
        "There is no mistake to look for patterns in."
    ]
    assert said("performance", performance=perfect) == [
        "The model is right on 7 of 7 pictures, 100.0 %."
    ]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (
            [row("deep_lift", True, True), row("lrp", True, True), row("grad_cam", False, False)],
            "Believe the maps of deep lift and lrp here: they tell what the model uses better than maps "
            "that know nothing of it. Those of grad cam do not.",
        ),
        (
            [row("a", True, False), row("b", False, None)],
            "No technique's maps tell by every measure better what the model uses than maps that know "
            "nothing of it. Those of a do so by some measures only. Those of b do not.",
        ),
        ([row("a", None), row("random", True, control=True)], None),
    ],
)  # fmt: skip
def test_techniques_are_judged_beside_the_controls(
    rows: list[Record], expected: str | None
) -> None:
    assert said("metrics", metrics={"rows": rows}) == ([expected] if expected else [])


def test_from_few_mistakes_nothing_is_said_of_techniques() -> None:
    rows = [row("lrp", True, n=9), row("random", None, control=True, n=90)]
    assert said("metrics", metrics={"rows": rows}) == [
        "Only 9 mistakes were explained: too few to say which maps to believe."
    ]


def test_classes_in_another_order_make_all_else_void() -> None:
    found = summary_record(record(order={"share": 0.9}))
    assert [one["about"] for one in found] == ["order"]


def test_what_speaks_in_one_mistake_alone_is_no_summary() -> None:
    once = {"feature": "camera", "share": 0.5, "for": 1, "of": 1}
    often = {"feature": "dull", "share": 0.2, "for": 2, "of": 3}
    technique = {"name": "deep_lift", "cases": 8, "rows": [once]}
    assert not list(speaking({"techniques": [technique]}))
    (text,) = speaking({"techniques": [technique, {**technique, "rows": [once, often]}]})
    assert text == "Most for wrong answers speak dull (in 2 of 3), by deep lift over 8 mistakes."
    assert not list(speaking(None))
