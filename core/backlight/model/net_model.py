"""A model of a framework's net: the verbs as questions, which a backend answers."""

from abc import abstractmethod
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from numpy.typing import NDArray

from backlight.errors import (
    BacklightError,
    InputError,
    ModelError,
    SiteError,
    UnknownNameError,
    message_of,
)
from backlight.graph.dependence.cuts import Connection
from backlight.memory.identity import identity_of
from backlight.memory.keras_layers import is_keras
from backlight.memory.memory import Memory
from backlight.model.model import Gradient, Model, Options
from backlight.model.weights import Storage, Weights
from backlight.rules.operations import Operation
from backlight.rules.rules import NoRules, Rules
from backlight.scores.scores import Score
from backlight.scores.several import Stacked
from backlight.values.arrays import Array, Channels, shape_of
from backlight.values.inputs import Inputs
from backlight.values.lookups import Lookups
from backlight.values.outputs import Outputs, specified
from backlight.values.tree import Tree, leaves, map_leaves, rebuild


@final
@dataclass(frozen=True, eq=False)
class Question:
    """Where and how a net is asked about: the arguments of `Model.gradient`, the score aside.

    Attributes:
        inputs: as `Model.prepare` gives them; with the value in them where no site is asked about.
        at: the inner site; None for the inputs.
        value: in place of the activation at the site.
        rules: for the backward pass; None for the framework's own derivative, without a reference.
        reference: in place of what is differentiated, in a pass of its own.
    """

    inputs: Inputs
    at: str | None = None
    value: Tree | None = None
    rules: Rules | None = None
    reference: Tree | None = None

    def answer(
        self,
        score: Array,
        gradients: Sequence[Array],
        activation: Tree | None = None,
        operations: tuple[Operation, ...] = (),
        reference_score: Array | None = None,
    ) -> Gradient:
        """What a backward pass gave.

        Args:
            score, operations, reference_score: see `Gradient`.
            gradients: one for each array of what was differentiated.
            activation: what was differentiated, at a site; None for the inputs.
        """
        value = self.inputs.attributed if activation is None else activation
        return Gradient(score, value, rebuild(value, gradients), operations, reference_score)


@contextmanager
def model_errors(out_of_memory: str, advice: Mapping[str, str] | None = None) -> Iterator[None]:
    """Errors of the framework, or of a model's own callbacks and derivatives, as ModelError; those of
    memory, which say this, as they are.

    Args:
        out_of_memory: what errors of memory say.
        advice: what to do, by what errors say.
    """
    try:
        yield
    except BacklightError:
        raise
    except Exception as error:
        if out_of_memory in str(error):
            raise
        said = f"Running or differentiating the model raised {type(error).__name__}: {message_of(error)}"
        told = [what for part, what in (advice or {}).items() if part in str(error)]
        raise ModelError(" ".join([said, *told])) from error


