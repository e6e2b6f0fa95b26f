"""Passes over a program, forward and back, compiled; and what comes of their errors."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import jax
import jax.numpy as jnp
import numpy as np

from backlight.engine.explained import Explained, parts_of
from backlight.engine.passes import ruled
from backlight.engine.reference import reference_among
from backlight.model.net_model import model_errors
from backlight.rules.operations import Operation
from backlight.rules.rules import Rules
from backlight.scores.scores import Score
from backlight_jax.capture.program import Operand, read, run
from backlight_jax.capture.scored import Scored, Values, scored
from backlight_jax.engine.runner import RUNNER

if TYPE_CHECKING:
    from backlight_jax.capture.trace import Trace
    from backlight_jax.sites.places import Place

wait: Callable[[Any], Any] = jax.block_until_ready

OUT_OF_MEMORY = "RESOURCE_EXHAUSTED"
"""What JAX says then."""

SEVERAL_DEVICES = {
    "incompatible devices": "One computation runs on one set of devices: put all weights and inputs on "
    "one device (jax.device_put), or shard them over one mesh (jax.sharding.NamedSharding)."
}
"""What to do, by what JAX says."""


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


def forward_pass(trace: "Trace", score: Score | None, at: "Place | None") -> Pass:
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


def gradient_pass(
    trace: "Trace",
    score: Score,
    at: "Place | None",
    rules: Rules | None,
    starts: Sequence[Any] | None,
) -> Pass:
    """Of (arrays, operands, (value, reference)): scores, the gradients of each score, the value at the
    site, and the scores of the reference.

    Args:
        trace: of the net.
        score: what is differentiated.
        at: by what: a site; the attributed inputs where there is none.
        rules: what the backward pass obeys; None where nothing is ruled, without a reference.
        starts: the reference, of the shapes that others will have; None for none.
    """
    if rules is None:
        return native_pass(scored(trace, score, at, whole=False))
    built = scored(trace, score, at)
    found = built.explained(rules)
    parts = parts_of(RUNNER, found, rules)
    single, reference = built, None
    if starts is not None:

        def for_one() -> tuple[Explained, Scored]:
            first = score.take(np.zeros(1, dtype=np.int64))
            one = scored(trace.sibling(trace.signature.of_count(1)), first, at)
            return one.explained(rules), one

        count = trace.signature.count
        reference, single = reference_among(found, built, starts, count, for_one)
    (target,) = built.targets

    def gradients(constants: Any, arrays: Any, operands: Any, value: Any) -> Any:
        (own, others), (point, starts) = constants, value
        values = built.start(own, arrays, operands)
        site = built.enter(values, point)
        there = dict(values)
        if single is not built:  # where this is chosen, the rows are alike up to the site
            there = single.start(others, single.trace.signature.first_rows(arrays), None)
            run(single.program.nodes[: single.begin], there)
        if starts is not None:
            single.put(there, starts)
        gradients_here, after = ruled(RUNNER, found, parts, values, reference, there)
        score_there = None if after is None else read(after, target)
        return (
            read(values, target),
            [results_of(built, gradients_here, values, site)],
            site,
            score_there,
        )

    others = () if reference is None else single.constants
    return compiled(gradients, built, found.recognised.operations, others)


def native_pass(built: Scored) -> Pass:
    """The same, by JAX's own derivative."""
    (target,) = built.targets

    def gradients(constants: Any, arrays: Any, operands: Any, value: Any) -> Any:
        values = built.start(constants[0], arrays, operands)
        site = built.enter(values, value[0])

        def scores(moved: Sequence[Any]) -> Any:
            inner = {**values, **dict(zip(built.sources, moved, strict=True))}
            run(built.program.nodes[built.begin :], inner)
            return read(inner, target)

        here, pullback = jax.vjp(scores, [values[source] for source in built.sources])

        def results(seed: Any) -> list[Any]:
            (found,) = pullback(seed)
            return results_of(built, dict(zip(built.sources, found, strict=True)), values, site)

        return here, list(map(results, seeds(here))), site, None

    return compiled(gradients, built)


def seeds(scores: Any) -> list[Any]:
    """The gradient of the sum of a score, or of each of several side by side, by all of them."""
    if scores.ndim == 1:
        return [jnp.ones_like(scores)]
    zeros = jnp.zeros_like(scores)
    return [zeros.at[:, column].set(1) for column in range(scores.shape[1])]


def results_of(built: Scored, gradients: Values, values: Values, site: Any) -> list[Any]:
    """The gradients of what is explained, zero where none came, with the examples on axis 0."""
    results = [
        gradients[place] if place in gradients else jnp.zeros_like(values[place])
        for place in built.places
    ]
    return results if built.at is None else [built.at.shown(results[0]).astype(site.dtype)]
