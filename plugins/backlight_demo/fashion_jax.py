"""The Fashion-MNIST net in JAX: a plain function of its input."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax

from backlight_demo import fashion


def net(
    dtype: str = "float32", trained: fashion.Trained = "plain"
) -> Callable[[jax.Array], jax.Array]:
    """The trained net.

    Args:
        dtype: "float32" or "float64", of parameters and input. The latter needs x64 turned on
            by the caller, here and whenever the function is called.
        trained: on the data set as it is, or with the mark of `backlight_demo.planted`.

    Returns:
        A function from pixels (N, 28, 28, 1) between 0 and 1 to logits (N, 10), its parts named
        `conv1`, `pool1` ... by scopes.
    """
    parameters = {
        name: jnp.asarray(values, dtype=dtype)
        for name, values in fashion.channels_last(trained).items()
    }

    def logits(pixels: jax.Array) -> jax.Array:
        x = pixels
        for number, name in enumerate(fashion.CHANNELS, start=1):
            with jax.named_scope(name):
                x = lax.conv_general_dilated(
                    x,
                    parameters[f"{name}.kernel"],
                    window_strides=(1, 1),
                    padding="SAME",
                    dimension_numbers=("NHWC", "HWIO", "NHWC"),
                )
                x = jax.nn.relu(x + parameters[f"{name}.bias"])
            with jax.named_scope(f"pool{number}"):
                x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        with jax.named_scope("flatten"):
            x = x.reshape(x.shape[0], -1)
        with jax.named_scope("dense1"):
            x = jax.nn.relu(x @ parameters["dense1.kernel"] + parameters["dense1.bias"])
        with jax.named_scope("dense2"):
            return x @ parameters["dense2.kernel"] + parameters["dense2.bias"]

    return logits
