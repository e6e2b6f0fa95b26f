"""Squared gradient: (d score / d x)^2, feature by feature."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import final

from backlight import Method, Objective, Result, hookimpl
from backlight.values.tree import map_leaves

backlight_api = 1


@final
@dataclass(frozen=True, kw_only=True)
class SquaredGradient(Method):
    """The square of the gradient of the score.

    Law: values are at least 0, and equal weight^2 for a model that is linear in x.
    Cost: one forward and one backward pass.
    """

    def attribute(self, objective: Objective) -> Result:
        found = objective.gradient()
        return Result(map_leaves(lambda g: g * g, found.gradient), found.score)


@hookimpl
def backlight_methods() -> Mapping[str, Callable[..., Method]]:
    return {"squared_gradient": SquaredGradient}
