"""Baselines that are drawn, shuffled, computed or filled in: on each framework those of NumPy."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

import backlight
from backlight import DinucleotideShuffles, Drawn, Grid, Model, Several
from backlight.errors import HyperParameterError
from backlight.values.layout import Layout
from backlight.values.noise import drawn_rows
from backlight_methods import (
    METHODS,
    RISE,
    Conductance,
    DeepLIFT,
    ExpectedGradients,
    FeatureAblation,
    IntegratedGradients,
    InternalInfluence,
    KernelSHAP,
    Occlusion,
    SobolIndices,
)
from tests.core.test_neighbours import mean_of_neighbours
from tests.parity.measure import FRAMEWORKS, precision
from tests.parity.spelling.functions import FUNCTIONS, normal

DIFFERENTIABLE = (*FRAMEWORKS, "mlx")
LENGTH, K = 12, 1
LETTERS = np.random.default_rng(0).integers(0, 4, (5, LENGTH))
X = np.eye(4)[LETTERS]
X[1, :3] = 0  # padding
DATA = np.eye(4)[np.random.default_rng(1).integers(0, 4, (8, LENGTH))]
HIDDEN, HEAD = normal(4 * LENGTH, 6, seed=2), normal(6, 2, seed=3)
PICTURES, WEIGHT = normal(4, 3, 6, 6, seed=4), normal(3 * 36, 2, seed=5)


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    with precision("float64"):
        yield


@pytest.fixture(autouse=True, scope="module")
def forgotten() -> Iterator[None]:
    yield
    wrapped.cache_clear()
    backlight.forget()


@cache
def wrapped(framework: str, function: Callable[[Any, Any], Any]) -> Model:
    """A net with its channels first, or, of `motifs`, last."""
    ops = np if framework == "numpy" else FUNCTIONS[framework]
    channels = "last" if function is motifs else "first"
    return backlight.wrap(lambda x: function(ops, x), framework, channels=channels)


def native(framework: str, x: np.ndarray) -> Any:
    return x if framework == "numpy" else FUNCTIONS[framework].array(x)


def close(framework: str) -> dict[str, float]:
    """MLX computes in float32."""
    return {"rtol": 1e-9, "atol": 1e-9} if framework != "mlx" else {"rtol": 1e-4, "atol": 1e-4}


def motifs(ops: Any, x: Any) -> Any:
    hidden = ops.reshape(x, (-1, 4 * LENGTH)) @ ops.array(HIDDEN)
    return ops.maximum(hidden, ops.array(np.zeros(6))) @ ops.array(HEAD)


def letters_first(ops: Any, x: Any) -> Any:
    return ops.reshape(x, (-1, 4 * LENGTH)) @ ops.array(HIDDEN)


def linear(ops: Any, x: Any) -> Any:
    return ops.reshape(x, (-1, 3 * 36)) @ ops.array(WEIGHT)


def multipliers(start: np.ndarray) -> np.ndarray:
    """DeepLIFT's of `motifs`, from a baseline for each example: the rescale rule in NumPy."""
    z, before = (one.reshape(len(X), -1) @ HIDDEN for one in (X, start))
    apart = np.abs(z - before) > 1e-12
    slope = (np.maximum(z, 0) - np.maximum(before, 0)) / np.where(apart, z - before, 1)
    slope = np.where(apart, slope, z > 0)
    return ((slope * HEAD[:, K]) @ HIDDEN.T).reshape(X.shape)


def shuffles(samples: int) -> list[np.ndarray]:
    return list(DinucleotideShuffles(samples).of(X, Layout(2, (LENGTH,)), np.arange(len(X))))


def draws(samples: int) -> list[np.ndarray]:
    rows = [drawn_rows(0, row, len(DATA), samples) for row in range(len(X))]
    return [DATA[list(sample)] for sample in zip(*rows, strict=True)]


KINDS: dict[str, tuple[object, list[np.ndarray]]] = {
    "shuffles": (DinucleotideShuffles(3), shuffles(3)),
    "drawn": (Drawn(DATA, 2), draws(2)),
    "function": (lambda x: x * 0.25, [X / 4]),
    "several": (Several([DinucleotideShuffles(3), Drawn(DATA, 2)]), [*shuffles(3), *draws(2)]),
}


