"""What is asked about a network under rules: its operations, or a gradient."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, cast

import numpy as np
import tensorflow as tf

from backlight.engine.explained import Explained
from backlight.graph.dependence.connection import connection
from backlight.graph.dependence.cuts import Connection
from backlight.graph.graph import Graph
from backlight.graph.recognition.recognition import recognise
from backlight.model.model import Gradient
from backlight.model.net_model import Question
from backlight.rules.operations import UNARY, Operation
from backlight.rules.rules import NoRules, Rules
from backlight.scores.scores import Score
from backlight.values.arrays import Array, shape_of
from backlight.values.tree import Tree, leaves, rebuild
from backlight_tensorflow.capture.flattening import Tensor, Value
from backlight_tensorflow.capture.graphs import Capture, captured
from backlight_tensorflow.capture.lengths import shape_for
from backlight_tensorflow.capture.paths import (
    Path,
    explained,
    path_to_outputs,
    path_to_score,
    score_arguments,
)
from backlight_tensorflow.engine.copying import Copy
from backlight_tensorflow.engine.passes import (
    Evaluated,
    differentiated,
    evaluated_under,
    given_to,
    score_of,
)
from backlight_tensorflow.nets.calls import Request
from backlight_tensorflow.sites import (
    Named,
    may_be_site,
    named_site,
    require_examples,
    site_at,
)
from backlight_tensorflow.table.reading import Shape

if TYPE_CHECKING:
    from backlight_tensorflow.capture.tracing import Trace


class Asked:
    """A score (or all outputs), and where it is differentiated.

    Attributes:
        shapes: of what it is differentiated by.
        points: the arrays at the site, where they are given.
        starts: the reference, where one is given.
    """

    def __init__(
        self,
        traced: "Trace",
        request: Request,
        asked: Question,
        score: Score | None = None,
        sites: Sequence[str | None] = (),
    ) -> None:
        self._traced, self._request, self._asked, self._score = traced, request, asked, score
        self._sites = [
            None if site is None else site_at(traced, site) for site in sites or (asked.at,)
        ]
        self.points: Sequence[Array] | None = None
        self.starts: Sequence[Array] | None = None
        operands, specs = ([], []) if score is None else score_arguments(score)
        self._tensors = [*request.tensors, *operands]
        self._specs = [*request.specs(traced.count), *specs]
        self._key: Hashable = (
            None if score is None else score.recipe,
            tuple(
                None if site is None else tuple(each.name for each in leaves(site))
                for site in self._sites
            ),
            tuple(specs),
        )

    @property
    def shapes(self) -> list[Shape]:
        (site,) = self._sites
        if site is None:
            return [*map(shape_of, leaves(self._asked.inputs.attributed))]
        found = self._traced.shapes([each.value for each in leaves(site)], self._request)
        self._require_examples(found)
        return found

    def _require_examples(self, shapes: Sequence[Shape]) -> None:
        """Raise SiteError if one of the values of the sites has not one row per example."""
        left = iter(shapes)
        for site in self._sites:
            own = [next(left) for _ in self._values(site)]
            for each, shape in zip([] if site is None else leaves(site), own, strict=False):
                require_examples(each, shape, self._request)

    def _values(self, site: Tree[Named] | None) -> list[Value]:
        """What is differentiated at."""
        if site is None:
            return list(self._traced.arguments[: self._request.width])
        return [each.value for each in leaves(site)]

    def operations(self, rules: Rules) -> tuple[Operation, ...]:
        operations, _ = self._described(rules)
        return operations

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

    def scores(self) -> Array:
        (score,), *_ = self._run(("score",), score_of)
        return cast(Array, score)

    def gradients(self) -> tuple[Gradient, ...]:
        """Of the score, or of each of several side by side, at each of the sites, without rules."""
        values = list(map(self._values, self._sites))
        scores, gradients, places, _ = self._run(("gradients",), partial(differentiated, values))
        ends = np.cumsum([len(each) for each in values]).tolist()
        parts = [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]
        return tuple(
            self._asked.answer(score, found[part], self._at(site, places[part]))
            for score, found in zip(scores, gradients, strict=True)
            for site, part in zip(self._sites, parts, strict=True)
        )

    def gradient(self) -> Gradient:
        asked = self._asked
        if asked.rules is None:
            (only,) = self.gradients()
            return only
        (site,), rules = self._sites, asked.rules
        operations, rows = self._described(rules)
        captured, found = self._found(rules)
        starts = self._given(self.starts or ())
        # A pass over one row is held against one over all examples, whose values have a row for each.
        alone = rows and found.independent and self._traced.count is None
        if not alone or any(each.shape[0] != 1 for each in starts):
            count = self._request.count
            starts = [tf.broadcast_to(each, (count, *each.shape[1:])) for each in starts]
        build = partial(evaluated_under, rules, captured, found, len(starts))
        key = ("ruled", rules, len(starts))
        (score,), (gradients,), places, starting = self._run(key, build, starts)
        start = starting[0] if starting else None
        return asked.answer(score, gradients, self._at(site, places), operations, start)

    def _at(self, site: Tree[Named] | None, places: Sequence[Tensor]) -> Tree | None:
        """The value that was differentiated at, where that is a site's."""
        if site is None:
            return None
        return rebuild(site, places) if self._asked.value is None else self._asked.value

    def _run(
        self, what: Hashable, build: Callable[..., Evaluated], starts: Sequence[Tensor] = ()
    ) -> Evaluated:
        points = [] if self.points is None else self._given(self.points)
        count, replaced, more = self._traced.count, bool(points), [*points, *starts]
        specs = [
            *self._specs,
            *(tf.TensorSpec((count, *each.shape[1:]), each.dtype) for each in more),
        ]
        key = (what, self._key, replaced, tuple(specs))
        run = self._traced.program(key, partial(build, self._path(), replaced), specs)
        found: Evaluated = run(*self._tensors, *more)
        _, _, places, _ = found
        self._require_examples(list(map(shape_of, places)))
        return found

    def _given(self, arrays: Sequence[Array]) -> list[Tensor]:
        """Arrays for what it is differentiated by, of the dtypes that are computed with."""
        pairs = zip(arrays, self._path().places, strict=False)
        return [tf.cast(each, place.tensor.dtype) for each, place in pairs]

    def _path(self) -> Path:
        return self._traced.kept(("path", self._key), self._make_path)

    def _make_path(self) -> Path:
        traced, score = self._traced, self._score
        places = [value for site in self._sites for value in self._values(site)]
        if score is None:
            return path_to_outputs(traced, places)
        scored = None if score.site is None else named_site(traced, score.site).value
        operands = self._specs[len(traced.arguments) :]
        return path_to_score(traced, places, score, scored, operands)

    def _found(self, rules: Rules) -> tuple[Capture, Explained]:
        """The path as a graph, and its operations under rules."""

        def make() -> tuple[Capture, Explained]:
            captured = self._captured(rules)
            return captured, explained(self._path(), captured, rules)

        return self._traced.kept(("operations", self._key, rules), make)

    def _captured(self, rules: Rules) -> Capture:
        """The path as a graph of the core. Functions with gradients of the user's own are looked into
        where rules are for something inside."""

        def opens(body: Graph) -> bool:
            units = recognise(body, rules).units
            whole = len(units) == 1 and units[0].kind in UNARY
            return not whole and any(unit.kind in rules.kinds for unit in units)

        def capture(opens: Callable[[Graph], bool]) -> Capture:
            return captured(self._path(), self._request, self._specs, self._measured, opens)

        key = ("captured", self._key)
        closed = self._traced.kept(key, lambda: capture(lambda body: False))
        bodies = (
            node.attributes["body"] for node in closed.graph.nodes if node.primitive == "call"
        )
        if not any(map(opens, bodies)):
            return closed
        return self._traced.kept((*key, rules), lambda: capture(opens))

    def _described(self, rules: Rules) -> tuple[tuple[Operation, ...], bool]:
        """The operations for this number of examples, and whether all that they take and give has a row
        for each: an axis of unknown length need not be the examples'. They are run once to find out
        where TensorFlow cannot infer them.
        """
        count = self._request.count

        def make() -> tuple[tuple[Operation, ...], bool]:
            captured, found = self._found(rules)
            units = found.recognised.units
            parts = [part for unit in units for part in (unit, *unit.parts)]
            taken = {value for part in parts for value in (part.output, *part.inputs)}
            traced = {value: captured.native(value) for value in taken}
            shapes = {
                value: shape_for(
                    count, native.tensor.shape, captured.count, captured.graph.shape(value)
                )
                for value, native in traced.items()
            }
            if None in shapes.values():
                measured = self._measured(list(traced.values()))
                shapes = {value: measured[native] for value, native in traced.items()}
            known = cast(dict[int, Shape], shapes)
            operations = (replace(unit.described, shape=known[unit.output]) for unit in units)
            return tuple(operations), all(shape[:1] == (count,) for shape in known.values())

        return self._traced.kept(("described", self._key, rules, count), make)

    def _measured(self, values: Sequence[Value]) -> dict[Value, Shape]:
        """The shapes of values."""
        path = self._path()

        def compute(*tensors: Tensor) -> list[Tensor]:
            return Copy(given_to(path, False, tensors)).tensors(values)

        key = ("shapes", self._key, tuple(values))
        found = self._traced.measured(key, compute, self._tensors, self._specs)
        return dict(zip(values, found, strict=True))
