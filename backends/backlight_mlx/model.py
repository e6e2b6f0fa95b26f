"""An MLX net as a Backlight model."""

from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import Any, cast, final

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

from backlight.engine.explained import Explained
from backlight.engine.runner import Values
from backlight.engine.scored import Scored, by_rules
from backlight.errors import ModelError
from backlight.graph.dependence.connection import connection
from backlight.graph.dependence.cuts import Connection
from backlight.graph.graph import Graph
from backlight.graph.outputs import output_kind
from backlight.memory.identity import identity_of
from backlight.model.model import Gradient, Options, Site
from backlight.model.named_sites import NamedSites
from backlight.model.net_model import NetModel, Question
from backlight.model.weights import Storage
from backlight.rules.operations import Operation
from backlight.rules.rules import Rules
from backlight.scores.scores import Score
from backlight.values.arrays import Array, Channels, shape_of
from backlight.values.inputs import Inputs
from backlight.values.outputs import Outputs, OutputSpec
from backlight.values.tree import Tree, leaves, map_leaves, map_nested
from backlight_mlx.capture import Trace, run, scored
from backlight_mlx.derivatives import ARRAYS
from backlight_mlx.engine import RUNNER, evaluated, natively
from backlight_mlx.nets import Net, Numbered, arrays_in, aval_of, numbers, rebuilt
from backlight_mlx.sites import find_sites
from backlight_mlx.weights import storage
from backlight_mlx.with_vectors import WithVectors


