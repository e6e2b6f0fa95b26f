"""Nets that nobody here wrote, small and with random weights: what each computes, and the feature map
that a person would choose in it.

They are made only when they are asked for, so that a list of them costs no import.
"""

import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray

from backlight import Attribution, Kind
from backlight.errors import BacklightWarning
from backlight.explaining.targets import Target
from backlight.rules.operations import AFFINE, COMPOSITE, LINEAR, UNARY
from backlight.testing.rules import Native, by_kind
from backlight_check.checks import Check
from backlight_check.scored_example import scored_example
from backlight_methods import DeepLIFT, GradCAM

NOT_LINEAR = (frozenset(Kind) - AFFINE) | LINEAR
"""The kinds that are counted; how many sums, scales and shifts there are depends on who counts."""


@dataclass(frozen=True, eq=False)
class Foreign:
    """One net.

    Attributes:
        make: the net in inference mode and two different examples for it, both in float64.
        sites: names of the feature map that a person would choose, the best first: places that tell the
            score, none of which it passes by. Several names may stand for one value.
        grid: the places of that map along each axis of the input; empty where there is none to choose.
        kinds: how often each kind of `NOT_LINEAR` is on the way to the score, counted by hand.
        within: what the net has to be used in.
        target: the score that is explained.
    """

    make: Callable[[], tuple[object, NDArray[np.float64]]]
    sites: tuple[str, ...]
    grid: tuple[int, ...]
    kinds: Mapping[str, int] = field(default_factory=dict)
    within: Callable[[], AbstractContextManager[object]] = nullcontext
    target: Target = 1


@dataclass(frozen=True)
class Chosen:
    """Which feature map a technique read: the site's name, and its places along each axis."""

    site: str | None
    grid: tuple[int, ...]


def chosen(found: Attribution) -> Chosen:
    """What a map that was not upsampled was read from, as its values show it."""
    return Chosen(found.at, np.shape(found.values)[1:])


def said(result: Attribution | Check) -> Chosen:
    """What a result, or a check, says that it read: the one place that knows their names for it."""
    return Chosen(result.at, result.grid)


@dataclass
class Explained:
    """A net made once, and what techniques say of it, each asked once."""

    foreign: Foreign

    def __post_init__(self) -> None:
        with self.foreign.within():
            self.net, self.x = self.foreign.make()
        self.found: dict[object, Attribution] = {}

    def _once(self, key: object, call: Callable[[], Attribution]) -> Attribution:
        if key not in self.found:
            with self.foreign.within(), warnings.catch_warnings():
                warnings.simplefilter("ignore", BacklightWarning)  # the result has them too
                self.found[key] = call()
        return self.found[key]

    def deep_lift(self) -> Attribution:
        return self._once("deep_lift", lambda: DeepLIFT()(self.net, self.x, self.foreign.target))

    def grad_cam(self, rows: int = 2) -> Attribution:
        cam = GradCAM(upsample="none")
        return self._once(rows, lambda: cam(self.net, self.x[:rows], self.foreign.target))

    def kinds(self) -> dict[str, int]:
        """How often each kind of `NOT_LINEAR` lies between the input and the score, softmax and
        normalisation being one operation each."""
        units = COMPOSITE - {Kind.NEURON}
        rules = by_kind(dict.fromkeys(sorted(UNARY | units), Native()))
        with self.foreign.within():
            looked = scored_example(self.net, self.x, self.foreign.target)
            operations = looked.model.operations(looked.inputs, score=looked.score, rules=rules)
        return dict(Counter(one.kind.value for one in operations if one.kind in NOT_LINEAR))


@cache
def explained(foreign: Foreign) -> Explained:
    return Explained(foreign)
