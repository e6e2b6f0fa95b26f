"""What notebooks show, as Chromium draws it: in the theme of the host, or else of the system."""

import re
from pathlib import Path

import numpy as np
import pytest

import backlight
from backlight.attribution.described import DescribedInput
from backlight.values.layout import Layout
from tests.pages.browser import Browser, Scheme
from tests.test_fragments import luminance
from tests.test_pictures import attribution

ROOT = Path(__file__).parents[2]
HOSTS = {
    "": None,
    'data-jp-theme-light="true" style="--jp-layout-color0:#fff"': "light",
    'data-jp-theme-light="false" style="--jp-layout-color0:#111"': "dark",
    'class="vscode-light" style="--vscode-editor-background:#fdf6e3"': "light",
    'class="vscode-dark" style="--vscode-editor-background:#1e1e1e"': "dark",
}
"""What a host says of its theme on its body, and which it is; None where it says nothing."""

COLOURS = """
const over = (one, below) => one[3] === undefined ? one
    : [0, 1, 2].map(k => one[3] * one[k] + (1 - one[3]) * below[k]);
const numbers = text => text.match(/[\\d.]+/g).map(Number);
return [...document.querySelectorAll('.backlight :is(span, td, th, figcaption, .soft)')]
    .filter(one => one.textContent.trim()).map(one => {
        const chain = [];
        for (let at = one; at; at = at.parentElement) chain.unshift(getComputedStyle(at));
        const laid = (seen, style) => over(numbers(style.backgroundColor), seen);
        const below = chain.reduce(laid, [255, 255, 255]);
        return [one.textContent, numbers(getComputedStyle(one).color).slice(0, 3), below];
    });
"""
"""Each text with its own colour and that of what is behind it."""


def page() -> str:
    """One of each kind, and several side by side."""
    rng = np.random.default_rng(0)
    words = [f"word{k}" for k in range(21)] + ["[PAD]"] * 3
    numbers = (*range(21), -1, -1, -1)
    text = DescribedInput("text", tokens=(tuple(words),), words=(numbers,))
    of_text = attribution(np.linspace(-1, 1, 24)[None], inputs=(text,), unit="logit")
    table = DescribedInput("table", ("age", "size"), given=np.array([[41.0, 0.5]]))
    along = Layout(1, (900,))
    series = DescribedInput("series", ("a",), given=rng.normal(size=(1, 1, 900)), layout=along)
    shown = [
        of_text,
        attribution(np.array([[1.0, -0.5]]), inputs=(table,)),
        attribution(rng.normal(size=(1, 1, 900)), inputs=(series,), layouts=(along,)),
        attribution(rng.normal(size=(2, 20, 20))),
        backlight.side_by_side([of_text, of_text]),
    ]
    return "".join(one._repr_html_() for one in shown)


def test_a_text_from_right_to_left_is_so(browser: Browser, folder: Path) -> None:
    text = DescribedInput("text", tokens=(("[CLS]", "هذا", "جميل"),), words=((-1, 0, 1),))
    file = folder / "right-to-left.html"
    html = attribution(np.ones((1, 3)), inputs=(text,))._repr_html_()
    file.write_text(f'<!doctype html><meta charset="utf-8">{html}', encoding="utf-8")
    browser.open(file)
    assert (
        browser.run("return getComputedStyle(arguments[0]).direction", browser.one(".tokens"))
        == "rtl"
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("host", HOSTS)
def test_texts_are_read_in_every_theme(
    browser: Browser, folder: Path, host: str, scheme: Scheme
) -> None:
    name = re.sub(r"\W+", "-", f"notebook-{host.partition(' style')[0]}-{scheme}")
    file = folder / f"{name}.html"
    head = (
        '<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    )
    file.write_text(f"{head}<body {host}>{page()}", encoding="utf-8")
    browser.open(file, width=390, scheme=scheme)
    assert browser.run("return document.documentElement.scrollWidth") <= 390
    assert browser.requests() == [file.as_uri()]
    found = browser.run(COLOURS)
    assert len(found) > 60
    for said, ink, behind in found:
        dark, light = sorted(luminance(" ".join(map(str, one))) for one in (ink, behind))
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (said, ink, behind)
        assert (luminance(" ".join(map(str, behind))) < 0.18) == ((HOSTS[host] or scheme) == "dark")
    pictures = ROOT / "build" / "pages"
    pictures.mkdir(parents=True, exist_ok=True)
    browser.driver.save_screenshot(str(pictures / f"{name}.png"))
