"""Rules of the user's own for functions that no technique can look into, on each framework."""

import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf
import torch

import backlight
from backlight import AppliedOperation, ForOperation, Method, Rule
from backlight.errors import BacklightWarning, CoverageError, HyperParameterError
from backlight_methods import LRP, DeepLIFT
from backlight_methods.deep_lift.rules import Rescale, Secant
from backlight_methods.lrp.rules import Ratio
from tests.parity.measure import FRAMEWORKS

RNG = np.random.default_rng(5)
WEIGHT, HEAD = RNG.normal(size=(4, 5)), RNG.normal(size=(5, 3))
X, BASELINE = RNG.normal(size=(3, 4)), RNG.normal(size=(1, 4))
WEIGHT[:, 0] = 0.0  # a number that does not move
X[:, 1] = BASELINE[:, 1]  # where values are 0, and no gradient arrives to say that this is so


def curve(x: Any) -> Any:
    return x**3 + np.tanh(3.0 * x)


class Curve(torch.autograd.Function):
    """By NumPy, with a derivative that is not its own."""

    @staticmethod
    def forward(context: Any, x: torch.Tensor) -> torch.Tensor:
        return torch.tensor(curve(x.detach().numpy()))

    @staticmethod
    def backward(context: Any, *grads: torch.Tensor) -> torch.Tensor:
        return -0.5 * grads[0]


@jax.custom_vjp
def curve_jax(x: Any) -> Any:
    like = jax.ShapeDtypeStruct(x.shape, x.dtype)
    return jax.pure_callback(curve, like, x, vmap_method="sequential")


curve_jax.defvjp(lambda x: (curve_jax(x), None), lambda _, grad: (-0.5 * grad,))


def curve_tensorflow(x: Any) -> Any:
    return tf.ensure_shape(tf.numpy_function(curve, [x], x.dtype), x.shape)


def eager_curve(x: Any) -> Any:
    """Differentiated by TensorFlow as it was run last: in the pass over the baseline."""
    found = tf.py_function(lambda each: each**3 + tf.tanh(3.0 * each), [x], x.dtype)
    return tf.ensure_shape(found, x.shape)


TYPES = {"torch": "autograd.CurveBackward", "jax": "curve_jax", "tensorflow": "PyFunc"}


def made(framework: str, function: Any) -> Callable[[Any], Any]:
    """X @ WEIGHT, the function, a rectifier, @ HEAD."""
    if framework == "torch":
        weight, head = torch.tensor(WEIGHT), torch.tensor(HEAD)
        return lambda x: torch.relu(function(x @ weight)) @ head
    if framework == "jax":
        return lambda x: jax.nn.relu(function(x @ WEIGHT)) @ HEAD
    return tf.function(lambda x: tf.nn.relu(function(x @ WEIGHT)) @ HEAD, autograph=False)


@cache
def net(framework: str) -> backlight.Model:
    functions = {"torch": Curve.apply, "jax": curve_jax, "tensorflow": curve_tensorflow}
    return backlight.wrap(made(framework, functions[framework]), framework)


def native(framework: str, x: Any) -> Any:
    functions = {"torch": torch.tensor, "jax": jnp.asarray, "tensorflow": tf.constant}
    return functions[framework](x)


def explained(technique: Method, framework: str, model: backlight.Model | None = None) -> Any:
    with warnings.catch_warnings(), jax.enable_x64(True):
        # PyTorch's function reads its numbers in Python: it is told that these may be anything.
        warnings.filterwarnings("ignore", "Rows of the batch|Python reads", BacklightWarning)
        return technique(model or net(framework), native(framework, X), 1)


def difference_from_reference() -> Any:
    """The multipliers by hand: of the product, the curve, the rectifier, the head."""
    z, start = X @ WEIGHT, BASELINE @ WEIGHT
    y, y_start = curve(z), curve(start)
    way = np.where(z == start, 1.0, z - start)
    steps = (np.maximum(y, 0) - np.maximum(y_start, 0)) / way * HEAD[:, 1]
    return (X - BASELINE) * (steps @ WEIGHT.T)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_deep_lift_is_complete_at_an_opaque_function_with_a_rule(framework: str) -> None:
    with pytest.raises(CoverageError, match=rf"ForOperation\('{TYPES[framework]}', Secant\(\)\)"):
        explained(DeepLIFT(baseline=BASELINE), framework)
    ruled = (
        ForOperation("none", Rescale(), at="elsewhere"),
        ForOperation(TYPES[framework], Secant()),
    )
    with pytest.warns(BacklightWarning, match=r"No operation fits ForOperation\(type='none'"):
        found = explained(DeepLIFT(baseline=BASELINE, custom_rules=ruled), framework)
    assert found.gap.max() < 1e-12
    values = np.asarray(found.values)
    np.testing.assert_allclose(values, difference_from_reference(), rtol=1e-9, atol=1e-12)


