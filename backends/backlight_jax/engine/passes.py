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
from backlight.values.tree import Tree, leaves
from backlight_jax.capture.program import Operand, read, run
from backlight_jax.capture.scored import At, Scored, Values, scored
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


def forward_pass(trace: "Trace", score: Score | None, at: "Tree[Place] | None") -> Pass:
    """The score, in a list, or, where none is asked for, all outputs. What follows the site is computed
    from the value that is given for it, if one is."""
    built = scored(trace, score, at, whole=False)
    wanted: Sequence[Operand] = built.program.outputs if score is None else built.targets

    def forward(constants: Any, arrays: Any, operands: Any, value: Any) -> list[Any]:
        values = built.start(constants[0], arrays, operands)
        built.enter(values, value)
        run(built.program.nodes[built.at.end :], values)
        return [read(values, one) for one in wanted]

    return compiled(forward, built)


def activations_pass(trace: "Trace", sites: Sequence["Tree[Place]"]) -> Pass:
    """The values at the sites."""
    built = scored(trace, None, *sites, whole=False)
    end = max(one.end for one in built.sites)

    def forward(constants: Any, arrays: Any, operands: Any, value: Any) -> list[Any]:
        values = built.start(constants[0], arrays, operands)
        run(built.program.nodes[:end], values)
        return [one.shown(values) for one in built.sites]

    return compiled(forward, built)


def gradient_pass(
    trace: "Trace",
    score: Score,
    at: "Tree[Place] | None",
    rules: Rules,
    starts: Sequence[Any] | None,
) -> Pass:
    """Of (arrays, operands, (value, reference)): scores, their gradients, the value at the site, and the
    scores of the reference.

    Args:
        trace: of the net.
        score: what is differentiated.
        at: by what: a site; the attributed inputs where there is none.
        rules: what the backward pass obeys.
        starts: the reference, of the shapes that others will have; None for none.
    """
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
        (own, others), (points, starts) = constants, value
        values = built.start(own, arrays, operands)
        site = built.enter(values, points)
        there = dict(values)
        if single is not built:  # where this is chosen, the rows are alike up to the site
            there = single.start(others, single.trace.signature.first_rows(arrays), None)
            run(single.program.nodes[: single.at.end], there)
        if starts is not None:
            single.put(there, starts)
        gradients_here, after = ruled(RUNNER, found, parts, values, reference, there)
        score_there = None if after is None else read(after, target)
        return (
            read(values, target),
            results_of(built.at, gradients_here, values),
            site,
            score_there,
        )

    others = () if reference is None else single.constants
    return compiled(gradients, built, found.recognised.operations, others)


def native_pass(trace: "Trace", score: Score, sites: Sequence["Tree[Place] | None"]) -> Pass:
    """Of (arrays, operands, value): the score, or each of several side by side; the gradients of each at
    each site, by JAX's own derivative; and the values there.

    What is added at the sites is moved, by nothing, rather than the values: what one site does by way of
    another counts for both, but not what an array of a layer does by way of another of its arrays.
    """
    built = scored(trace, score, *sites, whole=False)
    (target,), nodes, avals = built.targets, built.program.nodes, built.program.avals
    order = sorted(range(len(sites)), key=lambda site: built.sites[site].end)
    first = built.sites[order[0]].end

    def gradients(constants: Any, arrays: Any, operands: Any, points: Any) -> Any:
        values = built.start(constants[0], arrays, operands)
        run(nodes[:first], values)
        if points is not None:  # of the only site
            built.put(values, points)

        def scores(added: Sequence[Values]) -> Any:
            inner, done, there = dict(values), first, dict[int, Values]()
            for site in order:
                at = built.sites[site]
                run(nodes[done : at.end], inner)
                there[site], done = {value: inner[value] for value in at.values}, at.end
                inner.update({value: inner[value] + by for value, by in added[site].items()})
            run(nodes[done:], inner)
            return read(inner, target), there

        nothing = [
            {v: jnp.zeros(avals[v].shape, avals[v].dtype) for v in built.differentiable(at.values)}
            for at in built.sites
        ]
        here, pullback, there = jax.vjp(scores, nothing, has_aux=True)

        def results(seed: Any) -> list[Any]:
            (slopes,) = pullback(seed)
            return [
                results_of(at, slopes[site], there[site]) for site, at in enumerate(built.sites)
            ]

        columns = [here] if here.ndim == 1 else list(here.T)
        shown = [at.shown(there[site]) for site, at in enumerate(built.sites)]
        return columns, list(map(results, seeds(here))), shown

    return compiled(gradients, built)


def seeds(scores: Any) -> list[Any]:
    """The gradient of the sum of a score, or of each of several side by side, by all of them."""
    if scores.ndim == 1:
        return [jnp.ones_like(scores)]
    zeros = jnp.zeros_like(scores)
    return [zeros.at[:, column].set(1) for column in range(scores.shape[1])]


def results_of(at: At, gradients: Values, values: Values) -> list[Any]:
    """The gradients of what is explained, zero where none came, with the examples on axis 0."""
    found = {
        value: gradients[value].astype(values[value].dtype)
        if value in gradients
        else jnp.zeros_like(values[value])
        for value in at.values
    }
    shown = at.shown(found)
    return list(found.values()) if shown is None else leaves(shown)
