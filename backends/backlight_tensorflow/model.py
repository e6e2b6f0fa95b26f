"""A TensorFlow or Keras network as a Model: each verb is a program made from one trace."""

from collections.abc import Callable, Hashable
from typing import Any, cast

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from backlight.arrays import Array, Arrays, Channels, shape_of
from backlight.errors import InputTypeError
from backlight.graph.graph import Graph
from backlight.identity import identity_of
from backlight.inputs import Inputs
from backlight.model import Connection, Gradient, Model, Options, Site
from backlight.operations import Operation
from backlight.outputs import Outputs
from backlight.rules import NoRules, Rules
from backlight.scores import Score
from backlight.tree import Tree, leaves, rebuild
from backlight_tensorflow import arrays as array_functions
from backlight_tensorflow import identity  # noqa: F401  (how to read modules)
from backlight_tensorflow.capture.flattening import Tensor
from backlight_tensorflow.capture.tracing import LOCK, Trace, trace
from backlight_tensorflow.engine.explained import Explained
from backlight_tensorflow.nets.calls import Request
from backlight_tensorflow.nets.styles import Network, network
from backlight_tensorflow.sites import inner_sites, named_site, require_examples


class TensorFlowModel(Model):
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

    def __init__(self, net: Any, options: Options) -> None:
        self._given = net
        self._kind = options.outputs
        self._channels = options.channels
        network(net)  # which objects where the net is none that can be called

    @property
    def _network(self) -> Network:
        return self.recall("network", None, lambda: network(self._given))

    @property
    def channels(self) -> Channels:  # type: ignore[override]
        return self._channels or self._network.channels

    @property
    def signals(self) -> bool:  # type: ignore[override]
        return self._network.signals

    def predict(self, inputs: Inputs | Tree) -> object:
        request, traced = self._traced(inputs)

        def build(*tensors: Tensor) -> object:
            return traced.results(traced.copy(tensors))

        return self._run(request, traced, ("predict",), build)

    def outputs(self, inputs: Inputs | Tree) -> Outputs:
        request, traced = self._traced(inputs)
        with self._network.explained(request):
            return traced.output_specs(request, self._kind)

    def score(
        self,
        inputs: Inputs | Tree,
        score: Score,
        *,
        at: str | None = None,
        value: Tree | None = None,
    ) -> Array:
        scores, _, _ = self._evaluate(inputs, score, at, value, differentiated=False)
        return scores

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
        inputs = self.prepare(inputs)
        attributed = inputs.attributed
        if at is None and not any(self.is_floating(leaf) for leaf in leaves(attributed)):
            raise InputTypeError(
                "Inputs of integers have no gradient: convert pictures to floating point; for token "
                "ids differentiate at the embedding, with at='the embedding's name'."
            )
        if rules is not None or reference is not None:
            return self._ruled(inputs, score, at, value, rules or NoRules(), reference)
        scores, found, place = self._evaluate(inputs, score, at, value, differentiated=True)
        if at is None:
            return Gradient(scores, attributed, rebuild(attributed, found))
        return Gradient(scores, place, found[0])

    def operations(
        self,
        inputs: Inputs | Tree,
        *,
        score: Score | None = None,
        at: str | None = None,
        rules: Rules | None = None,
    ) -> tuple[Operation, ...]:
        request, traced = self._traced(inputs)
        explained = Explained(traced, request, score, at, None)
        with self._network.explained(request):
            return explained.operations(rules or NoRules())

    def connection(
        self, inputs: Inputs | Tree, score: Score, *, at: str | None = None
    ) -> Connection:
        request, traced = self._traced(inputs)
        with self._network.explained(request):
            return Explained(traced, request, score, at, None).connection()

    def graph(self, inputs: Inputs | Tree, score: Score | None = None) -> Graph | None:
        request, traced = self._traced(inputs)
        with self._network.explained(request):
            return Explained(traced, request, score, None, None).named_graph()

    def activation(self, inputs: Inputs | Tree, at: str) -> Array:
        request, traced = self._traced(inputs)
        site = named_site(traced, request, at)

        def build(*tensors: Tensor) -> object:
            return traced.copy(tensors).tensor(site.value)

        found = self._run(request, traced, ("activation", site.name), build)
        require_examples(site, shape_of(found), request)
        return cast(Array, found)

    def sites(self, inputs: Inputs | Tree) -> tuple[Site, ...]:
        request, traced = self._traced(inputs)
        with self._network.explained(request):
            return inner_sites(traced, request)

    def identity(self) -> Hashable:
        return identity_of(self._given)

    def owns(self, array: object) -> bool:
        return isinstance(array, (tf.Tensor, tf.Variable))

    def asarray(self, array: NDArray[np.generic], like: Array | None = None) -> Array:
        dtype = None
        if np.issubdtype(array.dtype, np.floating):
            dtype = self._network.dtype if like is None else like.dtype
        if like is None:
            return cast(Array, tf.constant(array, dtype))
        with tf.device(like.device):  # type: ignore[attr-defined]
            return cast(Array, tf.constant(array, dtype))

    def to_numpy(self, array: Array) -> NDArray[np.generic]:
        return np.asarray(array.numpy())  # type: ignore[attr-defined]

    def is_floating(self, array: Array) -> bool:
        return bool(array.dtype.is_floating)  # type: ignore[attr-defined]

    def _ruled(
        self,
        inputs: Inputs,
        score: Score,
        at: str | None,
        value: Tree | None,
        rules: Rules,
        reference: Tree | None,
    ) -> Gradient:
        request, traced = self._traced(inputs)
        given = None if value is None else leaves(value)
        explained = Explained(traced, request, score, at, given)
        starts = None if reference is None else leaves(reference)
        with self._network.explained(request, score):
            found = explained.gradient(rules, starts)
        if at is None:
            place, gradient = inputs.attributed, rebuild(inputs.attributed, found.gradients)
        else:
            place, (gradient,) = (
                value if value is not None else found.activation[0],
                found.gradients,
            )
        return Gradient(found.scores, place, gradient, found.operations, found.reference_scores)

    def _traced(self, inputs: Inputs | Tree) -> tuple[Request, Trace]:
        """The trace for these inputs, made at the first ones of their kind."""
        request = Request(self.prepare(inputs))

        def of_any_size() -> Trace | None:
            try:
                return self._trace(request, None)
            except Exception:
                # It may need to know the number of examples; if it is broken, it fails again.
                return None

        found = self.recall("trace", request.key, of_any_size)
        if found is None:
            key = (request.key, request.count)
            with self._network.explained(request):
                found = self.recall("trace", key, lambda: self._trace(request, request.count))
        return request, found

    def _trace(self, request: Request, count: int | None) -> Trace:
        with LOCK:
            return trace(self._network.call, request, count, self._network.recorder)

    def _evaluate(
        self,
        inputs: Inputs | Tree,
        score: Score,
        at: str | None,
        value: Tree | None,
        *,
        differentiated: bool,
    ) -> tuple[Array, list[Array], Tree]:
        """Scores, gradients, and the value at the site."""
        request, traced = self._traced(inputs)
        given = None if value is None else leaves(value)
        evaluation = Explained(traced, request, score, at, given).evaluation(differentiated)
        with self._network.explained(request, score):
            found = evaluation()
        return (
            found.scores,
            found.gradients,
            cast(Tree, found.activation[0] if found.activation else value),
        )

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
