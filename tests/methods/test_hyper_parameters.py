"""What techniques, rules and baselines refuse, with the field, what is accepted and what was seen."""

import dataclasses
from collections import OrderedDict
from collections.abc import Callable

import numpy as np
import pytest
import torch

from backlight import BacklightWarning, DinucleotideShuffles, Drawn, ForOperation, Method, Several
from backlight.errors import HyperParameterError
from backlight_methods import (
    LRP,
    METHODS,
    Composite,
    DeepLIFT,
    ExpectedGradients,
    IntegratedGradients,
    Smooth,
)
from backlight_methods.lrp.rules import AlphaBeta, Epsilon, Gamma, HalfEpsilon, Numerator, ZBox

NAN, INF = float("nan"), float("inf")
NO_NUMBERS = [-1, NAN, INF, "a", None, True, np.zeros(2), [1.0], 1j]


def refused(make: Callable[[], object], *fragments: str) -> None:
    with pytest.raises(HyperParameterError) as caught:
        make()
    for fragment in fragments:
        assert fragment in str(caught.value)
    assert len(str(caught.value)) < 400


# Rules


@pytest.mark.parametrize("value", NO_NUMBERS, ids=repr)
@pytest.mark.parametrize(
    ("rule", "field"),
    [
        (Epsilon, "epsilon"),
        (HalfEpsilon, "epsilon"),
        (Gamma, "gamma"),
        (Gamma, "epsilon"),
        (AlphaBeta, "alpha"),
        (AlphaBeta, "beta"),
        (AlphaBeta, "epsilon"),
        (ZBox, "epsilon"),
    ],
)
def test_rules_refuse_what_is_no_number_of_at_least_0(
    rule: type, field: str, value: object
) -> None:
    refused(lambda: rule(**{field: value}), f"{rule.__name__}.{field} must be", "got ")


@pytest.mark.parametrize(
    ("make", "fragments"),
    [
        (lambda: AlphaBeta(2, 0.5), ["AlphaBeta.alpha must be 1 more than beta, which is 0.5"]),
        (lambda: AlphaBeta(bias=1), ["AlphaBeta.bias must be True or False, got 1."]),
        (lambda: ZBox(1, 0), ["ZBox.low must be below high, which is 0, got 1."]),
        (lambda: ZBox(0.5, 0.5), ["ZBox.low must be below high"]),
        (lambda: ZBox(low=NAN), ["ZBox.low must be None or a finite number"]),
        (lambda: ZBox(high=np.zeros((3, 8, 8))), ["ZBox.high", "array(float64, (3, 8, 8)"]),
        (lambda: Numerator(2), ["Numerator.divisor must be 0 or 1, got 2."]),
        (lambda: Composite(dense=None), ["Composite.dense must be a rule, such as Epsilon()"]),
        (lambda: Composite(convolution=Epsilon), ["Composite.convolution must be a rule"]),
        (lambda: Composite(first="flat"), ["Composite.first must be a rule", "or None"]),
        (lambda: Composite(last=0), ["Composite.last must be a rule"]),
        (lambda: Composite(named=[("a", Epsilon())]), ["Composite.named must be a tuple of pairs"]),
        (lambda: Composite(named=(("a", None),)), ["Composite.named must be"]),
        (lambda: Composite(named=((Epsilon(), "a"),)), ["Composite.named must be"]),
        (lambda: Composite(named=("ab",)), ["Composite.named must be"]),
        (lambda: LRP(composite=["epsilon"]), ["LRP.composite must be a Composite or one of"]),
        (lambda: LRP(composite="epsilom"), ["LRP.composite must be", "got 'epsilom'"]),
    ],
)
def test_rules_and_composites_refuse_what_cannot_be(make: Callable, fragments: list[str]) -> None:
    refused(make, *fragments)


def test_a_pattern_that_fits_nothing_is_named_with_what_there_is() -> None:
    composite = Composite(named=(("hed*", Epsilon(0.1)), ("he?d", Epsilon(0.1))))
    torch.manual_seed(0)  # with other numbers all rectifiers may be off, which is said as well
    layers = {"body": torch.nn.Linear(3, 4), "relu": torch.nn.ReLU(), "head": torch.nn.Linear(4, 2)}
    net = torch.nn.Sequential(OrderedDict(layers))
    with pytest.warns(BacklightWarning) as caught:
        LRP(composite=composite)(net, np.ones((2, 3)), 0)
    (said,) = caught
    wanted = "a name that fits 'hed*' of Composite.named; there are body, head."
    assert str(said.message) == f"No linear operation has {wanted}"


# Techniques

