"""Addresses: of a case, of a filter, of both, and back again; also where no script runs."""

from pathlib import Path
from typing import Any

from tests.pages.browser import Browser

Record = dict[str, Any]


def test_the_address_of_a_case(browser: Browser, small: tuple[Path, Record]) -> None:
    page, study = small
    some = study["cases"][20]["id"]
    browser.open(page, f"#{some}")
    assert browser.run("return document.activeElement.id") == some
    assert 0 <= browser.top(f"#{some}") < 300
    assert len(browser.cases()) == len(study["cases"])


def test_the_address_of_a_view(browser: Browser, small: tuple[Path, Record]) -> None:
    page, study = small
    some = next(case for case in study["cases"][5:] if case["wrong"])
    browser.open(page, f"#answer=wrong&sort=-margin&question=true&technique=3&case={some['id']}")
    assert browser.becomes(browser.maps, {("3", "true")})
    wrong = [case for case in study["cases"] if case["wrong"]]
    assert browser.becomes(
        browser.cases, [one["id"] for one in sorted(wrong, key=lambda one: one["margin"])]
    )
    assert browser.run("return document.activeElement.id") == some["id"]


def test_what_is_chosen_stands_in_the_address(browser: Browser, small: tuple[Path, Record]) -> None:
    browser.open(small[0])
    browser.choose("predicted", "9")
    browser.choose("signs", "negative")
    address = browser.address()
    assert "predicted=9" in address and "signs=negative" in address and "sort" not in address
    before = browser.cases()
    browser.open(small[0], "#" + address.partition("#")[2])
    assert browser.becomes(browser.cases, before)


def test_back_leads_back(browser: Browser, small: tuple[Path, Record]) -> None:
    browser.open(small[0])
    browser.one("#finding-0 .button").click()
    first = browser.cases()
    browser.one("#finding-1 .button").click()
    assert browser.becomes(lambda: browser.cases() != first, True)
    browser.driver.back()
    assert browser.becomes(browser.cases, first)


def test_nonsense_in_the_address_changes_nothing(
    browser: Browser, small: tuple[Path, Record]
) -> None:
    page, study = small
    for hash in ("#true=77&sort=up&technique=x", "#nowhere", "#%E0%A4%A", "#question=%22%5D%7B%7D"):
        browser.open(page, hash)
        assert len(browser.cases()) == len(study["cases"]), hash
        assert browser.maps(), hash
        assert not browser.complaints(), hash


def test_a_case_that_is_filtered_out_is_shown_when_asked_for(
    browser: Browser, small: tuple[Path, Record]
) -> None:
    page, study = small
    browser.open(page, "#answer=right")
    wrong = next(case["id"] for case in study["cases"] if case["wrong"])
    assert wrong not in browser.cases()
    browser.run("location.hash = arguments[0]", wrong)
    assert browser.becomes(lambda: wrong in browser.cases(), True)


def test_without_scripts_all_is_there_and_cells_list_their_cases(
    browser: Browser, small: tuple[Path, Record]
) -> None:
    page, study = small
    browser.open(page, scripts=False)
    assert browser.becomes(browser.cases, [case["id"] for case in study["cases"]])
    assert not browser.shown("#toolbar")
    techniques = set("0123")
    assert browser.becomes(
        browser.maps,
        {(one, two) for one in techniques for two in ("predicted", "true", "contrast")},
    )
    for link in browser.all(".confusion a"):
        cell = str(link.get_attribute("data-cell"))
        assert str(link.get_attribute("href")).endswith(f"#{cell}")
        _, true, predicted = map(str, cell.split("-"))
        listed = browser.run(
            "return [...document.querySelectorAll(`#${arguments[0]} .links a`)]"
            ".map(one => one.hash.slice(1))",
            cell,
        )
        assert listed == [
            case["id"]
            for case in study["cases"]
            if (case["true"]["class"], case["predicted"]["class"]) == (int(true), int(predicted))
        ]


def test_without_scripts_links_lead_to_cases(browser: Browser, small: tuple[Path, Record]) -> None:
    browser.open(small[0], scripts=False)
    cell = browser.one(".confusion td.wrong a")
    cell.click()
    assert browser.shown(f"#{cell.get_attribute('data-cell')}")
    target = browser.one(f"#{cell.get_attribute('data-cell')}")
    link = target.find_element("css selector", ".links a")
    link.click()
    assert browser.address().endswith(f"#{link.text.strip()}")
    assert 0 <= browser.top(f"#{link.text.strip()}") < 200
