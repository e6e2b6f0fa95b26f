"""Small nets with a spelling in the middle, and what techniques say about them."""

from collections.abc import Callable
from typing import Any

import numpy as np

import backlight
from backlight import Method, Model
from backlight.operations import Kind
from backlight_methods import LRP, Composite, DeepLIFT, GuidedBackprop
from backlight_methods.lrp_rules import AlphaBeta, Epsilon, Gamma
from tests import tape
from tests.parity.functions import FUNCTIONS, normal
from tests.parity.measure import Values, precision
from tests.parity.spellings import Spelling
from tests.reference import ReferenceModel
from tests.tape import Traced

TECHNIQUES: dict[str, Method] = {
    "guided_backprop": GuidedBackprop(all_rectifiers=True),
    "deep_lift": DeepLIFT(baseline=0.1),
    "lrp_epsilon": LRP(composite="epsilon"),
    "lrp_composite": LRP(
        composite=Composite(first=Gamma(), dense=Epsilon(0.0), last=AlphaBeta(2.0, 1.0))
    ),
}
X = normal(4, 6, seed=444)
A, B, C = normal(6, 8, seed=12), normal(8, 8, seed=124), normal(8, 3, seed=14)
a, b, c = normal(8, seed=15), normal(8, seed=16), normal(3, seed=17)
TARGETS = [1, 0, 2, 1]


def net(framework: str, spelling: Spelling) -> Model:
    """Dense, relu, dense, the spelling, dense."""
    F = FUNCTIONS[framework]
    with precision("float64"):
        weights = [F.array(one) for one in (A, a, B, b, c)]
        heads = {width: F.array(C[:width]) for width in (1, 4, 8)}

    def run(x: Any) -> Any:
        first, shift, second, offset, last = weights
        h = spelling(F, F.relu(x @ first + shift) @ second + offset)
        return h @ heads[int(h.shape[-1])] + last

    return backlight.wrap(run, framework)


def reference_net(function: Callable[[Traced], Traced], folded: Any = (1.0, 0.0)) -> ReferenceModel:
    """The same on a tape, with a gain and a bias folded into the linear operation in the middle."""
    gain, bias = folded

    def head(h: Any) -> Any:
        return tape.dense(h, C[: h.shape[-1]], c)

    return ReferenceModel(
        ("first", lambda x: tape.relu(tape.dense(x, A, a))),
        ("second", lambda h: function(tape.dense(h, B * gain, b * gain + bias))),
        ("head", head),
    )


def inputs(model: Model) -> Any:
    return X if model.framework == "reference" else FUNCTIONS[model.framework].array(X)


def values(technique: str, model: Model) -> Values:
    return np.asarray(TECHNIQUES[technique](model, inputs(model), TARGETS).values)


def middle(model: Model) -> list[str]:
    """The kinds of what is between the two layers before it and the one behind it, but for scales and
    shifts, which frameworks may count with a linear operation."""
    kinds = [str(one.kind) for one in model.operations(inputs(model))]
    affine = (Kind.SCALE, Kind.SHIFT, Kind.BATCH_NORM)
    kinds = [one for one in kinds if one not in affine]
    assert kinds[:3] == ["dense", "relu", "dense"] and kinds[-1] == "dense"
    return kinds[3:-1]


def apart(found: Values, wanted: Values) -> float:
    """The largest difference over the largest value that is wanted."""
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())
