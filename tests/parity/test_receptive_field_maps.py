"""Cells of feature maps lie where they look, on each framework: the centroid of a cell's squared input
gradient says where. Nets of ones, in which nothing but paddings and strides decides."""

from collections.abc import Callable
from typing import Any

import torch  # isort: skip  (before TensorFlow: the other order does not load)
import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from torch import nn
from torch.nn import functional

import backlight
from backlight import Neuron
from backlight.explaining.resize import placed_matrix
from backlight.explaining.spatial import grid_at
from backlight.graph.axes.grids import Line
from backlight_check.scored_example import scored_example
from backlight_methods import GradCAM, Gradient

SIDE = 64


class Torch(nn.Module):
    """Padding on both sides, then resized up, with a rectifier that is a function."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Conv2d(3, 4, 3, 2, 1)
        self.two = nn.Conv2d(4, 4, 5, (2, 3), (2, 1))
        self.up = nn.ConvTranspose2d(4, 4, 4, 2, 1)
        self.head = nn.Linear(4, 5)
        for weight in self.parameters():
            nn.init.constant_(weight, 0.1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.relu(self.two(functional.relu(self.one(x))))
        x = functional.relu(self.up(functional.avg_pool2d(x, 2)))
        return self.head(x.mean((2, 3)))


def keras_net() -> keras.Model:
    """TensorFlow's padding: of even sides at the end alone."""
    given: dict[str, Any] = {"padding": "same", "kernel_initializer": "ones", "activation": "relu"}
    x = inputs = keras.Input((SIDE, SIDE, 3))
    x = keras.layers.Conv2D(4, 3, strides=2, **given)(x)
    x = keras.layers.DepthwiseConv2D(
        5, strides=2, padding="same", depthwise_initializer="ones", activation="relu"
    )(x)
    x = keras.layers.Conv2D(4, 3, strides=2, **given)(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(5)(x))


def jax_net(x: jax.Array) -> jax.Array:
    for width, stride in ((3, 2), (4, 3)):
        kernel = jnp.full((3, 3, width, 4), 0.1)
        x = jax.lax.conv_general_dilated(
            x, kernel, (stride, stride), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        x = jax.nn.relu(x)
    x = x.reshape(len(x), -1, x.shape[-1])
    return x.mean(1) @ jnp.ones((4, 5))


def made(framework: str) -> tuple[object, np.ndarray, Callable[[int, int], tuple[int, ...]]]:
    x = np.abs(np.random.default_rng(0).normal(size=(1, SIDE, SIDE, 3))).astype("float32") + 1
    if framework == "torch":
        return Torch().eval(), x.transpose(0, 3, 1, 2), lambda row, column: (0, row, column)
    if framework == "tensorflow":
        return keras_net(), x, lambda row, column: (row, column, 0)
    return backlight.wrap(jax_net, "jax"), x, lambda row, column: (row, column, 0)


@pytest.mark.parametrize("framework", ["torch", "tensorflow", "jax"])
def test_the_centroid_of_what_a_cell_looks_at_is_where_it_is_placed(framework: str) -> None:
    net, x, index = made(framework)
    looked = scored_example(net, x, 1)
    at = looked.feature_map()
    grid = grid_at(looked.objective(at))
    assert grid is not None
    cells = [line.length // 2 for line in grid.lines]
    slopes = []
    for step in (0, 1):  # neighbours behind a transposed convolution see different things
        cell = index(*(place + step for place in cells))
        slopes.append(np.asarray(Gradient()(net, x, Neuron(at, cell)).values, np.float64) ** 2)
    for number, line in enumerate(grid.lines):
        others = tuple(axis for axis in range(4) if axis != line.axis)
        weights = [slope.sum(others) for slope in slopes]
        seen = np.mean([(one * np.arange(SIDE)).sum() / one.sum() for one in weights])
        place = line.offset + line.stride * (cells[number] + 0.5)
        edges = (cells[number] + 1) * SIDE / line.length - 0.5
        assert abs(seen - place) <= 1e-3
        assert abs(seen - place) < abs(seen - edges)


@pytest.mark.parametrize("framework", ["torch", "tensorflow", "jax"])
def test_a_placed_map_has_its_cells_at_their_places(framework: str) -> None:
    """Each cell's number is drawn at its place, if that is a pixel; those beyond the last are its own."""
    net, x, _ = made(framework)
    looked = scored_example(net, x, 1)
    grid = grid_at(looked.objective(looked.feature_map()))
    assert grid is not None
    small = np.asarray(GradCAM(upsample="none")(net, x, 1).values)[0]
    drawn = np.asarray(GradCAM(upsample="receptive_field")(net, x, 1).values)[0]
    assert drawn.shape == (SIDE, SIDE)
    rows, columns = (line.offset + line.stride * np.arange(line.length) for line in grid.lines)
    for number, row in enumerate(rows):
        for other, column in enumerate(columns):
            if row % 1 == column % 1 == 0 and max(row, column) < SIDE and min(row, column) >= 0:
                np.testing.assert_allclose(
                    drawn[int(row), int(column)], small[number, other], rtol=1e-5
                )


def test_between_cells_a_map_is_linear() -> None:
    matrix = placed_matrix(Line(2, 3, 4.0, 1.5), 12)
    np.testing.assert_allclose(matrix.sum(1), 1)
    np.testing.assert_allclose(matrix @ [1.5, 5.5, 9.5], np.clip(np.arange(12.0), 1.5, 9.5))
