"""ResNet-18's architecture (He et al. 2015) in three frameworks, random weights, batch normalisation in
inference mode: what the cost of rules is measured on. Layers of their own everywhere, so that peers which
hook modules can be timed as well."""

from collections.abc import Callable

import numpy as np

WIDTHS = (64, 128, 256, 512)
CLASSES = 1000


def torch_net():
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self, width: int, out: int, stride: int) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(width, out, 3, stride, 1, bias=False)
            self.norm1, self.relu1 = nn.BatchNorm2d(out), nn.ReLU()
            self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
            self.norm2, self.relu2 = nn.BatchNorm2d(out), nn.ReLU()
            self.short = (
                nn.Sequential(nn.Conv2d(width, out, 1, stride, bias=False), nn.BatchNorm2d(out))
                if stride > 1
                else nn.Identity()
            )

        def forward(self, x):
            y = self.relu1(self.norm1(self.conv1(x)))
            return self.relu2(self.norm2(self.conv2(y)) + self.short(x))

    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU()]
    layers.append(nn.MaxPool2d(3, 2, 1))
    width = 64
    for out in WIDTHS:
        layers += [Block(width, out, 1 if out == width else 2), Block(out, out, 1)]
        width = out
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, CLASSES)]
    return nn.Sequential(*layers).eval()


def tensorflow_net():
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)

    def conv(x, out: int, size: int, stride: int):
        x = layers.Conv2D(out, size, stride, padding="same", use_bias=False)(x)
        return layers.BatchNormalization()(x)

    x = given = keras.Input((224, 224, 3))
    x = layers.ReLU()(conv(x, 64, 7, 2))
    x = layers.MaxPooling2D(3, 2, padding="same")(x)
    for out in WIDTHS:
        for stride in (1 if out == 64 else 2, 1):
            y = layers.ReLU()(conv(x, out, 3, stride))
            y = conv(y, out, 3, 1)
            x = layers.ReLU()(layers.Add()([y, x if stride == 1 else conv(x, out, 1, stride)]))
    x = layers.GlobalAveragePooling2D(name="pooled")(x)
    return keras.Model(given, layers.Dense(CLASSES)(x))


def jax_net() -> Callable[[object], object]:
    import jax
    import jax.numpy as jnp
    from jax import lax

    rng = np.random.default_rng(0)

    def kernel(size: int, width: int, out: int):
        drawn = rng.normal(size=(size, size, width, out)) * np.sqrt(2 / (size * size * width))
        return jnp.asarray(drawn.astype("float32"))

    def norm(out: int):
        return tuple(jnp.asarray(v, jnp.float32) for v in (np.ones(out), np.zeros(out)))

    stem = kernel(7, 3, 64), norm(64)
    blocks, width = [], 64
    for out in WIDTHS:
        for stride in (1 if out == 64 else 2, 1):
            convs = [(kernel(3, width, out), norm(out)), (kernel(3, out, out), norm(out))]
            short = (kernel(1, width, out), norm(out)) if stride > 1 else None
            blocks.append((stride, convs, short))
            width = out
    head = jnp.asarray(rng.normal(size=(width, CLASSES)).astype("float32") / np.sqrt(width))

    def conv(x, part, stride: int):
        weight, (scale, shift) = part
        numbers = ("NHWC", "HWIO", "NHWC")
        x = lax.conv_general_dilated(x, weight, (stride, stride), "SAME", dimension_numbers=numbers)
        return x * scale + shift

    def net(x):
        x = jax.nn.relu(conv(x, stem, 2))
        x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 3, 3, 1), (1, 2, 2, 1), "SAME")
        for stride, (first, second), short in blocks:
            y = conv(jax.nn.relu(conv(x, first, stride)), second, 1)
            x = jax.nn.relu(y + (x if short is None else conv(x, short, stride)))
        return x.mean((1, 2)) @ head

    return net


NETS = {"torch": torch_net, "tensorflow": tensorflow_net, "jax": jax_net}
