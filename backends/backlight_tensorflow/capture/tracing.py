"""One trace of a network: its flat graph, its named inner values, and the programs made from them.

The user's code runs once per kind of inputs. Every program is made from the trace, not from the code.
"""

from collections.abc import Callable, Hashable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar, cast

import tensorflow as tf
from tensorflow.python.framework.func_graph import FuncGraph
from tensorflow.python.ops.resource_variable_ops import variable_accessed

from backlight.graph.outputs import output_kind
from backlight.interrupts import unbroken_package
from backlight.memory.recent import Recent
from backlight.values.outputs import OutputKind, Outputs, OutputSpec
from backlight.values.tree import map_nested
from backlight_tensorflow.capture.flattening import (
    Flat,
    Node,
    Tensor,
    Value,
    flatten,
    reached,
)
from backlight_tensorflow.capture.graphs import unmeasured
from backlight_tensorflow.capture.lengths import Inferred
from backlight_tensorflow.engine.copying import LOCK, Copy
from backlight_tensorflow.nets.calls import Request
from backlight_tensorflow.sites import Named, name_layers, name_operations, places_of

Kept = TypeVar("Kept")

if TYPE_CHECKING:
    from backlight_tensorflow.nets.recording import Call, Recorder

# TensorFlow's C++ code does not expect errors from all the Python code that it calls; Keras puts back in
# `finally` blocks what it has altered before them.
unbroken_package("tensorflow")
unbroken_package("keras")

KEPT_PROGRAMS = 64
"""How many programs a trace remembers: each score function of the user's own makes one."""


