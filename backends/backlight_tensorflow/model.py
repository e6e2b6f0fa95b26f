"""A TensorFlow or Keras network as a Model: each verb is a program made from one trace."""

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, cast

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from backlight.errors import InputTypeError
from backlight.graph.dependence.cuts import Connection
from backlight.graph.graph import Graph
from backlight.model.model import Gradient, Options, Site
from backlight.model.net_model import NetModel, Question
from backlight.model.weights import Storage
from backlight.rules.operations import Operation
from backlight.rules.rules import Rules
from backlight.scores.scores import Score
from backlight.values.arrays import Array, Arrays, Channels, shape_of
from backlight.values.inputs import Inputs
from backlight.values.outputs import Outputs
from backlight.values.tree import Tree, leaves, map_leaves
from backlight_tensorflow import arrays as array_functions
from backlight_tensorflow import identity  # noqa: F401  (how to read modules)
from backlight_tensorflow.capture.flattening import Tensor
from backlight_tensorflow.capture.grouping import free_centres
from backlight_tensorflow.capture.lengths import FEW
from backlight_tensorflow.capture.tracing import Trace, trace
from backlight_tensorflow.capture.with_vectors import WithVectors
from backlight_tensorflow.engine.copying import LOCK
from backlight_tensorflow.engine.explained import Asked
from backlight_tensorflow.nets.calls import Request
from backlight_tensorflow.nets.styles import Network, network
from backlight_tensorflow.sites import inner_sites, require_examples, site_at
from backlight_tensorflow.weights import storage


