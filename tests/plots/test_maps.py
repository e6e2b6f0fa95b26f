"""Pictures and volumes: what is drawn read back from the artists, and the image without matplotlib."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from backlight import plots
from backlight.attribution.described import DescribedInput
from backlight.errors import HyperParameterError, InputError
from backlight.values.layout import Layout
from backlight_pictures.colour_bar import colour_bar
from backlight_pictures.colours import overlay, pale
from backlight_pictures.scale import Scale
from tests.plots import made


def layers(ax: Any) -> list[Any]:
    return [np.asarray(one.get_array()) for one in ax.images]


def test_a_picture_is_its_channels_sum_over_its_brightness() -> None:
    found = made.picture()
    below, above = layers(found.plot(1))
    np.testing.assert_allclose(above, found.values[1].sum(axis=0))
    given = found.inputs[0].given
    assert given is not None
    bytes_ = np.rint(255 * (given[1] - given[1].min()) / np.ptp(given[1]))  # type: ignore[arg-type]
    np.testing.assert_allclose(below, pale(bytes_.transpose(1, 2, 0).astype(np.uint8)))


def test_channels_on_either_side_are_the_same_picture() -> None:
    first = made.picture()
    values, given = np.moveaxis(first.values, 1, -1), first.inputs[0].given
    last = replace(
        first,
        values=values,
        layouts=(Layout(3, (6, 8)),),
        inputs=(DescribedInput("picture", given=np.moveaxis(given, 1, -1)),),  # type: ignore[arg-type]
    )
    for one, other in zip(layers(first.plot()), layers(last.plot()), strict=True):
        np.testing.assert_allclose(one, other)


def test_limits_are_symmetric_at_the_percentile_or_where_it_is_said() -> None:
    found = made.picture()
    sizes = np.abs(found.values[0].sum(axis=0))
    ax = plots.picture(found, percentile=80)
    low, high = ax.images[1].get_clim()
    assert high == -low == pytest.approx(np.percentile(sizes, 80))
    assert ax.figure.axes[1].get_ylabel() == "value (logit)\ncut off at percentile 80"
    whole = plots.picture(found, percentile=100)
    assert whole.images[1].get_clim() == (-sizes.max(), sizes.max())
    assert whole.figure.axes[1].get_ylabel() == "value (logit)"
    said = plots.picture(found, limit=0.5)
    assert said.images[1].get_clim() == (-0.5, 0.5)
    assert said.figure.axes[1].get_ylabel() == "value (logit)"


def test_signs_are_chosen_on_the_same_scale() -> None:
    found = made.picture()
    own = found.values[0].sum(axis=0)
    both, positive, negative = (
        plots.picture(found, signs=signs) for signs in ("both", "positive", "negative")
    )
    np.testing.assert_allclose(layers(positive)[1], np.maximum(own, 0))
    np.testing.assert_allclose(layers(negative)[1], np.minimum(own, 0))
    assert both.images[1].get_clim() == positive.images[1].get_clim()
    assert positive.get_xlabel() == "positive values alone" and not both.get_xlabel()


def test_a_coarse_map_covers_the_whole_picture() -> None:
    fine = made.picture()
    coarse = made.attribution(
        fine.values[:, 0, ::2, ::2], layouts=(Layout(None, (3, 4)),), inputs=fine.inputs
    )
    ax = coarse.plot()
    below, above = ax.images
    assert list(below.get_extent()) == list(above.get_extent()) == [-0.5, 3.5, 2.5, -0.5]
    assert np.asarray(below.get_array()).shape == (6, 8)
    wide = replace(coarse, values=fine.values[:, 0, ::2, ::4], layouts=(Layout(None, (3, 2)),))
    assert wide.plot().get_aspect() == 0.5  # a place is twice as wide as tall


@pytest.mark.parametrize(
    ("framework", "shape", "places"),
    [
        ("torch", (1, 5, 6, 8), (6, 8)),  # the places tell the side
        ("torch", (1, 6, 8, 5), (6, 8)),
        ("torch", (1, 5, 6, 8), (3, 4)),  # the framework does
        ("jax", (1, 6, 8, 5), (3, 4)),
        ("torch", (1, 6, 8, 3), (3, 4)),  # a number of colours does
        ("torch", (1, 6, 8), (3, 4)),
    ],
)
def test_channels_are_found_below_a_map_without_any(
    framework: str, shape: tuple[int, ...], places: tuple[int, ...]
) -> None:
    found = made.attribution(
        np.ones((1, *places)),
        layouts=(Layout(None, places),),
        inputs=(DescribedInput("picture", given=made.numbers_of(*shape)),),
        framework=framework,
    )
    assert layers(found.plot())[0].shape == (6, 8)


def test_zero_hides_nothing_and_the_strongest_value_as_much_as_alpha() -> None:
    ax = plots.picture(made.picture(), alpha=0.6)
    colours = ax.images[1].cmap
    assert colours(0.0)[3] == colours(1.0)[3] == pytest.approx(0.6)
    assert colours(0.5)[3] < 0.05


def test_a_map_of_zeros_is_neutral() -> None:
    ax = made.attribution(np.zeros((1, 3, 6, 8)), layouts=(Layout(1, (6, 8)),)).plot()
    (drawn,) = ax.images
    colours = drawn.cmap(drawn.norm(np.zeros((6, 8))))[..., :3]
    np.testing.assert_array_equal(colours, np.broadcast_to(colours[0, 0], colours.shape))
    assert colours.min() > 0.9


def test_slices_are_those_with_the_largest_values() -> None:
    found = made.volume()
    own = found.values[0].sum(axis=0)  # (5, 4, 3)
    largest = sorted(np.argsort(-np.abs(own).sum(axis=(1, 2)))[:2].tolist())
    ax = plots.slices(found, max_display=2)
    assert [one.get_text() for one in ax.texts] == [f"slice {place}" for place in largest]
    for place, corner in zip(largest, ax.texts, strict=True):
        left, top = map(int, corner.get_position())
        np.testing.assert_allclose(layers(ax)[1][top : top + 4, left : left + 3], own[place])
    total = np.abs(layers(plots.slices(found, axis=2))[1]).sum()
    assert total == pytest.approx(np.abs(own).sum())


def test_slices_are_laid_over_the_volume() -> None:
    found = made.volume()
    given = found.inputs[0].given
    assert given is not None
    ax = plots.slices(found, max_display=5)
    for place, corner in enumerate(ax.texts):
        left, top = map(int, corner.get_position())
        own = layers(ax)[0][top : top + 4, left : left + 3].ravel()
        brightness = given[0].mean(axis=0)[place].ravel()  # type: ignore[attr-defined]
        assert np.corrcoef(own, brightness)[0, 1] > 0.999


def test_an_image_is_the_overlay_with_its_scale_below() -> None:
    found = made.picture()
    own = found.values[0].sum(axis=0)
    scale = Scale(float(np.percentile(np.abs(own), 99)), signed=True)
    pixels = np.asarray(found.to_image())
    given = found.inputs[0].given
    assert given is not None
    bytes_ = np.rint(255 * (given[0] - given[0].min()) / np.ptp(given[0]))  # type: ignore[arg-type]
    wanted = overlay(own, scale, bytes_.transpose(1, 2, 0).astype(np.uint8))
    left = (pixels.shape[1] - 8) // 2
    np.testing.assert_array_equal(pixels[:6, left : left + 8], wanted)
    np.testing.assert_array_equal(pixels[6:], colour_bar(scale, 160))
    enlarged = np.asarray(found.to_image(size=400))
    assert enlarged.shape[1] == 400
    np.testing.assert_array_equal(enlarged[25:300:50, 25:400:50], wanted)


def test_an_image_is_made_of_pictures_and_volumes_alone() -> None:
    assert made.volume().to_image(size=300).size[1] > 100
    with pytest.raises(InputError, match=r"this is table: draw it with plot\(\)"):
        made.table().to_image()
    with pytest.raises(HyperParameterError, match=r"size must be a whole number of pixels"):
        made.picture().to_image(size=0)
