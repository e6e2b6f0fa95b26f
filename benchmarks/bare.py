"""The loops a user would write without the library, in each framework, as tightly as they allow."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

Loop = Callable[[], object]
STEPS, SAMPLES = 50, 20


@dataclass(frozen=True)
class Bare:
    """Bare loops over one net, batch and labels; `rows` is how many rows a pass may have."""

    gradient: Loop
    integrated_gradients: Loop
    smooth_grad: Loop
    grad_cam: Loop


def chunks(samples: int, rows: int, batch: int) -> Iterator[slice]:
    """The same nearly equal pieces that the library cuts its samples into."""
    most = max(1, rows // batch)
    pieces = -(-samples // most)
    for piece in range(pieces):
        yield slice(samples * piece // pieces, samples * (piece + 1) // pieces)


def nodes() -> tuple[np.ndarray, np.ndarray]:
    at, weight = np.polynomial.legendre.leggauss(STEPS)
    return ((at + 1) / 2).astype("float32"), (weight / 2).astype("float32")


def torch_loops(net, x, labels, rows: int, layer: str) -> Bare:
    import torch

    images, classes = torch.from_numpy(x), torch.from_numpy(labels)

    def gradients(points, wanted):
        points = points.detach().requires_grad_()
        score = net(points).gather(1, wanted[:, None]).sum()
        return torch.autograd.grad(score, points)[0]

    def integrated_gradients():
        at, weight = (torch.from_numpy(values) for values in nodes())
        total = torch.zeros_like(images)
        for piece in chunks(STEPS, rows, len(images)):
            points = (at[piece].reshape(-1, 1, 1, 1, 1) * images).flatten(0, 1)
            found = gradients(points, classes.repeat(len(at[piece])))
            found = found.reshape(-1, *images.shape)
            total += (weight[piece].reshape(-1, 1, 1, 1, 1) * found).sum(0)
        return images * total

    def smooth_grad():
        total = torch.zeros_like(images)
        scale = 0.15 * (images.amax((1, 2, 3), True) - images.amin((1, 2, 3), True))
        for piece in chunks(SAMPLES, rows, len(images)):
            count = len(range(SAMPLES)[piece])
            noise = torch.randn(count, *images.shape) * scale
            found = gradients((images + noise).flatten(0, 1), classes.repeat(count))
            total += found.reshape(count, *images.shape).sum(0)
        return total / SAMPLES

    def grad_cam():
        kept = []

        def cut(_module, _inputs, output):
            kept.append(output.detach().requires_grad_())
            return kept[0]

        handle = net.get_submodule(layer).register_forward_hook(cut)
        try:
            score = net(images).gather(1, classes[:, None]).sum()
        finally:
            handle.remove()
        (activation,) = kept
        (found,) = torch.autograd.grad(score, activation)
        maps = (found.mean((2, 3), keepdim=True) * activation).sum(1, keepdim=True)
        return torch.nn.functional.interpolate(maps, images.shape[2:], mode="bilinear")

    return Bare(lambda: gradients(images, classes), integrated_gradients, smooth_grad, grad_cam)


def tensorflow_loops(net, x, labels, rows: int, layer: str) -> Bare:
    import keras
    import tensorflow as tf

    images, classes = tf.constant(x), tf.constant(labels)

    def gradients_of(points, wanted):
        with tf.GradientTape() as tape:
            tape.watch(points)
            score = tf.gather(net(points, training=False), wanted, axis=1, batch_dims=1)
        return tape.gradient(score, points)

    spec = tf.TensorSpec([None, *x.shape[1:]]), tf.TensorSpec([None], tf.int64)
    gradients = tf.function(gradients_of, input_signature=spec)
    half = keras.Model(net.inputs, [net.get_layer(layer).output, net.outputs[0]])

    @tf.function(input_signature=spec)
    def grad_cam_of(points, wanted):
        with tf.GradientTape() as tape:
            activation, outputs = half(points, training=False)
            score = tf.gather(outputs, wanted, axis=1, batch_dims=1)
        found = tape.gradient(score, activation)
        maps = tf.reduce_sum(tf.reduce_mean(found, (1, 2), True) * activation, -1, True)
        return tf.image.resize(maps, x.shape[1:3])

    def integrated_gradients():
        at, weight = nodes()
        total = tf.zeros_like(images)
        for piece in chunks(STEPS, rows, len(x)):
            points = tf.reshape(at[piece].reshape(-1, 1, 1, 1, 1) * images, [-1, *x.shape[1:]])
            found = gradients(points, tf.tile(classes, [len(at[piece])]))
            found = tf.reshape(found, [-1, *x.shape])
            total += tf.reduce_sum(weight[piece].reshape(-1, 1, 1, 1, 1) * found, 0)
        return images * total

    def smooth_grad():
        total = tf.zeros_like(images)
        span = tf.reduce_max(images, (1, 2, 3), True) - tf.reduce_min(images, (1, 2, 3), True)
        for piece in chunks(SAMPLES, rows, len(x)):
            count = len(range(SAMPLES)[piece])
            noisy = images + tf.random.normal([count, *x.shape]) * (0.15 * span)
            found = gradients(tf.reshape(noisy, [-1, *x.shape[1:]]), tf.tile(classes, [count]))
            total += tf.reduce_sum(tf.reshape(found, [count, *x.shape]), 0)
        return total / SAMPLES

    return Bare(
        lambda: gradients(images, classes),
        integrated_gradients,
        smooth_grad,
        lambda: grad_cam_of(images, classes),
    )


def jax_loops(net, x, labels, rows: int, layer: str) -> Bare:
    import jax
    import jax.numpy as jnp

    images, classes = jnp.asarray(x), jnp.asarray(labels)
    del layer  # a plain function has no layers to hook: its Grad-CAM has no bare loop

    def score(points, wanted):
        return jnp.take_along_axis(net(points), wanted[:, None], axis=1).sum()

    gradients = jax.jit(jax.grad(score))

    def integrated_gradients():
        at, weight = nodes()
        total = jnp.zeros_like(images)
        for piece in chunks(STEPS, rows, len(x)):
            points = (at[piece].reshape(-1, 1, 1, 1, 1) * images).reshape(-1, *x.shape[1:])
            found = gradients(points, jnp.tile(classes, len(at[piece])))
            found = found.reshape(-1, *x.shape)
            total += (weight[piece].reshape(-1, 1, 1, 1, 1) * found).sum(0)
        return (images * total).block_until_ready()

    def smooth_grad():
        total, key = jnp.zeros_like(images), jax.random.key(0)
        span = images.max((1, 2, 3), keepdims=True) - images.min((1, 2, 3), keepdims=True)
        for piece in chunks(SAMPLES, rows, len(x)):
            count = len(range(SAMPLES)[piece])
            key, now = jax.random.split(key)
            noisy = images + jax.random.normal(now, (count, *x.shape)) * (0.15 * span)
            found = gradients(noisy.reshape(-1, *x.shape[1:]), jnp.tile(classes, count))
            total += found.reshape(count, *x.shape).sum(0)
        return (total / SAMPLES).block_until_ready()

    # The closest there is: the gradient and activation of the net's own two halves are not to be
    # had from outside, so Grad-CAM is held against the whole gradient, which costs more.
    return Bare(
        lambda: gradients(images, classes).block_until_ready(),
        integrated_gradients,
        smooth_grad,
        lambda: gradients(images, classes).block_until_ready(),
    )


LOOPS = {"torch": torch_loops, "tensorflow": tensorflow_loops, "jax": jax_loops}
