"""Maps as grey pictures: what is stored is read back, and a filter colours it as an overlay would."""

import io

import numpy as np
import pytest
from PIL import Image

from backlight_pictures.colours import overlay
from backlight_pictures.layers import KNOTS, QUALITY, compact, filter_tables, map_file, read_map
from backlight_pictures.png import png
from backlight_pictures.scale import Scale

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("signed", [True, False])
def test_a_map_is_read_back_to_half_a_step(signed: bool) -> None:
    values = RNG.uniform(-3 if signed else 0, 3, (7, 5))
    read = read_map(map_file(values, Scale(2.0, signed), {"method": "Gradient()"}))
    assert read is not None
    grey, scale = read
    assert scale == Scale(2.0, signed)
    again = (grey.astype(float) - 128) / 127 if signed else grey / 255
    np.testing.assert_allclose(2 * again, np.clip(values, -2 * signed, 2), atol=2 / 254 + 1e-9)


def test_zero_is_128_with_a_sign_and_0_without() -> None:
    for signed, grey in ((True, 128), (False, 0)):
        read = read_map(map_file(np.zeros((2, 2)), Scale(1.0, signed)))
        assert read is not None and (read[0] == grey).all()


def test_other_pictures_are_no_maps() -> None:
    pixels = RNG.integers(0, 255, (4, 4), dtype=np.uint8)
    assert read_map(png(pixels)) is None
    assert read_map(png(np.stack([pixels] * 3, -1), {"limit": "1.0", "signed": "True"})) is None


@pytest.mark.parametrize("signed", [True, False])
def test_a_filter_colours_as_an_overlay_does(signed: bool) -> None:
    scale = Scale(1.0, signed)
    # At the filter's knots, where nothing is interpolated; a signed map's middle is transparent.
    values = np.linspace(*scale.ends, KNOTS)[None]
    picture = np.full(values.shape, 90, dtype=np.uint8)
    tables = {name: np.array(table) for name, table in filter_tables(signed, "both").items()}
    pale = 0.45 + 0.52 * 90 / 255
    alpha = tables["A"][:, None]
    colours = np.stack([tables[name] for name in "RGB"], axis=-1)
    drawn = 255 * (alpha * colours + (1 - alpha) * pale)
    np.testing.assert_allclose(drawn, overlay(values, scale, picture)[0], atol=1.5)


def test_filters_of_one_sign_leave_the_other_out() -> None:
    both, positive, negative = (
        np.array(filter_tables(True, signs)["A"]) for signs in ("both", "positive", "negative")
    )
    middle = KNOTS // 2
    assert not positive[: middle + 1].any() and not negative[middle:].any()
    np.testing.assert_array_equal(positive + negative, both)
    assert not any(filter_tables(False, "negative")["A"])


def test_small_maps_are_compact_without_loss_and_large_ones_nearly() -> None:
    small = RNG.integers(0, 255, (28, 28), dtype=np.uint8)
    file, media = compact(small, stride=2)
    assert media == "image/png"
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(file))), small)
    rows, columns = np.mgrid[:224, :224] / 20
    large = np.rint(128 + 120 * np.sin(rows) * np.sin(columns)).astype(np.uint8)
    file, media = compact(large)
    again = np.asarray(Image.open(io.BytesIO(file)).convert("L")).astype(float)
    assert media == "image/webp" and QUALITY == 75
    assert np.sqrt(np.mean((again - large) ** 2)) < 0.02 * 127


def test_a_stride_takes_means() -> None:
    large = RNG.integers(0, 2, (100, 100), dtype=np.uint8).repeat(2, 0).repeat(2, 1) * 200
    picture = Image.open(io.BytesIO(compact(large, stride=4)[0]))
    means = large.reshape(50, 4, 50, 4).mean(axis=(1, 3))
    assert picture.size == (50, 50)
    again = np.asarray(picture.convert("L")).astype(float)
    assert abs(again.mean() - means.mean()) < 2
    assert np.corrcoef(again.ravel(), means.ravel())[0, 1] > 0.95
