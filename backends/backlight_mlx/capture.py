"""What a net computes, traced once, as the core's graph of operations."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast, final

import mlx.core as mx
import numpy as np

from backlight.engine.runner import Values
from backlight.engine.scored import SCORE, Scored
from backlight.errors import BacklightError, CoverageError, ModelError, message_of
from backlight.graph.graph import UNIFORM, Graph, Node
from backlight.scores.scores import Score
from backlight.values.inputs import Inputs
from backlight.values.tree import leaves
from backlight_mlx.derivatives import ARRAYS
from backlight_mlx.expansions import expanded
from backlight_mlx.nets import Aval, Calls, Net, Numbered, arrays_in, aval_of, numbers, rebuilt
from backlight_mlx.table import Given, Run, dtype, terms


@final
@dataclass(eq=False)
class Recording:
    """A graph that functions of arrays are traced into.

    Attributes:
        graph: the operations; the `native` of each runs it.
        avals: shape and dtype of each value.
        producers: the node that gives each value.
        weights: the values of arrays that are arguments, by where their numbers are: a function that
            was compiled reads them from the module itself, as constants.
    """

    graph: Graph = field(default_factory=Graph)
    avals: list[Aval] = field(default_factory=list)
    producers: dict[int, Node] = field(default_factory=dict)
    weights: dict[Hashable, int] = field(default_factory=dict)

    def copy(self) -> "Recording":
        graph = replace(self.graph, values=list(self.graph.values), nodes=list(self.graph.nodes))
        return Recording(graph, list(self.avals), dict(self.producers), self.weights)

    def value(self, aval: Aval, constant: mx.array | None = None, learned: bool = False) -> int:
        """A new value."""
        self.avals.append(aval)
        kind, bits = dtype(aval.dtype), 8 * aval.dtype.size
        return self.graph.value(aval.shape, kind, bits=bits, constant=constant, learned=learned)

    def constant(self, array: mx.array) -> int:
        """An array that a function holds, or a number in its code."""
        mx.eval(array)  # here, as what is not evaluated yet belongs to a thread
        if array.size and location(array) in self.weights:
            return self.weights[location(array)]
        found = self.value(aval_of(array), array, learned=array.ndim > 0)
        if array.size <= UNIFORM:
            self.graph.look(found, numbers(array))
        return found

    def record(
        self,
        function: Callable[..., Sequence[mx.array]],
        operands: Sequence[int],
        place: str = "",
    ) -> list[int]:
        """Put the operations of a function of these values behind the others, and give the values
        of its results."""
        messages: list[dict[str, Any]] = []
        avals = [self.avals[value] for value in operands]
        with mx.stream(mx.cpu):  # where no operations are fused
            arrays = [mx.zeros(aval.shape, aval.dtype) for aval in avals]
            mx.export_function(messages.append, function, *arrays)
        values: dict[str, int] = {}
        results: list[str] = []
        for message in messages:
            match message["type"]:
                case "inputs":
                    values.update(zip(names(message["inputs"]), operands, strict=True))
                case "outputs":
                    results = names(message["outputs"])
                case "constants":
                    values.update(
                        (name, self.constant(held)) for name, held in message["constants"]
                    )
                case "primitive":
                    given = tuple(values[name] for name in names(message["inputs"]))
                    found = self._add(message, given, place)
                    values.update(zip(names(message["outputs"]), found, strict=True))
        return [values[name] for name in results]

    def _add(self, message: dict[str, Any], given: tuple[int, ...], place: str) -> Sequence[int]:
        """The values that a primitive gives, its nodes put behind the others.

        Args:
            message: about the primitive.
            given: what it reads.
            place: where it is.
        """
        name, avals = message["name"], [Aval(tuple(s), t) for _, s, t in message["outputs"]]
        kind = avals[0].dtype
        asked = Given(self.graph, given, [aval.shape for aval in avals], kind, self.producers)
        values: Sequence[int] = given
        for one in expanded(asked, terms(name, asked, message["arguments"])):
            operands = values if one.operands is None else one.operands
            values = list(map(self.value, [Aval(one.shape, kind)] if one.shape else avals))
            node = self.graph.node(
                one.primitive,
                operands,
                values,
                one.attributes,
                type=one.type or name.lower(),
                place=place,
                native=one.run,
                replayable=one.run is not None,
            )
            self.producers.update(dict.fromkeys(values, node))
        return values


def names(described: Sequence[tuple[Any, ...]]) -> list[str]:
    return [name for name, *_ in described]


def location(array: mx.array) -> Hashable:
    """Where the numbers of an array are, and how they lie there."""
    held = array.view(mx.uint16) if array.dtype == mx.bfloat16 else array
    interface: Any = np.array(held, copy=False).__array_interface__
    return interface["data"][0], interface["strides"], aval_of(array)


@final
class Trace:
    """One trace of a net.

    Attributes:
        signature: of the arguments.
        recording: from the weights and arguments to the outputs.
        inputs: the values of the weights, then those of the arguments' arrays.
        attributed: of these, those that are attributed.
        rows: those that differ from example to example.
        outputs: what the net returns, with values of the graph in the places of arrays.
        calls: of modules, in the order in which they ended, likewise.
    """

    def __init__(self, net: Net, inputs: Inputs) -> None:
        """Trace the net, calling it once.

        Args:
            net: the net.
            inputs: of whose arrays only shape and dtype are known.
        """
        self.signature = inputs
        self.recording = Recording()
        held = net.weights()
        mx.eval(held)  # else what they are computed from would pass for constants
        weights = [self.recording.value(aval_of(one), learned=True) for one in held]
        self.recording.weights.update(zip(map(location, held), weights, strict=True))
        own = [self.recording.value(aval) for aval in arrays_in(inputs)]
        self.inputs = [*weights, *own]
        self.attributed = own[: len(leaves(inputs.attributed))]
        rows = arrays_in(inputs.map_rows(lambda aval: cast(Any, Aval((), mx.bool_))))
        self.rows = {one for one, aval in zip(own, rows, strict=True) if aval.shape == ()}
        returned: list[Any] = []
        calls = Calls()

        def function(*arrays: Any) -> list[mx.array]:
            remaining = iter(arrays[len(weights) :])
            arguments = rebuilt(inputs, lambda aval: next(remaining))
            returned.append(net.call(arrays[: len(weights)], calls, arguments))
            return arrays_in((returned, calls.made))

        try:
            found = map(Numbered, self.recording.record(function, self.inputs))
        except BacklightError:
            raise
        except Exception as error:  # the net may fail in any way; it is told what it was given
            given = ", ".join(f"{aval.shape} {aval.dtype}" for aval in arrays_in(inputs))
            raise ModelError(
                f"The model raised {type(error).__name__} when called with {given}. While it is traced "
                "no values can be looked at, and functions with derivatives of their own cannot be "
                f"traced. The model's own message: {message_of(error)}"
            ) from error
        (self.outputs,), self.calls = rebuilt((returned, calls.made), lambda array: next(found))
        self.graph.sources = tuple(self.attributed)
        self.graph.targets = tuple(one.value for one in arrays_in(self.outputs))
        self._place()

    @property
    def graph(self) -> Graph:
        return self.recording.graph

    def _place(self) -> None:
        """Say of each operation in which module it is: the innermost that needs it."""
        nodes = self.graph.nodes
        producers = {value: at for at, node in enumerate(nodes) for value in node.results}
        places: dict[int, str] = {}
        for call in self.calls:
            seen = {one.value for one in arrays_in(call.given)}
            pending = [one.value for one in arrays_in(call.result)]
            while pending:
                value = pending.pop()
                if value not in seen and value in producers:
                    seen.add(value)
                    places.setdefault(producers[value], call.name)
                    pending += nodes[producers[value]].operands
        nodes[:] = [replace(node, place=places.get(at, "")) for at, node in enumerate(nodes)]


def scored(
    trace: Trace, score: Score | None, site: tuple[int, ...] | None, neuron: int | None
) -> Scored:
    """Put a score's operations behind a net's.

    Args:
        trace: of the net.
        score: what is explained; None for the outputs.
        site: the values that are explained; None for the attributed arguments.
        neuron: the value that is scored; None for the outputs.
    """
    recording = trace.recording.copy()
    graph, values = recording.graph, recording.graph.values
    outputs: Any = trace.outputs if neuron is None else Numbered(neuron)
    read = list(dict.fromkeys(one.value for one in arrays_in(outputs)))
    operands: list[int] = []
    if score is None:
        graph.targets = tuple(one for one in read if values[one].dtype.differentiable)
    else:
        operands = [recording.value(aval_of(mx.array(one))) for one in score.operands()]

        def evaluated(*arrays: Any) -> list[mx.array]:
            values = dict(zip(read, arrays, strict=False))
            held = rebuilt(outputs, lambda one: values[one.value])
            found: Any = score.evaluate(held, arrays[len(read) :], ARRAYS)
            # A score of integers, an argmax say, is a score that does not depend on the value.
            return [found if mx.issubdtype(found.dtype, mx.inexact) else found.astype(mx.float32)]

        graph.targets = tuple(recording.record(evaluated, [*read, *operands], SCORE))
    places = tuple(trace.attributed) if site is None else site
    graph.sources = tuple(one for one in places if values[one].dtype.differentiable)
    graph.kept = frozenset(read)
    graph.rows = frozenset({*trace.rows, *operands} - set(graph.sources))
    end = len(trace.graph.nodes)
    return Scored(graph, tuple(trace.inputs), tuple(operands), places, tuple(read), end)


def run(nodes: Iterable[Node], values: Values) -> None:
    """Run operations on the values known so far, and add theirs."""
    for node in nodes:
        if node.native is None:
            raise CoverageError(
                f"MLX's primitive {node.type!r} at {node.place or 'an unnamed place'} cannot be run "
                "again: write this part of the net in other operations of mlx.core."
            )
        given = [values[operand] for operand in node.operands]
        results = cast(Run, node.native)(*given)
        several = results if isinstance(results, (list, tuple)) else [results]
        values.update(zip(node.results, several, strict=True))
