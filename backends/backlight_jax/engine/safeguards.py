"""Values without a derivative that only keep numbers safe: the score stays when they move.

Among them is the largest number that a softmax takes away before it exponentiates, wherever the terms
of the quotient are put together again.
"""

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from backlight_jax.capture.graph import equations
from backlight_jax.capture.program import run
from backlight_jax.capture.scored import Scored
from backlight_jax.engine import passes
from backlight_jax.engine.steps import read


def safeguards(
    scored: Scored, arrays: Sequence[Any], operands: Sequence[Any], positions: Sequence[int]
) -> set[int]:
    """The positions in the graph, among these, of equations whose result moves nothing that the score
    reads."""
    program = scored.program
    places = {node.outputs[0]: at for at, node in enumerate(equations(scored.graph, positions))}

    def seen(shares: Any, constants: Any, arrays: Any, operands: Any) -> list[Any]:
        values = passes.start(program, constants, arrays)
        values.update(zip(scored.operands, operands, strict=True))
        for node in program.nodes:
            run([node], values)
            for value in places.keys() & set(node.outputs):
                share = shares[places[value]].astype(values[value].dtype)
                values[value] = values[value] + share * (1 + jnp.abs(values[value]))
        return [read(values, target) for target in scored.targets]

    compiled: Any = jax.jit(seen)
    constants = scored.trace.constants(program)

    def result(shares: Any) -> list[Any]:
        return list(compiled(shares, constants, arrays, operands))

    still = result(jnp.zeros(len(positions)))

    def stays(moved: Sequence[Any]) -> bool:
        return all(
            bool((jnp.abs(new - old) <= tolerance(old) * jnp.abs(old).max()).all())
            for new, old in zip(moved, still, strict=True)
        )

    if stays(result(jnp.full(len(positions), 0.1))):  # a maximum may be written twice
        return set(positions)
    moves = 0.1 * jnp.eye(len(positions))
    return {at for at, shares in zip(positions, moves, strict=True) if stays(result(shares))}


def tolerance(array: Any) -> float:
    """What rounding may change, relative to the largest number."""
    information: Any = jnp.finfo
    return 4 * math.sqrt(information(array.dtype).eps)
