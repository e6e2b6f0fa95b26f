"""Nets of keras.applications: the smallest, on pictures that leave a few places at the end."""

from collections.abc import Callable

import keras
import numpy as np
from numpy.typing import NDArray

from tests.parity.foreign_nets import Foreign

HEAD = {"classes": 5, "classifier_activation": None}


def in_double(make: Callable[[], object]) -> object:
    """What is made, with random weights in float64."""
    width, policy = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")  # which is no longer floatx's once a layer was made
    try:
        keras.utils.set_random_seed(0)
        return make()
    finally:
        keras.config.set_floatx(width)
        keras.config.set_dtype_policy(policy)


def net(
    name: str, side: tuple[int, int], **options: object
) -> Callable[[], tuple[object, NDArray[np.float64]]]:
    def made() -> object:
        build = getattr(keras.applications, name)
        found: object = build(weights=None, input_shape=(*side, 3), **(options or HEAD))
        return found

    return lambda: (in_double(made), np.random.default_rng(0).normal(size=(2, *side, 3)))


NETS = {
    "keras MobileNet": Foreign(
        net("MobileNet", (64, 96), alpha=0.25, **HEAD),
        ("conv_pw_13_relu",),
        (2, 3),
        {"convolution": 28, "relu6": 27},
    ),
    "keras MobileNetV2": Foreign(
        net("MobileNetV2", (64, 96), alpha=0.35, **HEAD),
        ("out_relu",),
        (2, 3),
        {"convolution": 52, "relu6": 35, "dense": 1},
    ),
    "keras ResNet50": Foreign(
        net("ResNet50", (64, 96)),
        ("conv5_block3_out",),
        (2, 3),
        {"convolution": 53, "relu": 49, "max_pool": 1, "dense": 1},
    ),
    "keras VGG16": Foreign(
        net("VGG16", (64, 96), include_top=False, pooling="avg"),
        ("block5_conv3",),
        (4, 6),
        {"convolution": 13, "relu": 13, "max_pool": 5},
    ),
    "keras Xception": Foreign(
        net("Xception", (71, 103)),
        ("block14_sepconv2_act",),
        (3, 4),
        {"convolution": 74, "relu": 35, "max_pool": 4, "dense": 1},
    ),
    "keras InceptionV3": Foreign(  # of its last branches, the map that joins them
        net("InceptionV3", (107, 139)),
        ("mixed10",),
        (2, 3),
        {"convolution": 94, "relu": 94, "max_pool": 4, "dense": 1},
    ),
}