class TensorFlowModel(NetModel):
    """A Keras model, tf.Module, tf.function, loaded SavedModel or plain function of tensors.

    It is traced once per structure, dtypes and shapes of its inputs, for any number of examples if
    it can be. All verbs are copies of that graph: user code does not run again, and assignments,
    assertions and updates of moving averages are left out. New weights are seen at once; when anything
    else has changed that the Python code reads, it is traced anew.

    The sites of a Keras model are its layers' results (`conv1`, nested ones `resnet/conv1`); those of
    everything else are the operations of the graph (`dense/Relu`), which have less steady names.
    """

    framework = "tensorflow"
    version: str = tf.__version__
    arrays: Arrays = cast(Arrays, array_functions)
    keeps_forward = True
    attachable = True

    def __init__(self, net: Any, options: Options) -> None:
        super().__init__(net, options)
        network(net)  # which objects where the net is none that can be called

    @property
    def _network(self) -> Network:
        return self.recall("network", None, lambda: network(self.given))

    @property
    def signals(self) -> bool:  # type: ignore[override]
        return self._network.signals

    def _storage(self) -> Storage | None:
        return storage(self.given)

    def _channels(self) -> Channels:
        return self._network.channels

    def predict(self, inputs: Inputs | Tree) -> object:
        request, traced = self._traced(inputs)

        def build(*tensors: Tensor) -> object:
            return traced.outputs_with(traced.copy(tensors).tensor)

        return self._run(request, traced, ("predict",), build)

    def _outputs(self, inputs: Inputs) -> Outputs:
        request, traced = self._traced(inputs)
        with self._network.explained(request):
            return traced.output_specs(request)

    def _score(self, asked: Question, score: Score) -> Array:
        with self._explained(asked, score, run=True) as explained:
            return explained.scores()

    def _gradient(self, asked: Question, score: Score) -> Gradient:
        self._require_floating(asked)
        with self._explained(asked, score, run=True) as explained:
            return explained.gradient()

    def _gradients(
        self, asked: Question, score: Score, sites: tuple[str | None, ...]
    ) -> tuple[Gradient, ...]:
        for site in sites:
            self._require_floating(replace(asked, at=site))
        with self._explained(asked, score, run=True, sites=sites) as explained:
            return explained.gradients()

    def _require_floating(self, asked: Question) -> None:
        attributed = leaves(asked.inputs.attributed)
        if asked.at is None and not any(map(self.is_floating, attributed)):
            raise InputTypeError(
                "Inputs of integers have no gradient: convert pictures to floating point; for token "
                "ids differentiate at the embedding, with at='the embedding's name'."
            )

    def _operations(
        self, asked: Question, score: Score | None, rules: Rules
    ) -> tuple[Operation, ...]:
        with self._explained(asked, score) as explained:
            return explained.operations(rules)

    def _connection(self, asked: Question, score: Score) -> Connection:
        with self._explained(asked, score) as explained:
            return explained.connection()

    def graph(self, inputs: Inputs | Tree, score: Score | None = None) -> Graph | None:
        """Where Python code of others runs in the net, that of more than a few examples is of a trace of
        its own, for another number of them: what the code draws at random is another number there."""
        asked = Question(self.prepare(inputs))
        request, traced = self._traced(asked.inputs)
        with self._network.explained(request):
            if self._network.others and traced.count is None and request.count > FEW:
                again = partial(self._trace, request, None, 2 * traced.few)
                traced = self.recall("other trace", request.key, again)
            return Asked(traced, request, asked, score).named_graph()

    def _activations(self, inputs: Inputs, sites: tuple[str, ...]) -> tuple[Tree, ...]:
        request, traced = self._traced(inputs)
        places = [site_at(traced, site) for site in sites]
        named = [each for place in places for each in leaves(place)]

        def build(*tensors: Tensor) -> list[Tensor]:
            return traced.copy(tensors).tensors([each.value for each in named])

        key = ("activations", tuple(each.name for each in named))
        found = self._run(request, traced, key, build)
        for each, array in zip(named, found, strict=True):
            require_examples(each, shape_of(array), request)
        left = iter(found)
        return tuple(map_leaves(lambda each: cast(Array, next(left)), place) for place in places)

    def sites(self, inputs: Inputs | Tree) -> tuple[Site, ...]:
        request, traced = self._traced(inputs)
        with self._network.explained(request):
            return inner_sites(traced, request)

    def owns(self, array: object) -> bool:
        return isinstance(array, (tf.Tensor, tf.Variable))

    def asarray(self, array: NDArray[np.generic], like: Array | None = None) -> Array:
        dtype = None
        if np.issubdtype(array.dtype, np.floating):
            dtype = self._network.dtype if like is None else like.dtype
        device = None if like is None else like.device  # type: ignore[attr-defined]
        with tf.device(device):
            return cast(Array, tf.constant(array, dtype))

    def has_numbers(self, array: Array) -> bool:
        return hasattr(array, "numpy")  # which symbols of a graph that is being built have not

    def to_numpy(self, array: Array) -> NDArray[np.generic]:
        self.require_numbers(array)
        return np.asarray(array.numpy())  # type: ignore[attr-defined]

    def is_floating(self, array: Array) -> bool:
        return bool(array.dtype.is_floating)  # type: ignore[attr-defined]

    @contextmanager
    def _explained(
        self,
        asked: Question,
        score: Score | None,
        run: bool = False,
        sites: Sequence[str | None] = (),
    ) -> Iterator[Asked]:
        """What is asked about; errors as the network's, or, where it runs, as the score's."""
        request, traced = self._traced(asked.inputs)
        explained = Asked(traced, request, asked, score, sites)
        with self._network.explained(request, score if run else None):
            if asked.value is not None or asked.reference is not None:
                shapes = explained.shapes
                explained.points = self._points(asked, shapes)
                explained.starts = self._starts(asked, shapes)
            yield explained

    def _traced(self, inputs: Inputs | Tree) -> tuple[Request, Trace]:
        """The trace for these inputs, made at the first ones of their kind."""
        request = Request(self.prepare(inputs))

        def of_any_size() -> Trace | None:
            try:
                return self._trace(request, None, max(request.count, FEW))
            except Exception:
                # It may need to know the number of examples; if it is broken, it fails again.
                return None

        key, count = (request.key, self.attached), request.count
        found = self.recall("trace", key, of_any_size)
        if found is None:
            with self._network.explained(request):
                make = partial(self._trace, request, count, count)
                found = self.recall("trace", (*key, count), make)
        if self.attached:
            found.watch()
        return request, found

    def _trace(self, request: Request, count: int | None, few: int) -> Trace:
        if self.lookups is not None:
            own = cast(TensorFlowModel, self.of_ids)
            _, of_ids = own._traced(self.lookups.without(request.inputs))
            with_vectors = WithVectors(of_ids, self.lookups)
            with LOCK:
                made = trace(with_vectors, request, of_ids.count, few, None)
            with_vectors.name(made)
        else:
            with LOCK:
                made = trace(self._network.call, request, count, few, self._network.recorder)
        if self.attached:
            free_centres(made.flat.nodes)
        return made

    def _run(
        self,
        request: Request,
        traced: Trace,
        key: Hashable,
        build: Callable[..., object],
    ) -> Any:
        program = traced.program(key, build, request.specs(traced.count))
        with self._network.explained(request):
            return program(*request.tensors)
