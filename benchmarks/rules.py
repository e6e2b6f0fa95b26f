"""What rules cost: time of a technique over time of a bare forward pass and input gradient.

Side by side in one run, per framework: `python -m benchmarks.rules torch`. Captum is timed with torch,
and Zennit where it is installed (it is under the LGPL, so no part of the development environment).
`python -m benchmarks.rules torch 128` is the same, without peers, on a vision transformer for pictures
of 128 x 128: the smaller they are, the more counts what is done for each operation in Python.
"""

import sys
from collections.abc import Callable
from importlib.util import find_spec

# Sets one thread for each framework before any is imported.
from benchmarks.overhead import one_thread, seconds  # isort: skip

import numpy as np

import backlight
from backlight_methods import LRP, DeepLIFT, Gradient, GuidedBackprop
from benchmarks.bare import LOOPS
from benchmarks.resnet import NETS
from benchmarks.vit import torch_net

BATCH, ROUNDS = 8, 7
LAYERS = {"torch": "", "tensorflow": "pooled", "jax": ""}


def ours(
    framework: str, net: object, x: np.ndarray, labels: np.ndarray, transformer: bool
) -> dict[str, Callable]:
    model = backlight.wrap(net, framework)
    native = model.prepare(x).attributed
    methods = {
        "gradient": Gradient(),
        **({} if transformer else {"guided backprop": GuidedBackprop()}),
        "DeepLIFT, one shared baseline": DeepLIFT(),
        "LRP-epsilon": LRP(composite="epsilon"),
        "LRP epsilon-plus": LRP(),
    }

    def timed(method: object) -> Callable:
        def run():
            values = method(model, native, labels, batch_size=BATCH).values
            getattr(values, "block_until_ready", lambda: None)()

        return run

    return {name: timed(method) for name, method in methods.items()}


def peers(net: object, x: np.ndarray, labels: np.ndarray) -> dict[str, Callable]:
    import captum.attr
    import torch

    images, classes = torch.from_numpy(x), torch.from_numpy(labels)
    found = {
        "Captum guided backprop": lambda: captum.attr.GuidedBackprop(net).attribute(
            images.clone().requires_grad_(), target=classes
        ),
        "Captum DeepLift": lambda: captum.attr.DeepLift(net).attribute(images, target=classes),
    }
    if find_spec("zennit"):
        from zennit.attribution import Gradient as Attributor
        from zennit.composites import LayerMapComposite, layer_map_base
        from zennit.rules import Epsilon
        from zennit.types import Linear

        def zennit_epsilon():
            composite = LayerMapComposite([*layer_map_base(), (Linear, Epsilon())])
            with Attributor(net, composite) as attributor:
                attributor(images, torch.eye(1000)[classes])

        found["Zennit epsilon"] = zennit_epsilon
    return found


def main() -> None:
    import warnings

    framework, *sizes = sys.argv[1:]
    one_thread(framework)
    warnings.simplefilter("ignore")
    size = int(sizes[0]) if sizes else 224
    net = torch_net(size) if sizes else NETS[framework]()
    shape = (BATCH, 3, size, size) if framework == "torch" else (BATCH, 224, 224, 3)
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=shape).astype("float32"), rng.integers(0, 1000, BATCH)
    bare = LOOPS[framework](net, x, labels, BATCH, LAYERS[framework]).gradient
    runs = {"bare": bare, **ours(framework, net, x, labels, bool(sizes))}
    if framework == "torch" and not sizes:
        runs |= peers(net, x, labels)
    for run in runs.values():
        run()
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    for _ in range(ROUNDS):
        for name in rng.permutation(list(runs)):
            times[name].append(seconds(runs[name]))
    # The fastest of each: what a machine that others use adds is never negative.
    best = {name: np.min(values, axis=0) for name, values in times.items()}
    for name, (processor, wall) in best.items():
        print(
            f"{framework:11}{name:32}{processor / best['bare'][0]:6.2f} processor "
            f"{wall / best['bare'][1]:6.2f} wall   {1e3 * wall:9.1f} ms",
            flush=True,
        )


if __name__ == "__main__":
    main()
