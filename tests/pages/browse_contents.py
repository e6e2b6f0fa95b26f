"""What the page says is what the record says."""

from pathlib import Path
from typing import Any

from backlight_pictures.scale import number
from tests.pages.browser import Browser

Record = dict[str, Any]


def test_tiles_and_classes(browser: Browser, small: tuple[Path, Record]) -> None:
    page, study = small
    browser.open(page)
    accuracy = study["performance"]["accuracy"]
    tiles = browser.texts(".tile")
    assert tiles[0].startswith(f"{100 * accuracy['value']:.1f} % right")
    assert f"{100 * accuracy['low']:.1f} to {100 * accuracy['high']:.1f} %" in tiles[0]
    assert tiles[1].startswith(f"{accuracy['count'] - accuracy['correct']} wrong")
    rows = browser.texts(".scores tbody tr")  # a row's cells stand close together
    for one in study["performance"]["classes"]:
        (row,) = [row for row in rows if row.startswith(study["classes"][one["class"]])]
        assert f"{100 * one['recall']['value']:.1f} %" in row
        assert row.endswith(f"{one['support']:,}")


def test_the_matrix_holds_every_count(browser: Browser, small: tuple[Path, Record]) -> None:
    page, study = small
    browser.open(page)
    shown = browser.run(
        "return [...document.querySelectorAll('.confusion tbody tr')].map(row =>"
        "[...row.querySelectorAll('td')].map(td =>"
        "parseInt((td.querySelector('a') ?? td).firstChild?.textContent) || 0))"
    )
    for one in study["confusion"]:
        assert shown[one["true"]][one["predicted"]] == one["count"]
    assert sum(map(sum, shown)) == study["performance"]["accuracy"]["count"]


def test_every_case_says_its_classes_and_numbers(
    browser: Browser, small: tuple[Path, Record]
) -> None:
    page, study = small
    browser.open(page, "#question=all")
    for case in study["cases"]:
        verdict = browser.texts(f"#{case['id']} .verdict")[0]
        said = "called" if case["wrong"] else "rightly called"
        assert f"{said} {case['predicted']['name']}" in verdict
        assert case["true"]["name"] in verdict
        odds = browser.texts(f"#{case['id']} .odds .value")
        assert len(odds) == len(case["probabilities"])
        captions = " ".join(browser.texts(f"#{case['id']} .map figcaption"))
        for row in case["explanations"]:
            if row["error"]:
                assert row["error"] in " ".join(browser.texts(f"#{case['id']} .warned"))
            for target in row["targets"].values():
                assert f"score {number(target['score'])}" in captions
                assert all(
                    line in browser.texts(f"#{case['id']} .warned") for line in target["warnings"]
                )


def test_metrics_say_who_beats_the_controls(browser: Browser, small: tuple[Path, Record]) -> None:
    page, study = small
    browser.open(page)
    rows = dict(
        zip(
            browser.texts(".metrics tbody th bdi"),
            browser.run(
                "return [...document.querySelectorAll('.metrics tbody tr')].map(row =>"
                "[...row.querySelectorAll('td')].map(td => td.textContent))"
            ),
            strict=True,
        )
    )
    assert len(rows) == 8
    for row in study["metrics"]["rows"]:
        shown = rows[row["name"].replace("_", " ")]
        for column, text in zip(study["metrics"]["columns"], shown, strict=True):
            one = row["values"][column["name"]]
            if one["mean"] is None:
                assert "not a number" in text
                continue
            assert text.startswith(number(one["mean"]))
            assert ("does not beat" in text) is (one["beats_controls"] is False)
            assert ("turned in 3" in text) is (column["name"] == "decision_flip")
            assert ("\N{CHECK MARK} beats" in text) is (one["beats_controls"] is True)
    sentences = browser.texts(".meanings dd")
    for column, text in zip(study["metrics"]["columns"], sentences, strict=True):
        assert text.startswith(column["sentence"])


def test_findings_and_techniques_and_provenance(
    browser: Browser, small: tuple[Path, Record]
) -> None:
    page, study = small
    browser.open(page)
    for place, finding in enumerate(study["findings"]):
        text = browser.texts(f"#finding-{place}")[0]
        assert (
            finding["title"] in text and finding["caveat"] in text and finding["severity"] in text
        )
    assert len(browser.all("#finding-0 .means img.signed")) == 2
    rows = browser.texts("#finding-1 details tbody tr")
    for label, row in zip(study["findings"][1]["evidence"]["labels"], rows, strict=True):
        assert row == f"{label['row']:,}{label['label']}0.01"
    methods = browser.texts(".method")
    for method, text in zip(study["methods"], methods, strict=True):
        for key in ("about", "answers", "cannot", "method"):
            assert method[key] in text
    made = browser.texts("#made")[0]
    for words in (study["call"], study["fingerprints"]["model"], "torch 2.13.0", "12,400 forward"):
        assert words in made
