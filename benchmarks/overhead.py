"""Library time over bare-loop time, per framework: `python -m benchmarks.overhead torch`."""

import os
import sys
from importlib import import_module
from time import perf_counter, process_time

# One thread each, so that processor time means work and not waiting; set before they are imported.
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np

import backlight
from backlight_demo import efficientnet_lite0, fashion
from backlight_demo.photos import photos
from backlight_methods import GradCAM, Gradient, IntegratedGradients, Smooth
from benchmarks.bare import LOOPS

MODULES = {"torch": "torch", "tensorflow": "keras", "jax": "jax"}
LAYERS = {
    "fashion": {"torch": "features.relu3", "tensorflow": "conv3", "jax": ""},
    "efficientnet_lite0": {"torch": "", "tensorflow": "", "jax": ""},
}


def one_thread(framework: str) -> None:
    if framework == "torch":
        import torch

        torch.set_num_threads(1)
    if framework == "tensorflow":
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)


def batch(net: str, channels: str) -> tuple[np.ndarray, np.ndarray]:
    if net == "fashion":
        images, labels = fashion.examples()
        return fashion.pictures(images[:32], channels, "float32"), labels[:32]
    chosen = list(photos().values())[:2]
    crops = np.stack([efficientnet_lite0.prepare(photo.picture) for photo in chosen])
    labels = np.array([photo.label for photo in chosen], dtype=np.int64)
    return efficientnet_lite0.pixels(crops, channels, "float32"), labels


def seconds(run) -> tuple[float, float]:
    """Processor and wall time of one run."""
    before = process_time(), perf_counter()
    run()
    return process_time() - before[0], perf_counter() - before[1]


def measure(framework: str, net: str, rounds: int) -> None:
    built = import_module(f"backlight_demo.{net}_{MODULES[framework]}").net("float32")
    x, labels = batch(net, "first" if framework == "torch" else "last")
    model = backlight.wrap(built, framework)
    native = model.prepare(x).attributed
    layer = LAYERS[net][framework] or GradCAM()(model, native[:1], 0).at or ""
    # The library works in a batch of its own size; the bare loop is given the same.
    rows = min(256, max(1, 2**21 // int(np.prod(x.shape[1:]))))
    bare = LOOPS[framework](built, x, labels, rows, layer)
    pairs = {
        "gradient": (bare.gradient, Gradient()),
        "integrated gradients, 50 steps": (bare.integrated_gradients, IntegratedGradients()),
        "SmoothGrad, 20 samples": (bare.smooth_grad, Smooth(samples=20)),
        "Grad-CAM": (bare.grad_cam, GradCAM()),
    }
    for name, (loop, method) in pairs.items():

        def ours(method=method):
            values = method(model, native, labels).values
            getattr(values, "block_until_ready", lambda: None)()

        loop(), ours()
        measured = np.array([(seconds(loop), seconds(ours)) for _ in range(rounds)])
        (bare_processor, bare_wall), (processor, wall) = np.median(measured, axis=0)
        print(
            f"{framework:11}{net:20}{name:32}{processor / bare_processor:6.2f} processor "
            f"{wall / bare_wall:6.2f} wall   bare {1e3 * bare_wall:9.1f} ms",
            flush=True,
        )


def main() -> None:
    framework = sys.argv[1]
    one_thread(framework)
    measure(framework, "fashion", rounds=9)
    measure(framework, "efficientnet_lite0", rounds=2)


if __name__ == "__main__":
    main()
