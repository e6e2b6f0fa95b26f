"""EfficientNet-Lite0 in Keras 3, on any of its backends."""

from typing import Any

import keras
from keras import layers

from backlight_demo import efficientnet_lite0 as plan


def net(dtype: str = "float32") -> keras.Model:
    """The trained net, its batch norm fixed to the running statistics.

    Args:
        dtype: "float32" or "float64", of parameters and input. The latter is exact on
            TensorFlow; on JAX it needs x64 turned on, and on JAX and torch some layers of Keras
            round to float32 inside.

    Returns:
        A functional model from pixels (N, 224, 224, 3), about -1 to 1, to logits (N, 1000).
    """
    pixels = keras.Input((plan.SIZE, plan.SIZE, 3), dtype=dtype, name="pixels")
    x = _unit(pixels, "stem", dtype, out=plan.STEM, kernel=3, stride=2)
    for number, block in enumerate(plan.BLOCKS):
        name = f"block{number}"
        before = x
        if block.expand > 1:
            x = _unit(x, f"{name}_expand", dtype, out=block.wide)
        x = _unit(x, f"{name}_depthwise", dtype, kernel=block.kernel, stride=block.stride)
        x = _unit(x, f"{name}_project", dtype, out=block.out, relu=False)
        if block.adds:
            x = layers.Add(name=f"{name}_add", dtype=dtype)([before, x])
    x = _unit(x, "head", dtype, out=plan.HEAD)
    x = layers.GlobalAveragePooling2D(name="pool", dtype=dtype)(x)
    logits = layers.Dense(
        len(plan.CLASSES), kernel_initializer="zeros", name="classifier", dtype=dtype
    )(x)
    model = keras.Model(pixels, logits, name="efficientnet_lite0")
    _fill(model)
    return model


def _unit(
    x: Any,
    name: str,
    dtype: str,
    *,
    out: int | None = None,
    kernel: int = 1,
    stride: int = 1,
    relu: bool = True,
) -> Any:
    """Convolution (depthwise without `out`), batch norm and, where asked for, ReLU6."""
    # Zeros, because random initial values would only move the caller's random state.
    if out is None:
        x = layers.DepthwiseConv2D(
            kernel,
            stride,
            "same",
            use_bias=False,
            depthwise_initializer="zeros",
            name=name,
            dtype=dtype,
        )(x)
    else:
        x = layers.Conv2D(
            out,
            kernel,
            stride,
            "same",
            use_bias=False,
            kernel_initializer="zeros",
            name=name,
            dtype=dtype,
        )(x)
    norm = layers.BatchNormalization(epsilon=plan.EPSILON, name=f"{name}_norm", dtype=dtype)
    # Keras reads this as: use the running statistics, even when called with training=True.
    norm.trainable = False
    x = norm(x)
    return layers.ReLU(max_value=6, name=f"{name}_relu", dtype=dtype)(x) if relu else x


def _fill(model: keras.Model) -> None:
    stored = plan.weights()
    for unit in plan.units():
        name = unit.replace(".", "_")
        # Depthwise, the one input channel takes the place of Keras's one multiplier.
        axes = (2, 3, 0, 1) if name.endswith("depthwise") else (2, 3, 1, 0)
        model.get_layer(name).set_weights([stored[f"{unit}.kernel"].transpose(axes)])
        model.get_layer(f"{name}_norm").set_weights(
            [stored[f"{unit}.{part}"] for part in ("scale", "offset", "mean", "variance")]
        )
    model.get_layer("classifier").set_weights(
        [stored["classifier.kernel"].T, stored["classifier.bias"]]
    )
