"""Texts: words with their sums, where they stand, and what many of them say."""

import itertools
import re
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from backlight import plots
from backlight.attribution.described import DescribedInput
from backlight.errors import InputError
from backlight_plots.axes import GREY, colour_map
from tests.plots import made

SHOWN = ["[CLS]", "A", "surprising", "$5", "film", "[SEP]", "[PAD] \u00d7 4"]


def told(ax: Any) -> list[str]:
    return [one.get_text() for one in ax.texts]


def test_words_have_the_sums_of_their_tokens() -> None:
    found = made.text()
    ax, values = found.plot(1), found.values[1]
    assert told(ax) == SHOWN
    sums = [*values[:2], values[2] + values[3], *values[4:7], values[7:].sum()]
    limit = np.abs(sums[1:5]).max()  # of words alone
    for one, value in zip(ax.texts, sums, strict=True):
        colour = colour_map(True)(np.clip((value / limit + 1) / 2, 0, 1))
        patch = one.get_bbox_patch()
        assert patch is not None
        if one.get_text().startswith("["):  # which stand apart
            assert one.get_color() == GREY and patch.get_facecolor()[:3] == (1, 1, 1)
            np.testing.assert_allclose(patch.get_edgecolor()[:3], colour[:3], atol=0.01)
        else:
            np.testing.assert_allclose(patch.get_facecolor()[:3], colour[:3], atol=0.01)


def test_tokens_by_themselves() -> None:
    assert told(plots.text(made.text(), tokens=True))[1:6] == ["A", "surpris", "ing", "$5", "film"]


@pytest.mark.parametrize("inches", [None, 3.0])
def test_words_stand_in_lines_and_none_covers_another(inches: float | None) -> None:
    ax = None if inches is None else Figure((inches, 6)).add_axes((0.05, 0.05, 0.9, 0.9))
    drawn = made.text(25).plot(ax=ax)
    canvas = FigureCanvasAgg(drawn.figure.get_figure(root=True))  # type: ignore[arg-type]
    canvas.draw()
    boxes = [one.get_window_extent() for one in drawn.texts]
    edge = drawn.get_window_extent()
    lines: dict[float, list[Any]] = {}
    for text, box in zip(drawn.texts, boxes, strict=True):
        lines.setdefault(text.get_position()[1], []).append(box)
    assert len(lines) > 3
    for line in lines.values():
        assert line[-1].x1 <= edge.x1 + 4
        for one, following in itertools.pairwise(line):
            assert one.x1 < following.x0 < one.x1 + 20
    tops = [line[0].y0 for line in lines.values()]
    assert (np.diff(tops) < -10).all()


def test_line_ends_are_seen_and_nothing_is_read_as_mathematics() -> None:
    tokens = (("a", "\n", "$x$"),)
    found = made.attribution(
        np.ones((1, 3)), inputs=(DescribedInput("text", (), tokens, ((0, 1, 2),)),)
    )
    ax = found.plot()
    assert told(ax) == ["a", "\u23ce", "$x$"]
    assert not any(one.get_parse_math() for one in ax.texts)


def test_ids_stand_for_tokens_that_nobody_named() -> None:
    ids = np.array([[101, 7, 102]])
    found = made.attribution(np.ones((1, 3)), inputs=(DescribedInput("text", given=ids),))
    assert told(found.plot()) == ["101", "7", "102"]


def test_words_of_many_texts_have_sums_and_counts() -> None:
    tokens = (("Good", "film", "[PAD]"), ("bad", "good", "film"), ("bad", "bad", "[PAD]"))
    numbers = ((0, 1, -1), (0, 1, 2), (0, 1, -1))
    values = np.array([[1.0, 0.25, 9.0], [-2.0, 0.5, -0.125], [-1.0, -0.5, 9.0]])
    found = made.attribution(values, inputs=(DescribedInput("text", (), tokens, numbers),))
    ax = plots.words(found)
    assert [label.get_text() for label in ax.get_yticklabels()] == [
        "good (2)",
        "film (2)",
        "bad (3)",
    ]
    widths = [one.get_width() for one in ax.patches]  # type: ignore[attr-defined]
    np.testing.assert_allclose(widths, [1.5, 0.125, -3.5])
    of_cats = plots.words(found, of_class="cat", max_display=2)  # the first and the last text
    assert [label.get_text() for label in of_cats.get_yticklabels()] == ["good (1)", "bad (2)"]
    assert of_cats.get_title() == "2 examples, cat"


def test_words_need_tokens() -> None:
    with pytest.raises(InputError, match=re.escape("this is table: explain with names=tokenizer.")):
        plots.words(made.table())
