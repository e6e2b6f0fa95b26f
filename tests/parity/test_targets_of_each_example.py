"""An element of its own for each example, and a neuron selected by a function, on each framework."""

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
import tensorflow as tf
import torch

import backlight
from backlight import Function, Neuron, Output
from backlight.errors import TargetError
from backlight_methods import DeepLIFT, InputXGradient, Occlusion
from tests.parity.measure import FRAMEWORKS

RNG = np.random.default_rng(3)
COUNT, TIMES, CHANNELS = 5, 4, 3
WEIGHT = RNG.normal(size=(6, TIMES * CHANNELS)).astype(np.float32)
X = RNG.normal(size=(COUNT, 6)).astype(np.float32)
DENSE = (X @ WEIGHT).reshape(COUNT, TIMES, CHANNELS)
SLOPES = WEIGHT.reshape(6, TIMES, CHANNELS)
T, C, EVERY = np.array([3, 0, 2, 1, 0]), np.array([1, 2, 0, 2, 1]), np.arange(COUNT)
PAIRS = list(zip(T.tolist(), C.tolist(), strict=True))
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


def function(framework: str) -> Callable[[object], object]:
    """(N, 6) -> (N, 4, 3): a product, and twice that."""
    if framework == "tensorflow":
        return lambda x: 2.0 * tf.reshape(x @ tf.constant(WEIGHT), (-1, TIMES, CHANNELS))
    weight = torch.tensor(WEIGHT) if framework == "torch" else WEIGHT
    return lambda x: 2.0 * (x @ weight).reshape(-1, TIMES, CHANNELS)


class Layered(torch.nn.Module):
    """The same with a layer that has a name."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = torch.nn.Linear(6, TIMES * CHANNELS, bias=False)
        self.inner.weight.data = torch.tensor(WEIGHT.T)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 2.0 * self.inner(x).reshape(-1, TIMES, CHANNELS)


@cache
def net(framework: str) -> backlight.Model:
    if framework == "torch":
        return backlight.wrap(Layered().eval())
    return backlight.wrap(function(framework), framework)


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize(
    "target",
    [PAIRS, Output(index=PAIRS), Output(index=(T, C)), Output(index=(T.tolist(), C))],
    ids=["tuples", "output", "arrays", "lists"],
)
def test_each_example_has_an_element_of_its_own(target: object, framework: str) -> None:
    for technique in (InputXGradient(), DeepLIFT(), Occlusion()):
        found = technique(net(framework), X, target, batch_size=2)
        np.testing.assert_allclose(found.score, 2 * DENSE[EVERY, T, C], **CLOSE)
        np.testing.assert_allclose(found.values, 2 * X * SLOPES[:, T, C].T, **CLOSE)
    assert found.target == "Output(index=([3, 0, 2, 1, 0], [1, 2, 0, 2, 1]))"


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_tuple_is_one_element_for_all_and_slices_go_with_arrays(framework: str) -> None:
    technique, model = InputXGradient(), net(framework)
    for target, expected in [
        ((3, 1), DENSE[:, 3, 1]),
        (Output(index=(T, slice(1, 3))), DENSE[EVERY, T, 1:].sum(1)),
        (Output(index=(..., model.asarray(C))), DENSE[EVERY, :, C].sum(1)),
    ]:
        found = technique(model, X, target, batch_size=2)
        np.testing.assert_allclose(found.score, 2 * expected, **CLOSE)
    one, each = technique(model, X, [Output(index=(3, 1)), Output(index=PAIRS)])
    np.testing.assert_allclose(one.score, 2 * DENSE[:, 3, 1], **CLOSE)
    np.testing.assert_allclose(each.score, 2 * DENSE[EVERY, T, C], **CLOSE)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_neuron_of_each_example_and_one_selected_by_a_function(framework: str) -> None:
    model, units = net(framework), T * CHANNELS + C
    shape = (COUNT, TIMES * CHANNELS)
    site = next(one.name for one in model.sites(X) if one.shape == shape)
    expected = DENSE[EVERY, T, C]

    def largest(value, xp):
        return xp.max(value, axis=1)

    def own(value, xp, unit):
        return xp.take_along_axis(value, unit[:, None], axis=1)[:, 0]

    for target in (
        Neuron(site, units),
        Neuron(site, units.tolist()),
        Function(own, units, at=site),
    ):
        found = InputXGradient()(model, X, target, batch_size=2)
        np.testing.assert_allclose(found.score, expected, **CLOSE)
        np.testing.assert_allclose(found.values, X * SLOPES[:, T, C].T, **CLOSE)
    found = InputXGradient()(model, X, Neuron(site, largest), batch_size=2)
    where = (X @ WEIGHT).argmax(1)
    np.testing.assert_allclose(found.score, (X @ WEIGHT).max(1), **CLOSE)
    np.testing.assert_allclose(found.values, X * WEIGHT[:, where].T, **CLOSE)
    assert found.target == f"Function(largest, at={site!r})"
    with pytest.raises(TargetError, match=r"gave shape \((5|None), 2\).*one number per example"):
        InputXGradient()(model, X, Neuron(site, lambda value, xp: value[:, :2]))


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_other_elements_are_not_compiled_anew(framework: str) -> None:
    """Neither those of each example nor one for all, nor another function's answer."""
    runs, made = [], function(framework)

    def counted(x):
        runs.append(None)
        return made(x)

    model = backlight.wrap(counted, framework)
    InputXGradient()(model, X, PAIRS)
    first = len(runs)
    found = InputXGradient()(model, X, PAIRS[::-1])
    np.testing.assert_allclose(found.score, 2 * DENSE[EVERY, T[::-1], C[::-1]], **CLOSE)
    shared = InputXGradient()(model, X, (3, 1))
    np.testing.assert_allclose(shared.score, 2 * DENSE[:, 3, 1], **CLOSE)
    assert len(runs) > first if framework == "torch" else len(runs) == first
