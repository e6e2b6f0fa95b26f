"""Fragments of HTML for texts, rows, series and volumes: what is written is what was given."""

import re
from html import unescape
from html.parser import HTMLParser

import numpy as np
import pytest

from backlight.attribution.described import NO_WORD
from backlight.errors import InputError
from backlight_pictures.fragments import series, table, text, volume
from backlight_pictures.fragments.style import DARK, LIGHT
from backlight_pictures.scale import Scale, scale_of
from tests.test_pictures import pictures_in

SCALE = Scale(1.0, True)
PLAIN = str.maketrans("\N{MINUS SIGN}\N{MULTIPLICATION SIGN}", "-x")
HOSTILE = "<script>alert('&')</script>"


class Reader(HTMLParser):
    """What is read on a page: its text, and the titles with the text of their elements."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text, self.titles = "", list[tuple[str, str]]()
        self.open: list[tuple[str, str | None]] = []
        self.feed(html.translate(PLAIN))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag != "script"
        if tag not in ("img", "br", "polyline"):
            self.open.append((tag, dict(attrs).get("title")))

    def handle_endtag(self, tag: str) -> None:
        if tag != "polyline":
            assert self.open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        self.titles += [(data, title) for _, title in self.open if title is not None]


def shares(html: str) -> list[tuple[str, float]]:
    """The side and the strength of each colour, in their order."""
    found = re.findall(r'class="(for|against)" style="--share:([\d.]+)"', html)
    return [(side, float(share)) for side, share in found]


def test_a_text_reads_as_it_was_written() -> None:
    parts = "The film ( so they say ) is n ' t bad , " + HOSTILE + " !"
    html = text.tokens(np.zeros(len(parts.split())), parts.split(), (), SCALE)
    assert Reader(html).text == f"The film (so they say) is n't bad, {HOSTILE}!"
    assert shares(html) == []
    assert 'dir="auto"' in html


def test_scripts_without_spaces_get_none() -> None:
    assert Reader(text.tokens(np.zeros(3), tuple("很好看"), (), SCALE)).text == "很好看"
    assert Reader(text.tokens(np.zeros(2), ("아주", "좋다"), (), SCALE)).text == "아주 좋다"
    assert Reader(text.tokens(np.zeros(3), ("a", "\n", "b"), (), SCALE)).text == "a\nb"


def test_a_word_is_the_sum_of_its_tokens_and_says_so() -> None:
    parts = ("[CLS]", "un", "believ", "able", "twice", "twice", "[PAD]", "[PAD]")
    words = (NO_WORD, 0, 0, 0, 1, 2, NO_WORD, NO_WORD)
    values = np.array([0.5, 0.1, -0.4, 0.05, 0.3, 0.3, 0.0, 0.25])
    found = text.joined(values, parts, words)
    assert [word.text for word in found[:4]] == ["[CLS]", "unbelievable", "twice", "twice"]
    assert sum(word.value for word in found) == pytest.approx(values.sum(), abs=1e-15)
    html = text.tokens(values, parts, words, SCALE)
    read = Reader(html)
    assert read.text == "[CLS] unbelievable twice twice [PAD] x 2"
    assert read.titles == [
        ("[CLS]", "0.5"),
        ("unbelievable", "-0.25 = un 0.1, believ -0.4, able 0.05"),
        ("twice", "0.3"),
        ("twice", "0.3"),
        ("[PAD] x 2", "0.25"),
    ]
    assert shares(html) == [
        ("for", 0.5),
        ("against", 0.25),
        ("for", 0.3),
        ("for", 0.3),
        ("for", 0.25),
    ]
    assert html.count('class="apart" dir="ltr"') == 2


def test_a_thousand_tokens_are_short() -> None:
    rng = np.random.default_rng(0)
    parts = [f"token{k}" for k in range(1000)]
    html = text.tokens(rng.standard_normal(1000), parts, tuple(range(1000)), SCALE)
    assert len(html.encode()) < 120_000
    assert Reader(html).text.split() == parts


def test_columns_come_by_size_with_what_they_hold() -> None:
    values = np.array([0.1, -1.0, 0.5, *[0.01] * 12])
    names = ["a", HOSTILE, "c", *map(str, range(12))]
    given = np.array([3.0, -0.25, 1e6, *[0.0] * 12])
    html = table.bars(values, names, given, scale_of([values]))
    rows = re.findall(
        r"<tr><th>([^<]*)</th><td>(.*?)</td>.*?<td>(.*?)</td></tr>", html.translate(PLAIN)
    )
    told = [tuple(map(unescape, row)) for row in rows]
    assert told[:3] == [(HOSTILE, "-0.25", "-1"), ("c", "1e+06", "0.5"), ("a", "3", "0.1")]
    assert len(told) == 12
    assert "and 3 smaller, together 0.03" in Reader(html).text


def test_bars_begin_at_zero() -> None:
    found = re.findall(r'class="(\w+)" style="margin-left:([\d.]+)%;width:([\d.]+)%"',
                       table.bars(np.array([1.0, -0.5, 0.0]), (), None, SCALE))  # fmt: skip
    assert found[:2] == [("for", "50.0", "50.0"), ("against", "25.0", "25.0")]
    assert found[2][2] == "0.0"
    plain = table.bars(np.array([0.5]), (), None, Scale(1.0, False))
    assert "margin-left:0.0%;width:50.0%" in plain


def test_what_is_no_number_is_shown_as_it_is() -> None:
    html = table.bars(np.ones(2), ("a", "b"), np.array(["<red>", 2.5], dtype=object), SCALE)
    assert "&lt;red&gt;" in html
    assert "<td>2.5</td>" in html


def test_a_long_series_keeps_its_peaks() -> None:
    values, given = np.zeros((2, 1000)), np.zeros((2, 1000))
    values[0, 503], values[1, 7] = -0.75, 0.5
    given[0, 503] = 9.0
    html = series.line(values, given, ("left", HOSTILE), SCALE)
    assert shares(html) == [("against", 0.75), ("for", 0.5)]
    assert "<title>500: -0.75</title>" in html.translate(PLAIN)
    read = Reader(html)
    assert "left: 0 to 9" in read.text
    assert f"{HOSTILE}: 0 to 0" in read.text
    assert "each strip is 5 moments" in read.text
    points = re.findall(r'points="([^"]*)"', html)
    assert "100.5,97.0 100.5,3.0" in points[0], "the peak is lost"


def test_a_short_series_is_drawn_moment_by_moment() -> None:
    html = series.line(np.array([[0.5, 0.0, -1.0]]), np.array([[1.0, 2.0, 3.0]]), (), SCALE)
    assert re.findall(r'points="([^"]*)"', html) == ["0.5,97.0 1.5,50.0 2.5,3.0"]
    assert shares(html) == [("for", 0.5), ("against", 1.0)]
    assert "moments 0 to 2" in html
    assert "each strip" not in html


def test_channels_that_are_left_out_are_counted() -> None:
    values = np.zeros((12, 4))
    values[[3, 11]] = 1.0
    html = series.line(values, values, [f"c{k}" for k in range(12)], SCALE)
    assert html.count("<svg") == 8
    assert "c3: 1 to 1" in html
    assert "c11: 1 to 1" in html
    assert "the 8 of 12 channels with most" in html


def test_a_series_must_be_that_of_its_values() -> None:
    with pytest.raises(InputError, match=r"\(1, 5\) are of no series of shape \(1, 4\)"):
        series.line(np.zeros((1, 5)), np.zeros((1, 4)), (), SCALE)


@pytest.mark.parametrize("known", [True, False])
def test_a_volume_shows_the_slices_that_have_most(known: bool) -> None:
    values = np.zeros((9, 4, 5))
    values[[1, 3, 4, 6, 8]] = np.array([1.0, -4.0, 2.0, 0.5, 3.0])[:, None, None]
    html = volume.slices(
        values, np.arange(180.0).reshape(9, 4, 5) if known else None, Scale(4.0, True)
    )
    assert re.findall(r"<figcaption>slice (\d) of 9: (\d+)%", html) == [
        ("1", "10"), ("3", "38"), ("4", "19"), ("8", "29"),
    ]  # fmt: skip
    against, strongest = pictures_in(html)[1], pictures_in(html)[3]
    assert (against[..., 2] > against[..., 0]).all()
    assert (strongest[..., 0] > strongest[..., 2]).all()


def luminance(colour: str) -> float:
    parts = colour.split()
    if len(parts) == 1:
        whole = colour.lstrip("#")
        whole = "".join(2 * digit for digit in whole) if len(whole) == 3 else whole
        parts = [str(int(whole[k : k + 2], 16)) for k in (0, 2, 4)]
    shades = np.array([float(part) for part in parts]) / 255
    linear = np.where(shades > 0.04045, ((shades + 0.055) / 1.055) ** 2.4, shades / 12.92)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_words_are_read_on_every_colour(theme: str) -> None:
    """WCAG 2.2, 1.4.3: a contrast of 4.5 to 1."""
    colours = dict(re.findall(r"--backlight-(\w+):([^;]+)", theme))

    def contrast(one: str, other: str) -> float:
        own = (colours[name].rpartition(",")[2].rstrip(")") for name in (one, other))
        dark, light = sorted(map(luminance, own))
        return (light + 0.05) / (dark + 0.05)

    for ink, paper in [("ink", "for"), ("ink", "against"), ("text", "paper"), ("soft", "paper")]:
        assert contrast(ink, paper) >= 4.5, (ink, paper)
