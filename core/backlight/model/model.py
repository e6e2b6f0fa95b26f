"""A framework's model, seen through a few verbs. Backends implement them; techniques use them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import AbstractContextManager
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, TypeVar, cast, final

import numpy as np
from numpy.typing import NDArray

from backlight.errors import (
    CoverageError,
    InputError,
    InputTypeError,
    SiteError,
    UnknownNameError,
)
from backlight.graph.dependence.cuts import Connection
from backlight.graph.graph import Graph
from backlight.interrupts import interruptible
from backlight.memory.memory import Memory, one_call
from backlight.model.host_random import noting_draws
from backlight.model.weights import Weights
from backlight.rules.operations import Operation
from backlight.rules.rules import Rules
from backlight.scores.scores import Score
from backlight.values.arrays import Array, Arrays, ArrayT, Channels, shape_of
from backlight.values.frame_columns import FrameColumns
from backlight.values.inputs import Extra, Inputs, PerExample, Shared
from backlight.values.layout import InputChannels, Layout, input_layout
from backlight.values.lookups import Lookups
from backlight.values.outputs import OutputKind, Outputs
from backlight.values.tree import Tree, leaves, map_leaves

T = TypeVar("T")


@dataclass(frozen=True)
class Site:
    """A value inside the model that can be named: where `at=` and `Neuron` may point.

    Attributes:
        name: as the user would say it: module path (torch), layer name (Keras), name stack (JAX).
            The second use of the same module is `name:2`, the first of several results `name[0]`;
            `name` is then the site of all of them, whose value is a tuple.
        shape: of the value for the inputs asked about, batch axis included.
        kind: what computes it, in the framework's words (`Conv2d`, `relu` ...).
        pooled: whether it is the result of a pooling, which a feature map is best read before.
    """

    name: str
    shape: tuple[int, ...]
    kind: str
    pooled: bool = False


@dataclass(frozen=True)
class Gradient(Generic[ArrayT]):
    """What a backward pass gives.

    Attributes:
        score: the score of each example, shape (N,).
        value: the value differentiated at: the attributed inputs, or the activation at a site.
        gradient: d score / d value, shaped like `value`; zero where the score does not depend on it.
        operations: with rules: what lies between the value and the score, as the rules saw it.
        reference_score: with a reference: the score there, shape (N,).
    """

    score: ArrayT
    value: Tree[ArrayT]
    gradient: Tree[ArrayT]
    operations: tuple[Operation, ...] = ()
    reference_score: ArrayT | None = None


@dataclass(frozen=True)
class Options:
    """What the user may say about a model that a backend would otherwise find out by itself.

    Attributes:
        outputs: what the outputs hold, where the net's last operation does not show it.
        channels: where images and feature maps have their channels.
    """

    outputs: OutputKind | None = None
    channels: Channels | None = None


VERBS = (
    "predict",
    "outputs",
    "score",
    "gradient",
    "gradients",
    "operations",
    "connection",
    "graph",
    "activation",
    "activations",
    "asarray",
    "sites",
)
"""What runs or traces the user's net."""

FIRST = ("outputs", "graph")
"""Those that run or trace a net first, before anything is explained of it."""


