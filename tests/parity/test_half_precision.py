"""Nets that compute in bfloat16 or float16, all of them or inside, against the same net in float32."""

import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import backlight
from backlight import Attribution, BacklightWarning, Kind, Method, Objective, Result
from backlight.values.arrays import precision
from backlight_methods import (
    LRP,
    DeepLIFT,
    GradCAM,
    GuidedBackprop,
    IntegratedGradients,
    Occlusion,
    Saliency,
)

RNG = np.random.default_rng(679)  # no rectifier and no maximum is near its kink


def drawn(*shape: int, scale: float = 1.0) -> NDArray[np.float32]:
    """Numbers that float32, bfloat16 and float16 all have."""
    numbers = torch.tensor(RNG.normal(size=shape) * scale)
    return np.asarray(numbers.bfloat16().float())


X = drawn(2, 6, 6, 2)
CONV, CONV_BIAS = drawn(3, 3, 2, 5, scale=0.3), drawn(5, scale=0.25)
SCALE, SHIFT, DENSE = drawn(5), drawn(5), drawn(5, 3)
STEPS = {"bfloat16": 2.0**-7, "float16": 2.0**-10}
"""From 1 to the next number."""

Net = tuple[Any, Any]
"""A net, and what it is asked about."""


def torch_net() -> torch.nn.Module:
    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = torch.nn.Conv2d(2, 5, 3)
            self.norm = torch.nn.LayerNorm(5)
            self.head = torch.nn.Linear(5, 3, bias=False)

        def forward(self, x: Any) -> Any:
            h = torch.nn.functional.max_pool2d(torch.relu(self.conv(x)), 2).mean((2, 3))
            return self.head(torch.nn.functional.gelu(self.norm(h)))

    net = Net().eval()
    weights = (CONV.transpose(3, 2, 0, 1), CONV_BIAS, SCALE, SHIFT, DENSE.T)
    for parameter, weight in zip(net.parameters(), weights, strict=True):
        parameter.data = torch.tensor(weight)
    return net


def torch_x() -> torch.Tensor:
    return torch.tensor(X.transpose(0, 3, 1, 2))


def in_torch(name: str) -> Net:
    dtype = getattr(torch, name)
    return torch_net().to(dtype), torch_x().to(dtype)


class Autocast(torch.nn.Module):
    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.net, self.dtype = torch_net(), dtype

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", dtype=self.dtype):
            outputs: torch.Tensor = self.net(x)
        return outputs.float()


def under_autocast(name: str) -> Net:
    return Autocast(getattr(torch, name)).eval(), torch_x()


def in_keras(name: str) -> Net:
    import keras
    import tensorflow as tf

    mixed, layers = keras.DTypePolicy(f"mixed_{name}"), keras.layers
    entry = keras.Input((6, 6, 2))
    h = layers.Conv2D(5, 3, activation="relu", dtype=mixed)(entry)
    h = layers.GlobalAveragePooling2D(dtype=mixed)(layers.MaxPooling2D(2, dtype=mixed)(h))
    h = layers.LayerNormalization(epsilon=1e-5, dtype=mixed)(h)
    h = layers.Activation("gelu", dtype=mixed)(h)
    net = keras.Model(entry, layers.Dense(3, use_bias=False, dtype=mixed)(h))
    net.set_weights([CONV, CONV_BIAS, SCALE, SHIFT, DENSE])
    return net, tf.constant(X)


def in_jax(name: str) -> Net:
    """Weights and inputs are of 16 bits; flax computes the sizes of normalisations in float32."""
    import jax
    import jax.numpy as jnp
    from flax import linen, nnx

    dtype = jnp.dtype(name)
    norm = nnx.LayerNorm(5, epsilon=1e-5, dtype=dtype, rngs=nnx.Rngs(0))
    norm.scale[...], norm.bias[...] = jnp.asarray(SCALE), jnp.asarray(SHIFT)
    conv, bias, dense = (jnp.asarray(weight, dtype) for weight in (CONV, CONV_BIAS, DENSE))

    def net(x: Any) -> Any:
        layout = ("NHWC", "HWIO", "NHWC")
        h = jax.lax.conv_general_dilated(x, conv, (1, 1), "VALID", dimension_numbers=layout) + bias
        h = linen.max_pool(jax.nn.relu(h), (2, 2), (2, 2)).mean((1, 2))
        return jax.nn.gelu(norm(h), approximate=False) @ dense

    return net, jnp.asarray(X, dtype)


