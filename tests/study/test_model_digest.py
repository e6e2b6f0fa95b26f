"""What tells a model from others: all its weights, the same in another process, on each framework.
Keras's other backends are asked in `tests.backends.keras`."""

import torch  # isort: skip  (before TensorFlow: the other order does not load)

import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import backlight
from backlight_study.model_digest import weights_digest
from tests.reference import ReferenceModel, linear

W = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
B = np.arange(3, dtype=np.float32)


def torch_module(w: Any) -> Any:
    linear_layer, norm = torch.nn.Linear(6, 3), torch.nn.BatchNorm1d(3)
    linear_layer.weight.data, linear_layer.bias.data = torch.tensor(w.T), torch.tensor(B)
    return torch.nn.Sequential(linear_layer, norm).eval()


def torch_function(w: Any) -> Any:
    held, bias = torch.tensor(w), torch.tensor(B)
    return backlight.wrap(lambda x: x @ held + bias, "torch")


def torch_mixed(w: Any) -> Any:
    head, held = torch_module(W), torch.tensor(w)
    return backlight.wrap(lambda x: head(x) + x @ held, "torch")


def keras_model(w: Any) -> Any:
    import keras

    net = keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(3),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.5),  # whose random state is no weight
        ]
    )
    net.layers[0].set_weights([w, B])
    return net


def tensorflow_module(w: Any) -> Any:
    import tensorflow as tf

    class Module(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w, self.b = tf.Variable(w, name="w"), tf.Variable(B, name="b", trainable=False)

        def __call__(self, x: Any) -> Any:
            return x @ self.w + self.b

    return Module()


def tensorflow_function(w: Any) -> Any:
    import tensorflow as tf

    held, bias = tf.Variable(w), tf.constant(B)
    return backlight.wrap(lambda x: x @ held + bias, "tensorflow")


def jax_function(w: Any) -> Any:
    import jax.numpy as jnp

    held = {"w": jnp.asarray(w)}
    return backlight.wrap(lambda x: x @ held["w"] + B, "jax")


def jax_partial(w: Any) -> Any:
    return backlight.wrap(partial(lambda p, x: x @ p[0] + p[1], (w, B)), "jax")


def nnx_module(w: Any) -> Any:
    import jax.numpy as jnp
    from flax import nnx

    class Net(nnx.Module):
        def __init__(self) -> None:
            self.layer, self.norm = (
                nnx.Linear(6, 3, rngs=nnx.Rngs(0)),
                nnx.BatchNorm(3, rngs=nnx.Rngs(0)),
            )
            self.layer.kernel[...] = jnp.asarray(w)
            self.dropout = nnx.Dropout(0.5, rngs=nnx.Rngs(0))

        def __call__(self, x: Any) -> Any:
            return self.dropout(self.norm(self.layer(x)))

    return Net()


def mlx_module(w: Any) -> Any:
    import mlx.core as mx
    import mlx.nn as nn

    layer, norm = nn.Linear(6, 3), nn.BatchNorm(3)
    layer.weight, layer.bias = mx.array(w.T), mx.array(B)
    return nn.Sequential(layer, norm)


def mlx_function(w: Any) -> Any:
    import mlx.core as mx

    held, bias = mx.array(w), mx.array(B)
    return backlight.wrap(lambda x: x @ held + bias, "mlx")


NETS: dict[str, Callable[[Any], Any]] = {
    one.__name__: one
    for one in (
        torch_module, torch_function, torch_mixed, keras_model, tensorflow_module, tensorflow_function,
        jax_function, jax_partial, nnx_module,
        *((mlx_module, mlx_function) if find_spec("mlx") else ()),
    )
}  # fmt: skip


def digest(make: Callable[[Any], Any], w: Any = W) -> str | None:
    backlight.forget()
    return weights_digest(backlight.wrap(make(w)))


def moved() -> Any:
    """One weight is another by 1e-6."""
    w = W.copy()
    w[3, 1] += 1e-6
    assert w[3, 1] != W[3, 1]
    return w


def told(*names: str) -> dict[str, list[str | None]]:
    """Of each net its digest, and that of one with one weight changed."""
    return {name: [digest(NETS[name]), digest(NETS[name], moved())] for name in names}


def elsewhere(*names: str) -> list[dict[str, list[str | None]]]:
    """The same in another process, twice."""
    code = (
        "import sys, json; from tests.study.test_model_digest import told; "
        "print(json.dumps([told(*sys.argv[1:]) for _ in range(2)]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *names],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONHASHSEED": "1"},
    )
    found: list[dict[str, list[str | None]]] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_the_same_weights_are_told_alike_in_another_process_and_others_apart() -> None:
    here = told(*NETS)
    for name, (one, other) in here.items():
        assert one is not None, name
        assert one != other, name
    assert elsewhere(*NETS) == [here, here]


def test_statistics_count_too() -> None:
    net = torch_module(W)
    before = weights_digest(backlight.wrap(net))
    net[1].running_mean += 1e-6
    assert weights_digest(backlight.wrap(net)) != before


def test_a_model_that_tells_no_weights_has_none() -> None:
    model = ReferenceModel(("head", linear(W)))
    assert model.weights() is None
    with pytest.raises(backlight.errors.InputError, match="reference model does not tell"):
        model.with_weights({})
    assert weights_digest(backlight.wrap(lambda x: x * 2, "torch")) is None
    plain = backlight.wrap(lambda x: x * 2, "torch")
    with (
        pytest.raises(backlight.errors.InputError, match="torch model does not tell"),
        plain.with_weights({}),
    ):
        pass


@pytest.mark.parametrize("name", [one for one in NETS if one.startswith(("torch", "tensorflow"))])
def test_wrong_names_and_shapes_are_refused(name: str) -> None:
    model = backlight.wrap(NETS[name](W))
    first = next(iter(model.weights().parameters))
    with pytest.raises(backlight.errors.UnknownNameError), model.with_weights({"no": W}):
        pass
    with (
        pytest.raises(backlight.errors.InputError, match=r"has the shape .*got \(2,\)"),
        model.with_weights({first: np.zeros(2)}),
    ):
        pass


@pytest.mark.parametrize("name", [one for one in NETS if one != "torch_mixed"])
def test_other_weights_are_computed_with_and_go_again(name: str) -> None:
    model = backlight.wrap(NETS[name](W))
    x = np.random.default_rng(1).normal(size=(4, 6)).astype(np.float32)
    output, before = predicted(model, x), weights_digest(model)
    (kernel,) = (key for key, one in model.weights().parameters.items() if len(one.shape) == 2)
    kept = model.to_numpy(model.weights().parameters[kernel])
    with model.with_weights({kernel: 2 * kept}) as other:
        changed = predicted(other, x)
        bias = predicted(other, 0 * x)
    plain = predicted(model, 0 * x)
    np.testing.assert_allclose(bias, plain, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(changed - plain, 2 * (output - plain), rtol=1e-4, atol=1e-5)
    assert weights_digest(model) == before
    np.testing.assert_array_equal(predicted(model, x), output)


def predicted(model: Any, x: Any) -> Any:
    return np.array(model.to_numpy(model.predict(x)))
