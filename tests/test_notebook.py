"""What a notebook shows of attributions: each kind of input, several side by side, a layer's channels."""

import re
from pathlib import Path
from typing import Any

import array_api_strict as xp
import numpy as np
import pytest

import backlight
from backlight import Attribution
from backlight.attribution.described import NO_WORD, DescribedInput
from backlight.errors import InputError
from backlight.values.layout import Layout
from backlight_pictures.activations import Activations
from backlight_pictures.drawings import channels_first
from backlight_pictures.snippet import snippet
from tests.reference import ReferenceModel, linear
from tests.test_fragments import HOSTILE, PLAIN, Reader, shares
from tests.test_pictures import attribution, pictures_in

RNG = np.random.default_rng(0)


def said(made: Attribution[Any]) -> str:
    html = snippet(made)
    assert html is not None
    return re.sub("<style>.*?</style>", "", html)


def test_a_text_is_drawn_as_its_words() -> None:
    text = DescribedInput(
        "text", tokens=(("good", "film"), ("dull", HOSTILE)), words=((0, 1), (0, 1))
    )
    values = np.array([[0.5, 0.0], [-1.0, 0.25]])
    html = said(attribution(values, inputs=(text,), unit="logit"))
    read = Reader(html).text
    assert "good film" in read
    assert f"dull {HOSTILE}" in read
    assert f"most for: “{HOSTILE}” 0.25; most against: “dull” -1" in read
    assert shares(html) == [("for", 0.5), ("against", 1.0), ("for", 0.25)], "not one scale for all"
    assert "-1 · 0 · 1 logit; one scale for all" in read
    assert "score 1 logit" in read


def test_words_that_are_joined_make_the_scale() -> None:
    text = DescribedInput("text", tokens=(("un", "kind"),), words=((0, 0),))
    html = said(attribution(np.array([[0.5, 0.5]]), inputs=(text,)))
    assert shares(html) == [("for", 1.0)]
    assert "0 · 1" in Reader(html).text


def test_ids_stand_for_tokens_without_texts() -> None:
    text = DescribedInput("text", given=np.array([[17, 4]]))
    assert "17 4" in Reader(said(attribution(np.ones((1, 2)), inputs=(text,)))).text


def test_columns_have_their_names_and_what_they_hold() -> None:
    table = DescribedInput("table", ("age", "size"), given=np.array([[41.0, 0.5]]))
    html = said(attribution(np.array([[0.1, -0.2]] * 2), inputs=(table,)))
    assert "<tr><th>size</th><td>0.5</td>" in html
    assert html.count("<tr><th>age</th>") == 2, "the second row is not kept, and is drawn without"
    assert html.count("<td>41</td>") == 1


def test_missing_cells_are_shown_as_such() -> None:
    table = DescribedInput("table", ("age", "size"), given=np.array([[np.nan, 0.5]]))
    html = said(attribution(np.array([[0.1, -0.2]]), inputs=(table,)))
    assert "<tr><th>age</th><td>nan</td>" in html
    assert "<td>0.5</td>" in html


def test_what_is_kept_in_a_file_is_shown_the_same(tmp_path: Path) -> None:
    layout, given = Layout(1, (8, 8)), RNG.random((1, 3, 8, 8))
    picture = DescribedInput("picture", given=given, layout=layout)
    made = attribution(np.ones((1, 8, 8)), inputs=(picture,), layouts=(Layout(None, (8, 8)),))
    made.save(tmp_path / "kept.npz")
    assert said(Attribution.load(tmp_path / "kept.npz")) == said(made)


@pytest.mark.parametrize("axis", [1, 2])
def test_a_series_is_drawn_along_its_moments(axis: int) -> None:
    values, given = np.zeros((1, 2, 30)), RNG.normal(size=(1, 2, 30))
    values[0, 1, 7] = 2.0
    layout = Layout(axis, (30,))
    series = DescribedInput(
        "series", ("left", "right"), given=np.moveaxis(given, 1, axis), layout=layout
    )
    html = said(attribution(np.moveaxis(values, 1, axis), inputs=(series,), layouts=(layout,)))
    assert html.count("<polyline") == 2
    left, right = html.split("<svg")[1:]
    assert shares(left) == []
    assert shares(right) == [("for", 1.0)]
    assert "<title>7: 2</title>" in right
    assert "moments 0 to 29" in html


def test_one_value_for_each_moment_is_of_all_channels() -> None:
    layout = Layout(1, (4,))
    series = DescribedInput("series", given=np.zeros((1, 3, 4)), layout=layout)
    made = attribution(
        np.array([[0.0, 1.0, 0.0, 0.0]]), inputs=(series,), layouts=(Layout(None, (4,)),)
    )
    assert shares(said(made)) == [("for", 1.0)] * 3


def test_a_volume_is_drawn_over_itself() -> None:
    layout = Layout(1, (5, 4, 4))
    values = np.zeros((1, 1, 5, 4, 4))
    values[0, 0, 3] = 1.0
    volume = DescribedInput("volume", given=np.ones_like(values), layout=layout)
    html = said(attribution(values, inputs=(volume,), layouts=(layout,)))
    assert "slice 3 of 5: 100% of |value|" in html