class NetModel(Model):
    """The verbs for a net as a user gave it, the same for every framework: arguments are prepared
    here, and a backend answers.

    Args:
        net: the user's.
        options: what the user said about it.
    """

    takes_vectors = True

    def __init__(self, net: object, options: Options) -> None:
        self.given = net
        self.options = options

    @property
    def takes_names(self) -> bool:  # type: ignore[override]
        return not is_keras(self.given)

    @property
    def channels(self) -> Channels:  # type: ignore[override]
        return self.options.channels or self._channels()

    @final
    def outputs(self, inputs: Inputs | Tree) -> Outputs:
        found, kind = self._outputs(self.prepare(inputs)), self.options.outputs
        return found if kind is None else specified(found, kind)

    @final
    def score(
        self,
        inputs: Inputs | Tree,
        score: Score,
        *,
        at: str | None = None,
        value: Tree | None = None,
    ) -> Array:
        return self._score(self._question(inputs, at, value), score)

    @final
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
        obeyed = NoRules() if rules is None and reference is not None else rules
        return self._gradient(self._question(inputs, at, value, obeyed, reference), score)

    @final
    def gradients(
        self,
        inputs: Inputs | Tree,
        scores: Sequence[Score],
        *,
        sites: Sequence[str | None] = (None,),
        value: Tree | None = None,
    ) -> tuple[Gradient, ...]:
        if value is not None and len(sites) > 1:
            raise InputError(f"A value is given for one site, not for {len(sites)} at once.")
        asked = self._question(inputs, sites[0], value)
        score = scores[0] if len(scores) == 1 else Stacked(tuple(scores))
        return self._gradients(asked, score, tuple(sites))

    @final
    def activation(self, inputs: Inputs | Tree, at: str) -> Tree:
        (found,) = self.activations(inputs, (at,))
        return found

    @final
    def activations(self, inputs: Inputs | Tree, sites: Sequence[str]) -> tuple[Tree, ...]:
        return self._activations(self.prepare(inputs), tuple(sites))

    @final
    def operations(
        self,
        inputs: Inputs | Tree,
        *,
        score: Score | None = None,
        at: str | None = None,
        rules: Rules | None = None,
    ) -> tuple[Operation, ...]:
        return self._operations(Question(self.prepare(inputs), at), score, rules or NoRules())

    @final
    def connection(
        self, inputs: Inputs | Tree, score: Score, *, at: str | None = None
    ) -> Connection:
        found = self._connection(Question(self.prepare(inputs), at), score)
        named = (replace(cut, name=cut.name or at or "") for cut in found.cuts)
        return replace(found, cuts=tuple(dict.fromkeys(named)))

    @final
    def weights(self) -> Weights | None:
        storage = self._storage()
        return None if storage is None else storage.weights

    @contextmanager
    def with_weights(self, new: Mapping[str, NDArray[np.generic]]) -> Iterator[Model]:
        storage = self._storage()
        if storage is None:
            with super().with_weights(new) as model:  # which says so
                yield model
            return
        there = storage.weights.parameters
        for name, array in new.items():
            if name not in there:
                raise UnknownNameError("parameter", name, there)
            if array.shape != shape_of(there[name]):
                raise InputError(
                    f"The parameter {name} has the shape {shape_of(there[name])}; got {array.shape}."
                )
        kept = {name: storage.copied(there[name]) for name in new}
        try:
            yield storage.put(new) or self
        finally:
            storage.put(kept)

    def identity(self) -> Hashable:
        return identity_of(self.given)

    def with_vectors(self, lookups: Lookups) -> Model:
        def made() -> Model:
            found = copy(self)
            # It is made anew where the net is edited, and so is itself never edited.
            found.lookups, found.memory = lookups, Memory(lambda: None)
            found.of_ids = self
            return found

        return self.recall("with vectors", (lookups, self.attached), made)

    def _question(
        self,
        inputs: Inputs | Tree,
        at: str | None,
        value: Tree | None,
        rules: Rules | None = None,
        reference: Tree | None = None,
    ) -> Question:
        prepared = self.prepare(inputs)
        if at is None and value is not None:
            return Question(
                prepared.with_attributed(map_leaves(self._native, value)),
                rules=rules,
                reference=reference,
            )
        return Question(prepared, at, value, rules, reference)

    @final
    def _points(self, asked: Question, shapes: Sequence[tuple[int, ...]]) -> list[Array] | None:
        """The arrays that are given in place of the activation at a site, whose arrays have these
        shapes; None where none are."""
        if asked.value is None:
            return None
        points = list(map(self._native, leaves(asked.value)))
        given = list(map(shape_of, points))
        if given != list(shapes):
            wanted, got = (one[0] if len(one) == 1 else tuple(one) for one in (list(shapes), given))
            raise SiteError(
                f"The value for the site {asked.at!r} must have shape {wanted} for these inputs, got "
                f"{got}."
            )
        return points

    @final
    def _starts(self, asked: Question, shapes: Sequence[tuple[int, ...]]) -> list[Array] | None:
        """The arrays of the reference, for values of these shapes; None without one."""
        if asked.reference is None:
            return None
        starts = list(map(self._native, leaves(asked.reference)))
        given = list(map(shape_of, starts))
        fits = len(given) == len(shapes) and all(
            one[1:] == shape[1:] and one[:1] in ((1,), shape[:1])
            for one, shape in zip(given, shapes, strict=True)
        )
        if not fits:
            raise InputError(
                f"A reference is shaped like the value, {[*shapes]}, or has length 1 on axis 0; got "
                f"{given}."
            )
        return starts

    def _storage(self) -> Storage | None:
        """Where the net keeps its weights; None where none can be found."""
        return None

    @abstractmethod
    def _channels(self) -> Channels:
        """Where the net shows that it has channels, or else where the framework has them."""

    @abstractmethod
    def _outputs(self, inputs: Inputs) -> Outputs:
        """See `outputs`, for prepared inputs; kinds are as the net shows them."""

    @abstractmethod
    def _score(self, asked: Question, score: Score) -> Array:
        """See `score`."""

    @abstractmethod
    def _gradient(self, asked: Question, score: Score) -> Gradient:
        """See `gradient`."""

    def _gradients(
        self, asked: Question, score: Score, sites: tuple[str | None, ...]
    ) -> tuple[Gradient, ...]:
        """See `gradients`, of one score or of several side by side."""
        scores = score.scores if isinstance(score, Stacked) else (score,)
        return tuple(
            self._gradient(replace(asked, at=site), one) for one in scores for site in sites
        )

    @abstractmethod
    def _activations(self, inputs: Inputs, sites: tuple[str, ...]) -> tuple[Tree, ...]:
        """See `activations`."""

    @abstractmethod
    def _operations(
        self, asked: Question, score: Score | None, rules: Rules
    ) -> tuple[Operation, ...]:
        """See `operations`."""

    @abstractmethod
    def _connection(self, asked: Question, score: Score) -> Connection:
        """See `connection`."""
