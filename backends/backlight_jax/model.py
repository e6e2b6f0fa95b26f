"""A JAX net as a Backlight model."""

from collections.abc import Hashable
from typing import Any, cast, final

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from numpy.typing import NDArray

from backlight.errors import BacklightError, ModelError, message_of
from backlight.graph.dependence.connection import connection
from backlight.graph.dependence.cuts import Connection
from backlight.graph.graph import Graph
from backlight.memory.identity import identity_of
from backlight.memory.memory import Memory
from backlight.model.model import Gradient, Model, Options, Site
from backlight.model.net_model import NetModel, Question, model_errors
from backlight.model.weights import Storage
from backlight.rules.operations import Operation
from backlight.rules.rules import Rules
from backlight.scores.scores import Score
from backlight.values.arrays import Array, Arrays, Channels, shape_of
from backlight.values.inputs import Inputs
from backlight.values.lookups import Lookups
from backlight.values.outputs import Outputs
from backlight.values.tree import Tree, leaves
from backlight_jax.capture.scored import scored
from backlight_jax.capture.trace import Trace
from backlight_jax.capture.with_vectors import with_vectors
from backlight_jax.engine.passes import (
    OUT_OF_MEMORY,
    SEVERAL_DEVICES,
    activations_pass,
    forward_pass,
    gradient_pass,
    native_pass,
)
from backlight_jax.nets.arrays import closed_over, wrapped_names
from backlight_jax.nets.calls import Signature, read
from backlight_jax.nets.styles import Net, State, as_net
from backlight_jax.sites.places import Place
from backlight_jax.weights import storage


