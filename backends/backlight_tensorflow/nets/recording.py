"""What the layers of a Keras model return while it is traced, call by call.

For the time of the trace, and in the tracing thread only, each layer's `call` is an instance
attribute that hands on to the layer's own and notes what comes back. Afterwards it is gone, and what
the trace left on the layers (symbolic losses, say) with it.
"""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from threading import get_ident

import keras
import tensorflow as tf

from backlight_tensorflow.capture.flattening import Tensor

ABSENT = object()


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a layer: the operations of a graph that were made in its course.

    Attributes:
        start: the number of the last operation before it.
        end: the number of its own last operation.
    """

    graph: tf.Graph
    start: int
    end: int


@dataclass(frozen=True)
class Record:
    """One result of one call of a layer.

    Attributes:
        path: the layer's name after those of the models it is nested in.
        call: in which call of a layer it came up.
        position: which of several results; None for the only one.
        tensor: the symbolic tensor that everything downstream uses.
        kind: the layer's class.
        pooled: whether it is the result of a pooling layer, handed on as it is perhaps.
    """

    path: str
    call: Call
    position: int | None
    tensor: Tensor
    kind: str
    pooled: bool


class Recorder:
    """Notes the results of all layers inside one Keras layer or model."""

    def __init__(self, root: keras.Layer) -> None:
        self._root = root
        self._path: list[str] = []
        self._pooled: dict[int, bool] = {}
        self.records: list[Record] = []

    def restart(self) -> None:
        """Forget what was noted: TensorFlow may trace twice."""
        self._path, self.records = [], []
        self._pooled = {}

    def parts(self) -> list[keras.Operation]:
        """The layers inside of the model as it is now, the model itself first."""
        return parts(self._root)

    @contextmanager
    def watching(self) -> Iterator[list[keras.Operation]]:
        """Note what is called inside. One at a time: layers may belong to several models."""
        recorded = self.parts()
        before_watching = [(part, vars(part).get("call", ABSENT)) for part in recorded[1:]]
        with settled(self._root):
            try:
                for part, _ in before_watching:
                    object.__setattr__(part, "call", self._noting(part, get_ident()))
                yield recorded
            finally:
                for part, before in before_watching:
                    if before is ABSENT:
                        vars(part).pop("call", None)
                    else:
                        object.__setattr__(part, "call", before)

    def _noting(self, part: keras.Operation, tracer: int) -> Callable[..., object]:
        call = part.call

        @wraps(call)
        def noted(*arguments: object, **named: object) -> object:
            if get_ident() != tracer:
                return call(*arguments, **named)
            self._path.append(part.name)
            graph = tf.compat.v1.get_default_graph()
            start = made_in(graph)
            try:
                result = call(*arguments, **named)
                extent = Call(graph, start, made_in(graph))
                return self._note(part, result, (arguments, named), extent)
            finally:
                self._path.pop()

        noted.__signature__ = inspect.signature(call)  # type: ignore[attr-defined]
        return noted

    def _note(self, part: keras.Operation, result: object, given: object, call: Call) -> object:
        kind = type(part).__name__
        path = "/".join(self._path)
        known = {id(tensor) for tensor in tf.nest.flatten(given)} | self._pooled.keys()
        several = len(tf.nest.flatten(result)) > 1
        position = iter(range(len(tf.nest.flatten(result))))

        def note(each: object) -> object:
            at = next(position)
            if not (isinstance(each, tf.Tensor) and hasattr(each, "graph")):
                return each
            already = id(each) in known
            known.add(id(each))  # two results that are one tensor are two values
            pooled = "Pooling" in kind or self._pooled.get(id(each), False)
            # What a layer hands on as it is gets a tensor of its own: replacing the result of a
            # dropout must not replace what a residual connection takes from before it.
            tensor = apart(each) if already else each
            self._pooled[id(tensor)] = pooled
            place = at if several else None
            self.records.append(Record(path, call, place, tensor, kind, pooled))
            return tensor

        return tf.nest.map_structure(note, result)


def made_in(graph: tf.Graph) -> int:
    """The number of the operation that was made last in a graph."""
    operations = graph.get_operations()
    return int(operations[-1]._id) if operations else -1


def apart(tensor: Tensor) -> Tensor:
    """The same value as another tensor, with what Keras notes on tensors."""
    other = tf.identity(tensor)
    mask = getattr(tensor, "_keras_mask", None)
    if mask is not None:
        other._keras_mask = mask
    return other


def parts(root: keras.Layer) -> list[keras.Operation]:
    """All layers inside `root`, itself first, and what `keras.ops` put into functional models."""
    found: dict[int, keras.Operation] = {}
    for layer in root._flatten_layers():
        found.setdefault(id(layer), layer)
        graph = functional(layer)
        for operation in graph.operations if graph is not None else ():
            if not isinstance(operation, keras.Layer):
                found.setdefault(id(operation), operation)
    return list(found.values())


def functional(layer: keras.Layer) -> keras.Model | None:
    """The graph of layers of a functional or sequential model; None for any other."""
    if isinstance(layer, keras.Sequential):
        return layer._functional
    return layer if hasattr(layer, "_inputs_struct") else None


@contextmanager
def settled(root: keras.Layer) -> Iterator[None]:
    """Layers leave this as they entered, but for what the first call of a layer builds."""
    before = [
        (layer, dict(vars(layer)), list(layer._losses), set(layer._loss_ids))
        for layer in root._flatten_layers()
    ]
    try:
        yield
    finally:
        for layer, attributes, losses, loss_ids in before:
            layer._losses[:] = losses
            layer._loss_ids.clear()
            layer._loss_ids.update(loss_ids)
            if attributes["built"] and (attributes["_called"] or functional(layer) is not None):
                now = vars(layer)
                for name in now.keys() - attributes.keys():
                    del now[name]
                now.update(attributes)
