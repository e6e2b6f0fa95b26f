"""Series: the colours of moments and the lines over them."""

from typing import Any

import numpy as np
import pytest

from backlight import plots
from backlight.errors import InputError
from backlight_plots.line import COLUMNS
from tests.plots import made


def colours(ax: Any) -> Any:
    return np.asarray(ax.collections[0].get_array())


def test_each_moment_has_its_colour_and_each_channel_its_line() -> None:
    found = made.series()
    ax = found.plot()
    np.testing.assert_allclose(colours(ax), found.values[0])
    given = found.inputs[0].given
    assert given is not None
    for line, channel, label in zip(ax.lines, given[0], ax.get_yticklabels(), strict=True):
        heights = np.asarray(line.get_ydata())  # downwards
        ends = [
            float(x) for x in label.get_text().split("\n")[1].replace("\u2212", "-").split(" to ")
        ]
        assert ends == pytest.approx([channel.min(), channel.max()], rel=0.01)
        share = (heights.max() - heights) / np.ptp(heights)
        np.testing.assert_allclose(share * np.ptp(channel) + channel.min(), channel)
        assert np.ptp(heights) < 1
    assert [one.get_text().split("\n")[0] for one in ax.get_yticklabels()] == [
        "pulse",
        "heat",
        "breath",
    ]


def test_channels_on_either_side_are_the_same_series() -> None:
    first, last = made.series(), made.series(first=False)
    np.testing.assert_allclose(colours(first.plot()), colours(last.plot()))
    for one, other in zip(first.plot().lines, last.plot().lines, strict=True):
        np.testing.assert_allclose(one.get_ydata(), other.get_ydata())


@pytest.mark.parametrize("length", [COLUMNS, COLUMNS + 1, 5 * COLUMNS - 7])
def test_long_series_keep_their_sums(length: int) -> None:
    found = made.series(length)
    ax = plots.line(found)
    drawn, together = colours(ax), -(-length // COLUMNS)
    assert drawn.shape[1] <= COLUMNS
    np.testing.assert_allclose(drawn.sum(axis=1), found.values[0].sum(axis=1))
    np.testing.assert_allclose(drawn[:, 0], found.values[0][:, :together].sum(axis=1))
    said = "moment" if together == 1 else f"moment (a colour is the sum of {together})"
    assert ax.get_xlabel() == said
    edges = np.asarray(ax.collections[0].get_coordinates())[0, :, 0]  # type: ignore[attr-defined]
    np.testing.assert_allclose(edges[[0, 1, -1]], [-0.5, together - 0.5, length - 0.5])


def test_moments_may_lie_at_times_of_their_own() -> None:
    found = made.series(4)
    ax = plots.line(found, times=np.array([0.0, 1.0, 3.0, 7.0]))
    edges = np.asarray(ax.collections[0].get_coordinates())[0, :, 0]  # type: ignore[attr-defined]
    np.testing.assert_allclose(edges, [-0.5, 0.5, 2.0, 5.0, 9.0])
    assert ax.get_xlabel() == "time"
    for times in ([0.0, 1.0, 1.0, 2.0], [0.0, 1.0], [0.0, 1.0, np.nan, 2.0]):
        with pytest.raises(InputError, match=r"times must be 4 rising numbers"):
            plots.line(found, times=np.array(times))


def test_channels_that_are_not_drawn_are_counted() -> None:
    found = made.series()
    ax = plots.line(found, max_display=1)
    largest = np.abs(found.values[0]).sum(axis=1).argmax()
    np.testing.assert_allclose(colours(ax)[0], found.values[0][largest])
    assert ax.get_title().endswith(", 2 more channels not drawn")
