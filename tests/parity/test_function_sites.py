"""Values that functions give, not layers, have names that at= takes: read, replaced, differentiated."""

from collections.abc import Callable

import torch  # isort: skip  (before TensorFlow: the other order does not load)
import keras
import numpy as np
import pytest
from torch import nn
from torch.nn import functional

import backlight
from backlight.errors import UnknownNameError
from backlight_methods import DeepLIFT, Gradient, InputXGradient

X = np.random.default_rng(0).normal(size=(3, 4))


class Twice(nn.Module):
    """The same function twice in an inner module, once in place."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 6), nn.Linear(6, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.relu(self.first(x))
        return functional.relu(self.second(x) + 0.3, inplace=True)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = Twice(), nn.Linear(6, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.tanh(self.body(x)))


@pytest.fixture
def net() -> Net:
    torch.manual_seed(0)
    return Net().double().eval()


def values(net: Net) -> dict[str, torch.Tensor]:
    """By hand."""
    first = torch.relu(net.body.first(torch.from_numpy(X)))
    second = torch.relu(net.body.second(first) + 0.3)
    return {"body/relu": first, "body/relu:2": second, "/tanh": torch.tanh(second)}


@pytest.mark.parametrize("name", ["body/relu", "body/relu:2", "/tanh"])
def test_what_a_function_gives_is_read(net: Net, name: str) -> None:
    found = backlight.wrap(net).activation(X, name)
    np.testing.assert_allclose(found, values(net)[name].detach(), rtol=1e-12)


@pytest.mark.parametrize("name", ["body/relu", "body/relu:2", "/tanh"])
def test_what_a_function_gives_is_differentiated_and_replaced(net: Net, name: str) -> None:
    given = values(net)[name].detach().requires_grad_()
    after: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
        "body/relu": lambda h: net.head(torch.tanh(torch.relu(net.body.second(h) + 0.3))),
        "body/relu:2": lambda h: net.head(torch.tanh(h)),
        "/tanh": net.head,
    }
    (slope,) = torch.autograd.grad(after[name](given)[:, 1].sum(), given)
    found = Gradient()(net, X, 1, at=name)
    np.testing.assert_allclose(np.asarray(found.values), slope, rtol=1e-10, atol=1e-14)
    assert found.at == name
    model = backlight.wrap(net)
    score = backlight.Output(index=1).bind(model.outputs(X), 3)
    moved = given.detach() + 1
    scores = model.score(X, score, at=name, value=moved)  # type: ignore[arg-type]
    np.testing.assert_allclose(scores, after[name](moved)[:, 1].detach(), rtol=1e-12)


def test_rules_begin_at_what_a_function_gives(net: Net) -> None:
    """Behind the last function the net is linear."""
    held = values(net)["/tanh"].detach().numpy()
    found = DeepLIFT()(net, X, 1, at="/tanh")
    weights = net.head.weight.detach().numpy()[1]
    np.testing.assert_allclose(np.asarray(found.values), held * weights, rtol=1e-6)


def test_a_function_that_is_not_called_is_unknown(net: Net) -> None:
    with pytest.raises(UnknownNameError, match="body/sigmoid"):
        Gradient()(net, X, 1, at="body/sigmoid")


def test_operations_of_a_keras_model_have_names() -> None:
    class Layer(keras.layers.Layer):
        def __init__(self) -> None:
            super().__init__(name="inner")
            self.dense = keras.layers.Dense(6, name="dense")

        def call(self, x: object) -> object:
            return keras.ops.tanh(keras.ops.relu(self.dense(x)) + 0.3)

    keras.utils.set_random_seed(0)
    net = keras.Sequential([keras.Input((4,)), Layer(), keras.layers.Dense(2, name="head")])
    x = X.astype("float32")
    model = backlight.wrap(net)
    graph = model.graph(model.prepare(x))
    assert graph is not None
    (name,) = [name for name in graph.sites if "inner" in name and "Relu" in name]
    assert name not in [site.name for site in model.sites(x)]
    hidden = np.maximum(np.asarray(net.layers[0].dense(x)), 0)
    np.testing.assert_allclose(model.activation(x, name), hidden, rtol=1e-5)
    weights = np.asarray(net.get_layer("head").kernel)[:, 1]
    slope = weights / np.cosh(hidden + 0.3) ** 2
    found = InputXGradient()(net, x, 1, at=name)
    np.testing.assert_allclose(found.values, slope * hidden, rtol=1e-4, atol=1e-6)
