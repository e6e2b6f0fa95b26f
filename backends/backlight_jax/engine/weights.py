"""Linear operations run with other weights."""

from collections.abc import Iterator, Mapping
from typing import Any, cast, final

import jax.numpy as jnp

from backlight.arrays import Array
from backlight.errors import CoverageError
from backlight.graph.graph import Graph
from backlight.graph.unit import Linear, Unit
from backlight.graph.weights import folded_params, has_bias
from backlight_jax.capture.graph import equations
from backlight_jax.capture.program import run
from backlight_jax.engine.passes import ARRAYS


@final
class Params(Mapping[str, Array]):
    """The weights of a linear operation, folded only when a rule looks at them."""

    def __init__(self, graph: Graph, unit: Unit, known: Mapping[int, Any]) -> None:
        self.graph = graph
        self.unit = unit
        self.known = known

    def __getitem__(self, name: str) -> Array:
        if name not in self.names:
            raise KeyError(name)
        linear = linear_of(self.unit)
        dtype = self.known[linear.weight].dtype

        def constant(value: int) -> Array:
            number: Any = self.graph.values[value].number
            known = self.known
            return cast(Array, known[value] if value in known else jnp.asarray(number, dtype))

        return folded_params(self.graph, linear, constant, ARRAYS)[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    @property
    def names(self) -> tuple[str, ...]:
        linear = self.unit.linear
        if linear is None:
            return ()
        return ("weight", "bias") if has_bias(linear) else ("weight",)


def linear_of(unit: Unit) -> Linear:
    if unit.linear is None:
        raise CoverageError(
            f"{unit.described.type} is a {unit.kind}, which has no weights to change."
        )
    return unit.linear


def applied(
    graph: Graph, unit: Unit, known: Mapping[int, Any], x: Any, params: Mapping[str, Any]
) -> Any:
    """The linear operation with other weights; without a bias where none is given."""
    linear = linear_of(unit)
    (node,) = equations(graph, [linear.position])
    values = {**known, unit.inputs[0]: x, linear.weight: params["weight"]}
    run([node], values)
    z = values[node.outputs[0]]
    for step in linear.steps:
        if step.moves is not None:
            (node,) = equations(graph, [step.position])
            values = {node.values[0]: z}
            run([node], values)
            z = values[node.outputs[0]]
    z = z.astype(known[unit.output].dtype)
    return z + params["bias"] if params.get("bias") is not None else z
