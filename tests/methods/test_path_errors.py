"""The estimated error of integrated gradients against the true one, and paths with singular ends."""

# First, because torch and TensorFlow bring clashing libraries and only this order loads.
import torch  # isort: skip
from collections.abc import Callable
from functools import cache
from itertools import product

import jax.numpy as jnp
import numpy as np
import pytest
from numpy.typing import NDArray

import backlight
from backlight import BacklightWarning, Several, Smooth
from backlight_demo import fashion, fashion_jax, fashion_torch
from backlight_methods import DeepLIFT, ExpectedGradients, Gradient, IntegratedGradients
from backlight_methods.quadrature import NODES, error_weights, estimated

Numbers = NDArray[np.float64]
RULES = tuple(NODES)
POINTS = 8192
PICTURES = 24


def pictures(layout: str, dtype: str) -> NDArray[np.generic]:
    return fashion.pictures(fashion.examples()[0][:PICTURES], layout, dtype)


@cache
def tanh_net() -> tuple[torch.nn.Module, torch.Tensor]:
    """A smooth net of numbers that are not small: tanh bends on the way from 0 to each example."""
    generator = torch.Generator().manual_seed(0)
    layers = [torch.nn.Linear(20, 32), torch.nn.Tanh(), torch.nn.Linear(32, 4)]
    net = torch.nn.Sequential(*layers)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.4)
    return net, torch.randn(PICTURES, 20, generator=generator)


NETS: dict[str, Callable[[], tuple[object, object]]] = {
    "fashion": lambda: (fashion_torch.net(), torch.tensor(pictures("first", "float32"))),
    "fashion_jax": lambda: (fashion_jax.net(), jnp.asarray(pictures("last", "float32"))),
    "smooth": tanh_net,
}


@cache
def exact(name: str) -> Numbers:
    """The values by 8,192 midpoints; of the Fashion net's classes as the model predicts them."""
    if name == "fashion_jax":
        return exact("fashion").transpose(0, 2, 3, 1)
    net, x = NETS[name]()
    technique = IntegratedGradients(steps=POINTS, rule="midpoint")
    return technique(net, x, batch_size=2048).values.double().numpy()


def off(found: backlight.Attribution, name: str) -> Numbers:
    """The true relative L1 error of each example."""
    truth = exact(name)
    wrong = np.abs(found.numpy() - truth)
    return wrong.reshape(len(truth), -1).sum(1) / np.abs(truth).reshape(len(truth), -1).sum(1)


def within(found: backlight.Attribution, name: str) -> float:
    """The share of examples whose estimate is within a factor of 2 of the truth."""
    ratio = found.error / off(found, name)
    return float(np.mean((ratio > 0.5) & (ratio < 2)))


@pytest.mark.parametrize(("rule", "steps"), [*product(RULES, (20, 50, 128))])
def test_the_estimated_error_is_the_true_one_within_a_factor_of_2(rule: str, steps: int) -> None:
    net, x = NETS["fashion"]()
    found = IntegratedGradients(steps=steps, rule=rule)(net, x)
    assert within(found, "fashion") >= 0.9
