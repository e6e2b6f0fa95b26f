"""What is asked about a network under rules: its operations, or a gradient."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import tensorflow as tf

from backlight.arrays import Array, shape_of
from backlight.errors import InputError
from backlight.model import Connection
from backlight.operations import Operation
from backlight.rules import Rules
from backlight.scores import Score
from backlight_tensorflow.calls import Request
from backlight_tensorflow.connection import connection_of
from backlight_tensorflow.flattening import Tensor, Value
from backlight_tensorflow.paths import Path, path_to_outputs, path_to_score
from backlight_tensorflow.plans import Plan
from backlight_tensorflow.programs import score_arguments
from backlight_tensorflow.ruled_programs import Feeding, RuledEvaluation
from backlight_tensorflow.sites import named_site, replacement, require_examples
from backlight_tensorflow.tracing import Trace, shape_for


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
        found = plan.operations(self._shapes(plan, rules))
        return tuple(found[unit] for unit in plan.units)

    def connection(self) -> Connection:
        return self._traced.kept(("connection", self._key), lambda: connection_of(self._path()))

    def gradient(self, rules: Rules, reference: Sequence[object] | None) -> Found:
        plan = self._plan(rules)
        shapes = self._shapes(plan, rules)
        operations = plan.operations(shapes)
        specs = [*self._request.specs(self._traced.count)]
        tensors = [*self._request.tensors]
        if self._given is not None:
            tensors.append(self._given)
            specs.append(rows_like(self._given, self._traced.count))
        tensors += self._operands
        specs += self._operand_specs
        if reference is not None:
            starts = self._reference(reference, plan, shapes)
            tensors += starts
            specs += [rows_like(start, self._traced.count) for start in starts]
        build = RuledEvaluation(
            self._feeding(plan, self._given is not None), plan, operations, reference is not None
        )
        key = ("ruled", self._key, rules, self._given is not None, reference is not None)
        run = self._traced.program((*key, tuple(specs)), build, specs)
        scores, gradients, activation, starts = run(*tensors)
        if activation:
            require_examples(self._site, shape_of(activation[0]), self._request)
        listed = tuple(operations[unit] for unit in plan.units)
        return Found(scores, gradients, activation, listed, starts[0] if starts else None)

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
        return self._traced.kept(("plan", self._key, rules), self._make_plan(rules))

    def _make_plan(self, rules: Rules) -> Callable[[], Plan]:
        return lambda: Plan(self._path(), rules)

    def _feeding(self, plan: Plan, replaced: bool) -> Feeding:
        request = self._request
        at = None if self._site is None else self._site.value
        return Feeding(plan.path, at, replaced, request.width, len(request.tensors))

    def _shapes(self, plan: Plan, rules: Rules) -> dict[Value, tuple[int, ...]]:
        """The shapes of what the units take and give, for these inputs, as an axis of unknown length
        need not be the examples'. They are run once to find out where TensorFlow cannot infer them.
        """
        count, values = self._request.count, plan.values
        if plan.seen is not None:
            before = [
                shape_for(count, value.tensor.shape, plan.seen[0], plan.seen[1][value])
                for value in values
            ]
            known = dict(zip(values, before, strict=True))
            if None not in before:
                return cast(dict[Value, tuple[int, ...]], known)
        feeding = self._feeding(plan, replaced=False)

        def compute(*tensors: Tensor) -> list[Tensor]:
            run, _, _ = feeding.main(tensors)
            return [run.tensor(value) for value in values]

        given = [*self._request.tensors, *self._operands]
        specs = [*self._request.specs(self._traced.count), *self._operand_specs]
        key = ("ruled shapes", self._key, rules)
        found = self._traced.measured(key, compute, given, specs)
        shapes = dict(zip(values, found, strict=True))
        plan.seen = count, shapes
        return shapes

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
