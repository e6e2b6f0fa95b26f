"""An edited net is explained as a net built anew with the same edit is, or refused with what changed."""

import re
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

import backlight
from backlight import BacklightError, BacklightWarning, Method, Probability
from backlight_methods import LRP, DeepLIFT, GradCAM, Gradient, GuidedBackprop, Saliency

X = np.random.default_rng(0).normal(size=(8, 6, 6, 2))
"""Pictures, channels last."""

METHODS: dict[str, Method] = {
    "saliency": Saliency(),
    "deep_lift": DeepLIFT(allow_gradient=True),
    "lrp": LRP(composite="epsilon"),
    "guided_backprop": GuidedBackprop(),
    "grad_cam": GradCAM(upsample="none"),
    "probability": Gradient(),
}
SAID = re.compile(r"chang|edit", re.IGNORECASE)
TOLERANCE = 1e-12


@dataclass
class Case:
    """A net, what it is fed with, and an edit.

    Attributes:
        slope: what the framework's own differentiation gives for class 1: d output / d x.
        matters: whether the edit changes what the net computes.
        target: what is explained, but by "probability".
    """

    net: Any
    x: Any
    edit: Callable[[], object]
    slope: Callable[[Any], Any] | None = None
    matters: bool = True
    target: Any = 1


def found(case: Case, name: str, x: Any) -> Any:
    """What one technique says: the place, the values and the score, or the error in words."""
    target = Probability(1) if name == "probability" else case.target
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BacklightWarning)
        try:
            result = METHODS[name](case.net, x, target)
        except BacklightError as error:
            return str(error)
    values: Any = result.values
    values = values.detach() if hasattr(values, "detach") else values
    return result.at, np.asarray(values), result.score


def explained(case: Case, x: Any = None) -> dict[str, Any]:
    return {name: found(case, name, case.x if x is None else x) for name in METHODS}


def apart(one: Any, other: Any) -> str:
    """How two findings differ, in words; empty where they do not."""
    if isinstance(one, str) or isinstance(other, str):
        return "" if one == other else f"{one if isinstance(one, str) else 'explained'} | expected " + (
            other if isinstance(other, str) else "a result"
        )
    if one[0] != other[0]:
        return f"read at {one[0]!r}, expected at {other[0]!r}"
    said = []
    for what, a, b in (("values", one[1], other[1]), ("score", one[2], other[2])):
        if a.shape != b.shape:
            return f"{what} of shape {a.shape}, expected {b.shape}"
        difference = np.abs(a - b).max() / max(np.abs(b).max(), 1e-30)
        if not difference <= TOLERANCE:
            said.append(f"{what} {difference:.2g} apart")
    return ", ".join(said)


def same(one: Any, other: Any) -> bool:
    return apart(one, other) == ""


def wrongs(
    make: Callable[[], Case], sizes: tuple[int, ...] = (), precision: Any = nullcontext
) -> list[str]:
    """What is wrong after the edit, a sentence for each technique; empty if nothing is.

    With `sizes`, the model is used with batches of several sizes before and after the edit.
    """
    context: AbstractContextManager[Any] = precision()
    with context:
        case = make()
        batches = [case.x[:size] for size in sizes] or [case.x]
        before = [explained(case, x) for x in batches]
        case.edit()
        after = [explained(case, x) for x in batches]
        backlight.forget()
        fresh = make()
        fresh.edit()
        expected = explained(fresh, batches[-1])
        said = [f"{name}: {apart(after[-1][name], expected[name])}" for name in METHODS]
        wrong = [
            one
            for one, name in zip(said, METHODS, strict=True)
            if not one.endswith(": ") and not refused(after[-1][name])
        ]
        if fresh.slope is not None and not isinstance(expected["saliency"], str):
            slope = np.abs(np.asarray(fresh.slope(fresh.x)))
            if not np.abs(slope - expected["saliency"][1]).max() <= TOLERANCE * slope.max():
                wrong.append("the net built anew does not have its framework's own gradient")
        for x, one in zip(batches[:-1], after[:-1], strict=True):
            for name in ("saliency", "deep_lift", "guided_backprop"):
                if isinstance(one[name], str) or isinstance(expected[name], str):
                    continue
                difference = np.abs(one[name][1] - expected[name][1][: len(x)]).max()
                if not difference <= 1e-10 * np.abs(expected[name][1]).max():
                    wrong.append(f"{name}: batch of {len(x)} is {difference:.2g} away")
    # The judge of this test: an edit that matters is seen by the nets built anew.
    seen = any(not same(before[-1][name], expected[name]) for name in METHODS)
    assert seen == case.matters, "this edit does not do what the test says"
    return wrong


def refused(one: Any) -> bool:
    return isinstance(one, str) and SAID.search(one) is not None


def check(
    make: Callable[[], Case], sizes: tuple[int, ...] = (), precision: Any = nullcontext
) -> None:
    wrong = wrongs(make, sizes, precision)
    assert not wrong, "; ".join(wrong)
