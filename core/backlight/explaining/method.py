"""A technique: hyper-parameters as fields, the technique as the call."""

import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, final, overload

import numpy as np
from numpy.typing import NDArray

from backlight.attribution.attribution import Attribution
from backlight.by_value import ByValue
from backlight.errors import (
    BacklightWarning,
    CoverageError,
)
from backlight.explaining.describing import Names
from backlight.explaining.differentiable import attached
from backlight.explaining.finishing import finish
from backlight.explaining.layer_inputs import Place, Places, several
from backlight.explaining.no_gradients import no_gradients
from backlight.explaining.objective import Objective
from backlight.explaining.preparing import prepare
from backlight.explaining.result import Result
from backlight.explaining.targets import Target, Targets, listed
from backlight.explaining.together import explained, taken
from backlight.interrupts import interruptible
from backlight.memory.memory import one_call
from backlight.model.wrapping import wrap_for
from backlight.rules.rules import Rules
from backlight.scores.scores import Score
from backlight.values.given import taken_in
from backlight.values.inputs import Extra, Inputs
from backlight.values.tree import GivenT, NestedT


class Method(ByValue, ABC):
    """A technique. Implementations are final, frozen, keyword-only dataclasses."""

    @property
    def spatial(self) -> bool:
        """Whether the technique reads a feature map: `at` is then the last one unless the user says."""
        return False

    @property
    def differentiates(self) -> bool:
        """Whether the technique takes gradients with respect to the input, or to `at`."""
        return True

    @property
    def moves_inputs(self) -> bool:
        """Whether the technique moves the inputs where a site is explained, too: ids are then given as
        their vectors."""
        return False

    @property
    def rules(self) -> Rules | None:
        """The rules that the technique's backward pass obeys; None for the plain gradient."""
        return None

    @property
    def rules_reach_input(self) -> bool:
        """Whether rules of a technique that reads a feature map act down to the input, not to the map."""
        return False

    @property
    def linear(self) -> bool:
        """Whether the values for a difference of two scores are the difference of the values for each:
        a margin then costs nothing where its classes are explained as well."""
        return False

    @property
    def joins_sites(self) -> bool:
        """Whether `attribute_each` explains several sites at once, those of `objective.sites`: where it
        looks at nothing but what one pass gives for all."""
        return False

    @property
    def differentiable(self) -> bool:
        """Whether its values can be differentiated: they are made of gradients and functions of the
        model's own arrays alone, and numbers do not decide how much is computed."""
        return self.differentiates and self.rules is None

    def objection(self, objective: Objective) -> str | None:
        """Why the technique would mean nothing here, with what to do instead; None where it means
        something. It is asked before `attribute`, for the first examples: what it says is raised as a
        CoverageError, and told by `backlight check`. `objective.operations()` is what there is between
        the value explained and the score.
        """
        return None

    @abstractmethod
    def attribute(self, objective: Objective) -> Result:
        """Explain one objective. Rows of the result must not depend on one another."""

    def attribute_each(self, objective: Objective, targets: Sequence[Score]) -> Sequence[Result]:
        """Explain the same examples for several bound scores: a result for each, in their order, and,
        where the technique joins sites, for each of `objective.sites` in theirs.

        By default one after the other; see `JointMethod`.
        """
        return [self.attribute(objective.with_target(target)) for target in targets]

    @overload
    def __call__(
        self,
        model: object,
        x: object,
        target: Targets,
        *,
        at: Places,
        batch_size: int | None = None,
        extra: Extra = (),
        class_names: Sequence[str] | None = None,
        names: Names = None,
        differentiable: bool = False,
    ) -> tuple[tuple[Attribution[Any], ...], ...]: ...

    @overload
    def __call__(
        self,
        model: object,
        x: object,
        target: Target = None,
        *,
        at: Places,
        batch_size: int | None = None,
        extra: Extra = (),
        class_names: Sequence[str] | None = None,
        names: Names = None,
        differentiable: bool = False,
    ) -> tuple[Attribution[Any], ...]: ...

    @overload
    def __call__(
        self,
        model: object,
        x: GivenT,
        target: Targets,
        *,
        at: str | None = None,
        batch_size: int | None = None,
        extra: Extra = (),
        class_names: Sequence[str] | None = None,
        names: Names = None,
        differentiable: bool = False,
    ) -> tuple[Attribution[GivenT], ...]: ...

    @overload
    def __call__(
        self,
        model: object,
        x: object,
        target: Targets,
        *,
        at: str | None = None,
        batch_size: int | None = None,
        extra: Extra = (),
        class_names: Sequence[str] | None = None,
        names: Names = None,
        differentiable: bool = False,
    ) -> tuple[Attribution[Any], ...]: ...

    @overload
    def __call__(
        self,
        model: object,
        x: NDArray[np.integer[Any] | np.bool],
        target: Target = None,
        *,
        at: str | None = None,
        batch_size: int | None = None,
        extra: Extra = (),
        class_names: Sequence[str] | None = None,
        names: Names = None,
        differentiable: bool = False,
    ) -> Attribution[NDArray[np.floating[Any]]]: ...

    @overload
    def __call__(
        self,
        model: object,
        x: GivenT,
        target: Target = None,
        *,
        at: str | None = None,
        batch_size: int | None = None,
        extra: Extra = (),
        class_names: Sequence[str] | None = None,
        names: Names = None,
        differentiable: bool = False,
    ) -> Attribution[GivenT]: ...

    @overload
    def __call__(
        self,
        model: object,
        x: NestedT,
        target: Target = None,
        *,
        at: None = None,
        batch_size: int | None = None,
        extra: Extra = (),
        class_names: Sequence[str] | None = None,
        names: Names = None,
        differentiable: bool = False,
    ) -> Attribution[NestedT]: ...

    @overload
    def __call__(
        self,
        model: object,
        x: tuple[GivenT, ...] | dict[str, GivenT],
        target: Target = None,
        *,
        at: str,
        batch_size: int | None = None,
        extra: Extra = (),
        class_names: Sequence[str] | None = None,
        names: Names = None,
        differentiable: bool = False,
    ) -> Attribution[GivenT]: ...

    @overload
    def __call__(
        self,
        model: object,
        x: Inputs[Any],
        target: Target = None,
        *,
        at: str | None = None,
        batch_size: int | None = None,
        extra: Extra = (),
        class_names: Sequence[str] | None = None,
        names: Names = None,
        differentiable: bool = False,
    ) -> Attribution[Any]: ...

    @final
    @interruptible
    @one_call
    def __call__(
        self,
        model: object,
        x: object,
        target: Target | Targets = None,
        *,
        at: Place | Places = None,
        batch_size: int | None = None,
        extra: Extra = (),
        class_names: Sequence[str] | None = None,
        names: Names = None,
        differentiable: bool = False,
    ) -> Attribution[Any] | tuple[Attribution[Any] | tuple[Attribution[Any], ...], ...]:
        """Explain why the model gives `x` the score `target`.

        Args:
            model: a model of any installed framework, or one from `backlight.wrap`.
            x: the inputs: one array, a tuple or a dict, the examples on axis 0, native or NumPy; or a
                data frame, or `Examples`, whose names of columns and classes are taken where no others
                are given. Of ids of tokens or categories, which have no gradient, the values are those at
                the embedding that gives them their vectors, summed over each vector: one for each id.
            target: a class, one per example, a Score, or a function `(outputs, arrays) -> (N,)`. Of an
                output with several axes behind the batch, the index of an element, `(3, 7)`, or a list
                with one for each example. None
                explains the output of a one-output model, or else the class that is predicted. A list of
                scores and functions, or `Top(k)`, asks for several explanations at once, which come as a
                tuple: what they have in common is computed once.
            at: an inner site to attribute to (`model.sites(x)` lists them), or what goes into one, as
                `fc.input`, or `fc.input[1]` of several inputs; None for the model's input. At a layer
                that gives several arrays the values are a tuple of as many. A list or tuple of sites asks
                for several attributions, which come as a tuple, as if each were alone, and share passes
                where the technique can; of several targets too, as a tuple for each target.
            batch_size: most rows in one pass; the result does not depend on it.
            extra: arguments that are passed through unattributed.
            class_names: of the net's outputs in their order, for captions; the attribution keeps them.
            names: of a table's columns, or of the channels of anything else, in their order, for each of
                several inputs in a tuple or dict. Of token ids: what tells their texts, such as their
                tokenizer or vocabulary. The attribution keeps them, see `Attribution.inputs`.
            differentiable: whether the values stay in the framework's gradient computation, so that a
                loss may hold them (`docs/priors.md`): they are then the framework's own arrays, whatever
                `x` is. The net runs in inference mode all the same. Baselines count as constants.
                Nothing is said about zeros, gaps and numbers that are not finite: see that first.

        Raises:
            BacklightError: a subclass that says what was wrong and what is accepted.
        """
        started = time.perf_counter()
        given = taken_in(x)
        x = given.x
        names = given.names if names is None else names
        class_names = given.class_names if class_names is None else class_names
        wrapped = wrap_for(model, given)
        impossible = no_gradients(self, wrapped)
        if impossible is not None:
            raise CoverageError(impossible)
        if differentiable:
            wrapped = attached(self, wrapped)
        explanations = prepare(
            wrapped,
            x,
            target,
            at=at,
            batch_size=batch_size,
            extra=extra,
            class_names=class_names,
            names=names,
            spatial=self.spatial,
            differentiates=self.differentiates,
            moves_inputs=self.moves_inputs,
            rules=self.rules,
        )
        each = [one for explanation in explanations for one in explanation.each()]
        for explanation in each:
            objection = self.objection(explanation.first)
            if objection is not None:
                raise CoverageError(objection)
        found = [
            explained(self, taken([one.objective for one in explanations], rows))
            for rows in explanations[0].blocks
        ]
        attributions = tuple(
            finish(
                explanation,
                results,
                x=x,
                method=repr(self),
                seed=getattr(self, "seed", None),
                seconds=(time.perf_counter() - started) / len(each),
            )
            for explanation, results in zip(each, zip(*found, strict=True), strict=True)
        )
        for note in dict.fromkeys(note for one in attributions for note in one.warnings):
            warnings.warn(note, BacklightWarning, stacklevel=3)
        sites = len(each) // len(explanations)
        of_targets = [
            attributions[first : first + sites] if several(at) else attributions[first]
            for first in range(0, len(each), sites)
        ]
        return tuple(of_targets) if listed(target) else of_targets[0]


class JointMethod(Method):
    """A technique that explains several scores of the same examples together, and so one alone."""

    @final
    def attribute(self, objective: Objective) -> Result:
        (result,) = self.attribute_each(objective, (objective.target,))
        return result

    @abstractmethod
    def attribute_each(self, objective: Objective, targets: Sequence[Score]) -> Sequence[Result]:
        """See `Method.attribute_each`. What scores and sites have in common is computed once by
        `objective.scores` and `objective.gradients`.
        """
