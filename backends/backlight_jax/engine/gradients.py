"""Gradients, compiled: the framework's own, or under rules."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from backlight.engine.explained import Explained, parts_of
from backlight.engine.passes import ruled
from backlight.engine.reference import Reference, reference_for
from backlight.rules.rules import Rules
from backlight.scores.scores import Score
from backlight_jax.capture.program import read, run
from backlight_jax.capture.scored import Scored, Values, scored
from backlight_jax.capture.trace import Trace
from backlight_jax.engine.passes import Pass, compiled
from backlight_jax.engine.runner import RUNNER
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
    if rules is None:
        return native_pass(scored(trace, score, at, whole=False))
    built = scored(trace, score, at)
    found = built.explained(rules)
    parts = parts_of(RUNNER, found, rules)
    single, reference = built, None
    if starts is not None:
        single, reference = with_reference(built, found, score, rules, starts)
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
            results_of(built, gradients_here, values, site),
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
        (found,) = pullback(jnp.ones_like(here))
        arriving = dict(zip(built.sources, found, strict=True))
        return here, results_of(built, arriving, values, site), site, None

    return compiled(gradients, built)


def results_of(built: Scored, gradients: Values, values: Values, site: Any) -> list[Any]:
    """The gradients of what is explained, zero where none came, with the examples on axis 0."""
    results = [
        gradients[place] if place in gradients else jnp.zeros_like(values[place])
        for place in built.places
    ]
    return results if built.at is None else [built.at.shown(results[0]).astype(site.dtype)]


def with_reference(
    built: Scored, found: Explained, score: Score, rules: Rules, starts: Sequence[Any]
) -> tuple[Scored, Reference]:
    """How the net runs over a reference, and the net and score that do."""
    trace, single = built.trace, [built]

    def sibling() -> Explained:
        first = score.take(np.zeros(1, dtype=np.int64))
        single.append(scored(trace.sibling(trace.signature.of_count(1)), first, built.at))
        return single[-1].explained(rules)

    shared = trace.signature.count > 1 and all(start.shape[0] == 1 for start in starts)
    reference = reference_for(found, sibling if shared else None)
    return single[0 if reference.net is found else -1], reference