@pytest.mark.parametrize("axis", [1, 3])
def test_a_picture_is_shown_beside_its_map(axis: int) -> None:
    given = np.zeros((1, 3, 8, 8))
    given[0, 0, :, :4], given[0, 2, :, 4:] = 1.0, 1.0  # red on the left, blue on the right
    picture = DescribedInput(
        "picture", given=np.moveaxis(given, 1, axis), layout=Layout(axis, (8, 8))
    )
    made = attribution(np.zeros((1, 4, 4)), inputs=(picture,), layouts=(Layout(None, (4, 4)),))
    beside, over, _ = pictures_in(said(made))
    assert beside[0, 0].tolist() == [255, 0, 0]
    assert beside[-1, -1].tolist() == [0, 0, 255]
    assert over.shape == beside.shape, "the map was not brought to the picture's places"
    assert np.ptp(over.astype(int), axis=-1).max() == 0, "zero has a colour"


def test_large_pictures_are_thumbnails() -> None:
    picture = DescribedInput(
        "picture", given=np.zeros((1, 1000, 1200)), layout=Layout(None, (1000, 1200))
    )
    drawn = pictures_in(said(attribution(np.zeros((1, 10, 12)), inputs=(picture,))))
    assert drawn[0].shape == (334, 400)


def test_photographs_take_few_bytes() -> None:
    """As JPEG, a quarter of PNG's bytes, and close to what they are."""
    rows, columns = np.mgrid[:224, :224] / 40.0
    smooth = np.stack([np.sin(rows + phase) * np.cos(columns) for phase in (0, 1, 2)])
    grain = 0.05 * RNG.normal(size=smooth.shape)
    picture = DescribedInput("picture", given=(smooth + grain)[None], layout=Layout(1, (224, 224)))
    html = said(attribution(np.zeros((1, 224, 224)), inputs=(picture,)))
    assert len(html) < 70_000
    low, high = picture.given.min(), picture.given.max()
    exact = 255 * (np.moveaxis(picture.given[0], 0, -1) - low) / (high - low)
    assert np.abs(pictures_in(html)[0] - exact).mean() < 5


def test_red_beside_blue_stays_so() -> None:
    values = np.where(RNG.random((1, 200, 200)) < 0.5, 1.0, -1.0) * RNG.uniform(
        0.5, 1, (1, 200, 200)
    )
    drawn = pictures_in(said(attribution(values)))[0].astype(int)
    assert (np.sign(drawn[..., 0] - drawn[..., 2]) == np.sign(values[0])).mean() > 0.999


def test_it_reads_without_its_style() -> None:
    """Nothing is there twice, hidden by CSS that a host may take away."""
    table = DescribedInput("table", ("salary",))
    html = said(attribution(np.ones((1, 1)), inputs=(table,)))
    assert Reader(html).text.count("salary") == 1
    assert "display:none" not in snippet(attribution(np.ones((1, 1))))


def test_attributions_side_by_side_share_a_scale_where_units_agree() -> None:
    text = DescribedInput("text", tokens=(("a", "b"), ("c", "d")), words=((0, 1), (0, 1)))

    def one(size: float, **changes: Any) -> Attribution[Any]:
        return attribution(size * np.array([[1.0, 0.0], [0.0, 0.5]]), inputs=(text,), **changes)

    alone = [one(size, unit="logit", gap=None) for size in (9.0, 3.0)]
    found = backlight.side_by_side([one(1.0, unit="logit"), one(4.0, unit="logit"), *alone])
    html = re.sub("<style>.*?</style>", "", found._repr_html_())
    assert [share for _, share in shares(html)] == [0.25, 1.0, 1.0, 1.0, 0.12, 0.5, 0.5, 0.5]
    read = Reader(html).text
    assert read.count("0 · 4 logit; shared by columns of this unit") == 2
    assert read.count("0 · 9; a scale of its own") == 1
    assert read.count("0 · 3; a scale of its own") == 1
    assert html.count("<tr><th>") == 3  # one for the head, one for each example
    assert repr(found).startswith("SideBySide(Attribution(Made(up=True)")


def test_what_does_not_go_side_by_side_is_refused() -> None:
    with pytest.raises(InputError, match="at least one attribution"):
        backlight.side_by_side([])
    with pytest.raises(InputError, match="1 examples of 1 inputs, 2 examples of 1 inputs"):
        backlight.side_by_side([attribution(np.ones((1, 2))), attribution(np.ones((2, 2)))])
    with pytest.raises(InputError, match="cannot be drawn: there are drawings for"):
        backlight.side_by_side([attribution(np.full((1, 2), np.nan))])


UNITS = RNG.normal(size=(6, 20)), RNG.normal(size=(20, 2))
MODEL = ReferenceModel(("hidden", linear(UNITS[0])), ("out", linear(UNITS[1])))


