"""The nets of texts, tables and series in JAX: plain functions of their input."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax

from backlight_demo.small_nets import CONVOLUTIONS, DENSE, Demonstrated, layers, weights


def net(kind: Demonstrated) -> Callable[[jax.Array], jax.Array]:
    """The trained net: ids (N, L), rows (N, columns) or series (N, L, 1) in, logits out; see
    `small_nets`."""
    found = {name: jnp.asarray(values) for name, values in weights(kind).items()}
    convolutions = layers(weights(kind), CONVOLUTIONS)
    *before, last = layers(weights(kind), DENSE)

    def logits(x: jax.Array) -> jax.Array:
        if "embedding" in found:
            with jax.named_scope("embedding"):
                x = found["embedding"][x]
        for name in convolutions:
            with jax.named_scope(name):
                x = lax.conv_general_dilated(
                    x,
                    found[f"{name}.kernel"],
                    window_strides=(1,),
                    padding="SAME",
                    dimension_numbers=("NWC", "WIO", "NWC"),
                )
                x = jax.nn.relu(x + found[f"{name}.bias"])
        if convolutions:
            x = x.max(axis=1)
        for name in before:
            with jax.named_scope(name):
                x = jax.nn.relu(x @ found[f"{name}.kernel"] + found[f"{name}.bias"])
        with jax.named_scope(last):
            return x @ found[f"{last}.kernel"] + found[f"{last}.bias"]

    return logits
