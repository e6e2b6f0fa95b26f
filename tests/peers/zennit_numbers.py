"""Writes zennit.npz, the numbers that `test_zennit` compares with.

Zennit is under the LGPL, so it is no part of the development environment; this runs in one of its own:
`pip install zennit==0.5.1` beside torch, then `python -m tests.peers.zennit_numbers`.
"""

from pathlib import Path

import numpy as np
import torch
from zennit.attribution import Gradient
from zennit.canonizers import SequentialMergeBatchNorm
from zennit.composites import (
    DeconvNet,
    GuidedBackprop,
    LayerMapComposite,
    SpecialFirstLayerMapComposite,
    layer_map_base,
)
from zennit.core import Composite
from zennit.rules import AlphaBeta, Epsilon, Flat, Gamma, WSquare, ZBox, ZPlus
from zennit.types import Convolution, Linear

from tests.peers.nets import NETS


def everywhere(rule: object, canonizers: list[object]) -> Composite:
    return LayerMapComposite([*layer_map_base(), (Linear, rule)], canonizers=canonizers)


def at_first(first: object, canonizers: list[object]) -> Composite:
    rest = [*layer_map_base(), (Convolution, ZPlus()), (torch.nn.Linear, Epsilon())]
    return SpecialFirstLayerMapComposite(rest, first_map=[(Linear, first)], canonizers=canonizers)


def main() -> None:
    found = {}
    for name, (net, x, labels) in NETS.items():
        model, given = net(), torch.from_numpy(x)
        low, high = torch.full_like(given, x.min()), torch.full_like(given, x.max())
        merge = [SequentialMergeBatchNorm()]
        composites = {
            "epsilon": everywhere(Epsilon(1e-6), merge),
            "large_epsilon": everywhere(Epsilon(0.25), merge),
            "gamma": everywhere(Gamma(0.25), merge),
            "z_plus": everywhere(ZPlus(), merge),
            "alpha2_beta1": everywhere(AlphaBeta(2.0, 1.0), merge),
            "flat": at_first(Flat(), merge),
            "w_square": at_first(WSquare(zero_params="bias"), merge),
            "z_box": at_first(ZBox(low, high), merge),
            "guided_backprop": GuidedBackprop(),
            "deconvnet": DeconvNet(),
        }
        for rule, composite in composites.items():
            with Gradient(model, composite) as attributor:
                seed = torch.eye(10, dtype=torch.float64)[labels]
                backwards = rule in ("guided_backprop", "deconvnet")
                _, values = attributor(given, seed if backwards else lambda out, s=seed: out * s)
            found[f"{name}.{rule}"] = values.detach().numpy().astype(np.float32)
    np.savez_compressed(Path(__file__).with_name("zennit.npz"), **found)


if __name__ == "__main__":
    main()
