"""Gradients under rules, compiled."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import jax
import jax.numpy as jnp

from backlight.operations import Operation
from backlight.rules import Rules
from backlight.scores import Score
from backlight_jax.capture.program import run
from backlight_jax.capture.scored import explained
from backlight_jax.capture.trace import Trace
from backlight_jax.engine import passes
from backlight_jax.engine.applications import Applied
from backlight_jax.engine.references import one_row_reference, paired, whole_reference
from backlight_jax.engine.steps import Values, backward, forward, parts, read
from backlight_jax.sites.places import Place


@final
@dataclass(frozen=True, eq=False)
class RuledPass:
    """A compiled pass, and what it rules.

    Attributes:
        run: of (arrays, operands, (value, reference)): scores, value, gradients, reference scores.
        operations: between the value and the score.
    """

    run: passes.Pass
    operations: tuple[Operation, ...]


def ruled_pass(
    trace: Trace, score: Score, at: Place | None, rules: Rules, starts: Sequence[Any] | None
) -> RuledPass:
    """Scores and gradients.

    Args:
        trace, score, at: as of a pass without rules.
        rules: what the backward pass obeys.
        starts: the reference, of the shapes that others will have; None for none.
    """
    reference = starts is not None
    one_row = starts is not None and all(start.shape[0] == 1 for start in starts)
    found = explained(trace, score, at, rules)
    built = found.scored
    program = built.program
    stretches = parts(found, rules)
    shared = paired(trace, score, at, rules, found) if reference and one_row else None
    (target,) = built.targets

    def known(constants: Any, arrays: Any, operands: Any) -> Values:
        values = passes.start(program, constants, arrays)
        values.update(zip(built.operands, operands, strict=True))
        run(program.nodes[: built.begin], values)
        return values

    def ruled(constants: Any, arrays: Any, operands: Any, value: Any) -> Any:
        point, starts = value
        own, others = constants
        values = known(own, arrays, operands)
        site: Any = None
        if at is not None:
            (number,) = built.sources
            site = passes.shown(values[number], at) if point is None else point
            values[number] = passes.hidden(site, at, values[number])
        start = dict(values)
        pullbacks = forward(stretches, values)
        score_there: Any = None
        references: dict[int, Applied] = {}
        if reference:
            if shared is not None:
                given = others, arrays, starts, start
                there, references = one_row_reference(shared, found, *given, at)
            else:
                there, references = whole_reference(found, start, starts, at)
            score_there = read(there, target)
        score_here = read(values, target)
        gradients: Values = {}
        if isinstance(target, int) and target in found.recognised.flow.active:
            gradients[target] = jnp.ones_like(score_here)
        backward(built.graph, stretches, pullbacks, values, references, gradients)
        sources = built.attributed if at is None else built.sources
        results = [
            gradients[source] if source in gradients else jnp.zeros_like(start[source])
            for source in sources
        ]
        if at is not None:
            results = [passes.shown(results[0], at).astype(site.dtype)]
        return score_here, site, results, score_there

    calls_back = any("callback" in node.primitive for node in program.nodes)
    constants = trace.constants(program)
    others: Sequence[Any] = ()
    if shared is not None:
        others = shared.found.scored.trace.constants(shared.found.scored.program)
    compiled = passes.Pass(jax.jit(ruled), (constants, others), calls_back)  # type: ignore[arg-type]
    return RuledPass(compiled, found.recognised.operations)
