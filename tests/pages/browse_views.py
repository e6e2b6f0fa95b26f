"""Questions, techniques, layouts, signs, strength, and the value below the pointer."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlight_pictures.layers import read_map
from tests.pages import made_up_study
from tests.pages.browser import Browser

Record = dict[str, Any]
STACK = ".case:not([hidden]) .technique[data-technique='0'] [data-question=contrast] .stack"


def pixels(browser: Browser) -> NDArray[np.float64]:
    """The first map as it is drawn, from 0 to 1, (H, W, 3)."""
    return browser.pixels(STACK)[6:-6, 6:-6]  # without the round corners


def test_questions_and_techniques_are_switched(
    browser: Browser, small: tuple[Path, Record]
) -> None:
    browser.open(small[0])
    everywhere = set("0123")
    assert browser.becomes(browser.maps, {(one, "contrast") for one in everywhere})
    for question in ("true", "predicted"):
        browser.one(f"#question input[value={question}] + span").click()
        assert browser.becomes(browser.maps, {(one, question) for one in everywhere})
    browser.choose("technique", "2")
    assert browser.becomes(browser.maps, {("2", "predicted")})
    browser.one("#question input[value=all] + span").click()
    assert browser.becomes(browser.maps, {("2", one) for one in ("predicted", "true", "contrast")})


def test_one_output_has_two_questions(
    browser: Browser, made: Callable[[str], tuple[Path, Record]]
) -> None:
    browser.open(made("one_output")[0])
    values = "return [...document.querySelectorAll('#question input')].map(one => one.value)"
    assert browser.run(values) == ["all", "predicted", "true"]
    assert {question for _, question in browser.maps()} == {"predicted"}


def test_the_slider_fades_the_map(browser: Browser, small: tuple[Path, Record]) -> None:
    browser.open(small[0], "#answer=wrong")
    full = pixels(browser)
    browser.choose("opacity", "50")
    half = pixels(browser)
    browser.choose("opacity", "0")
    none = pixels(browser)
    np.testing.assert_allclose(none.max(axis=-1), none.min(axis=-1), atol=0.01)  # grey alone
    assert np.ptp(full, axis=-1).max() > 0.3
    np.testing.assert_allclose(half, (full + none) / 2, atol=0.02)


def test_signs_leave_colours_out(browser: Browser, small: tuple[Path, Record]) -> None:
    browser.open(small[0], "#answer=wrong&layout=alone")

    def redder() -> NDArray[np.float64]:
        drawn = pixels(browser)
        return np.asarray(drawn[..., 0] - drawn[..., 2])

    both = redder()
    assert both.max() > 0.3 and both.min() < -0.3
    browser.choose("signs", "positive")
    assert redder().max() > 0.3 and redder().min() > -0.05
    browser.choose("signs", "negative")
    assert redder().max() < 0.05 and redder().min() < -0.3


def test_layouts(browser: Browser, small: tuple[Path, Record]) -> None:
    browser.open(small[0])
    size = "const box = document.querySelector(arguments[0]).getBoundingClientRect();"
    ratio = size + "return box.width / box.height"
    assert abs(browser.run(ratio, STACK) - 1) < 0.05
    browser.choose("layout", "beside")
    assert 1.9 < browser.run(ratio, STACK) < 2.2
    below = "return getComputedStyle(document.querySelector(arguments[0]), '::before').display"
    browser.choose("layout", "alone")
    assert browser.run(below, STACK) == "none"


def test_the_value_below_the_pointer_is_the_map_s(
    browser: Browser, small: tuple[Path, Record]
) -> None:
    page, study = small
    _, files = made_up_study.small()
    browser.open(page)
    target = study["cases"][0]["explanations"][0]["targets"]["contrast"]
    read = read_map(files[target["file"]])
    assert read is not None
    grey, scale = read
    for row, column in ((3, 5), (14, 14), (25, 9)):
        words = browser.value_at(STACK, (column + 0.5) / 28, (row + 0.5) / 28)
        value = (int(grey[row, column]) - 128) / 127 * scale.limit
        assert words.startswith(f"row {row}, column {column}: ")
        assert abs(float(words.rpartition(" ")[2]) - value) <= 0.051 * abs(value)


def test_every_map_has_a_bar_with_its_scale(browser: Browser, small: tuple[Path, Record]) -> None:
    from backlight_pictures.colour_bar import ticks
    from backlight_pictures.scale import Scale

    page, study = small
    browser.open(page)
    for case in study["cases"][:8]:
        shown = browser.texts(f"#{case['id']} .bar")
        rows = [row for row in case["explanations"] if row["error"] is None]
        expected = ["".join(ticks(Scale(row["limit"], row["signed"]))) for row in rows]
        assert shown == expected
        assert len(browser.texts(f"#{case['id']} .unit")) == len(rows)
