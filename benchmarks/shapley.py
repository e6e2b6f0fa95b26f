"""Shapley values of the 49 cells of a picture, ours and those of Captum and shap, whichever are
installed: how many examples go through the net, and how many seconds of processor time it takes, per run
and to reach one standard error.

Errors are those seen over seeds against a long run; cost to reach 1 % of the score's change is the
cost of a run times (error / 1 %)^2. Peers run with each of a few sizes of batch, of which the fastest
counts.

`python -m benchmarks.shapley`
"""

import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from itertools import product

import numpy as np
import torch

from backlight import Grid, Method
from backlight_demo import fashion, fashion_torch
from backlight_methods import KernelSHAP, ShapleyValues

SIDE, SEEDS, TARGET = 7, range(6), 0.01
SAMPLES = ((10, 500), (40, 2000))
"""Orders, and coalitions, of about as many examples."""
COUNT = SIDE**2
BATCHES = (32, 128, 512)
Run = Callable[[int], np.ndarray]


class Counted(torch.nn.Module):
    """A net that counts the examples that go through it."""

    def __init__(self, net: torch.nn.Module):
        super().__init__()
        self.net, self.seen = net, 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen += len(x)
        return self.net(x)


def ours(net: Counted, x: torch.Tensor, target: int) -> Iterator[tuple[str, list[Run]]]:
    grid = Grid(SIDE, SIDE)

    def run(technique: type[Method], samples: int, batch: int) -> Run:
        def values(seed: int) -> np.ndarray:
            method = technique(features=grid, samples=samples, seed=seed)
            return method(net, x, target, batch_size=batch).by(grid).values[0]

        return values

    for technique, samples in product((ShapleyValues, KernelSHAP), SAMPLES):
        name = f"{technique.__name__}({samples[technique is KernelSHAP]})"
        yield name, [run(technique, samples[technique is KernelSHAP], one) for one in BATCHES]


def captums(net: Counted, x: torch.Tensor, target: int) -> Iterator[tuple[str, list[Run]]]:
    from captum.attr import KernelShap, ShapleyValueSampling

    labels = torch.arange(COUNT).reshape(SIDE, SIDE).kron(torch.ones(4, 4, dtype=torch.long))

    def run(technique: type, samples: int, batch: int) -> Run:
        def values(seed: int) -> np.ndarray:
            torch.manual_seed(seed)
            np.random.seed(seed)
            found = technique(net).attribute(
                x,
                target=target,
                feature_mask=labels[None, None],
                n_samples=samples,
                perturbations_per_eval=batch,
            )
            return found[0, 0, ::4, ::4].flatten().numpy()

        return values

    for technique, samples in product((ShapleyValueSampling, KernelShap), SAMPLES):
        name = f"captum {technique.__name__}({samples[technique is KernelShap]})"
        yield name, [run(technique, samples[technique is KernelShap], one) for one in BATCHES]


def shaps(net: Counted, x: torch.Tensor, target: int) -> Iterator[tuple[str, list[Run]]]:
    import shap

    def scores(there: np.ndarray, batch: int) -> np.ndarray:
        cells = torch.tensor(there, dtype=x.dtype).reshape(-1, 1, SIDE, SIDE)
        found = []
        with torch.no_grad():
            for part in cells.split(batch):
                mask = part.repeat_interleave(4, 2).repeat_interleave(4, 3)
                found.append(net(mask * x)[:, target])
        return torch.cat(found).numpy()

    nothing, everything = np.zeros((1, COUNT)), np.ones((1, COUNT))

    def orders(samples: int, batch: int) -> Run:
        def values(seed: int) -> np.ndarray:
            explainer = shap.PermutationExplainer(
                lambda z: scores(z, batch), shap.maskers.Independent(nothing), seed=seed
            )
            most = samples // 2 * (2 * COUNT + 1)
            return explainer(everything, max_evals=most, silent=True, batch_size=batch).values[0]

        return values

    def kernel(samples: int, batch: int) -> Run:
        def values(seed: int) -> np.ndarray:
            np.random.seed(seed)
            explainer = shap.KernelExplainer(lambda z: scores(z, batch), nothing)
            return explainer.shap_values(everything, nsamples=samples, l1_reg=False, silent=True)[0]

        return values

    for technique, samples in product((orders, kernel), SAMPLES):
        name = f"shap {technique.__name__}({samples[technique is kernel]})"
        yield name, [technique(samples[technique is kernel], one) for one in BATCHES]


def measured(run: Run, net: Counted, truth: np.ndarray) -> tuple[float, float, float]:
    """Root mean square error, examples through the net and seconds, of one run."""
    run(0)  # what is found out once
    wrong, net.seen, seconds = [], 0, []
    for seed in SEEDS:
        started = time.process_time()
        found = run(seed + 1)
        seconds.append(time.process_time() - started)
        wrong.append(((found - truth) ** 2).mean())
    return float(np.sqrt(np.mean(wrong))), net.seen / len(SEEDS), float(np.median(seconds))


def main() -> None:
    torch.set_num_threads(1)
    net = Counted(fashion_torch.net().eval().requires_grad_(False))
    pictures = fashion.pictures(fashion.examples()[0][:1], "first", "float32")
    x = torch.tensor(pictures)
    target = int(net(x).argmax())
    long = ShapleyValues(features=Grid(SIDE, SIDE), samples=3000, seed=99)(net, x, target)
    truth = long.by(Grid(SIDE, SIDE)).values[0]
    change = abs(float(long.score[0] - long.baseline_score[0]))  # type: ignore[index]
    everyone = [ours]
    everyone += [captums] if find_spec("captum") else []
    everyone += [shaps] if find_spec("shap") else []
    print(
        f"{'':36}{'error':>8}{'examples':>10}{'seconds':>9}   to reach {TARGET:.0%}: examples, seconds"
    )
    for techniques in everyone:
        for name, runs in techniques(net, x, target):
            error, seen, seconds = min(
                (measured(run, net, truth) for run in runs), key=lambda one: one[2] * one[0] ** 2
            )
            times = (error / change / TARGET) ** 2
            print(
                f"{name:36}{error / change:8.2%}{seen:10.0f}{seconds:9.3f}"
                f"{seen * times:22.0f}{seconds * times:9.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
