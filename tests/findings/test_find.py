"""Asking finders: foreign ones are found, and one that fails costs only itself."""

import json
from collections.abc import Callable

import numpy as np
import pytest

from backlight import BacklightWarning, hookimpl
from backlight.errors import InputError
from backlight_findings import FINDERS, Finding, Studied, find, finders
from tests.core.conftest import install  # noqa: F401
from tests.findings.planted import marked, noisy, studied

STUDY = studied(np.array([0, 1, 0]), np.array([0, 0, 1]))


def told(kind: str, severity: str = "low", rows: tuple[int, ...] = (1,)) -> Finding:
    return Finding(kind, f"{kind}.", severity, rows, {}, "")  # type: ignore[arg-type]


def test_the_most_severe_come_first() -> None:
    findings, failures = find(
        STUDY,
        {
            "some": lambda _: [told("a", "low"), told("b", "high")],
            "none": lambda _: [],
            "more": lambda _: (told("c", "medium"), told("d", "high")),
        },
    )
    assert [finding.kind for finding in findings] == ["b", "d", "c", "a"]
    assert failures == []


def fails(_: Studied) -> list[Finding]:
    raise ZeroDivisionError("by nothing")


def test_a_finder_that_fails_costs_only_itself() -> None:
    findings, failures = find(
        STUDY,
        {
            "bad": fails,
            "leaves": lambda _: (_ for _ in ()).throw(SystemExit(1)),
            "good": lambda _: [told("good")],
            "odd": lambda _: 3,
            "strange": lambda _: [told("a"), "b"],
            "rash": lambda _: [told("a", "awful")],
            "far": lambda _: [told("a", rows=(3,))],
        },  # type: ignore[arg-type, list-item]
    )
    assert [finding.kind for finding in findings] == ["good"]
    assert failures == [
        "bad: ZeroDivisionError: by nothing",
        "leaves: SystemExit: 1",
        "odd: it gave something of type int, not a list of findings",
        "strange: it gave something of type str among its findings",
        "rash: a severity is high, medium or low; got 'awful'",
        "far: rows of a finding go from 0 to 2",
    ]


def test_an_interruption_passes() -> None:
    def interrupted(_: Studied) -> list[Finding]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        find(STUDY, {"interrupted": interrupted})


def test_finders_of_plugins_are_asked(install: Callable) -> None:  # noqa: F811
    @hookimpl
    def backlight_findings() -> dict:
        return {"Night-Watch": lambda study: [told("night_watch", rows=(len(study.names) - 1,))]}

    install(own="backlight_findings.plugin", foreign={"backlight_findings": backlight_findings})
    assert list(finders()) == sorted([*FINDERS, "night_watch"])
    findings, failures = find(STUDY)
    assert [(one.kind, one.rows) for one in findings if one.kind == "night_watch"] == [
        ("night_watch", (2,))
    ]
    assert failures == []


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (3, "it gave something of type int, not a mapping of finders"),
        ({"": fails}, "it names a finder ''"),
        ({"a b": fails, "a-b": fails}, "it names a finder 'a-b'"),
        ({"one": 3}, "its finder one is 3, not a function"),
        ({"one": Finding}, "not a function of what was studied"),
    ],
    ids=["a number", "no name", "one name twice", "no function", "a class"],
)
def test_a_plugin_that_offers_something_else_is_named(
    answer: object,
    why: str,
    install: Callable,  # noqa: F811
) -> None:
    @hookimpl
    def backlight_findings() -> object:
        return answer

    install(own="backlight_findings.plugin", wrong={"backlight_findings": backlight_findings})
    with pytest.warns(BacklightWarning, match="wrong-package") as said:
        assert list(finders()) == sorted(FINDERS)
    assert why in str(said[0].message)


def test_a_name_that_two_offer_is_left_out(install: Callable) -> None:  # noqa: F811
    @hookimpl
    def backlight_findings() -> dict:
        return {"clusters": fails}

    install(own="backlight_findings.plugin", other={"backlight_findings": backlight_findings})
    with pytest.warns(BacklightWarning, match=r"The finder clusters is offered by .* left out"):
        assert "clusters" not in finders()


def test_all_that_is_found_can_be_written_as_json() -> None:
    """One study in which every finder of the package finds something."""
    random = np.random.default_rng(0)
    labels = np.zeros(400, dtype=np.int64)
    wrong = np.arange(400) < 100
    probabilities = np.where(wrong[:, None], [0.1, 0.9], [0.9, 0.1])
    labels[396:] = 1
    first = marked(random, 400, 30)
    first[:100, 20:28, 20:28] += 1
    masks = np.zeros((400, 32, 32), dtype=bool)
    masks[:, 10:18, 10:18] = True
    first[100:, 10:18, 10:18] += 3
    study = studied(
        labels,
        probabilities.argmax(axis=1),
        probabilities=probabilities,
        metadata={"lens": np.where(wrong, "old", "new")},
        maps={("a", "contrast"): first, ("b", "contrast"): noisy(random, 400)},
        masks=masks,
    )
    findings, failures = find(study, FINDERS)
    assert failures == []
    assert {finding.kind for finding in findings} == set(FINDERS)
    for finding in findings:
        json.dumps(finding.evidence, allow_nan=False)
        assert all(type(row) is int for row in finding.rows)
        assert all(one.shape == (32, 32) for one in finding.pictures.values())
        assert finding.title.endswith(".")
        assert finding.caveat


@pytest.mark.parametrize(
    ("part", "value", "why"),
    [
        ("predicted", np.zeros(2, dtype=np.int64), "There are 3 labels; predicted must be as many"),
        ("names", ["a"], "names must be as many, got 1"),
        ("metadata", {"lens": np.zeros(2)}, "the column 'lens' must be as many, got 2"),
        (
            "maps",
            {("a", "true"): np.zeros((2, 3, 3))},
            r"with 3 explained; those of a for true are",
        ),
        ("masks", np.zeros((1, 3, 3), dtype=bool), "masks must be as many, got 1"),
    ],
)
def test_what_does_not_fit_is_refused(part: str, value: object, why: str) -> None:
    with pytest.raises(InputError, match=why):
        Studied(**{**vars(STUDY), part: value})
