"""Operations with the values that went through them, as rules see them."""

from collections.abc import Mapping, Sequence
from typing import Any, cast, final

import jax
import jax.numpy as jnp

from backlight.arrays import Array
from backlight.graph.graph import Graph
from backlight.graph.unit import Unit
from backlight.rules import Application
from backlight_jax.capture.graph import equations
from backlight_jax.derivatives.conventions import by_convention
from backlight_jax.engine import weights
from backlight_jax.engine.passes import ARRAYS
from backlight_jax.engine.units import results


@final
class Applied(Application):
    """A unit in one pass."""

    def __init__(
        self,
        graph: Graph,
        unit: Unit,
        known: Mapping[int, Any],
        reference: "Applied | None" = None,
    ) -> None:
        """A unit of a graph for the values of a pass, by number."""
        self.graph = graph
        self.unit = unit
        self.operation = unit.described
        self.arrays = ARRAYS
        self.known = known
        self.inputs = tuple(known[value] for value in unit.inputs)
        self.output = known[unit.output]
        self.params = weights.Params(graph, unit, known)
        self.reference = reference
        self.parts = tuple(
            Applied(graph, part, known, None if reference is None else reference.parts[at])  # type: ignore[arg-type]
            for at, part in enumerate(unit.parts)
        )

    def vjp(
        self,
        grad: Array,
        *,
        inputs: Sequence[Array] | None = None,
        params: Mapping[str, Array] | None = None,
        frozen: bool = False,
    ) -> tuple[Array, ...]:
        given = self._given(inputs)
        like = cast(Any, self.output)
        seed = jnp.broadcast_to(cast(Any, grad), like.shape).astype(like.dtype)
        if params is None and not frozen:
            nodes = equations(self.graph, self.unit.positions)
            found = by_convention(
                self.unit, nodes, given, seed, self.known, lambda: self._result(given)
            )
            if found is not None:
                return (cast(Array, found),)

        def function(*operands: Any) -> Any:
            if params is not None:
                return weights.applied(self.graph, self.unit, self.known, operands[0], params)
            return self._result(operands, frozen)

        _, pullback = jax.vjp(function, *given)
        return tuple(pullback(seed))

    def replay(
        self,
        *,
        inputs: Sequence[Array] | None = None,
        params: Mapping[str, Array] | None = None,
    ) -> Array:
        if inputs is None and params is None:
            return self.output
        given = self._given(inputs)
        if params is not None:
            found = weights.applied(self.graph, self.unit, self.known, given[0], params)
            return cast(Array, found)
        return cast(Array, self._result(given))

    def _result(self, operands: Sequence[Any], frozen: bool = False) -> Any:
        return results(self.graph, self.unit, self.known, operands, frozen)[0]

    def _given(self, inputs: Sequence[Array] | None) -> list[Any]:
        return [
            jnp.broadcast_to(one, like.shape).astype(like.dtype)
            for one, like in zip(cast(Any, self.given(inputs)), cast(Any, self.inputs), strict=True)
        ]