def test_a_function_whose_derivative_is_that_of_another_run_is_not_asked_for_it() -> None:
    model = backlight.wrap(made("tensorflow", eager_curve))
    technique = DeepLIFT(baseline=BASELINE, custom_rules=(ForOperation("Eager*", Secant()),))
    found = explained(technique, "tensorflow", model)
    np.testing.assert_allclose(found.values, difference_from_reference(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_lrp_hands_on_all_relevance_at_an_opaque_function_with_a_rule(framework: str) -> None:
    technique = LRP(composite="epsilon", custom_rules=(ForOperation(TYPES[framework], Ratio()),))
    found = explained(technique, framework)
    z = X @ WEIGHT
    shares = np.maximum(curve(z), 0) / np.where(z == 0, 1.0, z) * HEAD[:, 1]
    np.testing.assert_allclose(found.values, X * (shares @ WEIGHT.T), rtol=1e-4, atol=1e-5)


@dataclass(frozen=True)
class Twice(Rule):
    """Twice what comes in, whatever the operation is."""

    def __call__(self, op: AppliedOperation, grad: Any) -> Sequence[Any]:
        return (2.0 * grad,)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_rule_acts_at_its_type_and_place_only(framework: str) -> None:
    """The first that fits, at the rectifier too, of which the technique has a rule."""
    rectifier = {"torch": "aten.relu", "jax": "relu", "tensorflow": "Relu"}[framework]
    twice = ForOperation("*", Twice(), at="nowhere"), ForOperation(rectifier, Twice())
    custom = (*twice, ForOperation("*elu", Secant()), ForOperation(TYPES[framework], Twice()))
    with pytest.warns(BacklightWarning, match="No operation fits.*at='nowhere'"):
        found = explained(DeepLIFT(custom_rules=custom, multipliers=True), framework)
    slopes = np.tile((WEIGHT @ HEAD[:, 1])[None] * 4, (3, 1))
    np.testing.assert_allclose(found.values, slopes, rtol=1e-9, atol=1e-12)


def test_what_is_no_custom_rule_is_refused() -> None:
    for technique in (DeepLIFT, LRP):
        with pytest.raises(HyperParameterError, match=r"a tuple of ForOperation\(type, rule\)"):
            technique(custom_rules=(("PyFunc", Secant()),))
    with pytest.raises(HyperParameterError, match=r"ForOperation\.rule must be a rule"):
        ForOperation("PyFunc", Secant)  # type: ignore[arg-type]


def test_secant_is_for_functions_of_each_number_by_itself() -> None:
    class Halves(torch.autograd.Function):
        @staticmethod
        def forward(context: Any, x: torch.Tensor) -> torch.Tensor:
            return x[:, :2] ** 2

        @staticmethod
        def backward(context: Any, *grads: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.pad(grads[0], (0, 2))

    model = backlight.wrap(lambda x: Halves.apply(x), "torch")
    technique = DeepLIFT(custom_rules=(ForOperation("*Halves*", Secant()),))
    with pytest.raises(CoverageError, match=r"shape \(4,\) per example, and gives \(2,\)"):
        technique(model, torch.tensor(X), 1)


def test_the_documentation_is_true() -> None:
    text = (Path(__file__).parents[2] / "docs" / "rules.md").read_text(encoding="utf-8")
    scope: dict[str, Any] = {
        "backlight": backlight,
        "weight": torch.tensor(WEIGHT),
        "pictures": torch.tensor(X),
    }
    for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(code, scope)
    np.testing.assert_allclose(scope["found"].gap, 0, atol=1e-12)

    class Mixed(torch.autograd.Function):
        @staticmethod
        def forward(context: Any, x: torch.Tensor) -> torch.Tensor:
            return x.flip(1) ** 2 * x

        @staticmethod
        def backward(context: Any, *grads: torch.Tensor) -> torch.Tensor:
            return 0 * grads[0]

    model = backlight.wrap(made("torch", Mixed.apply), "torch")
    custom = (ForOperation("*Mixed*", scope["BySquares"]()),)
    assert explained(DeepLIFT(custom_rules=custom), "torch", model).gap.max() < 1e-12
