"""The JAX backend: plugin."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from backlight import (
    Inputs,
    Options,
)
from backlight.errors import ModelError
from backlight_jax import plugin
from tests.backends.jax.model.nets import (
    LinenNet,
    NnxNet,
    batched,
    equinox_net,
    run_python,
    two_layers,
    wrap,
)


def test_importing_the_plugin_imports_no_framework() -> None:
    run_python(
        """
        import sys
        import backlight_jax.plugin
        from backlight import Options
        wrapped = backlight_jax.plugin.backlight_wrap(
            net=len, inputs=[1], framework=None, options=Options()
        )
        assert wrapped is None
        found = {"jax", "flax", "equinox", "keras", "torch", "tensorflow"} & set(sys.modules)
        assert not found, found
        """
    )


def claimed(net: object, inputs: object = None, framework: str | None = None) -> bool:
    model = plugin.backlight_wrap(net, inputs, framework, Options())
    assert model is None or model.framework == "jax"
    return model is not None


def test_what_is_claimed() -> None:
    x = jnp.ones((2, 5))
    assert claimed(two_layers, x)
    assert claimed(two_layers, (np.ones(2), x))
    assert claimed(two_layers, {"a": x})
    assert claimed(two_layers, Inputs(x))
    assert claimed(two_layers, np.ones((2, 5)), "jax")
    assert claimed(jax.jit(two_layers))
    assert claimed(jax.vmap(equinox_net()))
    assert claimed(functools.partial(two_layers, x))
    assert claimed(functools.partial(lambda p, x: x @ p["w"], {"w": x}))
    assert claimed(batched())
    assert claimed(NnxNet(nnx.Rngs(0)))
    assert claimed(NnxNet(nnx.Rngs(0)).features)
    assert claimed((LinenNet(), {"params": {}}))


def test_what_is_not_claimed() -> None:
    import torch

    x = jnp.ones((2, 5))
    assert not claimed(two_layers)
    assert not claimed(two_layers, np.ones((2, 5)))
    assert not claimed(two_layers, x, "torch")
    assert not claimed(jax.jit(two_layers), x, "tensorflow")
    assert not claimed(torch.nn.Linear(5, 2), x)
    assert not claimed(np.tanh, np.ones((2, 5)))
    assert not claimed(functools.partial(np.tanh), np.ones((2, 5)))
    assert not claimed((two_layers, {}), x)
    assert not claimed("two_layers", x, "jax")


def test_a_linen_module_without_variables_is_refused() -> None:
    with pytest.raises(
        ModelError, match=r"LinenNet has no variables: pass module.bind\(variables\)"
    ):
        wrap(LinenNet())
