"""Every study on screens of two widths, in light and dark: no complaints, no network, no faults.

What was drawn lies in `build/pages` for people to look at.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backlight_report.study_page import study_page
from tests.pages.browser import Browser, Scheme
from tests.pages.made_up_pictures import Shape
from tests.pages.made_up_study import made_up

Record = dict[str, Any]
Made = Callable[[str], tuple[Path, Record]]

ROOT = Path(__file__).parents[2]
STUDIES = ("small", "thousand_classes", "one_output", "no_cases", "hostile")
LARGEST = 25_000_000


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", STUDIES)
def test_a_page(browser: Browser, made: Made, name: str, width: int, scheme: Scheme) -> None:
    page, study = made(name)
    browser.open(page, width=width, scheme=scheme)
    assert browser.run("return document.title").startswith("Study of ")
    assert browser.run("return document.documentElement.scrollWidth") <= width
    assert len(browser.cases()) == len(study["cases"])
    assert browser.requests() == [page.as_uri()]
    assert browser.complaints() == []
    if (width, scheme) in ((1280, "light"), (390, "dark")):  # axe takes seconds
        assert browser.faults() == []
    pictures = ROOT / "build" / "pages"
    pictures.mkdir(parents=True, exist_ok=True)
    for part in ("top", "techniques", "cases"):
        if part != "top":
            browser.run("document.getElementById(arguments[0]).scrollIntoView()", part)
        browser.driver.execute_async_script("setTimeout(arguments[0], 60)")
        browser.driver.save_screenshot(str(pictures / f"{name}-{width}-{scheme}-{part}.png"))


def test_pictures_beside_the_page_are_drawn(browser: Browser, tmp_path: Path) -> None:
    study, pictures = made_up(Shape(cases=2))
    (tmp_path / "pictures").mkdir()
    for path, file in pictures.items():
        (tmp_path / path).write_bytes(file)
    page = tmp_path / "study.html"
    page.write_text(study_page(study, pictures, embed=False), encoding="utf-8")
    browser.open(page, f"#{study['cases'][0]['id']}")
    image = browser.one(".map[data-question=contrast] img")
    width = "return arguments[0].naturalWidth"
    assert browser.becomes(lambda: browser.run(width, image), 28)
    assert all(one.startswith("file:") for one in browser.requests())
    assert browser.complaints() == []


def test_a_hundred_noisy_cases_fit(browser: Browser, tmp_path: Path) -> None:
    """4 techniques, 3 questions, 224 pixels, and maps that are all noise, the hardest to store."""
    study, pictures = made_up(Shape(cases=2, side=224, colour=True, noisy=True))
    wrong = [case for case in study["cases"] if case["wrong"]]
    repeated = (wrong * 100)[:100]
    study["cases"] = [{**case, "id": f"case-{k}"} for k, case in enumerate(repeated)]
    page = tmp_path / "study.html"
    page.write_text(study_page(study, pictures), encoding="utf-8")
    assert page.stat().st_size < LARGEST
    browser.open(page)
    assert len(browser.cases()) == 100
    assert browser.complaints() == []


def test_five_hundred_cases_are_quick(browser: Browser, tmp_path: Path) -> None:
    study, pictures = made_up(Shape(cases=500))
    page = tmp_path / "study.html"
    page.write_text(study_page(study, pictures), encoding="utf-8")
    start = time.perf_counter()
    browser.open(page)
    assert len(browser.cases()) == 500
    assert time.perf_counter() - start < 10
    elapsed = browser.run(
        "const start = performance.now();"
        "const one = document.getElementById('predicted'); one.value = '9';"
        "one.dispatchEvent(new Event('input', { bubbles: true }));"
        "document.body.getBoundingClientRect(); return performance.now() - start"
    )
    assert elapsed < 1000