WHOLE = [0, -1, 1.5, NAN, "3", True, None, np.ones(2)]
SWITCH = [0, 1, "yes", None, np.ones(2)]
NAMES = ["nonsense", 1, None, True, ["max"], np.zeros(2)]
PROBES: dict[str, list[object]] = {
    "steps": WHOLE,
    "samples": WHOLE,
    "maximum_steps": WHOLE,
    "maximum_samples": WHOLE,
    "exact": [-1, 21, 1.5, NAN, "3", True, None, np.ones(2)],
    "cells": WHOLE,
    "features": [0, 8, True, (8, 8), [], (), {}, {"a": 8}, np.ones(2), print],
    "floor": [-1, NAN, INF, "a", True, None, np.ones(2)],
    "penalty": [-0.1, NAN, INF, "a", True, None, np.ones(2)],
    "probability": [0, 1, -0.1, 1.5, NAN, "a", True, None, np.ones(2)],
    "regression": ["nonsense", 1, None, True, ["ridge"], np.zeros(2)],
    "width": [0, -1, NAN, INF, "a", True, None, np.ones(2)],
    "seed": [-1, 1.5, NAN, "3", True, None, np.ones(2)],
    "noise": [-0.1, NAN, INF, "a", True, None, np.ones(2)],
    "tolerance": [0, -1, NAN, INF, "a", True, np.ones(2)],
    "baseline": [
        *(NAN, INF, "a", None, True, b"a", [], (), {}, {"a": "b"}, object(), Drawn),
        *map(np.array, ([0.0, NAN], ["a"], [True], [1j])),
        torch.tensor([NAN]),
    ],
    "window": [0, -1, 1.5, NAN, "3", True, (0, 1), (1, True), (1, "a"), np.ones(2)],
    "stride": [0, -1, 1.5, NAN, "3", True, (0, 1), (1, True), (1, "a"), np.ones(2)],
    "axes": [0, 1, (), (0, 1), (1, 1), (1.5,), (True,), "12", [1, 2], np.array([1, 2])],
    "layer": [0, True, ("a",), ["a"], np.zeros(2)],
    "index": [0, 1.5, "a", True, (1,), [(1,)], np.zeros(2)],
    "inner": [None, "gradient", METHODS["gradient"], 3],
    "composite": [None, "nonsense", 3, ["epsilon"], Epsilon(), Composite],
    "custom_rules": [
        None,
        "a",
        3,
        [],
        (Epsilon(),),
        (("a", Epsilon()),),
        ForOperation("a", Epsilon()),
    ],
    **dict.fromkeys(
        ["rectify", "relative", "all_rectifiers", "allow_gradient", "multipliers", "hypothetical"],
        SWITCH,
    ),
    **dict.fromkeys(["channels", "upsample", "backward", "statistic", "where", "keep"], NAMES),
}
"""For each hyper-parameter, by its name: what it must refuse, whose ever it is."""
RULES = ["nonsense", 1, True, ["rescale"], np.zeros(2)]

CASES = [
    pytest.param(make, field.name, value, id=f"{name}-{field.name}-{str(value)[:20]}")
    for name, make in METHODS.items()
    for field in dataclasses.fields(make)
    for value in (RULES if field.name == "rule" else PROBES[field.name])
    if value is not None or field.default is not None
]


@pytest.mark.parametrize(("make", "field", "value"), CASES)
def test_every_technique_refuses_nonsense(make: type[Method], field: str, value: object) -> None:
    refused(lambda: make(**{field: value}), f"{make.__name__}.{field} must be", "got ")


@pytest.mark.parametrize(
    "values", [0.5, "ab", None, {0.1, 0.2}, {"a": 0.1}, np.float64(1), np.zeros(()), iter([0.1])]
)
def test_several_is_a_list(values: object) -> None:
    refused(lambda: Several(values), "Several.values must be a list of baselines")


@pytest.mark.parametrize("values", [[], (), np.zeros((0, 3))])
def test_several_of_nothing(values: object) -> None:
    refused(lambda: Several(values), "Several needs at least one baseline, got none.")


@pytest.mark.parametrize(
    "one", [Several([0.0]), NAN, "a", None, True, [0.1], np.array([NAN]), (0.1, "a")]
)
def test_each_of_several_is_a_baseline(one: object) -> None:
    refused(
        lambda: Several([0.5, one]), "Each of Several must be a finite number, an array", "got "
    )


@pytest.mark.parametrize("make", [IntegratedGradients, ExpectedGradients, DeepLIFT])
@pytest.mark.parametrize(
    "baseline",
    [
        *(1, 0.5, np.float32(0.5), np.zeros(3), (0.0, np.ones(2)), {"a": 0.0}, torch.ones(3)),
        *(np.zeros_like, Drawn(np.zeros((20, 3))), ("blur", DinucleotideShuffles())),
    ],
)
def test_what_a_baseline_may_be(make: type[Method], baseline: object) -> None:
    assert make(baseline=baseline).baseline is baseline
    assert make(baseline=Several([baseline])).baseline.values[0] is baseline


def test_numpys_numbers_are_numbers() -> None:
    Smooth(samples=np.int64(3), noise=np.float32(0.5), seed=np.uint8(4))
    IntegratedGradients(steps=np.int32(3), rule="left", tolerance=np.float64(0.5))
    AlphaBeta(np.float32(2), np.float32(1))
