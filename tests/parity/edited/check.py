"""An edited net is explained as a net built anew with the same edit is, or refused with what changed."""

import itertools
import re
import warnings
from collections.abc import Callable, Iterable, Sequence
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
TOLERANCES = {"float64": 1e-12, "float32": 1e-5}
"""By the dtype of the values, relative to the largest."""


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


def explained(case: Case, names: Sequence[str], x: Any) -> dict[str, Any]:
    return {name: found(case, name, x) for name in names}


def apart(one: Any, other: Any) -> str:
    """How two findings differ, in words; empty where they do not."""
    if isinstance(one, str) or isinstance(other, str):
        said = [each if isinstance(each, str) else "a result" for each in (one, other)]
        return "" if said[0] == said[1] else f"{said[0][:150]} where expected: {said[1][:150]}"
    if one[0] != other[0]:
        return f"read at {one[0]!r}, expected at {other[0]!r}"
    said = []
    for what, a, b in (("values", one[1], other[1]), ("score", one[2], other[2])):
        if a.shape != b.shape:
            return f"{what} of shape {a.shape}, expected {b.shape}"
        difference = np.abs(a - b).max() / max(np.abs(b).max(), 1e-30)
        if not difference <= TOLERANCES[str(other[1].dtype)]:
            said.append(f"{what} {difference:.2g} apart")
    return ", ".join(said)


def wrongs(
    make: Callable[[], Case],
    names: Sequence[str] = tuple(METHODS),
    sizes: tuple[int, ...] = (),
    precision: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> list[str]:
    """What is wrong after the edit, a sentence for each technique; empty if nothing is.

    With `sizes`, the model is used with batches of several sizes before and after the edit.
    """
    with precision():
        case = make()
        batches = [case.x[:size] for size in sizes] or [case.x]
        before = [explained(case, names, x) for x in batches]
        case.edit()
        after = [explained(case, names, x) for x in batches]
        backlight.forget()
        fresh = make()
        fresh.edit()
        expected = [explained(fresh, names, x) for x in batches[::-1]][::-1]
        backlight.forget()
        wrong = []
        for x, seen, right in zip(batches, after, expected, strict=True):
            for name in names:
                difference = apart(seen[name], right[name])
                if difference and not refused(seen[name]):
                    wrong.append(f"{name} of {len(x)}: {difference}")
        if fresh.slope is not None and "saliency" in names:
            slope = np.abs(np.asarray(fresh.slope(fresh.x)))
            seen = expected[-1]["saliency"][1]
            if not np.abs(slope - seen).max() <= TOLERANCES[str(seen.dtype)] * slope.max():
                wrong.append("the net built anew does not have its framework's own gradient")
    # The judge of this test: an edit that matters is seen where the net is built anew.
    failed = [f"{name}: {one}" for name, one in expected[-1].items() if isinstance(one, str)]
    assert not failed, f"the net built anew is not explained: {failed}"
    changed = any(apart(before[-1][name], expected[-1][name]) for name in names)
    assert changed == case.matters, f"{wrong}: this edit does not do what the test says"
    return wrong


def refused(one: Any) -> bool:
    """Whether this is an error that says what changed."""
    return isinstance(one, str) and SAID.search(one) is not None


def in_turn(edits: Iterable[str]) -> dict[str, Sequence[str]]:
    """For each edit the technique that it is tried with where each has to be compiled.

    One, in turn; where the net ends in something else, the one that asks what its outputs hold.
    """
    own = itertools.cycle(METHODS)
    scored = itertools.cycle(name for name in METHODS if name != "probability")
    found: dict[str, Sequence[str]] = {}
    for edit in edits:
        name = next(scored if edit.startswith("score") else own)
        found[edit] = ("probability",) if "ending" in edit else (name,)
    return found


def check(
    make: Callable[[], Case],
    names: Sequence[str] = tuple(METHODS),
    sizes: tuple[int, ...] = (),
    precision: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> None:
    wrong = wrongs(make, names, sizes, precision)
    assert not wrong, "; ".join(wrong)
