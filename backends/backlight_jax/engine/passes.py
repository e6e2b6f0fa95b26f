"""Passes over a program, compiled, and what comes of their errors."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import jax

from backlight.model.net_model import model_errors
from backlight.rules.operations import Operation
from backlight.scores.scores import Score
from backlight_jax.capture.program import Operand, read, run
from backlight_jax.capture.scored import Scored, scored
from backlight_jax.capture.trace import Trace
from backlight_jax.sites.places import Place

wait: Callable[[Any], Any] = jax.block_until_ready

OUT_OF_MEMORY = "RESOURCE_EXHAUSTED"

SEVERAL_DEVICES = {
    "incompatible devices": "One computation runs on one set of devices: put all weights and inputs on "
    "one device (jax.device_put), or shard them over one mesh (jax.sharding.NamedSharding)."
}
"""What to do, by what JAX says."""
"""What JAX says then."""


@final
@dataclass(frozen=True, eq=False)
class Pass:
    """A compiled function of (constants, arrays, operands, value), and its constants.

    Attributes:
        calls_back: whether Python runs in it, whose errors come out when the result is waited for.
        operations: those that are ruled, between the value and the score.
    """

    function: Callable[..., Any]
    constants: Sequence[Any]
    calls_back: bool
    operations: tuple[Operation, ...] = ()

    def __call__(
        self, arrays: Sequence[Any], operands: Sequence[Any] = (), value: Any = None
    ) -> Any:
        with model_errors(OUT_OF_MEMORY, SEVERAL_DEVICES):
            found = self.function(self.constants, arrays, operands, value)
            return wait(found) if self.calls_back else found


def compiled(
    function: Callable[..., Any],
    built: Scored,
    operations: tuple[Operation, ...] = (),
    others: Sequence[Any] = (),
) -> Pass:
    """A function of (constants, arrays, operands, value); of the constants' two parts, the second is of
    others than the program's own."""
    calls_back = any("callback" in node.primitive for node in built.program.nodes)
    return Pass(jax.jit(function), (built.constants, others), calls_back, operations)


def forward_pass(trace: Trace, score: Score | None, at: Place | None) -> Pass:
    """The score, in a list; where none is asked for, the value at the site; where that is not, all
    outputs. What follows the site is computed from the value that is given for it, if one is."""
    built = scored(trace, score, at, whole=False)
    wanted: Sequence[Operand] = built.targets
    end = None
    if score is None:
        wanted = built.program.outputs if at is None else built.places
        end = None if at is None else built.begin

    def forward(constants: Any, arrays: Any, operands: Any, value: Any) -> list[Any]:
        values = built.start(constants[0], arrays, operands)
        built.enter(values, value)
        run(built.program.nodes[built.begin : end], values)
        return [read(values, one) for one in wanted]

    return compiled(forward, built)
