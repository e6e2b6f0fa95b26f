"""What goes into a layer, explained by the layer's name, on each framework."""

import torch  # isort: skip  (before TensorFlow: the other order does not load)
from collections.abc import Callable

import flax.linen
import jax
import keras
import mlx.core as mx
import mlx.nn
import numpy as np
import pytest

import backlight
from backlight.errors import SiteError, UnknownNameError

X = np.random.default_rng(2).normal(size=(3, 6)).astype(np.float32)


class Torch(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = torch.nn.Linear(6, 5), torch.nn.Linear(5, 5)
        self.join = torch.nn.Bilinear(5, 5, 4)
        self.fc = torch.nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = torch.tanh(self.first(x))
        return self.fc(torch.nn.functional.softplus(self.join(hidden, self.second(hidden))))


def in_keras() -> backlight.Model:
    given = keras.Input((6,))
    hidden = keras.layers.Dense(5, activation="tanh", name="first")(given)
    joined = keras.layers.Add(name="join")([hidden, keras.layers.Dense(5, name="second")(hidden)])
    smooth = keras.layers.Activation("softplus", name="smooth")(joined)
    return backlight.wrap(keras.Model(given, keras.layers.Dense(3, name="fc")(smooth)))


class Flax(flax.linen.Module):
    @flax.linen.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        hidden = jax.nn.tanh(flax.linen.Dense(5, name="first")(x))
        joined = hidden + flax.linen.Dense(5, name="second")(hidden)
        return flax.linen.Dense(3, name="fc")(jax.nn.softplus(joined))


class MLX(mlx.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.fc = (
            mlx.nn.Linear(*sides) for sides in ((6, 5), (5, 5), (5, 3))
        )

    def __call__(self, x: mx.array) -> mx.array:
        hidden = mx.tanh(self.first(x))
        return self.fc(mlx.nn.softplus(hidden + self.second(hidden)))


def in_flax() -> backlight.Model:
    net = Flax()
    return backlight.wrap(net.bind(net.init(jax.random.PRNGKey(0), X)))


NETS: dict[str, tuple[Callable[[], backlight.Model], str]] = {
    "torch": (lambda: backlight.wrap(Torch()), ""),
    "keras": (in_keras, ""),
    "flax": (in_flax, "Flax/"),
    "mlx": (lambda: backlight.wrap(MLX()), ""),
}


@pytest.mark.parametrize("name", NETS)
def test_what_goes_into_a_layer_is_what_its_weights_meet(name: str) -> None:
    make, scope = NETS[name]
    model = make()
    found = backlight.explain(model, X, 1, "input_x_gradient", at=f"{scope}fc.input")
    assert found.at not in (None, f"{scope}fc", f"{scope}fc.input")
    inner = model.activation(model.prepare(X), found.at)
    # The score is linear in it: its value without the layer's input is the bias.
    gradient = backlight.explain(model, X, 1, "gradient", at=f"{scope}fc.input").numpy()
    assert (gradient == gradient[:1]).all()
    outputs = np.asarray(model.to_numpy(model.predict(model.prepare(X))))[:, 1]
    rest = outputs - (model.to_numpy(inner) * gradient).sum(1)
    np.testing.assert_allclose(rest, rest[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        found.numpy(), model.to_numpy(inner) * gradient, rtol=1e-5, atol=1e-7
    )


@pytest.mark.parametrize("name", NETS)
def test_what_goes_into_the_first_layer_is_the_input(name: str) -> None:
    make, scope = NETS[name]
    model = make()
    found = backlight.explain(model, X, 1, "gradient", at=f"{scope}first.input")
    assert found.at is None
    np.testing.assert_array_equal(found.numpy(), backlight.explain(model, X, 1, "gradient").numpy())


def test_a_layer_with_several_inputs_asks_which() -> None:
    model = backlight.wrap(Torch())
    with pytest.raises(SiteError, match=r"'join' has 2 inputs; say which: join.input\[0\], join"):
        backlight.explain(model, X, 1, "gradient", at="join.input")
    second = backlight.explain(model, X, 1, "gradient", at="join.input[1]")
    assert second.at == "second"
    with pytest.raises(SiteError, match="has 2 inputs"):
        backlight.explain(model, X, 1, "gradient", at="join.input[2]")


def test_a_layer_that_is_not_there_is_said_with_those_that_are() -> None:
    with pytest.raises(UnknownNameError, match=r"fd\.input"):
        backlight.explain(Torch(), X, 1, "gradient", at="fd.input")


def test_a_feature_map_is_not_the_input_of_the_first_layer() -> None:
    torch.manual_seed(1)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(144, 2)
    )
    pictures = np.zeros((2, 3, 8, 8), np.float32)
    with pytest.raises(SiteError, match="the model's own input"):
        backlight.explain(net, pictures, 1, "grad_cam", at="0.input")
    assert backlight.explain(net, pictures, 1, "hires_cam", at="2.input").at == "1"
