"""Cells, fields and findings choose cases: those that the record says, in the order that it says."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.support.ui import WebDriverWait

from tests.pages.browser import Browser

Record = dict[str, Any]
Made = Callable[[str], tuple[Path, Record]]


def ids(study: Record, fits: Callable[[Record], bool]) -> list[str]:
    return [case["id"] for case in study["cases"] if fits(case)]


def in_cell(true: int, predicted: int) -> Callable[[Record], bool]:
    return lambda case: case["true"]["class"] == true and case["predicted"]["class"] == predicted


def test_every_cell_leads_to_exactly_its_cases(
    browser: Browser, small: tuple[Path, Record]
) -> None:
    page, study = small
    browser.open(page)
    cells = browser.run(
        "return [...document.querySelectorAll('.confusion a')].map(one => one.dataset.cell)"
    )
    seen = set()
    for cell in cells:
        browser.run(
            "document.querySelector(`.confusion [data-cell=${arguments[0]}]`).click()", cell
        )
        _, true, predicted = cell.split("-")
        expected = ids(study, in_cell(int(true), int(predicted)))
        assert browser.becomes(browser.cases, expected)
        seen.update(expected)
    assert seen == set(ids(study, lambda case: True))


def test_a_cell_scrolls_to_the_cases_and_is_marked(
    browser: Browser, small: tuple[Path, Record]
) -> None:
    browser.open(small[0])
    cell = browser.one(".confusion td.wrong a")
    cell.click()
    WebDriverWait(browser.driver, 10).until(lambda driver: 0 <= browser.top("#cases") < 100)
    assert cell.get_attribute("aria-current") == "true"
    assert (
        browser.one("#true").get_attribute("value") == cell.get_attribute("data-cell").split("-")[1]
    )


def test_a_thousand_classes_list_the_cells_with_mistakes(browser: Browser, made: Made) -> None:
    page, study = made("thousand_classes")
    browser.open(page)
    assert not browser.all(".confusion")
    wrong = {
        f"cell-{one['true']}-{one['predicted']}"
        for one in study["confusion"]
        if one["true"] != one["predicted"]
    }
    listed = set(browser.run("return [...document.querySelectorAll('.cells li')].map(li => li.id)"))
    assert wrong <= listed
    cell = browser.one(".cells [data-cell]").get_attribute("data-cell")
    browser.one(".cells [data-cell]").click()
    _, true, predicted = cell.split("-")
    assert browser.becomes(browser.cases, ids(study, in_cell(int(true), int(predicted))))


def test_fields_choose_cases(browser: Browser, small: tuple[Path, Record]) -> None:
    page, study = small
    browser.open(page)
    some = study["cases"][7]
    fields: list[tuple[str, str, Callable[[Record], bool]]] = [
        ("true", str(some["true"]["class"]), lambda c: c["true"]["class"] == some["true"]["class"]),
        ("predicted", "9", lambda c: c["predicted"]["class"] == 9),
        ("answer", "right", lambda c: not c["wrong"]),
        ("finding", "1", lambda c: 1 in c["findings"]),
        ("from", "80", lambda c: c["confidence"] >= 0.8),
        ("to", "70", lambda c: c["confidence"] <= 0.7),
        ("find", some["id"].upper(), lambda c: c["id"] == some["id"]),
        ("find", "dress/", lambda c: c["name"].startswith("Dress/")),
    ]
    for control, value, fits in fields:
        browser.choose(control, value)
        expected = ids(study, fits)
        assert expected, control
        assert browser.becomes(browser.cases, expected), control
        assert browser.texts("#count") == [f"{len(expected)} of {len(study['cases'])}"]
        browser.one("#clear").click()
        assert len(browser.cases()) == len(study["cases"])


def test_no_case_that_fits_is_said(browser: Browser, small: tuple[Path, Record]) -> None:
    browser.open(small[0], "#find=nothing+of+that+name")
    assert browser.becomes(browser.cases, [])
    assert browser.shown("#none")
    browser.one("#none a").click()
    assert len(browser.cases()) == 30


@pytest.mark.parametrize("key", ["confidence", "margin", "loss"])
def test_sorting_is_by_the_record(browser: Browser, small: tuple[Path, Record], key: str) -> None:
    page, study = small
    browser.open(page)
    for sort, sign in ((key, -1), (f"-{key}", 1)):
        browser.choose("sort", sort)
        values = {case["id"]: case[key] for case in study["cases"]}
        assert browser.becomes(browser.cases, sorted(values, key=lambda one: sign * values[one]))
    browser.choose("sort", "id")
    assert browser.becomes(browser.cases, sorted(values))
    browser.choose("sort", "")
    assert browser.becomes(browser.cases, list(values))


def test_a_finding_shows_its_cases(browser: Browser, small: tuple[Path, Record]) -> None:
    page, study = small
    browser.open(page)
    for place, finding in enumerate(study["findings"][:2]):
        browser.one(f"#finding-{place} .button").click()
        assert set(browser.cases()) == set(finding["cases"])
    assert not browser.all("#finding-2 .button")