@final
class MLXModel(NetModel):
    """A module of mlx.nn, a method of one, or a function of MLX's arrays, seen through Model's verbs.

    The net is traced once per shapes and dtypes of its inputs and weights; all passes run from that
    trace. The weights of modules are arguments of it; everything else is part of it, and the net is
    traced anew when that has changed. What a function was compiled with (`mx.compile`) is read anew
    too, though MLX itself goes on with what was there when it was compiled.

    In float64, which MLX runs on the CPU, its convolutions, exp, sin, cos, erf, sigmoid, softmax and
    logsumexp have the digits of float32: so have explanations.
    """

    framework = "mlx"
    version = str(cast(Any, mx).__version__)
    arrays = ARRAYS

    def __init__(self, net: object, options: Options) -> None:
        super().__init__(net, options)
        self._net = Net(cast(Callable[..., Any], net))

    def _storage(self) -> Storage | None:
        return storage(self.given)

    def _channels(self) -> Channels:
        return "last"

    def predict(self, inputs: Inputs | Tree) -> object:
        prepared = self.prepare(inputs)
        trace = self._traced(prepared)
        values = self._started(prepared, self._scored(trace, None, None))
        wanted = [one.value for one in arrays_in(trace.outputs)]
        run((trace.graph.nodes[at] for at in trace.graph.needed(wanted)), values)
        return evaluated(rebuilt(trace.outputs, lambda one: values[one.value]))

    def _outputs(self, inputs: Inputs) -> Outputs:
        trace = self._traced(inputs)

        def specification(one: object) -> object:
            if not isinstance(one, Numbered):
                return ()
            return OutputSpec(trace.graph.shape(one.value), output_kind(trace.graph, one.value))

        return self.recall(
            "outputs", trace, lambda: cast(Outputs, map_nested(specification, trace.outputs))
        )

    def _score(self, asked: Question, score: Score) -> Array:
        found, values = self._asked(asked, score)
        run(found.behind, values)
        return cast(Array, evaluated(values[found.graph.targets[0]]))

    def _gradient(self, asked: Question, score: Score) -> Gradient:
        found, values = self._asked(asked, score)
        starts = self._starts(asked, [found.graph.shape(place) for place in found.places])
        site: Tree | None = None
        if asked.at is not None:
            at = self._sites(self._traced(asked.inputs))[0].at(asked.at)
            site = map_leaves(values.__getitem__, at)
        there: Array | None = None
        operations: tuple[Operation, ...] = ()
        if asked.rules is None:
            here, gradients = natively(found, values)
        else:
            rules, explained = asked.rules, self._explained(asked, found, asked.rules)
            operations = explained.recognised.operations

            def single() -> tuple[Explained, Values]:
                first = asked.inputs.map_rows(lambda array: cast(Any, array)[:1])
                one = replace(asked, inputs=first, value=None)
                found, values = self._asked(one, score.take(np.zeros(1, np.int64)))
                return self._explained(one, found, rules), values

            here, gradients, there = by_rules(RUNNER, explained, rules, values, starts, single)
        # What is not a floating-point number cannot be moved: its gradient is zero.
        results = [
            gradients[one] if one in gradients else ARRAYS.zeros_like(values[one])
            for one in found.places
        ]
        del values, gradients, starts  # what is kept of the passes need not be kept while they run
        here, there, site, results = evaluated((here, there, site, results))
        return asked.answer(here, results, site, operations, there)

    def _operations(
        self, asked: Question, score: Score | None, rules: Rules
    ) -> tuple[Operation, ...]:
        found = self._scored(self._traced(asked.inputs), score, asked.at)
        return self._explained(asked, found, rules).recognised.operations

    def _connection(self, asked: Question, score: Score) -> Connection:
        found = self._scored(self._traced(asked.inputs), score, asked.at)
        return connection(replace(found.graph, sources=found.places))

    def graph(self, inputs: Inputs | Tree, score: Score | None = None) -> Graph:
        trace = self._traced(self.prepare(inputs))
        found, (sites, _) = self._scored(trace, score, None), self._sites(trace)
        return replace(found.graph, sources=found.places, sites=sites.usable)

    def _activations(self, inputs: Inputs, sites: tuple[str, ...]) -> tuple[Tree, ...]:
        trace = self._traced(inputs)
        named = self._sites(trace)[0]
        places = [named.at(site) for site in sites]
        values = self._started(inputs, self._scored(trace, None, None))
        wanted = trace.graph.needed([value for place in places for value in leaves(place)])
        run((trace.graph.nodes[at] for at in wanted), values)
        found = tuple(map_leaves(values.__getitem__, place) for place in places)
        return cast(tuple[Tree, ...], evaluated(found))

    def sites(self, inputs: Inputs | Tree) -> tuple[Site, ...]:
        return self._sites(self._traced(self.prepare(inputs)))[0].listed

    def identity(self) -> Hashable:
        return self._net.identity()

    def owns(self, array: object) -> bool:
        return isinstance(array, mx.array)

    def asarray(self, array: NDArray[np.generic], like: Array | None = None) -> Array:
        if not np.issubdtype(array.dtype, np.floating):
            return cast(Array, mx.array(array))
        model: Any = self._net.like() if like is None else like
        return cast(Array, mx.array(array, dtype=mx.float32 if model is None else model.dtype))

    def to_numpy(self, array: Array) -> NDArray[np.generic]:
        return numbers(array)

    def is_floating(self, array: Array) -> bool:
        return mx.issubdtype(cast(Any, array).dtype, mx.floating)

    def _traced(self, inputs: Inputs) -> Trace:
        return self._trace(rebuilt(inputs, aval_of))

    def _trace(self, signature: Inputs) -> Trace:
        """The trace for arguments of whose arrays only shape and dtype are known."""
        key = identity_of(signature), self._net.shapes()
        trace = self.recall("trace", key, lambda: Trace(self._net_for(signature), signature))
        convolutions = (node for node in trace.graph.nodes if node.primitive == "conv")
        self.signals = any(len(trace.graph.shape(node.result)) == 3 for node in convolutions)
        return trace

    def _net_for(self, signature: Inputs) -> Net:
        """What is traced: the net itself, or, with vectors in the place of ids, its own trace."""
        if self.lookups is None:
            return self._net
        own = cast(MLXModel, self.of_ids)
        of_ids = own._trace(self.lookups.without(signature))
        values = {site: own._sites(of_ids)[0].place(site) for site in self.lookups.sites}
        return WithVectors(self._net, of_ids, self.lookups, values)

    def _sites(self, trace: Trace) -> tuple[NamedSites[int], dict[int, str]]:
        """The sites, and the friendliest name of each value."""

        def found() -> tuple[NamedSites[int], dict[int, str]]:
            more = 3 if trace.signature.count != 3 else 5
            resized = trace.signature.map_rows(
                lambda aval: replace(cast(Any, aval), shape=(more, *shape_of(aval)[1:]))
            )
            try:
                return find_sites(trace, self._trace(resized))
            except ModelError:  # a net for one number of examples only
                return find_sites(trace, None)

        return self.recall("sites", trace, found)

    def _scored(self, trace: Trace, score: Score | None, at: str | None) -> Scored:
        named, scored_at = self._sites(trace)[0], None if score is None else score.site
        site = None if at is None else tuple(leaves(named.at(at)))
        neuron = None if scored_at is None else named.place(scored_at)
        key = (trace, score and score.recipe, site)
        return self.recall("scored", key, lambda: scored(trace, score, site, neuron))

    def _explained(self, asked: Question, found: Scored, rules: Rules) -> Explained:
        def made() -> Explained:
            return found.explained(rules, self._sites(self._traced(asked.inputs))[1])

        return self.recall("explained", (found, rules), made)

    def _asked(self, asked: Question, score: Score | None) -> tuple[Scored, Values]:
        """What is explained, and the values known before the nodes behind it run."""
        found = self._scored(self._traced(asked.inputs), score, asked.at)
        values = self._started(asked.inputs, found, score)
        if asked.at is not None:
            points = self._points(asked, [found.graph.shape(place) for place in found.places])
            for place, point in zip(found.places, points or (), strict=False):
                values[place] = cast(Any, point).astype(values[place].dtype)
        return found, values

    def _started(self, inputs: Inputs, found: Scored, score: Score | None = None) -> Values:
        operands = () if score is None else map(mx.array, score.operands())
        arrays = [*self._net.weights(), *arrays_in(inputs)]
        return found.start(RUNNER, arrays, cast(Any, list(operands)))
