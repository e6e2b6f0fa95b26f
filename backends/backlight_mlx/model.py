"""An MLX net as a Backlight model."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from typing import Any, cast, final

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

from backlight.arrays import Array, Arrays, Channels, shape_of
from backlight.errors import InputError, ModelError, SiteError
from backlight.graph.connection import connection
from backlight.graph.graph import Graph
from backlight.graph.outputs import output_kind
from backlight.graph.recognition import Recognised, recognise
from backlight.graph.unit import Unit
from backlight.identity import identity_of
from backlight.inputs import Inputs
from backlight.model import Connection, Gradient, Model, Options, Site
from backlight.operations import Operation
from backlight.outputs import Outputs, OutputSpec
from backlight.rules import NoRules, Rules
from backlight.scores import Score
from backlight.tree import Tree, leaves, map_leaves, map_nested, rebuild
from backlight_mlx.capture import ARRAYS, Scored, Trace, run, scored
from backlight_mlx.engine import Values, backward
from backlight_mlx.nets import Net, Numbered, arrays_in, aval_of, numbers, rebuilt
from backlight_mlx.sites import Sites, find_sites


@final
class MLXModel(Model):
    """A module of mlx.nn, a method of one, or a function of MLX's arrays, seen through Model's verbs.

    The net is traced once per shapes and dtypes of its inputs and weights; all passes run from that
    trace. The weights of modules are arguments of it; everything else is part of it, and the net is
    traced anew when that has changed.
    """

    framework = "mlx"
    arrays: Arrays = ARRAYS

    def __init__(self, net: object, options: Options) -> None:
        self.version = str(cast(Any, mx).__version__)
        self.channels: Channels = options.channels or "last"
        self._options = options
        self._net = Net(cast(Callable[..., Any], net))

    def predict(self, inputs: Inputs | Tree) -> object:
        found, values = self._started(self.prepare(inputs), None, None)
        outputs = found.trace.outputs
        run(found.graph, values, [one.value for one in arrays_in(outputs)])
        return evaluated(rebuilt(outputs, lambda one: values[one.value]))

    def outputs(self, inputs: Inputs | Tree) -> Outputs:
        trace = self._traced(self.prepare(inputs))
        graph = trace.graph

        def specification(one: object) -> object:
            if not isinstance(one, Numbered):
                return ()
            kind = self._options.outputs or output_kind(graph, one.value)
            return OutputSpec(graph.shape(one.value), kind)

        return self.recall(
            "outputs", trace, lambda: cast(Outputs, map_nested(specification, trace.outputs))
        )

    def score(
        self,
        inputs: Inputs | Tree,
        score: Score,
        *,
        at: str | None = None,
        value: Tree | None = None,
    ) -> Array:
        found, values = self._started(self.prepare(inputs), score, at, value)
        run(found.graph, values, found.graph.targets)
        return cast(Array, evaluated(values[found.graph.targets[0]]))

    def gradient(
        self,
        inputs: Inputs | Tree,
        score: Score,
        *,
        at: str | None = None,
        value: Tree | None = None,
        rules: Rules | None = None,
        reference: Tree | None = None,
    ) -> Gradient:
        prepared = self.prepare(inputs)
        found, values = self._started(prepared, score, at, value)
        recognised = None
        if rules is not None or reference is not None:
            rules = rules or NoRules()
            recognised = self._recognised(found, rules)
        start = None if reference is None else self._starts(reference, found, values)
        tree = prepared.attributed if at is None else values[found.graph.sources[0]]
        if rules is None or recognised is None:
            here, gradients, there = *natively(found.graph, values), None
        else:
            here, gradients, there = ruled(recognised, rules, values, start)
        explained = found.trace.attributed if at is None else found.graph.sources
        # What is not a floating-point number cannot be moved: its gradient is zero.
        results = [
            gradients[one] if one in gradients else mx.zeros_like(values[one]) for one in explained
        ]
        del values, gradients, start  # what is kept of the passes need not be kept while they run
        here, there, tree, results = evaluated((here, there, tree, results))
        operations = () if recognised is None else recognised.operations
        return Gradient(here, tree, rebuild(tree, results), operations, there)

    def operations(
        self,
        inputs: Inputs | Tree,
        *,
        score: Score | None = None,
        at: str | None = None,
        rules: Rules | None = None,
    ) -> tuple[Operation, ...]:
        found = self._scored(self._traced(self.prepare(inputs)), score, at)
        return self._recognised(found, rules or NoRules()).operations

    def connection(
        self, inputs: Inputs | Tree, score: Score, *, at: str | None = None
    ) -> Connection:
        found = self._scored(self._traced(self.prepare(inputs)), score, at)
        sources = found.trace.attributed if at is None else found.graph.sources
        connected = connection(replace(found.graph, sources=tuple(sources)))
        cuts = tuple(
            dict.fromkeys(replace(cut, name=cut.name or at or "") for cut in connected.cuts)
        )
        return replace(connected, cuts=cuts)

    def graph(self, inputs: Inputs | Tree, score: Score | None = None) -> Graph:
        trace = self._traced(self.prepare(inputs))
        sites = self._sites(trace)
        names = dict.fromkeys((*(site.name for site in sites.listed), *sites.values))
        usable = {name: sites.values[name] for name in names if name not in sites.unusable}
        graph = self._scored(trace, score, None).graph
        return replace(graph, sources=tuple(trace.attributed), sites=usable)

    def activation(self, inputs: Inputs | Tree, at: str) -> Array:
        found, values = self._started(self.prepare(inputs), None, at)
        return cast(Array, evaluated(values[found.graph.sources[0]]))

    def sites(self, inputs: Inputs | Tree) -> tuple[Site, ...]:
        return self._sites(self._traced(self.prepare(inputs))).listed

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
        weights = tuple((one.shape, str(one.dtype)) for one in self._net.weights())
        trace = self.recall(
            "trace", (identity_of(signature), weights), lambda: Trace(self._net, signature)
        )
        convolutions = (node for node in trace.graph.nodes if node.primitive == "conv")
        self.signals = any(len(trace.graph.shape(node.result)) == 3 for node in convolutions)
        return trace

    def _sites(self, trace: Trace) -> Sites:
        def found() -> Sites:
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
        site = None if at is None else self._sites(trace).value(at)
        neuron = score.site if score is not None else None
        scored_at = None if neuron is None else self._sites(trace).value(neuron)
        key = (trace, score and score.recipe, site)
        return self.recall("scored", key, lambda: scored(trace, score, site, scored_at))

    def _recognised(self, found: Scored, rules: Rules) -> Recognised:
        names = self._sites(found.trace).names
        nodes = found.graph.nodes

        def name(unit: Unit) -> str:
            place = nodes[unit.core].place
            if place == "score" or not (unit.linear or unit.parts):
                return place if place == "score" else names.get(unit.output, place)
            results = (names.get(nodes[at].result, "") for at in unit.positions)
            uses = (one for one in results if one.partition(":")[0] == place)
            return next(uses, place) or names.get(unit.output, "")

        return self.recall(
            "recognised", (found, rules), lambda: recognise(found.graph, rules, name)
        )

    def _started(
        self, inputs: Inputs, score: Score | None, at: str | None, value: Tree | None = None
    ) -> tuple[Scored, Values]:
        """What is explained, and the values known before its operations run: those that lead to a site
        included."""
        found = self._scored(self._traced(inputs), score, at)
        values = found.start(
            [*self._net.weights(), *arrays_in(inputs)], () if score is None else score.operands()
        )
        if at is not None:
            (site,) = found.graph.sources
            run(replace(found.graph, sources=()), values, [site])
            if value is not None:
                (given,) = map(self._native, leaves(value))
                if shape_of(given) != found.graph.shape(site):
                    raise SiteError(
                        f"The value for the site {at!r} must have shape {found.graph.shape(site)} for "
                        f"these inputs, got {shape_of(given)}."
                    )
                values[site] = cast(Any, given).astype(values[site].dtype)
        return found, values

    def _starts(self, reference: Tree, found: Scored, values: Values) -> Values:
        """The values known before the pass over a reference: all that does not depend on it."""
        given = leaves(map_leaves(self._native, reference))
        explained = found.trace.attributed
        if not set(found.graph.sources) <= set(explained):
            explained = list(found.graph.sources)
        wanted = [found.graph.shape(one) for one in explained]
        shapes = list(map(shape_of, given))
        fits = len(shapes) == len(wanted) and all(
            one[1:] == shape[1:] and one[:1] in ((1,), shape[:1])
            for one, shape in zip(shapes, wanted, strict=True)
        )
        if not fits:
            raise InputError(
                f"A reference is shaped like the value, {wanted}, or has length 1 on axis 0; "
                f"got {shapes}."
            )
        start = dict(values)
        for one, array in zip(explained, cast(Any, given), strict=True):
            start[one] = mx.broadcast_to(array, values[one].shape).astype(values[one].dtype)
        return start


def evaluated(value: Any) -> Any:
    """A nested value whose arrays have been computed, so that other threads can read them too."""
    try:
        mx.eval(arrays_in(value))
    except Exception as error:
        if "malloc" in str(error):
            raise
        raise ModelError(
            f"Running or differentiating the model raised {type(error).__name__}: {error}"
        ) from error
    return value


def natively(graph: Graph, values: Values) -> tuple[Any, Values]:
    """Scores, and their gradients by the sources."""
    (target,) = graph.targets
    before = dict(values)

    def scores(moved: Sequence[Any]) -> tuple[Any, Any]:
        inner = {**before, **dict(zip(graph.sources, moved, strict=True))}
        run(graph, inner, graph.targets)
        return inner[target].sum(), inner[target]

    moved = [values[one] for one in graph.sources]
    if not moved:
        return scores(moved)[1], {}
    (_, here), found = mx.value_and_grad(scores)(moved)
    return here, dict(zip(graph.sources, found, strict=True))


def ruled(
    recognised: Recognised, rules: Rules, values: Values, start: Values | None
) -> tuple[Any, Values, Any]:
    """Scores, gradients as rules say, and the scores of the pass over a reference."""
    graph = recognised.graph
    (target,) = graph.targets
    for known in (values, *([] if start is None else [start])):
        run(graph, known, graph.targets)
    gradients: Values = {}
    if target in recognised.flow.active:
        gradients[target] = mx.ones_like(values[target])
    backward(recognised, rules, values, start, gradients)
    return values[target], gradients, None if start is None else start[target]
