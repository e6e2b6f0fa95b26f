"""What is asked about a network under rules: its operations, or a gradient."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import tensorflow as tf
from tensorflow.python.framework.func_graph import FuncGraph

from backlight.arrays import Array, shape_of
from backlight.errors import InputError
from backlight.graph.connection import connection
from backlight.graph.graph import Graph
from backlight.graph.recognition import recognise
from backlight.model import Connection
from backlight.operations import UNARY, Operation
from backlight.rules import NoRules, Rules
from backlight.scores import Score
from backlight_tensorflow.capture.flattening import Tensor, Value
from backlight_tensorflow.capture.graphs import Capture, Captured
from backlight_tensorflow.capture.known import known_of
from backlight_tensorflow.capture.lengths import shape_for
from backlight_tensorflow.capture.paths import Path, path_to_outputs, path_to_score
from backlight_tensorflow.capture.tracing import LOCK, Trace
from backlight_tensorflow.engine.evaluation import Evaluation, Feeding, RuledEvaluation
from backlight_tensorflow.engine.passes import Pass
from backlight_tensorflow.engine.plans import Plan
from backlight_tensorflow.engine.programs import score_arguments
from backlight_tensorflow.nets.calls import Request
from backlight_tensorflow.sites import (
    may_be_site,
    named_site,
    replacement,
    require_examples,
)

FEW = 2
"""For how many examples lengths are inferred: with more than one an axis of theirs is seen."""


@dataclass(frozen=True)
class Found:
    """What a backward pass under rules gives: see `Gradient`."""

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
        self._given = None
        if given is not None and self._site is not None:
            self._given = replacement(given[0], self._site, request)
        self._operands, self._operand_specs = ([], []) if score is None else score_arguments(score)
        self._key: Hashable = (
            None if score is None else score.recipe,
            None if self._site is None else self._site.name,
            tuple(self._operand_specs),
        )

    def operations(self, rules: Rules) -> tuple[Operation, ...]:
        plan = self._plan(rules)
        found = plan.operations(self._shapes(plan))
        return tuple(found[unit] for unit in plan.units)

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
        tensors, specs = self._arguments()
        replaced = self._given is not None
        build = Evaluation(self._feeding(self._path(), replaced), differentiated)
        key = ("score", self._key, replaced, differentiated, tuple(specs))
        run = self._traced.program(key, build, specs)

        def found() -> Found:
            scores, gradients, activation = run(*tensors)
            self._check(activation)
            return Found(scores, gradients, activation, (), None)

        return found

    def gradient(self, rules: Rules, reference: Sequence[object] | None) -> Found:
        plan = self._plan(rules)
        shapes = self._shapes(plan)
        operations = plan.operations(shapes)
        tensors, specs = self._arguments()
        if reference is not None:
            starts = self._reference(reference, plan, shapes)
            tensors += starts
            specs += [rows_like(start, self._traced.count) for start in starts]
        build = RuledEvaluation(
            self._feeding(plan.path, self._given is not None),
            plan,
            operations,
            reference is not None,
        )
        key = ("ruled", self._key, rules, self._given is not None, reference is not None)
        run = self._traced.program((*key, tuple(specs)), build, specs)
        scores, gradients, activation, starts = run(*tensors)
        self._check(activation)
        listed = tuple(operations[unit] for unit in plan.units)
        return Found(scores, gradients, activation, listed, starts[0] if starts else None)

    def _arguments(self) -> tuple[list[Tensor], list[tf.TensorSpec]]:
        """The trace's, the value at the site, the score's."""
        tensors, specs = [*self._request.tensors], [*self._request.specs(self._traced.count)]
        if self._given is not None:
            tensors.append(self._given)
            specs.append(rows_like(self._given, self._traced.count))
        return tensors + self._operands, specs + self._operand_specs

    def _check(self, activation: Sequence[Array]) -> None:
        if activation:
            require_examples(self._site, shape_of(activation[0]), self._request)

    def _make_path(self) -> Path:
        traced, score = self._traced, self._score
        places = (
            traced.arguments[: self._request.width] if self._site is None else [self._site.value]
        )
        if score is None:
            return path_to_outputs(traced, places)
        scored = None if score.site is None else named_site(traced, self._request, score.site).value
        return path_to_score(traced, places, score, scored, self._operand_specs)

    def _path(self) -> Path:
        return self._traced.kept(("path", self._key), self._make_path)

    def _plan(self, rules: Rules) -> Plan:
        def make() -> Plan:
            captured = self._captured(rules)
            return Plan(self._path(), rules, captured, recognise(captured.graph, rules))

        return self._traced.kept(("plan", self._key, rules), make)

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
        path, request, count = self._path(), self._request, self._traced.count
        rows = [
            value
            for value, argument in zip(self._traced.arguments, request.arguments, strict=True)
            if argument.rows
        ]
        for examples in (max(request.count, FEW) if count is None else count, request.count):
            graph = FuncGraph("known")
            try:
                with LOCK, graph.as_default():
                    run, unknown = self._inferred(examples)
            except ValueError:
                if examples == request.count:
                    raise
                continue  # it may need to know the number of examples
            if unknown and examples != request.count:
                continue
            shapes = self._measured(unknown, "unknown") if unknown else {}
            with graph.as_default():
                found = Capture(
                    path.nodes,
                    path.places,
                    path.sinks,
                    known_of(run.tensor, shapes),
                    self._traced.place,
                    kept=[value for wall in path.walls for value in (*wall.inputs, *wall.outputs)],
                    rows=rows,
                    opens=opens,
                ).found
            found.count = examples
            return found
        raise AssertionError("The last number of examples is that of the request.")

    def _inferred(self, examples: int) -> tuple[Pass, list[Value]]:
        """A copy for some number of examples, and its values of unknown lengths."""
        path, specs = self._path(), [*self._request.specs(self._traced.count), *self._operand_specs]
        shapes = [
            [examples if length is None else length for length in spec.shape] for spec in specs
        ]
        given = [
            tf.compat.v1.placeholder(spec.dtype, shape)
            for spec, shape in zip(specs, shapes, strict=True)
        ]
        run, _, _ = self._feeding(path, replaced=False).main(given)
        values = [value for node in path.needed for value in node.outputs]
        return run, [value for value in values if is_unknown(run.tensor(value))]

    def _feeding(self, path: Path, replaced: bool) -> Feeding:
        request = self._request
        at = None if self._site is None else self._site.value
        return Feeding(path, at, replaced, request.width, len(request.tensors))

    def _shapes(self, plan: Plan) -> dict[Value, tuple[int, ...]]:
        """The shapes of what the units take and give, for these inputs, as an axis of unknown length
        need not be the examples'. They are run once to find out where TensorFlow cannot infer them.
        """
        count, values = self._request.count, plan.values
        seen_count, seen = plan.seen
        known = {
            value: shape_for(count, value.tensor.shape, seen_count, seen[value]) for value in values
        }
        if None in known.values():
            plan.seen = count, self._measured(values, plan.rules)
            return plan.seen[1]
        return cast(dict[Value, tuple[int, ...]], known)

    def _measured(self, values: Sequence[Value], what: Hashable) -> dict[Value, tuple[int, ...]]:
        """The shapes of values, which are told apart from others by `what` they are."""
        feeding = self._feeding(self._path(), replaced=False)

        def compute(*tensors: Tensor) -> list[Tensor]:
            run, _, _ = feeding.main(tensors)
            return [run.tensor(value) for value in values]

        given = [*self._request.tensors, *self._operands]
        specs = [*self._request.specs(self._traced.count), *self._operand_specs]
        key = ("shapes", self._key, what)
        return dict(zip(values, self._traced.measured(key, compute, given, specs), strict=True))

    def _reference(
        self, given: Sequence[object], plan: Plan, shapes: dict[Value, tuple[int, ...]]
    ) -> list[Tensor]:
        """The reference's arrays: one row each if all examples can share it, else one per example."""
        count = self._request.count
        found = []
        for value, each in zip(plan.path.places, given, strict=True):
            dtype = value.tensor.dtype
            tensor = tf.convert_to_tensor(each, dtype if isinstance(each, np.ndarray) else None)
            wanted = value.tensor.shape[1:]
            fits = tensor.shape.rank and wanted.is_compatible_with(tensor.shape[1:])
            if not fits or tensor.dtype != dtype or tensor.shape[0] not in (1, count):
                raise InputError(
                    f"A reference here holds {dtype.name} of shape {(count, *tuple(wanted))}, or one "
                    f"row of that; got {tensor.dtype.name} of shape {shape_of(tensor)}."
                )
            found.append(tensor)
        if any(each.shape[0] != 1 for each in found) or not self._sharing(plan, shapes):
            found = [tf.broadcast_to(each, (count, *each.shape[1:])) for each in found]
        return found

    def _sharing(self, plan: Plan, shapes: dict[Value, tuple[int, ...]]) -> bool:
        """Whether a pass over one row has values that broadcast against those of all examples."""
        request, path = self._request, plan.path
        if request.count == 1 or self._traced.count is not None:
            return request.count == 1
        if any(each.rows for each in request.arguments[request.width :]):
            return False
        if path.beside:
            return False
        return all(shape[:1] == (request.count,) for shape in shapes.values())


def rows_like(tensor: Tensor, count: int | None) -> tf.TensorSpec:
    return tf.TensorSpec((count, *tensor.shape[1:]), tensor.dtype)


def is_unknown(tensor: Tensor) -> bool:
    numbers = tensor.dtype not in (tf.resource, tf.variant, tf.string)
    return numbers and not tensor.shape.is_fully_defined()
