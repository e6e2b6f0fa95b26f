"""Passes over a net, forward and back."""

from collections.abc import Iterable, Sequence
from typing import Any, cast, final

import mlx.core as mx

from backlight.engine.runner import Differentiable, Pullback, Runner, Values
from backlight.engine.scored import Scored
from backlight.graph.graph import Node
from backlight.model.net_model import model_errors
from backlight.values.arrays import Array
from backlight_mlx.capture import run
from backlight_mlx.derivatives import ARRAYS
from backlight_mlx.nets import arrays_in


@final
class MLXRunner(Runner):
    """Nothing is computed before it is looked at: what a pullback runs again costs nothing where its
    result is not needed."""

    arrays = ARRAYS
    keeps = False

    def run(self, nodes: Iterable[Node], values: Values, frozen: bool = False) -> None:
        run(nodes, values)

    def vjp(
        self, function: Differentiable, operands: Sequence[Array]
    ) -> tuple[Pullback, Sequence[Array], Values]:
        results, added = function(operands)

        def again(*moved: Any) -> list[Any]:
            return list(function(moved)[0])

        def pullback(gradients: Sequence[Array]) -> Sequence[Array]:
            given = cast(Any, list(operands)), cast(Any, list(gradients))
            return cast(Sequence[Array], mx.vjp(again, *given)[1])

        return pullback, results, added

    def stopped(self, array: Array) -> Array:
        return cast(Array, mx.stop_gradient(cast(Any, array)))


RUNNER = MLXRunner()


def evaluated(value: Any) -> Any:
    """A nested value whose arrays have been computed, so that other threads can read them too."""
    with model_errors("malloc"):
        mx.eval(arrays_in(value))
    return value


def natively(found: Scored, values: Values) -> tuple[Any, Values]:
    """Scores, and their gradients by the sources, by MLX's own derivative."""
    graph, before = found.graph, dict(values)
    (target,) = graph.targets

    def scores(moved: Sequence[Any]) -> tuple[Any, Any]:
        inner = {**before, **dict(zip(graph.sources, moved, strict=True))}
        run(found.behind, inner)
        return cast(Any, inner[target]).sum(), inner[target]

    moved = [values[one] for one in graph.sources]
    if not moved:
        return scores(moved)[1], {}
    (_, here), gradients = mx.value_and_grad(scores)(cast(Any, moved))
    return here, dict(zip(graph.sources, cast(Any, gradients), strict=True))
