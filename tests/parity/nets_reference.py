"""The nets on the tests' own tape in NumPy: a judge that shares no code with any framework."""

from collections.abc import Callable

import numpy as np

from tests import tape
from tests.parity.nets import HEADS, SEQUENCES, TOKENS, WIDTH, weights
from tests.reference import ReferenceModel
from tests.tape import arrays as functions

LEFT_OUT = ("squeeze_excite",)
"""It has no depthwise convolution."""


def picture_stages(name: str) -> list[tuple[str, Callable]]:
    held = weights(name)

    def conv(x, layer: str, norm: str = ""):
        kernel, bias = held[layer].transpose(3, 2, 0, 1), held[f"{layer}.bias"]
        if norm:  # folded by hand
            scale = held[f"{norm}.scale"] / np.sqrt(held[f"{norm}.variance"] + 1e-3)
            kernel = kernel * scale[:, None, None, None]
            bias = held[f"{norm}.shift"] - held[f"{norm}.mean"] * scale
        return tape.convolution(x, kernel, bias, padding=1)

    def channels_first(x):
        return functions.permute_dims(x, (0, 3, 1, 2))

    def top(x):
        return tape.dense(functions.mean(x, axis=(2, 3)), held["head"], held["head.bias"])

    def cnn(x):
        x = tape.max_pool(tape.relu(conv(x, "conv1")), 2, 2)
        return tape.relu(conv(x, "conv2"))

    def batch_norm(x):
        x = tape.relu(conv(x, "conv1", "norm1"))
        return tape.relu(x + conv(x, "conv2", "norm2"))

    def overlapping_pools(x):
        x = tape.max_pool(tape.relu(conv(x, "conv1")), 3, 2)
        return tape.max_pool(tape.relu(conv(x, "conv2")), 3, 1)

    def reused_relu(x):
        x = tape.relu(conv(x, "conv1"))
        x = tape.relu(conv(x, "conv2")) - 0.1
        x = tape.relu(conv(x, "conv2"))
        return tape.relu(conv(x, "conv2"))

    def gelu(x):
        return tape.gelu(conv(tape.gelu(conv(x, "conv1")), "conv2"))

    bodies = (cnn, batch_norm, overlapping_pools, reused_relu, gelu)
    body = {one.__name__: one for one in bodies}[name]
    return [("first", channels_first), ("body", body), ("top", top)]


def encoder_stages(name: str) -> list[tuple[str, Callable]]:
    held = weights(name)

    def dense(x, layer: str):
        return tape.dense(x, held[layer], held[f"{layer}.bias"])

    def norm(x, layer: str):
        # The scale is part of the unit for rules, and linear for all others.
        scale, shift = (functions.asarray(held[f"{layer}.{part}"]) for part in ("scale", "shift"))
        return tape.layer_norm(x) * scale + shift

    def attention(x):
        def heads(layer: str):
            split = functions.reshape(dense(x, layer), (-1, TOKENS, HEADS, WIDTH // HEADS))
            return functions.permute_dims(split, (0, 2, 1, 3))

        query, key, value = map(heads, ("query", "key", "value"))
        scores = tape.matmul(query, functions.permute_dims(key, (0, 1, 3, 2)))
        mixed = tape.matmul(tape.softmax(scores / float(np.sqrt(WIDTH // HEADS))), value)
        merged = functions.permute_dims(mixed, (0, 2, 1, 3))
        return dense(functions.reshape(merged, (-1, TOKENS, WIDTH)), "out")

    def feed_forward(x):
        return dense(tape.gelu(dense(x, "up")), "down")

    def body(x):
        if name == "encoder_pre_norm":
            x = x + attention(norm(x, "norm1"))
            return x + feed_forward(norm(x, "norm2"))
        x = norm(x + attention(x), "norm1")
        return norm(x + feed_forward(x), "norm2")

    return [("body", body), ("top", lambda x: dense(functions.mean(x, axis=1), "head"))]


def net(name: str) -> ReferenceModel:
    stages = encoder_stages(name) if name in SEQUENCES else picture_stages(name)
    return ReferenceModel(*stages, channels="last")
