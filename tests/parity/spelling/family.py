"""A function in many spellings: what it is, a slow reference in NumPy, and how people write it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from backlight.rules.operations import Kind
from tests import tape
from tests.tape import Raw, Traced

Spelling: TypeAlias = Callable[[Any, Any], Any]
"""Of a framework's functions and a value (N, 8)."""


@dataclass(frozen=True)
class Family:
    """One function.

    Attributes:
        kinds: of what it consists of, in any order, without scales and shifts unless it is one.
        reference: the same on a tape.
        spellings: by name; the frameworks' own calls among them.
        torch, tensorflow, jax, mlx: those that only one framework can say.
        folded: a gain and a bias that are part of the linear operation before it under LRP.
        left_out: techniques that see how it is spelled.
    """

    kinds: tuple[Kind, ...]
    reference: Callable[[Traced], Traced]
    spellings: Mapping[str, Spelling]
    folded: tuple[Raw | float, Raw | float] = (1.0, 0.0)
    left_out: tuple[str, ...] = ()
    torch: Mapping[str, Spelling] = field(default_factory=dict)
    tensorflow: Mapping[str, Spelling] = field(default_factory=dict)
    jax: Mapping[str, Spelling] = field(default_factory=dict)
    mlx: Mapping[str, Spelling] = field(default_factory=dict)

    @property
    def alone(self) -> bool:
        """Whether it must be the only user of the layer before it."""
        return not isinstance(self.folded[0], float)

    def of(self, framework: str) -> dict[str, Spelling]:
        """All that a framework can say."""
        return {**self.spellings, **getattr(self, framework)}


STEP = 0.01


def slope(f: Callable[[Raw], Raw]) -> Callable[[Raw], Raw]:
    """The derivative by nine points, right to 1e-12 where f is smooth for 0.04 on both sides."""
    weights = {1: 4 / 5, 2: -1 / 5, 3: 4 / 105, 4: -1 / 280}
    return lambda x: sum(
        weight * (f(x + place * STEP) - f(x - place * STEP)) / STEP
        for place, weight in weights.items()
    )


def reference(kind: Kind, f: Callable[[Raw], Raw]) -> Callable[[Traced], Traced]:
    return tape.elementwise(kind, f, slope(f))


def unary(
    kind: Kind, f: Callable[[Raw], Raw], spellings: Mapping[str, Spelling], **only: Any
) -> Family:
    return Family((kind,), reference(kind, f), spellings, **only)


def logistic(x: Raw) -> Raw:
    return 1 / (1 + np.exp(-x))


def soft(x: Raw) -> Raw:
    return np.logaddexp(x, 0)


def reshaped(f: Spelling) -> Spelling:
    """Through views."""
    return lambda ops, x: ops.reshape(
        ops.swapped(f(ops, ops.swapped(ops.reshape(x, (-1, 2, 4))))), (-1, 8)
    )


def written(change: Callable[[Any], Any]) -> Spelling:
    """What is written into the value itself, which some framework functions return too."""

    def spelled(ops: Any, x: Any) -> Any:
        change(x)
        return x

    return spelled
