"""One trace of a network: its flat graph, its named inner values, and the programs made from them.

The user's code runs once per kind of inputs. Every program is made from the trace, not from the code.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from threading import RLock
from typing import TYPE_CHECKING, Any, TypeVar, cast

import tensorflow as tf
from tensorflow.python.framework.func_graph import FuncGraph

from backlight.graph.outputs import output_kind
from backlight.interrupts import unbroken_package
from backlight.outputs import OutputKind, Outputs, OutputSpec
from backlight.tree import map_nested
from backlight_tensorflow.capture.flattening import Flat, Node, Tensor, Value, flatten
from backlight_tensorflow.capture.graphs import Capture, known_of
from backlight_tensorflow.engine.copying import Copy
from backlight_tensorflow.nets.calls import Request
from backlight_tensorflow.sites import name_layers, name_operations

Kept = TypeVar("Kept")

if TYPE_CHECKING:
    from backlight_tensorflow.nets.recording import Call, Recorder

# TensorFlow's C++ code does not expect errors from all the Python code that it calls; Keras puts back in
# `finally` blocks what it has altered before them.
unbroken_package("tensorflow")
unbroken_package("keras")

LOCK = RLock()
"""Held while anything is traced, never while anything runs."""

KEPT_PROGRAMS = 64
"""How many programs a trace remembers: each score function of the user's own makes one."""


@dataclass(frozen=True)
class Named:
    """An inner value that has a name."""

    name: str
    value: Value
    kind: str
    pooled: bool


class Trace:
    """A network on inputs of some structure, dtypes and shapes.

    Attributes:
        count: the number of examples it is for; None for any.
        flat: its graph.
        named: its inner values by name, in the order of computation.
        operations: those of a Keras model by the names that its operations have in the graph.
        by_operation: whether they are named after operations, not layers.
        outputs: the network's outputs, tensors of the graph in the network's own structure.
    """

    def __init__(self, function: tf.types.experimental.ConcreteFunction, count: int | None) -> None:
        graph = function.graph
        # The function is kept because it keeps the variables' handles and the graphs inside alive.
        self._function = function
        self.count = count
        self.flat: Flat = flatten(graph)
        self.outputs: object = graph.structured_outputs
        self.named: dict[str, Named] = {}
        self.operations: dict[str, Named] = {}
        self.by_operation = False
        arguments = len(self.flat.inputs) - len(function.captured_inputs)
        self._arguments = self.flat.inputs[:arguments]
        self._captured = dict(
            zip(self.flat.inputs[arguments:], function.captured_inputs, strict=True)
        )
        self._dependent = self.flat.dependent(self._arguments)
        self._lengths: dict[str, tuple[int, list[tuple[int, ...]]]] = {}
        self._kept: OrderedDict[Hashable, Any] = OrderedDict()
        self._calls: list[tuple[Call, str]] = []
        self._places: dict[Node, str] = {}

    def name(self, name: str, value: Value, kind: str, pooled: bool, listed: bool = True) -> None:
        names = self.named if listed else self.operations
        names[name] = Named(name, value, kind, pooled)
        if self.by_operation and value.node is not None:
            self._places.setdefault(value.node, name)

    def depends(self, node: Node) -> bool:
        """Whether anything that the network is called with leads to this operation."""
        return node in self._dependent

    @property
    def arguments(self) -> list[Value]:
        return self._arguments

    @property
    def captured(self) -> dict[Value, Tensor]:
        """Tensors from outside: handles of variables, constants."""
        return self._captured

    def given(self, arguments: Sequence[Tensor]) -> dict[Value, Tensor]:
        """What a copy on these arguments begins with."""
        return {**self._captured, **dict(zip(self._arguments, arguments, strict=True))}

    def copy(self, arguments: Sequence[Tensor]) -> Copy:
        """The beginning of a copy on these arguments, in the graph that is being built."""
        return Copy(self.given(arguments))

    def place(self, node: Node) -> str:
        """The layer, by its name as a site, that an operation is in; the operation's own name where
        sites are operations."""
        if not self.by_operation:
            return self._layer(node)
        return self._places.get(node, node.op.name if self.depends(node) else "")

    def note_calls(self, calls: dict["Call", str]) -> None:
        """Remember which operations of which graph the calls of layers made, inner ones first."""
        self._calls = list(calls.items())

    def results(self, copy: Copy) -> object:
        """The network's outputs in its own structure, from a copy."""

        def result(leaf: object) -> object:
            return copy.tensor(self.flat.of(leaf)[0]) if isinstance(leaf, tf.Tensor) else leaf

        return tf.nest.map_structure(result, self.outputs, expand_composites=True)

    def program(
        self, key: Hashable, build: Callable[..., object], specs: Sequence[tf.TensorSpec]
    ) -> Callable[..., Any]:
        """The compiled form of `build`, traced at most once per key."""

        def make() -> Callable[..., Any]:
            concrete: Callable[..., Any] = tf.function(
                build, autograph=False
            ).get_concrete_function(*specs)
            return concrete

        return self.kept(key, make)

    def measured(
        self,
        key: Hashable,
        compute: Callable[..., Sequence[Tensor]],
        given: Sequence[Tensor],
        specs: Sequence[tf.TensorSpec],
    ) -> list[tuple[int, ...]]:
        """The shapes of what is computed from the given tensors; it is run to find out where they do
        not follow from theirs."""
        found = inferred(compute, given)
        if found is None:
            measure = lambda *tensors: list(map(tf.shape, compute(*tensors)))  # noqa: E731
            run = self.program(key, measure, specs)
            found = [tuple(shape.numpy().tolist()) for shape in run(*given)]
        return found

    def kept(self, key: Hashable, make: Callable[[], Kept]) -> Kept:
        """What was made for a key, made at most once while it is remembered."""
        known = self._kept.get(key)
        if known is None:
            with LOCK:
                known = self._kept.get(key)
                if known is None:
                    known = self._kept[key] = make()
                while len(self._kept) > KEPT_PROGRAMS:
                    self._kept.popitem(last=False)
        return cast(Kept, known)

    def _layer(self, node: Node) -> str:
        inside = [
            (call.end - call.start, -len(name), name)
            for call, name in self._calls
            if call.graph is node.op.graph and call.start < node.op._id <= call.end
        ]
        return min(inside)[2] if inside else ""

    def shapes(self, what: str, values: Sequence[Value], request: Request) -> list[tuple[int, ...]]:
        """The shapes of some of the values for these inputs; they are run once to find out.

        That an axis is of unknown length is not enough to know it for the examples': it could hold
        examples times tokens.
        """
        known = self._lengths.get(what)
        if known is not None:
            count, before = known
            expected = [
                shape_for(request.count, value.tensor.shape, count, shape)
                for value, shape in zip(values, before, strict=True)
            ]
            if None not in expected:
                return cast(list[tuple[int, ...]], expected)

        def compute(*tensors: Tensor) -> list[Tensor]:
            return self.copy(tensors).tensors(values)

        key, specs = ("shapes", what), request.specs(self.count)
        found = self.measured(key, compute, request.tensors, specs)
        self._lengths[what] = request.count, found
        return found

    @cached_property
    def _kinds(self) -> dict[Value, OutputKind]:
        """What each of the outputs holds."""
        leaves = [leaf for leaf in tf.nest.flatten(self.outputs) if isinstance(leaf, tf.Tensor)]
        outputs = [self.flat.of(leaf)[0] for leaf in leaves]
        known = known_of(lambda value: value.tensor)
        within = lambda body: True  # noqa: E731
        capture = Capture(
            self.flat.nodes, self._arguments, outputs, known, self.place, opens=within
        )
        found = capture.found
        return {value: output_kind(found.graph, found.numbers[value]) for value in outputs}

    def output_specs(self, request: Request, kind: OutputKind | None) -> Outputs:
        """Shape and kind of each of the outputs."""
        flat = [leaf for leaf in tf.nest.flatten(self.outputs) if isinstance(leaf, tf.Tensor)]
        values = [self.flat.of(leaf)[0] for leaf in flat]
        shapes = dict(zip(map(id, flat), self.shapes("outputs", values, request), strict=True))

        def spec(leaf: Any) -> OutputSpec | tuple[()]:
            if not isinstance(leaf, tf.Tensor):
                return ()  # None, a flag: nothing to explain
            return OutputSpec(shapes[id(leaf)], kind or self._kinds[self.flat.of(leaf)[0]])

        return map_nested(spec, self.outputs)  # type: ignore[return-value]


