"""Each technique against algebra: resizing."""

import array_api_strict as strict
import numpy as np
import pytest
from PIL import Image

from backlight.explaining.resize import resize, resize_matrix
from tests.methods.judges import any_numbers
from tests.methods.polynomials import EXACT, model_of, random
from tests.reference import places_by_shapes

pytestmark = [*any_numbers, places_by_shapes]


@pytest.mark.parametrize(
    ("source", "size", "how", "expected"),
    [
        (2, 4, "bilinear", [[1, 0], [0.75, 0.25], [0.25, 0.75], [0, 1]]),
        (2, 3, "bilinear", [[1, 0], [0.5, 0.5], [0, 1]]),
        (1, 3, "bilinear", [[1], [1], [1]]),
        (4, 2, "bilinear", [[0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]]),
        (2, 4, "nearest", [[1, 0], [1, 0], [0, 1], [0, 1]]),
        (3, 2, "nearest", [[1, 0, 0], [0, 0, 1]]),
        (2, 3, "nearest", [[1, 0], [0, 1], [0, 1]]),
    ],
)
def test_resize_by_hand(source: int, size: int, how: str, expected: list[list[float]]) -> None:
    np.testing.assert_allclose(resize_matrix(source, size, how), expected, **EXACT)


@pytest.mark.parametrize("source", [1, 2, 3, 7])
@pytest.mark.parametrize("size", [7, 8, 15, 30])
@pytest.mark.parametrize("how", ["bilinear", "nearest"])
def test_resize_enlarges_as_pillow_does(source: int, size: int, how: str) -> None:
    tie = any((2 * place + 1) * source % (2 * size) == 0 for place in range(size))
    if how == "nearest" and tie:
        size += 1  # where two pixels are equally near, the conventions differ
    line = random(1, source).astype(np.float32)
    filters = {"bilinear": Image.Resampling.BILINEAR, "nearest": Image.Resampling.NEAREST}
    drawn = np.asarray(Image.fromarray(line).resize((size, 1), filters[how]))
    mine = line.astype(np.float64) @ resize_matrix(source, size, how).T
    np.testing.assert_allclose(mine, drawn, rtol=1e-5, atol=1e-6)


def test_resize_of_volumes_goes_axis_by_axis() -> None:
    maps, size = random(2, 2, 3, 1), (3, 4, 2)
    model = model_of([random(1, 1)])
    found = np.asarray(resize(strict.asarray(maps), size, "bilinear", model))
    a, b, c = (resize_matrix(maps.shape[1 + i], size[i], "bilinear") for i in range(3))
    expected = np.zeros((2, *size))
    for n, i, j, k in np.ndindex(expected.shape):
        for p, q, r in np.ndindex(maps.shape[1:]):
            expected[n, i, j, k] += a[i, p] * b[j, q] * c[k, r] * maps[n, p, q, r]
    np.testing.assert_allclose(found, expected, **EXACT)