class Trace:
    """A network on inputs of some structure, dtypes and shapes.

    Attributes:
        count: the number of examples it is for; None for any.
        few: for how many of them lengths are inferred.
        flat: its graph.
        arguments: what the network is called with.
        captured: tensors from outside: handles of variables, constants.
        dependent: the values that hang on the arguments, and these.
        outputs: the network's outputs, tensors of the graph in the network's own structure.
        named: its inner values by name, in the order of computation.
        operations: those of a Keras model by the names that its operations have in the graph.
        calls: of layers, by their names as sites, inner ones first.
        by_operation: whether they are named after operations, not layers.
    """

    def __init__(
        self, function: tf.types.experimental.ConcreteFunction, count: int | None, few: int
    ) -> None:
        # The function is kept because it keeps the variables' handles and the graphs inside alive.
        self._function = function
        self.count, self.few = count, few
        self.flat: Flat = flatten(function.graph)
        width = len(self.flat.inputs) - len(function.captured_inputs)
        self.arguments, rest = self.flat.inputs[:width], self.flat.inputs[width:]
        self.captured: dict[Value, Tensor] = dict(zip(rest, function.captured_inputs, strict=True))
        self.dependent: set[Value] = reached(self.flat.nodes, self.arguments)
        self.outputs: object = function.graph.structured_outputs
        self.named: dict[str, Named] = {}
        self.operations: dict[str, Named] = {}
        self.by_operation = False
        self._kept: Recent[Any] = Recent(KEPT_PROGRAMS)
        self.calls: dict[Call, str] = {}

    def place(self, node: Node) -> str:
        """The layer, by its name as a site, that an operation is in; the operation's own name where
        sites are operations."""
        own = node.op.name if self.by_operation and node.outputs[0] in self.dependent else ""
        return self._places.get(node, own)

    def given(self, arguments: Sequence[Tensor]) -> dict[Value, Tensor]:
        """What a copy on these arguments begins with."""
        return {**self.captured, **dict(zip(self.arguments, arguments, strict=True))}

    def copy(self, arguments: Sequence[Tensor]) -> Copy:
        """The beginning of a copy on these arguments, in the graph that is being built."""
        return Copy(self.given(arguments))

    def outputs_with(self, change: Callable[[Value], object]) -> object:
        """The outputs in the network's own structure, each tensor by what `change` gives for it."""

        def result(leaf: object) -> object:
            return change(self.flat.of(leaf)[0]) if isinstance(leaf, tf.Tensor) else leaf

        return tf.nest.map_structure(result, self.outputs, expand_composites=True)

    @cached_property
    def _places(self) -> dict[Node, str]:
        return places_of(self, self.calls.items())

    @cached_property
    def output_values(self) -> list[Value]:
        leaves = tf.nest.flatten(self.outputs, expand_composites=True)
        return [self.flat.of(leaf)[0] for leaf in leaves if isinstance(leaf, tf.Tensor)]

    def watch(self) -> None:
        """Let the gradient tapes that are open see that the network's variables are used. What calls a
        copied operation does not tell them."""
        for variable in self._function.variables:
            variable_accessed(variable)

    def kept(self, key: Hashable, make: Callable[[], Kept]) -> Kept:
        """What was made for a key, made at most once while it is remembered."""

        def made() -> Kept:
            with LOCK:
                return cast(Kept, self._kept.recall(key, make))

        return cast(Kept, self._kept.recall(key, made))

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
        with LOCK, FuncGraph("shapes").as_default():
            likes = [tf.compat.v1.placeholder(each.dtype, each.shape) for each in given]
            shapes = [each.shape for each in compute(*likes)]
        if all(shape.is_fully_defined() for shape in shapes):
            return [tuple(shape) for shape in shapes]
        run = self.program(key, lambda *tensors: list(map(tf.shape, compute(*tensors))), specs)
        return [tuple(shape.numpy().tolist()) for shape in run(*given)]

    def shapes(self, values: Sequence[Value], request: Request) -> list[tuple[int, ...]]:
        """The shapes of some of the values for these inputs; they are run once to find out.

        That an axis is of unknown length is not enough to know it for the examples': it could hold
        examples times tokens.
        """

        def compute(*tensors: Tensor) -> list[Tensor]:
            return self.copy(tensors).tensors(values)

        def make() -> list[tuple[int, ...]]:
            with LOCK:
                known = self.inferred(request).shapes(values, request.count)
            key, specs = ("run for shapes", tuple(values)), request.specs(self.count)
            return known or self.measured(key, compute, request.tensors, specs)

        key = ("shapes", request.count, tuple(values))
        return cast(list[tuple[int, ...]], self._kept.recall(key, make))

    def inferred(self, request: Request, exactly: bool = False) -> Inferred:
        """Lengths for a few examples, or for exactly as many as in a request."""
        specs = request.specs(self.count)
        if exactly:
            return Inferred(self.given, specs, request.count)
        return self.kept("inferred", lambda: Inferred(self.given, specs, self.few))

    @cached_property
    def _kinds(self) -> dict[Value, OutputKind]:
        """What each of the outputs holds."""
        found = unmeasured(
            self.flat.nodes,
            self.arguments,
            self.output_values,
            self.place,
            opens=lambda body: True,
        )
        return {
            value: output_kind(found.graph, found.numbers[value]) for value in self.output_values
        }

    def output_specs(self, request: Request) -> Outputs:
        """Shape and kind of each of the outputs."""
        values = self.output_values
        shapes = dict(zip(values, self.shapes(values, request), strict=True))

        def spec(leaf: object) -> OutputSpec | tuple[()]:
            if not isinstance(leaf, tf.Tensor):
                return ()  # None, a flag: nothing to explain
            (value, *_) = self.flat.of(leaf)
            return OutputSpec(shapes[value], self._kinds[value])

        return map_nested(spec, self.outputs)  # type: ignore[return-value]


def trace(
    call: Callable[..., object],
    request: Request,
    count: int | None,
    few: int,
    recorder: "Recorder | None",
) -> Trace:
    """Trace `call` for `count` examples, or for any number of them (None); see `Trace`.

    Inner values are named after the layers that a recorder watches, else after operations.
    """

    def traced(*tensors: Tensor) -> object:
        if recorder is not None:
            recorder.restart()  # TensorFlow traces twice where variables are made
        return call(*request.filled(tensors))

    def make() -> Trace:
        return Trace(tf.function(traced).get_concrete_function(*request.specs(count)), count, few)

    if recorder is None:
        made = make()
        name_operations(made, listed=True)
        return made
    while True:
        with recorder.watching() as recorded:
            made = make()
        if recorded == recorder.parts():
            break  # else the first call has made layers that were not there to be watched
    name_layers(made, recorder.records)
    name_operations(made, listed=False)
    return made
