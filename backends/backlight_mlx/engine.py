"""Passes over a net, forward and back."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast, final

import mlx.core as mx

from backlight.engine.explained import Explained, parts_of
from backlight.engine.passes import ruled
from backlight.engine.reference import reference_among
from backlight.engine.runner import Differentiable, Pullback, Runner, Values
from backlight.graph.graph import Node
from backlight.model.net_model import model_errors
from backlight.rules.rules import Rules
from backlight.values.arrays import Array
from backlight_mlx.capture import Scored, run
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


def by_rules(
    found: Explained,
    rules: Rules,
    values: Values,
    starts: Sequence[Array] | None,
    single: Callable[[], tuple[Explained, Values]],
) -> tuple[Any, Values, Any]:
    """Scores, gradients as rules say, and the scores of the pass over a reference.

    Args:
        found: what is explained.
        rules: what the backward pass obeys.
        values: those known before the nodes behind it run.
        starts: the reference; None for none.
        single: gives `found` and `values` for one example.
    """
    (target,) = found.graph.targets
    reference, there = None, dict(values)
    if starts is not None:
        count = found.graph.shape(found.places[0])[0]
        reference, known = reference_among(found, there, starts, count, single)
        there = dict(known)
        for one, array in zip(reference.net.places, starts, strict=True):
            there[one] = RUNNER.fitted(array, there[one])
    parts = parts_of(RUNNER, found, rules)
    gradients, after = ruled(RUNNER, found, parts, values, reference, there)
    return values[target], gradients, None if after is None else after[target]