def in_mlx(name: str) -> Net:
    import mlx.core as mx
    from mlx import nn

    dtype = getattr(mx, name)

    class Net(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(2, 5, 3), nn.LayerNorm(5)
            self.head = nn.Linear(5, 3, bias=False)

        def __call__(self, x: Any) -> Any:
            h = nn.MaxPool2d(2, 2)(nn.relu(self.conv(x))).mean((1, 2))
            return self.head(nn.gelu(self.norm(h)))

    net = Net()
    weights = {
        "conv": {"weight": CONV.transpose(3, 0, 1, 2), "bias": CONV_BIAS},
        "norm": {"weight": SCALE, "bias": SHIFT},
        "head": {"weight": DENSE.T},
    }
    net.update(
        {
            layer: {name: mx.array(one).astype(dtype) for name, one in parts.items()}
            for layer, parts in weights.items()
        }
    )
    return net, mx.array(X).astype(dtype)


FORMS: dict[str, Callable[[str], Net]] = {
    "torch": in_torch,
    "autocast": under_autocast,
    "keras": in_keras,
    "jax": in_jax,
    "mlx": in_mlx,
}

TECHNIQUES: dict[str, Method] = {
    "saliency": Saliency(),
    "integrated_gradients": IntegratedGradients(steps=40),
    "grad_cam": GradCAM(),
    "guided_backprop": GuidedBackprop(all_rectifiers=True),
    "deep_lift": DeepLIFT(),
    "lrp": LRP(composite="epsilon_plus"),
    "occlusion": Occlusion(window=3),
}

forms = pytest.mark.parametrize("form", FORMS)
dtypes = pytest.mark.parametrize("dtype", STEPS)


@cache
def built(form: str, dtype: str) -> Net:
    return FORMS[form](dtype)


def explained(net: Any, x: Any, method: Method) -> Attribution[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BacklightWarning)
        return backlight.explain(net, x, 1, method=method)


@cache
def right(technique: str) -> Attribution[Any]:
    return explained(torch_net(), torch_x(), TECHNIQUES[technique])


@pytest.mark.parametrize("technique", TECHNIQUES)
@dtypes
@forms
def test_values_are_those_of_float32_but_for_rounding(
    form: str, dtype: str, technique: str
) -> None:
    expected = right(technique)
    found = explained(*built(form, dtype), TECHNIQUES[technique])
    assert "float32" in str(found.values.dtype)
    values, wanted = np.asarray(found.numpy()), np.asarray(expected.numpy())
    if values.ndim == 4 and form not in ("torch", "autocast"):
        values = values.transpose(0, 3, 1, 2)
    off = np.abs(values - wanted).sum() / np.abs(wanted).sum()
    assert off < 8 * STEPS[dtype]
    np.testing.assert_allclose(found.score, expected.score, atol=8 * STEPS[dtype])
    # Rounding is no fault of the values: nothing is said that is not said in float32.
    assert len(found.warnings) <= len(expected.warnings)


@dtypes
@forms
def test_operations_are_known_as_in_float32(form: str, dtype: str) -> None:
    net, x = built(form, dtype)
    found = Counter(one.kind for one in backlight.wrap(net, inputs=x).operations(x))
    for kind in (Kind.CONVOLUTION, Kind.RELU, Kind.MAX_POOL, Kind.NORMALIZATION, Kind.GELU):
        assert found[kind] == 1, kind


@dtypes
@pytest.mark.parametrize("form", ["torch", "jax", "mlx"])
def test_a_gap_beyond_rounding_is_told(form: str, dtype: str) -> None:
    """Two steps from the left give half of a square."""
    _, x = built(form, dtype)
    method = IntegratedGradients(steps=2, rule="left")
    found = explained(lambda x: x[:, 0, :, 0] * x[:, 0, :, 0], x, method)
    assert any("do not sum to the change of the score" in note for note in found.warnings)
    (share,) = set(np.round(found.relative_gap, 2))  # type: ignore[arg-type]
    assert share == 0.5


@dataclass(frozen=True, kw_only=True)
class Seeing(Method):
    """Keeps the dtypes that a technique sees."""

    def attribute(self, objective: Objective) -> Result:
        start = objective.references(0.0)[0]
        found = objective.gradient(objective.value[None, ...] * 0.5)  # type: ignore[index]
        for array in (objective.value, start, found.score, found.gradient, objective.score()):
            assert "float32" in str(array.dtype)  # type: ignore[union-attr]
        gradient: Any = objective.gradient().gradient
        return Result(gradient, objective.score())


@forms
def test_techniques_see_float32(form: str) -> None:
    net, x = built(form, "bfloat16")
    assert "float32" in str(backlight.explain(net, x, 1, method=Seeing()).values.dtype)


def test_numpy_of_16_bits_comes_back_in_32() -> None:
    net, x = built("torch", "float16")
    found = backlight.explain(net, x.numpy(), 1, method="saliency")
    assert found.values.dtype == np.float32


def test_a_tolerance_that_16_bits_cannot_meet_is_told_so() -> None:
    net, x = built("torch", "bfloat16")
    with pytest.warns(BacklightWarning, match="16 bits, whose rounding no number of steps"):
        IntegratedGradients(tolerance=1e-4, maximum_steps=64)(net, x, 1)


def test_the_precision_is_that_of_the_coarsest_dtype_on_the_way() -> None:
    def seen(form: str, dtype: str) -> float:
        found: list[float] = []

        @dataclass(frozen=True, kw_only=True)
        class Asking(Method):
            def attribute(self, objective: Objective) -> Result:
                found.append(objective.precision)
                return Result(objective.gradient().gradient)

        backlight.explain(*built(form, dtype), 1, method=Asking())
        return found[0]

    assert seen("torch", "bfloat16") == seen("autocast", "bfloat16") == 2.0**-7
    assert seen("torch", "float16") == 2.0**-10
    assert precision(torch_x()) == 2.0**-23  # type: ignore[arg-type]


@dtypes
def test_a_norm_of_a_flat_baseline_keeps_its_digits(dtype: str) -> None:
    """There its size is next to nothing: PyTorch computes it in float32, and so do rules."""
    wide = torch.nn.Sequential(torch.nn.LayerNorm(5), torch.nn.Linear(5, 3, bias=False))
    wide[1].weight.data = torch.tensor(DENSE.T)
    x = torch.tensor(X.reshape(-1, 6)[:, :5])
    right = explained(wide, x, DeepLIFT()).numpy()
    narrow = getattr(torch, dtype)
    found = explained(wide.to(narrow), x.to(narrow), DeepLIFT()).numpy()
    assert np.abs(found - right).sum() < 8 * STEPS[dtype] * np.abs(right).sum()