@pytest.mark.parametrize("framework", DIFFERENTIABLE)
@pytest.mark.parametrize("kind", KINDS)
def test_deep_lift_of_made_baselines_is_that_of_numpy(framework: str, kind: str) -> None:
    baseline, starts = KINDS[kind]
    model, x = wrapped(framework, motifs), native(framework, X)
    factors = [multipliers(start) for start in starts]
    expected = np.mean([m * (X - b) for m, b in zip(factors, starts, strict=True)], axis=0)
    found = DeepLIFT(baseline=baseline)(model, x, K, batch_size=5)
    np.testing.assert_allclose(found.numpy(), expected, **close(framework))
    letters = DeepLIFT(baseline=baseline, hypothetical=True)(model, x, K, batch_size=5)
    expected = np.mean(
        [m - (m * b).sum(2, keepdims=True) for m, b in zip(factors, starts, strict=True)], axis=0
    )
    np.testing.assert_allclose(letters.numpy(), expected, **close(framework))


@pytest.mark.parametrize("framework", ["torch", "numpy"])
def test_letters_may_be_where_channels_are(framework: str) -> None:
    x = np.ascontiguousarray(np.moveaxis(X, 2, 1))
    method = KernelSHAP(baseline=DinucleotideShuffles(3), features="grid:4", samples=16)
    found = method(wrapped(framework, letters_first), native(framework, x), K)
    change = np.mean([(X - start) for start in shuffles(3)], axis=0)
    weight = HIDDEN[:, K].reshape(4, LENGTH)
    expected = np.einsum("nlc,cl->nl", change, weight).reshape(len(X), 4, 3).sum(axis=2)
    np.testing.assert_allclose(found.by(Grid(4)).values, expected, **close("numpy"))


# Neighbours

cell_of_place = np.arange(6).reshape(2, 3).repeat(3, axis=0).repeat(2, axis=1)
"""A grid of 2 x 3 over the places."""


def filled(hidden: np.ndarray) -> np.ndarray:
    """The pictures with hidden places (6, 6) filled in, by a dense solution."""
    gone, mean = hidden.reshape(-1), mean_of_neighbours((6, 6))
    flat = PICTURES.reshape(4, 3, 36)
    if gone.all():
        return np.broadcast_to(flat.mean(axis=2, keepdims=True), flat.shape).reshape(PICTURES.shape)
    system = np.linalg.inv(np.eye(gone.sum()) - mean[np.ix_(gone, gone)])
    found = flat.copy()
    found[..., gone] = flat[..., ~gone] @ (system @ mean[np.ix_(gone, ~gone)]).T
    return found.reshape(PICTURES.shape)


def falls() -> np.ndarray:
    """How far the score of `linear` falls without each cell of a grid of 2 x 3, (4, 6)."""
    changes = [PICTURES - filled(cell_of_place == cell) for cell in range(6)]
    return np.stack([one.reshape(4, -1) @ WEIGHT[:, K] for one in changes], axis=1)


@pytest.mark.parametrize("framework", [*DIFFERENTIABLE, "numpy"])
def test_what_is_hidden_is_filled_in_from_around_it(framework: str) -> None:
    model = wrapped(framework, linear)
    x, cells = native(framework, PICTURES), Grid(2, 3)
    method = FeatureAblation(features=cells, baseline="neighbours")
    found = method(model, x, K, batch_size=3).by(cells).values
    np.testing.assert_allclose(found, falls(), **close(framework))
    occluded = Occlusion(window=(3, 2), stride=(3, 2), baseline="neighbours")(model, x, K)
    window = occluded.numpy()[:, 0, ::3, ::2].reshape(4, 6)
    np.testing.assert_allclose(window, falls(), **close(framework))


def test_channels_may_be_last_or_none() -> None:
    last = backlight.wrap(lambda x: linear(np, np.moveaxis(x, 3, 1)), "numpy", channels="last")
    method = FeatureAblation(features=Grid(2, 3), baseline="neighbours")
    found = method(last, np.moveaxis(PICTURES, 1, 3), K).by(Grid(2, 3)).values
    np.testing.assert_allclose(found, falls(), **close("numpy"))
    planes = PICTURES.reshape(12, 6, 6)
    weight = WEIGHT[:36]
    model = backlight.wrap(lambda x: x.reshape(-1, 36) @ weight, "numpy", channels="none")
    found = method(model, planes, K).by(Grid(2, 3)).values
    change = np.stack(
        [planes - filled(cell_of_place == cell).reshape(12, 6, 6) for cell in range(6)], 1
    )
    np.testing.assert_allclose(found, change.reshape(12, 6, 36) @ weight[:, K], **close("numpy"))


