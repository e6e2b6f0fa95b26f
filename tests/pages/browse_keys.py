"""The keyboard does what the controls do, and nothing while one types."""

from pathlib import Path
from typing import Any

import pytest

from tests.pages.browser import Browser, Keys

Record = dict[str, Any]
FOCUSED = "return document.activeElement.id"


@pytest.fixture
def page(browser: Browser, small: tuple[Path, Record]) -> Browser:
    browser.open(small[0])
    return browser


def test_j_and_k_walk_through_the_cases(page: Browser) -> None:
    order = page.cases()
    page.run("document.getElementById('cases').scrollIntoView()")
    page.press("j")
    assert page.run(FOCUSED) == order[0]
    page.press("j", "j")
    assert page.run(FOCUSED) == order[2]
    # What is gone to stands below the bar that stays.
    bar = page.run("return document.getElementById('toolbar').getBoundingClientRect().bottom")
    assert bar <= page.top(f"#{order[2]}") < bar + 80
    page.press("k")
    assert page.run(FOCUSED) == order[1]


def test_they_skip_what_is_filtered_out(page: Browser, small: tuple[Path, Record]) -> None:
    page.choose("answer", "right")
    right = [case["id"] for case in small[1]["cases"] if not case["wrong"]]
    page.press("j", "j")
    assert page.run(FOCUSED) in right[:2]


def test_digits_choose_techniques_and_arrows_questions(page: Browser) -> None:
    page.press("2")
    assert page.becomes(page.maps, {("1", "contrast")})
    page.press(Keys.ARROW_LEFT)
    assert page.becomes(page.maps, {("1", "true")})
    page.press("0", Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert page.becomes(
        page.maps, {(one, two) for one in "0123" for two in ("predicted", "true", "contrast")}
    )
    page.press("9")  # there is no ninth
    assert page.run("return document.getElementById('technique').value") == "all"


def test_layout_signs_and_strength(page: Browser) -> None:
    page.press("v", "s", "-", "-")
    assert page.run("return document.getElementById('study').dataset.layout") == "beside"
    assert page.run("return document.getElementById('study').dataset.signs") == "positive"
    assert page.run("return document.getElementById('opacity').value") == "80"
    assert "opacity=80" in page.address()


def test_help_opens_and_closes(page: Browser) -> None:
    page.press("?")
    assert page.shown("#help")
    page.press(Keys.ESCAPE)
    assert not page.shown("#help")


def test_typing_is_typing(page: Browser) -> None:
    page.press("/")
    assert page.run(FOCUSED) == "find"
    page.press("j", "2")
    assert page.run("return document.getElementById('find').value") == "j2"
    assert page.run("return document.getElementById('technique').value") == "all"


def test_keys_can_be_switched_off(page: Browser) -> None:
    page.press("?")
    page.one("#keys-on").click()
    page.press(Keys.ESCAPE)
    page.press("2")
    assert page.run("return document.getElementById('technique').value") == "all"
