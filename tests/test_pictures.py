"""Pictures: scales that are said and shared, zero as zero, overlays, maps, snippets."""

import base64
import io
import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from backlight import Attribution
from backlight.errors import HyperParameterError, InputError
from backlight.values.layout import Layout
from backlight_pictures.colour_bar import colour_bar, ticks
from backlight_pictures.colours import grey, heat, overlay, ramp
from backlight_pictures.maps import resized, to_maps
from backlight_pictures.png import data_uri, enlarged, png
from backlight_pictures.scale import Scale, number, scale_of
from backlight_pictures.snippet import snippet


def test_brightness_is_weighed_as_televisions_do() -> None:
    pixels = 255 * np.eye(3, dtype=np.uint8)[None]
    np.testing.assert_allclose(grey(pixels), [[0.299, 0.587, 0.114]])


def attribution(values: object, **changes: Any) -> Attribution:
    count = len(values) if isinstance(values, np.ndarray) else 2
    given: dict[str, Any] = {
        "values": values,
        "score": np.arange(1.0, count + 1),
        "baseline_score": np.zeros(count),
        "gap": np.full(count, 0.25),
        "method": "Made(up=True)",
        "target": "Class(3)",
        "classes": np.full(count, 3),
        "predicted": False,
        "at": None,
        "seed": None,
        "framework": "torch",
        "framework_version": "2",
        **changes,
    }
    return Attribution(**given)


def pictures_in(html: str) -> list[NDArray[np.uint8]]:
    found = re.findall(r'src="data:image/(?:png|jpeg);base64,([^"]+)"', html)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(text)))) for text in found]


