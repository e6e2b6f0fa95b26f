"""Peak memory of integrated gradients at 20, 200 and 2,000 steps, each in a process of its own.

`python -m benchmarks.memory torch 200` prints the growth of the process's peak, in MiB, over a first
gradient; `captum` in place of a framework does it Captum's default way, all steps at once.
"""

import resource
import sys
from importlib import import_module

import numpy as np

import backlight
from backlight_demo import fashion
from backlight_methods import Gradient, IntegratedGradients

MODULES = {"torch": "torch", "tensorflow": "keras", "jax": "jax", "captum": "torch"}
BATCH = 4


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    kind, steps = sys.argv[1], int(sys.argv[2])
    framework = "torch" if kind == "captum" else kind
    images, labels = fashion.examples()
    x = fashion.pictures(images[:BATCH], "first" if framework == "torch" else "last", "float32")
    model = import_module(f"backlight_demo.fashion_{MODULES[kind]}").net("float32")
    if kind == "captum":
        import torch
        from captum.attr import IntegratedGradients as Peer

        pixels, classes = torch.from_numpy(x), torch.from_numpy(labels[:BATCH])
        Peer(model).attribute(pixels, target=classes, n_steps=1)
        before = peak()
        Peer(model).attribute(pixels, target=classes, n_steps=steps)
    else:
        wrapped = backlight.wrap(model, framework)
        # A full pass of the largest size first: what is left to see is growth with the steps.
        Gradient()(wrapped, np.repeat(x, 64, axis=0), 0, batch_size=256)
        before = peak()
        IntegratedGradients(steps=steps)(wrapped, x, labels[:BATCH])
    print(f"{kind:11}{steps:6} steps  peak grew by {peak() - before:8.1f} MiB", flush=True)


if __name__ == "__main__":
    main()