def test_shapley_values_sum_to_the_change_from_the_mean_colour() -> None:
    model = wrapped("torch", linear)
    method = KernelSHAP(features=Grid(2, 3), baseline="neighbours")
    found = method(model, native("torch", PICTURES), K)
    nothing = filled(np.ones((6, 6), dtype=bool)).reshape(4, -1) @ WEIGHT[:, K]
    np.testing.assert_allclose(found.baseline_score, nothing, **close("torch"))
    np.testing.assert_allclose(found.gap, 0, atol=1e-9)


@pytest.mark.parametrize(
    "method", [FeatureAblation(features=Grid(2, 3)), Occlusion(window=(3, 2), stride=(3, 2))]
)
def test_neighbours_may_be_one_of_several(method: FeatureAblation | Occlusion) -> None:
    model, x = wrapped("torch", linear), native("torch", PICTURES)
    drawn = Drawn(PICTURES[::-1].copy(), samples=2)
    both = replace(method, baseline=Several([drawn, "neighbours"]), keep="each")(model, x, K)
    of_drawn, of_filled = (
        replace(method, baseline=one)(model, x, K).numpy() for one in (drawn, "neighbours")
    )
    each = np.asarray(both.each)
    np.testing.assert_allclose(each[:2].mean(axis=0), of_drawn, **close("torch"))
    np.testing.assert_allclose(each[2:], of_filled[None], **close("torch"))
    np.testing.assert_allclose(both.numpy(), each.mean(axis=0), **close("torch"))


def test_segments_of_each_example_and_channels_are_filled_in() -> None:
    """Labels of each example's own, in which places differ; and channels, whose places all go at once."""
    model, x = wrapped("torch", linear), native("torch", PICTURES)
    labels = np.zeros((4, 6, 6), dtype=int)
    for row in range(4):
        labels[row, row : row + 2, 1:4] = 1
    segments = backlight.Segments(labels)
    found = FeatureAblation(features=segments, baseline="neighbours")(model, x, K)
    for row in range(4):
        change = (PICTURES - filled(labels[row] == 1))[row].reshape(-1) @ WEIGHT[:, K]
        np.testing.assert_allclose(found.by(segments).values[row, 1], change, **close("torch"))
    channels = backlight.Channels()
    by_channel = FeatureAblation(features=channels, baseline="neighbours")(model, x, K)
    flat = FeatureAblation(features=channels, baseline="mean")(model, x, K)
    np.testing.assert_allclose(by_channel.numpy(), flat.numpy(), **close("torch"))


@pytest.mark.parametrize(
    "make",
    [
        *(IntegratedGradients, ExpectedGradients, DeepLIFT, Conductance, InternalInfluence),
        *(RISE, SobolIndices),
    ],
)
@pytest.mark.parametrize("baseline", ["neighbours", Several([0.0, ("neighbours", 1.0)])])
def test_techniques_that_hide_nothing_entirely_have_no_neighbours(
    make: type, baseline: object
) -> None:
    with pytest.raises(HyperParameterError, match=f"{make.__name__}.baseline cannot be 'neighb"):
        make(baseline=baseline)


def test_all_other_techniques_with_a_baseline_have_them() -> None:
    hiding = {name for name, make in METHODS.items() if takes_neighbours(make)}
    assert hiding == {
        *("feature_ablation", "shapley_values", "kernel_shap", "lime", "occlusion"),
    }


def takes_neighbours(make: type) -> bool:
    try:
        make(baseline="neighbours")
    except (HyperParameterError, TypeError):  # the second: it has no baseline
        return False
    return True


@pytest.mark.parametrize("x", [np.ones((2, 5)), np.arange(12).reshape(2, 6)])
def test_what_has_no_places_has_no_neighbours(x: np.ndarray) -> None:
    model = backlight.wrap(lambda x: np.asarray(x, dtype=float), "numpy")
    with pytest.raises(backlight.BacklightError, match="from the places around them"):
        FeatureAblation(baseline="neighbours")(model, x, 0)