class Balanced(HTMLParser):
    """Fails on a closing tag that closes nothing, and counts what stays open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in ("img", "br", "meta"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_scale_is_a_percentile_of_all_maps_together() -> None:
    first, second = np.linspace(0, 1, 500), np.linspace(-3, 0, 501)
    scale = scale_of([first, second])
    assert scale.signed
    assert scale.limit == np.percentile(np.abs(np.concatenate([first, second])), 99)
    assert not scale_of([first]).signed


def test_scale_sees_a_single_lit_pixel() -> None:
    values = np.zeros((100, 100))
    values[3, 4] = -0.5
    assert scale_of([values]) == Scale(0.5, True)


@pytest.mark.parametrize("values", [[np.nan, 1.0], [np.inf], []])
def test_scale_refuses_what_is_not_a_number(values: list[float]) -> None:
    with pytest.raises(InputError, match="finite values"):
        scale_of([np.array(values)])


@pytest.mark.parametrize("limit", [-1.0, np.nan, np.inf])
def test_limits_are_checked(limit: float) -> None:
    with pytest.raises(HyperParameterError, match=r"Scale\.limit must be at least 0"):
        Scale(limit, True)


def test_red_is_for_blue_is_against_and_zero_is_neither() -> None:
    red, blue, zero = heat(np.array([2.0, -2.0, 0.0]), Scale(2.0, True)).astype(int)
    assert red[0] > red[2] + 100
    assert blue[2] > blue[0] + 100
    assert np.ptp(zero) < 12
    assert zero.min() > 220


def test_colours_depend_on_the_scale_alone() -> None:
    scale = Scale(1.0, True)
    alone = heat(np.array([[0.3]]), scale)
    among = heat(np.array([[0.3, -5.0, 7.0]]), scale)
    np.testing.assert_array_equal(alone[0, 0], among[0, 0])
    np.testing.assert_array_equal(heat(np.array(9.0), scale), heat(np.array(1.0), scale))


@pytest.mark.parametrize("signed", [True, False])
def test_nothing_draws_as_zero(signed: bool) -> None:
    zeros = np.zeros((2, 3))
    np.testing.assert_array_equal(heat(zeros, Scale(0.0, signed)), heat(zeros, Scale(1.0, signed)))
    assert scale_of([zeros]) == Scale(0.0, False)


def test_lightness_is_even_on_both_sides() -> None:
    """Perceptually uniform: lightness falls by equal steps from zero to either end."""
    colours = heat(np.linspace(-1, 1, 21), Scale(1.0, True)) / 255
    linear = np.where(colours > 0.04045, ((colours + 0.055) / 1.055) ** 2.4, colours / 12.92)
    luminance = linear @ np.array([0.2126, 0.7152, 0.0722])
    lightness = 116 * np.cbrt(luminance) - 16
    np.testing.assert_allclose(lightness, lightness[::-1], atol=3)
    steps = np.diff(lightness[10:])[1:]
    np.testing.assert_allclose(steps, steps.mean(), atol=1.5)


def test_overlay_grows_with_the_value_and_keeps_the_picture_at_zero() -> None:
    picture = np.full((1, 5), 128, dtype=np.uint8)
    drawn = overlay(np.array([[0.0, 0.1, 0.4, 0.9, -0.9]]), Scale(1.0, True), picture).astype(int)
    redness = drawn[0, :, 0] - drawn[0, :, 2]
    assert np.ptp(drawn[0, 0]) == 0
    assert (np.diff(redness[:4]) > 0).all()
    assert redness[4] < -80


def test_overlay_is_over_grey() -> None:
    colourful = np.zeros((1, 2, 3), dtype=np.uint8)
    colourful[0, 0] = (255, 0, 0)
    drawn = overlay(np.zeros((1, 2)), Scale(1.0, True), colourful).astype(int)
    assert np.ptp(drawn[0, 0]) == 0
    assert drawn[0, 0, 0] > drawn[0, 1, 0]


def test_channels_are_reduced_by_name() -> None:
    values = np.random.default_rng(0).standard_normal((2, 3, 5, 7))
    np.testing.assert_allclose(to_maps(values, "first"), values.sum(axis=1))
    np.testing.assert_allclose(to_maps(values, "first", "mean"), values.mean(axis=1))
    np.testing.assert_allclose(
        np.abs(to_maps(values, "first", "maximum")), np.abs(values).max(axis=1)
    )
    assert (to_maps(values, "first", "maximum") < 0).any()
    last = np.moveaxis(values, 1, -1)
    np.testing.assert_allclose(to_maps(last, "first"), values.sum(axis=1))  # the axis of 3 tells
    many = np.ones((1, 6, 7, 8))
    assert to_maps(many, "first").shape == (1, 7, 8)
    assert to_maps(many, "last").shape == (1, 6, 7)
    assert to_maps(many[0], "last").shape == (6, 7, 8)


def test_maps_need_places() -> None:
    with pytest.raises(InputError, match=r"got \(2, 3\)"):
        to_maps(np.zeros((2, 3)), "first")
    with pytest.raises(HyperParameterError, match="'median'"):
        to_maps(np.zeros((1, 3, 4, 4)), "first", "median")  # type: ignore[arg-type]


def test_maps_follow_the_layout_where_it_is_known() -> None:
    values = np.arange(2.0 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    np.testing.assert_array_equal(to_maps(values, Layout(1, (4, 5))), values.sum(1))
    np.testing.assert_array_equal(to_maps(values, Layout(3, (3, 4))), values.sum(3))
    tokens = np.arange(2.0 * 7 * 3).reshape(2, 7, 3)
    grid = tokens[:, 1:].reshape(2, 2, 3, 3).sum(3)
    np.testing.assert_array_equal(to_maps(tokens, Layout(2, (2, 3), 1, tokens=True)), grid)
    np.testing.assert_array_equal(to_maps(values[0], Layout(None, (4, 5))), values[0])
    with pytest.raises(InputError, match="without channels are no maps"):
        to_maps(values, Layout(None, (3, 4, 5)))


@pytest.mark.parametrize(("axis", "framework"), [(1, "jax"), (3, "torch")])
def test_a_snippet_draws_channels_where_the_attribution_has_them(axis: int, framework: str) -> None:
    """Not where the framework has them by custom: 8 channels look like any side."""
    values = np.zeros((1, 8, 8, 8))
    np.moveaxis(values, axis, 1)[0, :, 2, 5] = 1.0  # one place, in all of its channels
    layout = Layout(axis, (8, 8))
    html = snippet(attribution(values, framework=framework, layouts=(layout,)))
    place = np.zeros((1, 8, 8))
    place[0, 2, 5] = 8.0
    same = snippet(attribution(place, framework=framework, layouts=(Layout(None, (8, 8)),)))
    assert [picture.tolist() for picture in pictures_in(html)] == [
        picture.tolist() for picture in pictures_in(same)
    ]


def test_a_snippet_names_classes() -> None:
    names = ("cat", "dog", "cow", "<b>")
    assert "class 3 (&lt;b&gt;)" in snippet(attribution(np.ones((2, 4, 4)), class_names=names))
    assert "class 3," in snippet(attribution(np.ones((2, 4, 4))))


def test_small_maps_are_brought_to_the_picture() -> None:
    flat = resized(np.full((1, 2, 3), 4.0), (8, 9))
    np.testing.assert_allclose(flat, np.full((1, 8, 9), 4.0))
    slope = resized(np.array([[[0.0, 1.0]]]), (1, 4))
    np.testing.assert_allclose(slope[0, 0], [0, 0.25, 0.75, 1])


def test_files_keep_pixels_and_notes() -> None:
    pixels = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    with Image.open(io.BytesIO(png(pixels, {"limit": "0.5", "target": "Übermut"}))) as opened:
        np.testing.assert_array_equal(np.asarray(opened), pixels)
        assert opened.info["limit"] == "0.5"
        assert opened.info["target"] == "Übermut"
    assert data_uri(b"abc") == "data:image/png;base64,YWJj"
    assert enlarged(pixels, 12).shape == (12, 15, 3)
    assert enlarged(np.zeros((900, 300)), 224).shape == (900, 300)


def test_colour_bar_has_the_scale_and_its_numbers() -> None:
    assert ticks(Scale(0.5, True)) == ["\N{MINUS SIGN}0.5", "0", "0.5"]
    assert ticks(Scale(0.5, False)) == ["0", "0.25", "0.5"]
    bar = colour_bar(Scale(0.5, True))
    strip = ramp(Scale(0.5, True), 224, 14)
    np.testing.assert_array_equal(bar[8:22, 8:232], strip)
    assert (bar[25:] == 0).any(), "no numbers are written"
    different = colour_bar(Scale(0.7, True))
    assert (bar[25:] != different[25:]).any(), "the numbers do not follow the scale"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (-0.1234, "\N{MINUS SIGN}0.123"), (12345.0, "1.23e+04"), (7.0, "7")],
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize("shape", [(2, 6, 5), (2, 3, 6, 5), (2, 6, 5, 3)])
def test_snippet_draws_maps(shape: tuple[int, ...]) -> None:
    html = snippet(attribution(np.random.default_rng(1).standard_normal(shape)))
    assert html is not None
    assert len(pictures_in(html)) == 3  # two maps and the colour bar
    drawn = pictures_in(html)[0]
    assert drawn.shape[0] * 5 == drawn.shape[1] * 6
    for wanted in ("<b>Made</b>", "(up=True)", "Class(3)", "score 2", "gap 0.25 (12.5%)"):
        assert wanted in html
    parser = Balanced()
    parser.feed(html)
    assert parser.open == []
    assert "http" not in html


def test_snippet_shares_one_scale() -> None:
    values = np.zeros((2, 4, 4))
    values[0], values[1] = 0.1, 1.0
    html = snippet(attribution(values))
    assert html is not None
    faint, strong, _ = pictures_in(html)
    assert faint.min() > strong.min() + 50


def test_snippet_says_how_many_it_left_out() -> None:
    html = snippet(attribution(np.ones((9, 4, 4))))
    assert html is not None
    assert "The first 6 of 9 examples" in html
    assert len(pictures_in(html)) == 7


def test_snippet_lists_features_by_size() -> None:
    row = np.zeros(20)
    row[[4, 7]] = 3.0, -5.0
    html = snippet(attribution(row[None]))
    assert html is not None
    found = re.findall(r"<tr><th>(\d+)</th>", html)
    assert found[:2] == ["7", "4"]
    assert len(found) == 12
    assert "and 8 smaller" in html


def test_snippet_draws_each_of_several_inputs() -> None:
    html = snippet(attribution({"left": np.ones((2, 4, 4)), "right": np.ones((2, 3))}))
    assert html is not None
    assert "<h4>left</h4>" in html
    assert "<h4>right</h4>" in html


@pytest.mark.parametrize(
    "values", [np.ones(3), np.ones((1, 2, 3, 4, 5)), np.full((1, 4, 4), np.nan)]
)
def test_snippet_leaves_the_rest_alone(values: NDArray[np.float64]) -> None:
    assert snippet(attribution(values)) is None


def test_snippet_escapes_names() -> None:
    html = snippet(attribution(np.ones((1, 4, 4)), target="<script>", warnings=("a < b",)))
    assert html is not None
    assert "<script>" not in html
    assert "a &lt; b" in html


def test_notebooks_draw_through_the_hook() -> None:
    assert "data:image/png" in attribution(np.ones((1, 4, 4)))._repr_html_()
    assert attribution(np.ones(3), score=np.ones(3))._repr_html_().startswith("<pre>")


def test_a_caption_names_both_classes_of_a_contrast_and_estimated_errors() -> None:
    made = attribution(
        np.ones((2, 3, 4, 4)),
        rivals=np.array([5, 6]),
        error=np.array([0.125, 0.5]),
        standard_error_of_sum=np.array([0.25, 1.0]),
    )
    html = snippet(made)
    assert html is not None
    assert "0: class 3 rather than 5, score 1, gap 0.25 (25.0%), estimated error 12.5%" in html
    assert "1: class 3 rather than 6, " in html
    assert "estimated error 50.0%, standard error 1" in html
