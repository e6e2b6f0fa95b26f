"""The feature map where shapes alone do not tell it: attention, tokens, windows, several maps, unequal
strides, and rectifiers that are no layer."""

from collections.abc import Callable

import jax
import keras
import numpy as np
import pytest
import torch

import backlight
from backlight.explaining.spatial import grid_at
from backlight_check.checks import check
from backlight_check.scored_example import scored_example
from backlight_loading.techniques import techniques
from backlight_methods import GradCAM, HiResCAM
from tests.parity import structures_keras_jax as others
from tests.parity.foreign_nets import chosen, explained, said
from tests.parity.structures import (
    BESIDE,
    NETS,
    PLACES,
    RECTIFIERS_JAX,
    RECTIFIERS_TORCH,
    examples,
)
from tests.parity.structures_torch import Convolutions

HIRES = HiResCAM(upsample="none")


@pytest.mark.parametrize("name", NETS)
def test_the_feature_map_is_what_a_person_would_choose(name: str) -> None:
    foreign = NETS[name]
    result = explained(foreign).grad_cam()
    found = chosen(result)
    assert found.site in foreign.sites
    assert found.grid == foreign.grid
    assert result.warnings == ()


@pytest.mark.parametrize("name", NETS)
def test_the_map_sees_the_picture_and_not_the_batch(name: str) -> None:
    net = explained(NETS[name])
    first, second = np.asarray(net.grad_cam().values)
    size = np.abs(first).max()
    assert size > 0
    assert np.abs(first - second).max() > 1e-3 * size
    (alone,) = np.asarray(net.grad_cam(rows=1).values)
    np.testing.assert_allclose(alone, first, rtol=1e-9, atol=1e-12 * size)


@pytest.mark.parametrize("name", BESIDE)
def test_other_maps_beside_it_are_said(name: str) -> None:
    foreign, beside = BESIDE[name]
    result = explained(foreign).grad_cam()
    found = chosen(result)
    assert found.site in foreign.sites
    assert found.grid == foreign.grid
    others_ = [part for part in beside if not str(found.site).startswith(part)]
    assert any(part in note for part in others_ for note in result.warnings)


@pytest.mark.parametrize(
    "name", ["class token", "volume", "two heads, keras", "unequal strides, jax"]
)
def test_the_result_and_the_check_say_site_and_grid(name: str) -> None:
    net = explained(NETS[name])
    result = net.grad_cam()
    assert said(result) == chosen(result)
    with net.foreign.within():
        looked = scored_example(net.net, net.x, net.foreign.target)
        (technique,) = techniques(["grad_cam"])
        assert said(check(looked, technique)) == chosen(result)


@pytest.mark.parametrize("name", PLACES)
@pytest.mark.parametrize("cell", [(0, 3), (2, 1)])
def test_a_cell_of_the_grid_is_where_it_says(name: str, cell: tuple[int, int]) -> None:
    torch.manual_seed(0)
    net = PLACES[name]().double().eval()
    before = examples((3, 32, 32))[:1]
    after = before.copy()
    row, column = (8 * place for place in cell)
    after[:, :, row : row + 8, column : column + 8] += 1.0
    # The norm's values change where the picture does, whatever attention makes of them later.
    looked = scored_example(net, before, 1)
    grid = grid_at(looked.objective(looked.feature_map()))
    assert grid is not None
    values = [looked.model.activation(x, looked.feature_map()) for x in (before, after)]
    old, new = (np.asarray(grid.read(one, looked.model.arrays)) for one in values)
    change = np.abs(new - old).sum(-1)
    assert change.shape == (1, 4, 4)
    assert np.unravel_index(change[0].argmax(), (4, 4)) == cell


def complete(net: object, x: np.ndarray, bias: np.ndarray, grid: tuple[int, int]) -> None:
    """The average is taken of what is behind the rectifier: the map there sums to the score but for its
    bias, and nowhere before."""
    found = GradCAM(upsample="none")(net, x, 1)
    assert np.shape(found.values) == (2, *grid)
    total = np.asarray(found.values).sum((1, 2))
    np.testing.assert_allclose(total, found.score - bias[1], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", RECTIFIERS_TORCH)
def test_torch_is_read_behind_the_rectifier(name: str) -> None:
    torch.manual_seed(0)
    net = Convolutions(activation=RECTIFIERS_TORCH[name]).double().eval()
    complete(net, examples((3, 32, 48)), net.head.bias.detach().numpy(), (8, 12))


KERAS: dict[str, Callable] = {
    "relu": keras.ops.relu,
    "maximum": lambda x: keras.ops.maximum(x, 0.0),
    "where": lambda x: keras.ops.where(x > 0, x, 0.0),
    "absolute": lambda x: (x + keras.ops.absolute(x)) / 2,
    "hard swish": lambda x: x * keras.ops.clip(x + 3, 0, 6) / 6,
}


@pytest.mark.parametrize("name", KERAS)
def test_keras_is_read_behind_the_rectifier(name: str) -> None:
    keras.utils.set_random_seed(0)
    net = others.keras_convolutions(KERAS[name])
    bias = np.asarray(net.get_layer("head").get_weights()[1])
    complete(net, examples((32, 32, 3)), bias, (8, 8))


@pytest.mark.parametrize("name", RECTIFIERS_JAX)
def test_jax_is_read_behind_the_rectifier(name: str) -> None:
    with jax.enable_x64(True):
        net = others.jax_convolutions(RECTIFIERS_JAX[name], (4, 4))
        x = examples((32, 32, 3))
        complete(backlight.wrap(net, "jax"), x, np.zeros(5), (8, 8))
