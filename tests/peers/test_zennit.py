"""Against numbers that Zennit 0.5.1 gave (see `zennit_numbers`), on nets of modules in a row."""

from pathlib import Path

import numpy as np
import pytest

from backlight import Method
from backlight_methods import LRP, Composite, Deconvnet, GuidedBackprop
from backlight_methods.lrp.rules import AlphaBeta, Epsilon, Flat, Gamma, WSquare, ZBox
from tests.peers.nets import NETS

PLUS = AlphaBeta(epsilon=1e-6)
ALPHA_BETA = AlphaBeta(2.0, 1.0, epsilon=1e-6)
GAMMA = Gamma(0.25, epsilon=1e-6)


def at_first(first) -> LRP:
    return LRP(composite=Composite(first=first, convolution=PLUS, dense=Epsilon(1e-6)))


def technique(rule: str, x: np.ndarray) -> Method:
    same = {
        "epsilon": Epsilon(1e-6),
        "large_epsilon": Epsilon(0.25),
        "gamma": GAMMA,
        "z_plus": PLUS,
        "alpha2_beta1": ALPHA_BETA,
    }
    if rule in same:
        return LRP(composite=Composite(dense=same[rule], convolution=same[rule]))
    firsts = {
        "flat": at_first(Flat()),
        "w_square": at_first(WSquare()),
        "z_box": at_first(ZBox(float(x.min()), float(x.max()), epsilon=1e-6)),
        "guided_backprop": GuidedBackprop(),
        "deconvnet": Deconvnet(),
    }
    return firsts[rule]


def numbers() -> dict[str, np.ndarray]:
    with np.load(Path(__file__).with_name("zennit.npz")) as stored:
        return dict(stored)


@pytest.mark.parametrize("key", numbers())
def test_the_same_numbers(key: str) -> None:
    net, rule = key.split(".")
    make, x, labels = NETS[net]
    theirs = numbers()[key]
    ours = np.asarray(technique(rule, x)(make(), x, labels).values)
    assert np.abs(theirs).max() > 0
    assert np.abs(ours - theirs).max() <= 1e-5 * np.abs(theirs).max()