@final
class JaxModel(NetModel):
    """A plain or jitted function, a flax, equinox or Keras module, seen through Model's verbs.

    The net is traced once per shapes and dtypes of its inputs and weights; all passes are compiled
    from that trace. The weights of modules, and arrays bound by `functools.partial`, are arguments
    of what is compiled; everything else is part of its trace, and the net is traced anew when it has
    changed.

    An equinox module written for one example is wrapped as `jax.vmap(module)`.
    """

    framework = "jax"
    version = jax.__version__
    arrays = cast(Arrays, jnp)
    keeps_forward = True
    attachable = True

    def __init__(self, net: object, options: Options) -> None:
        super().__init__(net, options)
        self._read = as_net(net)

    @property
    def _net(self) -> Net:
        return self.recall("net", None, lambda: as_net(self.given))

    @property
    def transient(self) -> bool:  # type: ignore[override]
        return any(isinstance(part, Tracer) for part, _ in identity_of(self.given).segments())

    def attach(self) -> Model:
        attached = super().attach()
        # What is remembered of a net that holds tracers would keep them alive.
        attached.memory = Memory(attached.identity)
        return attached

    @property
    def _convolution(self) -> tuple[int, ...]:
        """Where the first has examples, channels and places, by the last trace, if there is one."""
        traces: list[Trace] = self.memory.answers("trace")
        return traces[-1].structure.convolution if traces else ()

    @property
    def signals(self) -> bool:  # type: ignore[override]
        return len(self._convolution) == 3

    def _storage(self) -> Storage | None:
        return storage(self)

    def _channels(self) -> Channels:
        return "first" if self._convolution[1:2] == (1,) else "last"

    def predict(self, inputs: Inputs | Tree) -> object:
        trace, arrays = self._traced(self.prepare(inputs))
        found = trace.compiled("outputs", lambda: forward_pass(trace, None, None))(arrays)
        return jax.tree.unflatten(trace.structure_of_outputs, found)

    def _outputs(self, inputs: Inputs) -> Outputs:
        return self._traced(inputs)[0].outputs

    def _score(self, asked: Question, score: Score) -> Array:
        site, points, trace, arrays = self._placed(asked)
        key = "score", score.recipe, keys_of(site)
        compiled = trace.compiled(key, lambda: forward_pass(trace, score, site))
        (found,) = compiled(arrays, score.operands(), points)
        return cast(Array, found)

    def _gradient(self, asked: Question, score: Score) -> Gradient:
        rules = asked.rules
        if rules is None:
            (only,) = self._gradients(asked, score, (asked.at,))
            return only
        site, points, trace, arrays = self._placed(asked)
        given = map(shape_of, leaves(asked.inputs.attributed))
        shapes = list(given) if site is None else [place.shape for place in leaves(site)]
        starts = self._starts(asked, shapes)
        key = "ruled", score.recipe, keys_of(site), rules, rows_of(starts)
        compiled = trace.compiled(key, lambda: gradient_pass(trace, score, site, rules, starts))
        here, gradients, value, there = compiled(arrays, score.operands(), (points, starts))
        return asked.answer(here, gradients, value, compiled.operations, there)

    def _gradients(
        self, asked: Question, score: Score, sites: tuple[str | None, ...]
    ) -> tuple[Gradient, ...]:
        _, points, trace, arrays = self._placed(asked)
        places = [None if site is None else trace.sites.at(site) for site in sites]
        key = "gradients", score.recipe, tuple(map(keys_of, places))
        compiled = trace.compiled(key, lambda: native_pass(trace, score, places))
        scores, gradients, values = compiled(arrays, score.operands(), points)
        return tuple(
            asked.answer(one, gradient, value)
            for one, of_sites in zip(scores, gradients, strict=True)
            for gradient, value in zip(of_sites, values, strict=True)
        )

    def _operations(
        self, asked: Question, score: Score | None, rules: Rules
    ) -> tuple[Operation, ...]:
        site, _, trace, _ = self._placed(asked)
        return trace.compiled(
            ("operations", score and score.recipe, keys_of(site), rules),
            lambda: scored(trace, score, site).explained(rules).recognised.operations,
        )

    def _connection(self, asked: Question, score: Score) -> Connection:
        site, _, trace, _ = self._placed(asked)
        with model_errors(OUT_OF_MEMORY, SEVERAL_DEVICES):
            return connection(scored(trace, score, site).looked_into)

    def graph(self, inputs: Inputs | Tree, score: Score | None = None) -> Graph:
        trace, _ = self._traced(self.prepare(inputs))
        return scored(trace, score, None).named

    def _activations(self, inputs: Inputs, sites: tuple[str, ...]) -> tuple[Tree, ...]:
        trace, arrays = self._traced(inputs)
        places = list(map(trace.sites.at, sites))
        key = "activations", tuple(map(keys_of, places))
        return tuple(trace.compiled(key, lambda: activations_pass(trace, places))(arrays))

    def sites(self, inputs: Inputs | Tree) -> tuple[Site, ...]:
        trace, _ = self._traced(self.prepare(inputs))
        return trace.sites.listed

    def identity(self) -> Hashable:
        return self._read.identity()

    def owns(self, array: object) -> bool:
        return isinstance(array, jax.Array)

    def asarray(self, array: NDArray[np.generic], like: Array | None = None) -> Array:
        floating = jnp.issubdtype(array.dtype, jnp.floating)
        model: Any = self._parameter() if like is None and floating else like
        dtype = model.dtype if floating and model is not None else array.dtype
        native = jnp.asarray(array, dtype=jax.dtypes.canonicalize_dtype(dtype))
        placed = self.has_numbers(model) and getattr(model, "committed", False)
        if placed and len(model.devices()) == 1:
            native = jax.device_put(native, next(iter(model.devices())))
        return cast(Array, native)

    def has_numbers(self, array: Array) -> bool:
        return not isinstance(array, Tracer)

    def to_numpy(self, array: Array) -> NDArray[np.generic]:
        self.require_numbers(array)
        with model_errors(OUT_OF_MEMORY, SEVERAL_DEVICES):
            return np.asarray(array)

    def is_floating(self, array: Array) -> bool:
        return bool(jnp.issubdtype(cast(Any, array).dtype, jnp.floating))

    def _parameter(self) -> Any:
        """The net's first floating-point weight, as far as weights can be found."""
        leaves = (*self._net.state().leaves, *closed_over(self.given))
        return next((one for one in leaves if jnp.issubdtype(one.dtype, jnp.floating)), None)

    def _traced(self, inputs: Inputs) -> tuple[Trace, list[Any]]:
        """The trace for these inputs, and the arrays to call it with."""
        signature, arrays = read(self._net.state(), inputs)
        return self._trace(signature), arrays

    def _trace(self, signature: Signature) -> Trace:
        return self.recall("trace", signature, lambda: self._new_trace(signature))

    def _new_trace(self, signature: Signature) -> Trace:
        try:
            net, names = self._net, wrapped_names(self.given)
            if self.lookups is not None:
                net = with_vectors(net, self._trace_of_ids(signature, self.lookups), self.lookups)
            trace = Trace(net, signature, net.names(), names, self._trace)
        except BacklightError:
            raise
        except Exception as error:  # the model may fail in any way; it is told what it was given
            wanted = self._net.wanted()
            raise ModelError(
                f"The model raised {type(error).__name__} when called with {signature.described()}"
                f"{f'; {wanted}' if wanted else ''}. A module made for one example is wrapped as "
                f"jax.vmap(module). The model's own message: {message_of(error)}"
            ) from error
        return trace

    def _trace_of_ids(self, signature: Signature, lookups: Lookups) -> Trace:
        """The trace of the net itself for what this signature has vectors of."""
        given = lookups.without(signature.with_rows())
        weights = cast(Any, signature.abstract()[: signature.weights])
        own, _ = read(State(weights, signature.net), given)
        return cast(JaxModel, self.of_ids)._trace(own)

    def _placed(
        self, asked: Question
    ) -> tuple[Tree[Place] | None, list[Any] | None, Trace, list[Any]]:
        """Where the site is, the arrays to put there, the trace and its arrays."""
        trace, arrays = self._traced(asked.inputs)
        if asked.at is None:
            return None, None, trace, arrays
        site = trace.sites.at(asked.at)
        return site, self._points(asked, [place.shape for place in leaves(site)]), trace, arrays


def keys_of(site: Tree[Place] | None) -> Hashable:
    """Which values a site is; None for the inputs."""
    return None if site is None else tuple(place.key for place in leaves(site))


def rows_of(starts: list[Any] | None) -> tuple[int, ...] | None:
    return None if starts is None else tuple(start.shape[0] for start in starts)
