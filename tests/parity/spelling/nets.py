"""Small nets with a spelling in the middle, and what techniques say about them."""

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

import backlight
from backlight import Method, Model
from backlight.errors import BacklightWarning
from backlight.rules.operations import Kind
from backlight_methods import LRP, Composite, DeepLIFT, GuidedBackprop
from backlight_methods.lrp.rules import AlphaBeta, Epsilon, Gamma
from tests import tape
from tests.parity.measure import Values, precision
from tests.parity.spelling.family import Spelling
from tests.parity.spelling.functions import FUNCTIONS, normal
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
Name: TypeAlias = tuple[str, str]
"""A family, and a spelling in it."""

X = normal(4, 6, seed=444)
A, B, C = normal(6, 8, seed=12), normal(8, 8, seed=124), normal(8, 3, seed=14)
a, b, c = normal(8, seed=15), normal(8, seed=16), normal(3, seed=17)
TARGETS = [1, 0, 2, 1]
CLASSES = 3
BEFORE = ["dense", "relu", "dense"]
AFFINE = (Kind.SCALE, Kind.SHIFT, Kind.BATCH_NORM)


def net(framework: str, spellings: Sequence[Spelling]) -> Model:
    """Dense, relu, dense, then for each spelling: it, dense. The classes of all of them, side by side."""
    ops = FUNCTIONS[framework]
    with precision("float64"):
        weights = [ops.array(one) for one in (A, a, B, b, c)]
        heads = {width: ops.array(C[:width]) for width in (1, 4, 8)}

    def run(x: Any) -> Any:
        first, shift, second, offset, last = weights
        h = ops.relu(x @ first + shift) @ second + offset
        classes = []
        for spelling in spellings:
            found = spelling(ops, h)
            classes.append(found @ heads[int(found.shape[-1])] + last)
        return classes[0] if len(classes) == 1 else ops.concat(classes)

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


def values(technique: str, model: Model, count: int = 1) -> list[Values]:
    """Of each of so many spellings, by rows of their own.

    Warnings say in words what the values show: rules that are missing, sums that are off.
    """
    x = np.tile(X, (count, 1))
    targets = [CLASSES * place + k for place in range(count) for k in TARGETS]
    if model.framework != "reference":
        x = FUNCTIONS[model.framework].array(x)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BacklightWarning)
        found = np.asarray(TECHNIQUES[technique](model, x, targets).values)
    return list(found.reshape(count, *X.shape))


def middles(model: Model) -> list[list[str]]:
    """The kinds of each spelling, but for scales and shifts, which frameworks may count with a linear
    operation."""
    operations = model.operations(FUNCTIONS[model.framework].array(X))
    assert [str(one.kind) for one in operations[:5] if one.kind not in AFFINE][:3] == BEFORE
    found: list[list[str]] = [[]]
    for one in operations:
        if one.kind is Kind.DENSE and one.shape[-1] == CLASSES:
            found.append([])
        elif one.kind not in AFFINE:
            found[-1].append(str(one.kind))
    found[0] = found[0][3:]
    return found[:-1]


@dataclass(frozen=True)
class Found:
    """What is found of a spelling: kinds, and values by technique."""

    kinds: list[str]
    values: dict[str, Values]


def measured(
    framework: str, spellings: Mapping[Name, Spelling], techniques: Iterable[str] = TECHNIQUES
) -> dict[Name, Found]:
    """Of each spelling, by its name."""
    with precision("float64"):
        model = net(framework, list(spellings.values()))
        kinds = middles(model)
        assert len(kinds) == len(spellings)
        found = {name: values(name, model, len(spellings)) for name in techniques}
    return {
        name: Found(kinds[place], {key: one[place] for key, one in found.items()})
        for place, name in enumerate(spellings)
    }


def apart(found: Values, wanted: Values) -> float:
    """The largest difference over the largest value that is wanted."""
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())
