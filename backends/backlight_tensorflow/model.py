"""A TensorFlow or Keras network as a Model: each verb is a program made from one trace."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Any, cast

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from backlight.arrays import Array, Arrays, Channels, shape_of
from backlight.errors import InputTypeError
from backlight.inputs import Inputs
from backlight.model import Connection, Gradient, Model, Options, Site
from backlight.operations import Operation
from backlight.outputs import Outputs
from backlight.rules import NoRules, Rules
from backlight.scores import Score
from backlight.tree import Tree, leaves, rebuild
from backlight_tensorflow import arrays as array_functions
from backlight_tensorflow.capture.flattening import Tensor
from backlight_tensorflow.capture.tracing import LOCK, Trace, trace
from backlight_tensorflow.engine.programs import Evaluation, score_arguments
from backlight_tensorflow.engine.ruled_calls import Explained
from backlight_tensorflow.nets.calls import Request
from backlight_tensorflow.nets.styles import Network, network
from backlight_tensorflow.sites import inner_sites, named_site, replacement, require_examples
from backlight_tensorflow.structure import structure_of

KEPT_TRACES = 32
"""How many traces a model remembers: one per shape of inputs, batch size aside."""


class TensorFlowModel(Model):
    """A Keras model, tf.Module, tf.function, loaded SavedModel or plain function of tensors.

    It is traced once per structure, dtypes and shapes of its inputs, for any number of examples if
    it can be. All verbs are copies of that graph: user code does not run again, and assignments,
    assertions and updates of moving averages are left out. New weights are seen at once. A Keras model
    or tf.Module is traced anew when its layers, variables, activations or public plain attributes
    have changed; what else Python code may read is seen after `backlight.forget()` only.

    The sites of a Keras model are its layers' results (`conv1`, nested ones `resnet/conv1`); those of
    everything else are the operations of the graph (`dense/Relu`), which have less steady names.
    """

    framework = "tensorflow"
    version: str = tf.__version__
    arrays: Arrays = cast(Arrays, array_functions)

    def __init__(self, net: Any, options: Options) -> None:
        self._network: Network = network(net)
        self._kind = options.outputs
        self.channels: Channels = options.channels or self._network.channels
        self.signals = self._network.signals
        self._traces: OrderedDict[Hashable, Trace] = OrderedDict()
        self._of_one_size: set[Hashable] = set()

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

    def structure(self) -> Hashable:
        return structure_of(self._network.net)

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
        known = self._known(request)
        if known is not None:
            return request, known
        with LOCK:
            known = self._known(request)
            if known is None:
                key, known = self._trace(request)
                # As it is now: the first call of a layer makes its variables.
                self._traces[self.structure(), key] = known
                while len(self._traces) > KEPT_TRACES:
                    self._traces.popitem(last=False)
        return request, known

    def _known(self, request: Request) -> Trace | None:
        structure = self.structure()
        return self._traces.get((structure, request.key)) or self._traces.get(
            (structure, (request.key, request.count))
        )

    def _trace(self, request: Request) -> tuple[Hashable, Trace]:
        call, recorder = self._network.call, self._network.recorder
        if request.key not in self._of_one_size:
            try:
                return request.key, trace(call, request, None, recorder)
            except Exception:
                # It may need to know the number of examples; if it is broken, it fails again.
                pass
        with self._network.explained(request):
            found = trace(call, request, request.count, recorder)
        self._of_one_size.add(request.key)
        return (request.key, request.count), found

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
        scored = None if score.site is None else named_site(traced, request, score.site)
        site = None if at is None else named_site(traced, request, at)
        more: list[Tensor] = []
        specs: list[tf.TensorSpec] = []
        if site is not None and value is not None:
            more.append(replacement(leaves(value)[0], site, request))
            specs.append(tf.TensorSpec((traced.count, *more[0].shape[1:]), more[0].dtype))
        operands, of_operands = score_arguments(score)
        more, specs = more + operands, specs + of_operands
        key = (
            "score",
            score.recipe,
            None if site is None else site.name,
            tuple(specs),
            value is not None,
            differentiated,
        )
        build = Evaluation(
            traced=traced,
            score=score,
            scored=None if scored is None else scored.value,
            at=None if site is None else site.value,
            replaced=value is not None,
            differentiated=differentiated,
            width=request.width,
            arguments=len(request.tensors),
        )
        scores, gradients, activation = self._run(request, traced, key, build, more, specs, score)
        if activation:
            require_examples(site, shape_of(activation[0]), request)
            value = activation[0]
        return scores, gradients, cast(Tree, value)

    def _run(
        self,
        request: Request,
        traced: Trace,
        key: Hashable,
        build: Callable[..., object],
        more: Sequence[Tensor] = (),
        specs: Sequence[tf.TensorSpec] = (),
        score: Score | None = None,
    ) -> Any:
        program = traced.program(key, build, [*request.specs(traced.count), *specs])
        with self._network.explained(request, score):
            return program(*request.tensors, *more)