def test_units_are_ordered_by_what_they_add_to_the_score() -> None:
    x = RNG.normal(size=(1, 6))
    names = [f"unit <{k}>" for k in range(20)]
    found = backlight.activations(MODEL, x, "hidden", target=1, channel_names=names)
    expected = (x @ UNITS[0])[0] * UNITS[1][:, 1]
    np.testing.assert_allclose(found.channels[0], expected, atol=1e-9)
    read = Reader(re.sub("<style>.*?</style>", "", found._repr_html_())).text
    order = [int(k) for k in re.findall(r"unit <(\d+)>", read)]
    assert order == np.argsort(-np.abs(expected))[:12].tolist()
    assert "and 8 smaller, together" in read


def test_a_layers_channels_are_those_that_speak_most() -> None:
    speaks = np.array([0.1, -9, 3, 0.2, -0.3, 4, -5, 6, 7, -8, 1, -2, 0.05, 2.5])
    values = np.broadcast_to(speaks[None, :, None, None] / 6, (1, 14, 2, 3))
    held = np.zeros((1, 14, 2, 3))
    held[0, 7] = 1.0
    names = tuple(f"filter {k} <b>" for k in range(14))
    layer, picture = attribution(values, unit="logit"), attribution(np.ones((1, 4, 4)))
    html = Activations(held, values, layer, picture, names)._repr_html_()
    read = Reader(re.sub("<style>.*?</style>", "", html)).text
    drawn = [
        float(value)
        for value in re.findall(r"filter \d+ &lt;b&gt;: ([-\d.]+)</span>", html.translate(PLAIN))
    ]
    assert drawn == [7, 6, 4, 3, 2.5, 1, 0.2, -0.3, -2, -5, -8, -9]
    assert "and 2 channels with less, together 0.15" in read
    assert "-9 · 0 · 9 logit; how much a channel" in read
    pictures = pictures_in(html)[1:13]
    assert [picture.min() < 200 for picture in pictures] == [k == 1 for k in range(12)]


def test_a_layers_channels_are_shown_at_the_tokens_of_a_text() -> None:
    held, values = np.zeros((1, 14, 4)), np.zeros((1, 14, 4))
    values[0, :, 1], held[0, 5] = np.arange(14) - 3, [0.5, 2, 0, -1]
    words = DescribedInput("text", (), (("un", "fit", "for", "[PAD]"),), ((0, 0, 1, NO_WORD),))
    text = attribution(np.ones((1, 4)), inputs=(words,))
    found = Activations(held, values, attribution(values, unit="logit"), text)
    html = found._repr_html_()
    read = Reader(re.sub("<style>.*?</style>", "", html)).text
    order = [int(k) for k in re.findall(r"channel (\d+):", read)]
    assert order == [13, 12, 11, 10, 9, 8, 7, 6, 5, 2, 1, 0]
    assert "and 2 channels with less, together 1" in read
    (fifth,) = (part for part in html.split("<figure>") if "channel 5:" in part)
    titles = re.findall(r'title="([^"]*)"', fifth.translate(PLAIN))
    assert titles == ["0.5", "2", "0", "-1"]  # each token by itself, words or not


def test_channels_come_first_whatever_the_layout() -> None:
    """Of tokens in a row, too, of which the first belongs to no place."""
    first = RNG.normal(size=(2, 5, 2, 3))
    row = np.concatenate([np.ones((2, 1, 5)), np.moveaxis(first, 1, -1).reshape(2, 6, 5)], axis=1)
    for array, layout in (
        (first, Layout(1, (2, 3))),
        (np.moveaxis(first, 1, -1), Layout(3, (2, 3))),
        (row, Layout(2, (2, 3), 1, tokens=True)),
    ):
        np.testing.assert_array_equal(channels_first(array, layout), first)
    np.testing.assert_array_equal(channels_first(first[:, 0], Layout(None, (2, 3))), first[:, :1])


def test_examples_that_are_not_drawn_are_counted() -> None:
    many = attribution(np.ones((9, 4, 4)))
    assert "The first 6 of 9 examples." in backlight.side_by_side([many])._repr_html_()
    layer = attribution(np.ones((9, 3, 4, 4)), unit="logit")
    found = Activations(np.ones((9, 3, 4, 4)), np.ones((9, 3, 4, 4)), layer, many)
    assert "The first 6 of 9 examples." in found._repr_html_()


def test_layers_without_channels_and_maps_of_places_are_refused() -> None:
    x = RNG.normal(size=(1, 6))
    with pytest.raises(InputError, match=r"channel_names must be 20 texts, .* got 1"):
        backlight.activations(MODEL, x, "hidden", target=1, channel_names=["a"])
    odd = ReferenceModel(
        ("hidden", lambda x: xp.reshape(x, (-1, 2, 3))), ("out", lambda x: xp.reshape(x, (-1, 6)))
    )
    with pytest.raises(
        InputError, match=r"'hidden' gives \(1, 2, 3\), of which no channels are drawn"
    ):
        backlight.activations(odd, x, "hidden", target=1)
