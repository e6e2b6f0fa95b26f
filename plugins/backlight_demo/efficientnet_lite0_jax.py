"""EfficientNet-Lite0 in JAX: a plain function of its input."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax

from backlight_demo import efficientnet_lite0 as plan


def net(dtype: str = "float32") -> Callable[[jax.Array], jax.Array]:
    """The trained net, its batch norm an affine map of the running statistics.

    Args:
        dtype: "float32" or "float64", of parameters and input. The latter needs x64 turned on
            by the caller, here and whenever the function is called.

    Returns:
        A function from pixels (N, 224, 224, 3), about -1 to 1, to logits (N, 1000), its parts
        named `stem`, `block3/depthwise` ... by scopes.
    """
    parameters = {}
    for name, values in plan.weights().items():
        # Kernels (out, in, row, column) become (row, column, in, out), the dense one (in, out).
        axes = {4: (2, 3, 1, 0), 2: (1, 0), 1: (0,)}[values.ndim]
        parameters[name] = jnp.asarray(values.transpose(axes), dtype=dtype)

    def unit(x: jax.Array, name: str, stride: int = 1, *, relu: bool = True) -> jax.Array:
        kernel = parameters[f"{name}.kernel"]
        # A depthwise kernel has one channel in, so the input is cut into groups of one.
        groups = x.shape[-1] // kernel.shape[2]
        x = lax.conv_general_dilated(
            x,
            kernel,
            window_strides=(stride, stride),
            padding="SAME",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=groups,
        )
        with jax.named_scope("norm"):
            spread = jnp.sqrt(parameters[f"{name}.variance"] + plan.EPSILON)
            scale = parameters[f"{name}.scale"] / spread
            x = x * scale + (parameters[f"{name}.offset"] - parameters[f"{name}.mean"] * scale)
        return jax.nn.relu6(x) if relu else x

    def logits(pixels: jax.Array) -> jax.Array:
        with jax.named_scope("stem"):
            x = unit(pixels, "stem", stride=2)
        for number, block in enumerate(plan.BLOCKS):
            name = f"block{number}"
            before = x
            with jax.named_scope(name):
                if block.expand > 1:
                    with jax.named_scope("expand"):
                        x = unit(x, f"{name}.expand")
                with jax.named_scope("depthwise"):
                    x = unit(x, f"{name}.depthwise", block.stride)
                with jax.named_scope("project"):
                    x = unit(x, f"{name}.project", relu=False)
                if block.adds:
                    with jax.named_scope("add"):
                        x = before + x
        with jax.named_scope("head"):
            x = unit(x, "head")
        with jax.named_scope("pool"):
            x = x.mean(axis=(1, 2))
        with jax.named_scope("classifier"):
            return x @ parameters["classifier.kernel"] + parameters["classifier.bias"]

    return logits
