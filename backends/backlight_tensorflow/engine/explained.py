"""What is asked about a network under rules: its operations, or a gradient."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import cast

import tensorflow as tf

from backlight.arrays import Array, shape_of
from backlight.graph.connection import connection
from backlight.graph.graph import Graph
from backlight.graph.recognition import recognise
from backlight.model import Connection
from backlight.operations import UNARY, Operation
from backlight.rules import NoRules, Rules
from backlight.scores import Score
from backlight_tensorflow.capture.flattening import Tensor, Value
from backlight_tensorflow.capture.graphs import Captured
from backlight_tensorflow.capture.lengths import shape_for
from backlight_tensorflow.capture.paths import Path, path_to_outputs, path_to_score
from backlight_tensorflow.capture.tracing import Trace
from backlight_tensorflow.engine.copying import Copy
from backlight_tensorflow.engine.evaluation import (
    Evaluated,
    evaluated,
    evaluated_under,
    given_to,
)
from backlight_tensorflow.engine.lengths import captured
from backlight_tensorflow.engine.plans import Plan, Shaped
from backlight_tensorflow.engine.references import reference_arrays
from backlight_tensorflow.engine.scores import score_arguments
from backlight_tensorflow.nets.calls import Request
from backlight_tensorflow.sites import may_be_site, named_site, replacement, require_examples
from backlight_tensorflow.table.reading import Shape


@dataclass(frozen=True)
class Found:
    """What a backward pass gives: see `Gradient`; the activation where it had to be computed."""

    scores: Array
    gradients: list[Array]
    activation: list[Array]
    operations: tuple[Operation, ...]
    reference_scores: Array | None


class Explained:
    """A score (or all outputs), and where it is differentiated.

    Args:
        given: the value in place of the activation at the site.
    """

    def __init__(
        self,
        traced: Trace,
        request: Request,
        score: Score | None,
        at: str | None,
        given: Sequence[object] | None,
    ) -> None:
        self._traced, self._request, self._score = traced, request, score
        self._site = None if at is None else named_site(traced, request, at)
        self._given: list[Tensor] = []
        if given is not None and self._site is not None:
            self._given = [replacement(given[0], self._site, request)]
        self._operands, self._operand_specs = ([], []) if score is None else score_arguments(score)
        self._key: Hashable = (
            None if score is None else score.recipe,
            None if self._site is None else self._site.name,
            tuple(self._operand_specs),
        )

    def operations(self, rules: Rules) -> tuple[Operation, ...]:
        plan = self._plan(rules)
        _, operations = self._shaped(plan)
        return tuple(operations[unit] for unit in plan.units)

    def connection(self) -> Connection:
        """What leads from each of the places to the score, as TensorFlow differentiates it."""
        return self._traced.kept(
            ("connection", self._key), lambda: connection(self._captured(NoRules()).graph)
        )

    def named_graph(self) -> Graph | None:
        """The operations from the inputs on, and the sites by their names; None for a net of one
        example alone, which cannot be told from any other axis of length 1."""
        captured = self._captured(NoRules())
        if captured.count == 1:
            return None
        named = {**self._traced.named, **self._traced.operations}
        sites = {
            name: captured.numbers[each.value]
            for name, each in named.items()
            if each.value in captured.numbers and may_be_site(each.value.tensor, self._traced)
        }
        return replace(captured.graph, sites=sites)

    def evaluation(self, differentiated: bool) -> Callable[[], Found]:
        """The scores and, if they are wanted, gradients, once what is returned is called."""
        return self._program(("score", differentiated), partial(evaluated, differentiated))

    def gradient(self, rules: Rules, reference: Sequence[object] | None) -> Found:
        plan = self._plan(rules)
        shapes, operations = self._shaped(plan)
        starts = []
        if reference is not None:
            starts = reference_arrays(reference, plan.path, shapes, self._request)
        build = partial(evaluated_under, plan, operations, len(starts))
        found = self._program(("ruled", rules, len(starts)), build, starts)()
        return replace(found, operations=tuple(operations[unit] for unit in plan.units))

    def _program(
        self, what: Hashable, build: Callable[..., Evaluated], starts: Sequence[Tensor] = ()
    ) -> Callable[[], Found]:
        tensors, specs = self._arguments()
        count, replaced, more = self._traced.count, bool(self._given), [*self._given, *starts]
        specs += [tf.TensorSpec((count, *each.shape[1:]), each.dtype) for each in more]
        key = (what, self._key, replaced, tuple(specs))
        run = self._traced.program(key, partial(build, self._path(), replaced), specs)

        def found() -> Found:
            scores, gradients, places, starting = run(*tensors, *more)
            computed = places if self._site is not None and not replaced else []
            for activation in computed:
                require_examples(self._site, shape_of(activation), self._request)
            return Found(scores, gradients, computed, (), starting[0] if starting else None)

        return found

    def _path(self) -> Path:
        return self._traced.kept(("path", self._key), self._make_path)

    def _make_path(self) -> Path:
        traced, score = self._traced, self._score
        places = (
            traced.arguments[: self._request.width] if self._site is None else [self._site.value]
        )
        if score is None:
            return path_to_outputs(traced, places)
        scored = None if score.site is None else named_site(traced, self._request, score.site).value
        return path_to_score(traced, places, score, scored, self._operand_specs)

    def _plan(self, rules: Rules) -> Plan:
        key = ("plan", self._key, rules)
        return self._traced.kept(key, lambda: Plan(self._path(), rules, self._captured(rules)))

    def _captured(self, rules: Rules) -> Captured:
        """The path as a graph of the core. Functions with gradients of the user's own are looked into
        where rules are for something inside."""

        def opens(body: Graph) -> bool:
            units = recognise(body, rules).units
            whole = len(units) == 1 and units[0].kind in UNARY
            return not whole and any(unit.kind in rules.kinds for unit in units)

        closed = self._traced.kept(("captured", self._key), self._capture)
        bodies = (
            node.attributes["body"] for node in closed.graph.nodes if node.primitive == "call"
        )
        if not any(map(opens, bodies)):
            return closed
        key = ("captured", self._key, rules)
        return self._traced.kept(key, lambda: self._capture(opens))

    def _capture(self, opens: Callable[[Graph], bool] = lambda body: False) -> Captured:
        _, specs = self._arguments()
        measure = partial(self._measured, what="unknown")
        return captured(self._path(), self._request, specs, measure, opens)

    def _shaped(self, plan: Plan) -> Shaped:
        """The shapes of what the units take and give, for these inputs, as an axis of unknown length
        need not be the examples', and the operations on these. They are run once to find out where
        TensorFlow cannot infer them.
        """
        count = self._request.count

        def make() -> Shaped:
            taken = [value for part in plan.parts for value in (part.output, *part.inputs)]
            known = {
                value: shape_for(
                    count, value.tensor.shape, plan.captured.count, plan.captured.shape(value)
                )
                for value in taken
            }
            unsure = None in known.values()
            measured = self._measured(list(known), plan.rules) if unsure else known
            shapes = cast(dict[Value, Shape], measured)
            return shapes, plan.operations(shapes)

        return plan.shaped.recall(count, make)

    def _measured(self, values: Sequence[Value], what: Hashable) -> dict[Value, Shape]:
        """The shapes of values, which are told apart from others by `what` they are."""
        path = self._path()

        def compute(*tensors: Tensor) -> list[Tensor]:
            return Copy(given_to(path, False, tensors)).tensors(values)

        key = ("shapes", self._key, what)
        return dict(
            zip(values, self._traced.measured(key, compute, *self._arguments()), strict=True)
        )

    def _arguments(self) -> tuple[list[Tensor], list[tf.TensorSpec]]:
        """The trace's and the score's."""
        specs = [*self._request.specs(self._traced.count), *self._operand_specs]
        return [*self._request.tensors, *self._operands], specs
