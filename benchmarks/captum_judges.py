"""What is right, where Captum is not or only draws samples: by definitions and closed forms."""

from collections.abc import Callable, Mapping
from itertools import product
from math import comb
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.captum_setting import CELL, CELLS, small_net

Setting = Mapping[str, Any]
Numbers = NDArray[np.float64]
COUNT = CELLS**2
THERE = np.array(list(product([False, True], repeat=COUNT)))
"""All coalitions of the cells of a picture."""


def coalition_scores(at: Setting) -> Numbers:
    """The score of each example with some cells only, the others 0, shape (coalitions, examples)."""
    cells = torch.tensor(THERE.reshape(-1, 1, 1, CELLS, CELLS), dtype=torch.float64)
    masks = cells.repeat_interleave(CELL, 3).repeat_interleave(CELL, 4)
    x, labels = at["x"], at["labels"]
    with torch.no_grad():
        outputs = at["net"]((masks * x).flatten(0, 1)).reshape(len(THERE), len(x), -1)
    return outputs[:, range(len(x)), labels].numpy()


def shapley(at: Setting) -> Numbers:
    """The mean of what a cell adds, over coalitions of each size, over sizes."""
    scores = coalition_scores(at)
    values = np.zeros((scores.shape[1], COUNT))
    for cell, (there, score) in product(range(COUNT), zip(THERE, scores, strict=True)):
        size = there.sum() - there[cell]  # of the others
        sign = 1 if there[cell] else -1
        values[:, cell] += sign * score / (COUNT * comb(COUNT - 1, size))
    return values


def surrogate(at: Setting) -> Numbers:
    """The weights of the linear model nearest to all coalitions, those that lack little weighing most."""
    share = THERE.mean(axis=1)
    root = np.sqrt(np.exp(-((1 - np.sqrt(share)) ** 2) / 0.25**2))[:, None]
    design = np.column_stack([THERE, np.ones(len(THERE))])
    return np.linalg.lstsq(root * design, root * coalition_scores(at), rcond=None)[0][:-1].T


def expected_integral(at: Setting, ways: bool = True) -> Numbers:
    """The integral of the gradient, at the middles of 200 steps, times the way if asked to, on average
    over baselines."""
    x, background, steps = at["x"], at["background"], 200
    total = torch.zeros_like(x)
    for step, start in product(range(steps), background):
        point = (start + (step + 0.5) / steps * (x - start)).requires_grad_()
        score = at["net"](point)[range(len(x)), at["labels"]].sum()
        gradient = torch.autograd.grad(score, point)[0]
        total += gradient * (x - start) if ways else gradient
    return (total / steps / len(background)).numpy()


def flows(at: Setting) -> Numbers:
    """Through each number behind the last rectifier: its weight times its change."""
    inner, outer = at["net"][:5], at["net"].fc
    with torch.no_grad():
        change = inner(at["x"]) - inner(at["baseline"])
        return (outer.weight[at["labels"]].reshape(change.shape) * change).numpy()


def change(at: Setting) -> Numbers:
    net, labels = at["smooth"], at["labels"]
    with torch.no_grad():
        outputs = net(at["x"]) - net(at["baseline"])
    return outputs[range(len(labels)), labels].numpy()


def guided(at: Setting) -> Numbers:
    import captum.attr

    net = small_net(torch.nn.ReLU)
    return captum.attr.GuidedBackprop(net).attribute(at["x"], at["labels"]).detach().numpy()


JUDGES: Mapping[str, Callable[[Setting], Numbers]] = {
    "the definition, over all coalitions": shapley,
    "the fit to all coalitions": surrogate,
    "the integral, 200 steps from each baseline": expected_integral,
    "the mean gradient on these ways": lambda at: expected_integral(at, ways=False),
    "the gradient of squares is linear": lambda at: (2 * at["squares"].weight * at["x"]).numpy(),
    "weight times change: the score is linear there": flows,
    "weight times change of one neuron": lambda at: flows(at)[:, 1, 2, 0],
    "the score's change": change,
    "Captum's of the same net with modules": guided,
}
"""By what the page calls them."""