class Model(ABC, Generic[ArrayT]):
    """A function of a batch, differentiable unless it says otherwise.

    Axis 0 of every input and output is the examples'. `inputs` of each verb is what the model is called
    with (see `Inputs`), NumPy or native; results are native arrays. No verb changes the user's model,
    also when it raises or is interrupted, and threads may call verbs of one model at once. A verb runs
    the model in inference mode.
    """

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for verb in VERBS:
            if verb in vars(cls):
                own = noting_draws(vars(cls)[verb]) if verb in FIRST else vars(cls)[verb]
                setattr(cls, verb, interruptible(one_call(own)))

    framework: str
    """`torch`, `tensorflow`, `jax` ..."""
    version: str
    """The framework's version."""
    arrays: Arrays
    """Array functions on this framework's arrays."""
    differentiable: bool = True
    """Whether it has gradients. Where not, it can only be run: `gradient`, `operations` and `connection`
    raise CoverageError, and there are no inner sites."""
    class_names: tuple[str, ...] | None = None
    """What the model itself calls the classes of its one output, in their order; None where it tells
    none."""
    declared: OutputKind | None = None
    """What the user said the outputs hold, to `wrap`."""
    channels: Channels
    """Where this model has the channels of images and feature maps, where shapes do not tell."""
    signals: bool = False
    """Whether the net is known to take signals with channels: its first layer that looks at neighbours
    looks along one axis, as a one-dimensional convolution or a recurrent layer does."""
    takes_names: bool = True
    """Whether a dict of inputs goes to it by name; else it is one argument, as of a Keras model."""
    keeps_forward: bool = False
    """Whether `gradients` runs the model forward once for all scores and sites."""
    declared_channels: InputChannels | None = None
    """What the user said about the channels of the inputs, to `wrap`."""
    attachable: bool = False
    """Whether there is an attached form of it, see `attach`."""
    attached: bool = False
    """Whether results stay in the gradient computation of the user's own, see `attach`."""
    takes_vectors: bool = False
    """Whether the vectors of ids can be put into it from outside, see `with_vectors`."""
    lookups: Lookups | None = None
    """Which of its inputs are vectors in the place of ids, see `with_vectors`."""
    of_ids: "Model[ArrayT] | None" = None
    """The model of the same net that takes these ids."""
    transient: bool = False
    """Whether it holds values of a computation that is being traced, and must not outlive that."""

    @abstractmethod
    def predict(self, inputs: Inputs[ArrayT] | Tree[ArrayT]) -> Any:
        """The model's outputs, in its own structure."""

    @abstractmethod
    def outputs(self, inputs: Inputs[ArrayT] | Tree[ArrayT]) -> Outputs:
        """Shape and kind of the outputs, nested as they are (tuples and dicts). Cheap when repeated
        for inputs of the same shapes."""

    @abstractmethod
    def score(
        self,
        inputs: Inputs[ArrayT] | Tree[ArrayT],
        score: Score,
        *,
        at: str | None = None,
        value: Tree[ArrayT] | None = None,
    ) -> ArrayT:
        """The score of each example, shape (N,), forward only.

        With `value`, the activation at the site `at` is replaced by it.
        """

    @abstractmethod
    def gradient(
        self,
        inputs: Inputs[ArrayT] | Tree[ArrayT],
        score: Score,
        *,
        at: str | None = None,
        value: Tree[ArrayT] | None = None,
        rules: Rules | None = None,
        reference: Tree[ArrayT] | None = None,
    ) -> Gradient[ArrayT]:
        """d score / d (attributed inputs), or d score / d (value at the inner site `at`).

        With `value`, the activation at `at` is replaced by it, and differentiated there.

        With `rules`, the backward pass obeys them at the operations between there and the score, those
        of the score itself included. The score is what it is without rules.

        With `reference`, the model also runs with the differentiated value replaced by it (axis 0 may
        be 1, for a reference that all examples share), and rules see each operation of that pass as
        `AppliedOperation.reference`.

        Raises:
            UnknownNameError: no such site.
            SiteError: the site's value is not a floating-point array with the examples on axis 0.
        """

    def gradients(
        self,
        inputs: Inputs[ArrayT] | Tree[ArrayT],
        scores: Sequence[Score],
        *,
        sites: Sequence[str | None] = (None,),
        value: Tree[ArrayT] | None = None,
    ) -> tuple[Gradient[ArrayT], ...]:
        """What `gradient` gives, without rules, for each of several scores of classes of one output, at
        each of several sites in turn: by one forward pass and a backward pass for each score, where the
        framework keeps what it computed. What one site does by way of another counts for both.

        With `value`, there is one site."""
        return tuple(
            self.gradient(inputs, score, at=site, value=value) for score in scores for site in sites
        )

    @abstractmethod
    def operations(
        self,
        inputs: Inputs[ArrayT] | Tree[ArrayT],
        *,
        score: Score | None = None,
        at: str | None = None,
        rules: Rules | None = None,
    ) -> tuple[Operation, ...]:
        """The operations between the attributed inputs (or the site) and the score (or, without one,
        the outputs), in the order in which they are computed, as these rules would see them."""

    def connection(
        self, inputs: Inputs[ArrayT] | Tree[ArrayT], score: Score, *, at: str | None = None
    ) -> Connection:
        """Which ways derivatives can take from the attributed inputs (or the value at the site) to the
        score. It is asked for where a gradient is zero throughout: it may take as long as a pass."""
        raise NotImplementedError

    def graph(
        self, inputs: Inputs[ArrayT] | Tree[ArrayT], score: Score | None = None
    ) -> Graph | None:
        """The operations between all inputs and the score, the score's own included, or, without one,
        the outputs, in the core's terms; its sites are named as `at=` takes them. None for a model
        that does not tell: then what it computes is guessed from shapes."""
        return None

    @abstractmethod
    def activation(self, inputs: Inputs[ArrayT] | Tree[ArrayT], at: str) -> Tree[ArrayT]:
        """The value at an inner site: an array, or the tuple of all that a layer gives."""

    def activations(
        self, inputs: Inputs[ArrayT] | Tree[ArrayT], sites: Sequence[str]
    ) -> tuple[Tree[ArrayT], ...]:
        """The values at several sites, by one forward pass where the framework can."""
        return tuple(self.activation(inputs, site) for site in sites)

    @final
    def array_at(self, inputs: Inputs[ArrayT] | Tree[ArrayT], at: str) -> ArrayT:
        """The value at an inner site that is one array.

        Raises:
            SiteError: it is several.
        """
        found = leaves(self.activation(inputs, at))
        if len(found) > 1:
            raise SiteError(
                f"{at!r} gives {len(found)} arrays: name one of them, as {at + '[0]'!r}."
            )
        return found[0]

    @abstractmethod
    def sites(self, inputs: Inputs[ArrayT] | Tree[ArrayT]) -> tuple[Site, ...]:
        """The inner sites, in the order in which they are computed, the examples on axis 0 each."""

    def identity(self) -> Hashable:
        """What the net is made of at the moment, its weights aside: equal while the user has not edited
        it (see `backlight.memory.identity`). What is remembered about the net is remembered for this."""
        return None

    def weights(self) -> Weights[ArrayT] | None:
        """The arrays that the net keeps, by name, as they are now. None for a model that does not tell,
        and for a function in which none can be found."""
        return None

    def with_weights(
        self, new: Mapping[str, NDArray[np.generic]]
    ) -> AbstractContextManager["Model"]:
        """The model with other numbers in the place of these parameters, inside of the block.

        Afterwards the net is what it was, to the last bit, also where the block raised or was
        interrupted. What is given in the block may be this model, changed, or another one.

        Args:
            new: by the names of `weights().parameters`, in their shapes; they take their dtypes.

        Raises:
            InputError: the model does not tell its weights, or one has another shape.
            UnknownNameError: no such parameter.
        """
        raise InputError(
            f"This {self.framework} model does not tell its weights, so that none can be replaced. Give "
            "the module, or the function that reads the arrays."
        )

    @cached_property
    def memory(self) -> Memory:
        """What was found out about the net as it is."""
        return Memory(self.identity)

    @final
    def recall(self, what: str, key: Hashable, make: Callable[[], T]) -> T:
        """The answer to a question about the net, made where it is not remembered of it as it is now."""
        return self.memory.recall(what, key, make)

    def attach(self) -> "Model[ArrayT]":
        """The same net, whose scores, activations and gradients without rules can be differentiated once
        more: by its weights, and by the inputs.

        Raises:
            CoverageError: the backend has no such form.
        """
        if not self.attachable:
            raise CoverageError(
                f"Attributions of this {self.framework} model cannot be differentiated; those of "
                "PyTorch, JAX and TensorFlow models can. Leave differentiable=True out."
            )
        attached = copy(self)
        attached.attached, attached.memory = True, self.memory
        return attached

    def with_vectors(self, lookups: Lookups) -> "Model[ArrayT]":
        """The same net as a function of the vectors that it looks up for ids, in the place of these.

        What it is called with is what `lookups.put_in` gives. Sites are called what they are in the net
        itself; but not JAX's that go by a compiled function's name.

        Raises:
            CoverageError: the backend has no such form.
        """
        raise CoverageError(
            f"The vectors of ids cannot be put into this {self.framework} model from outside."
        )

    def with_columns(self, columns: FrameColumns) -> "Model[ArrayT]":
        """The same net as one that is given the rows of data frames with these columns, as arrays, and
        makes a frame of them where it was trained on frames.

        Raises:
            InputTypeError: it takes arrays of numbers, and these rows are none.
        """
        columns.require_numbers()
        return self

    def detached(self, array: ArrayT) -> ArrayT:
        """The array outside of any gradient computation of the user's own."""
        return array

    def has_numbers(self, array: ArrayT) -> bool:
        """Whether the array's numbers are known by now: inside of a function that is being compiled, or
        differentiated, they may not be."""
        return True

    @final
    def require_numbers(self, array: ArrayT) -> None:
        """Raise InputError unless the array's numbers are known by now."""
        if not self.has_numbers(array):
            raise InputError(
                "Numbers are needed here that are not known yet, inside a function that is being "
                "compiled or differentiated. Say differentiable=True, a target, and a baseline that is "
                "not made of the input; or explain outside of the function."
            )

    @abstractmethod
    def owns(self, array: object) -> bool:
        """Whether this is one of the framework's own arrays."""

    @abstractmethod
    def asarray(self, array: NDArray[np.generic], like: ArrayT | None = None) -> ArrayT:
        """A native array from a NumPy one.

        Floating-point numbers take the dtype and device of `like`, or of the model; integers and
        booleans keep their dtype.
        """

    @abstractmethod
    def to_numpy(self, array: ArrayT) -> NDArray[np.generic]:
        """A NumPy array, on the host, from a native one, outside of any gradient."""

    @abstractmethod
    def is_floating(self, array: ArrayT) -> bool:
        """Whether the array holds floating-point numbers, which can be differentiated."""

    @final
    def input_layout(self, shape: tuple[int, ...]) -> Layout | None:
        """Where an input of this shape has its channels and its places; None if it has no space."""
        return input_layout(shape, self.channels, self.declared_channels)

    @final
    def site(self, inputs: Inputs[ArrayT] | Tree[ArrayT], name: str) -> Site:
        """The site of this name, or UnknownNameError with the nearest names."""
        sites = {site.name: site for site in self.sites(inputs)}
        if name not in sites:
            raise UnknownNameError("site", name, sites)
        return sites[name]

    @final
    def prepare(self, inputs: Inputs[ArrayT] | Tree[ArrayT], extra: Extra = ()) -> Inputs[ArrayT]:
        """Inputs of native arrays from whatever the user gave.

        Raises:
            InputTypeError: an array of another framework, or no array at all.
            InputError: attributed arrays without a common number of examples.
        """
        if extra is None or not isinstance(extra, (tuple, Mapping)):
            raise InputTypeError(
                f"extra must be a tuple, by position, or a mapping, by name; got a "
                f"{type(extra).__name__}. For one argument write extra=(mask,)."
            )
        if isinstance(inputs, Inputs):
            if inputs.native and not extra:
                return inputs
            given = inputs
        else:
            given = Inputs(inputs)
        tree = map_leaves(self._native, given.attributed)
        shapes = [shape_of(cast(Array, leaf)) for leaf in leaves(tree)]
        counts = {shape[0] if shape else 0 for shape in shapes}
        if len(counts) != 1 or 0 in counts:
            raise InputError(
                "Inputs need a batch axis first, with the same number of examples, at least 1, in "
                f"each; got shapes {shapes}. For one example x, pass x[None]."
            )
        (count,) = counts
        positional, keyword = (extra, {}) if isinstance(extra, tuple) else ((), extra)
        return Inputs(
            tree,
            tuple(self._native_extra(value, count) for value in (*given.positional, *positional)),
            {
                name: self._native_extra(value, count)
                for name, value in {**given.keyword, **keyword}.items()
            },
            native=True,
        )

    def _native(self, array: object) -> ArrayT:
        if self.owns(array):
            return self.detached(cast(ArrayT, array))
        if isinstance(array, (np.ndarray, np.generic)):
            return self.asarray(np.asarray(array))
        own = "" if self.framework == "numpy" else f"{self.framework} or "
        raise InputTypeError(
            f"This {self.framework} model was given a {type(array).__module__}.{type(array).__name__}; "
            f"pass {own}NumPy arrays, or a tuple or dict of them."
        )

    def _native_extra(self, value: object, count: int) -> object:
        if isinstance(value, PerExample):
            return value
        if isinstance(value, Shared):
            return Shared(self._native_extra(value.value, -1))
        array = self.asarray(value) if isinstance(value, np.ndarray) else value
        if self.owns(array) and shape_of(array)[:1] == (count,):  # type: ignore[arg-type]
            return PerExample(array)  # type: ignore[arg-type]
        return array
