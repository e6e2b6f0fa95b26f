"""Gradients, compiled: the framework's own, or under rules."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp

from backlight.operations import Operation
from backlight.rules import Rules
from backlight.scores import Score
from backlight_jax.capture.program import read
from backlight_jax.capture.scored import Values, explained, scored
from backlight_jax.capture.trace import Trace
from backlight_jax.engine.applications import Applied
from backlight_jax.engine.passes import Pass, compiled
from backlight_jax.engine.references import reference_for
from backlight_jax.engine.steps import Part, Stretch, backward, forward, parts_of
from backlight_jax.sites.places import Place


def gradient_pass(
    trace: Trace, score: Score, at: Place | None, rules: Rules | None, starts: Sequence[Any] | None
) -> Pass:
    """Of (arrays, operands, (value, reference)): scores, gradients, the value at the site, and the
    scores of the reference.

    Args:
        trace: of the net.
        score: what is differentiated.
        at: by what: a site; the attributed inputs where there is none.
        rules: what the backward pass obeys; None where nothing is ruled, without a reference.
        starts: the reference, of the shapes that others will have; None for none.
    """
    parts: list[Part]
    operations: tuple[Operation, ...] = ()
    if rules is None:
        found = None
        built = scored(trace, score, at, whole=False)
        outputs = tuple(target for target in built.targets if isinstance(target, int))
        nodes = tuple(built.program.nodes[built.begin :])
        parts, active = [Stretch(nodes, built.sources, outputs)], set(outputs)
    else:
        found = explained(trace, score, at, rules)
        built, operations = found.scored, found.recognised.operations
        parts, active = parts_of(found, rules), found.recognised.flow.active
    reference = None
    if found is not None and rules is not None and starts is not None:
        reference = reference_for(trace, score, rules, found, starts)
    (target,) = built.targets

    def gradients(constants: Any, arrays: Any, operands: Any, value: Any) -> Any:
        (own, others), (point, starts) = constants, value
        values = built.start(own, arrays, operands)
        site = built.enter(values, point)
        start = dict(values)
        pullbacks = forward(parts, values)
        score_there: Any = None
        references: dict[int, Applied] = {}
        if reference is not None:
            there, references = reference.run(others, arrays, starts, start)
            score_there = read(there, target)
        score_here = read(values, target)
        arriving: Values = {}
        if isinstance(target, int) and target in active:
            arriving[target] = jnp.ones_like(score_here)
        backward(parts, pullbacks, values, references, arriving)
        results = [
            arriving[place] if place in arriving else jnp.zeros_like(start[place])
            for place in built.places
        ]
        if at is not None:
            results = [at.shown(results[0]).astype(site.dtype)]
        return score_here, results, site, score_there

    return compiled(gradients, built, operations, () if reference is None else reference.constants)