def shape_for(
    count: int, static: tf.TensorShape, seen_count: int, seen: tuple[int, ...]
) -> tuple[int, ...] | None:
    """The shape for `count` examples of what had the shape `seen` for others; None if unsure."""
    if count == seen_count:
        return seen
    if static.rank is None or None in static[1:]:
        return None
    if static.rank == 0 or static[0] is not None:
        return seen
    return (count, *seen[1:]) if seen[0] == seen_count else None


def inferred(
    compute: Callable[..., Sequence[Tensor]], given: Sequence[Tensor]
) -> list[tuple[int, ...]] | None:
    """The shapes of what is computed from arguments like the given ones, as far as they follow from
    the arguments' shapes alone; nothing is run."""
    with LOCK:
        graph = FuncGraph("shapes")
        with graph.as_default():
            placeholder = tf.compat.v1.placeholder
            found = [
                each.shape for each in compute(*(placeholder(x.dtype, x.shape) for x in given))
            ]
    return [tuple(each) for each in found] if all(map(is_known, found)) else None


def is_known(shape: tf.TensorShape) -> bool:
    return bool(shape.is_fully_defined())


def trace(
    call: Callable[..., object], request: Request, count: int | None, recorder: "Recorder | None"
) -> Trace:
    """Trace `call` for `count` examples, or for any number of them (None).

    Inner values are named after the layers that a recorder watches, else after operations.
    """

    def traced(*tensors: Tensor) -> object:
        if recorder is not None:
            recorder.restart()  # TensorFlow traces twice where variables are made
        return call(*request.filled(tensors))

    def make() -> Trace:
        return Trace(tf.function(traced).get_concrete_function(*request.specs(count)), count)

    if recorder is None:
        made = make()
        name_operations(made, listed=True)
        return made
    while True:
        with recorder.watching() as watched:
            made = make()
        if watched == recorder.parts():
            break  # else the first call has made layers that were not there to be watched
    name_layers(made, recorder.records)
    name_operations(made, listed=False)
    return made
