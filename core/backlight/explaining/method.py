"""A technique: hyper-parameters as fields, the technique as the call."""

import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast, final, overload

import numpy as np
from numpy.typing import NDArray

from backlight.attribution.attribution import Attribution, checked_names
from backlight.by_value import ByValue
from backlight.errors import (
    BacklightWarning,
    CoverageError,
    HyperParameterError,
    InputTypeError,
)
from backlight.explaining.finite import check_finite
from backlight.explaining.measured import Measured, joined, measure, numbers
from backlight.explaining.objective import Objective, default_batch_size
from backlight.explaining.result import Result, check_result
from backlight.explaining.spatial import grid_at, last_feature_map, layouts, notes_at
from backlight.explaining.structure import rows_mix
from backlight.explaining.targets import Target, check_differentiable, resolve
from backlight.explaining.zeros import zero_notes
from backlight.interrupts import interruptible
from backlight.memory.memory import one_call
from backlight.model.host_random import draw_notes
from backlight.model.model import Model
from backlight.model.wrapping import wrap
from backlight.rules.rules import Rules
from backlight.values.arrays import Array
from backlight.values.inputs import Extra, Inputs
from backlight.values.tree import GivenT, NestedT, Tree, leaves, map_leaves


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
    def rules(self) -> Rules | None:
        """The rules that the technique's backward pass obeys; None for the plain gradient."""
        return None

    @property
    def rules_reach_input(self) -> bool:
        """Whether rules of a technique that reads a feature map act down to the input, not to the map."""
        return False

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
    ) -> Attribution[Any]: ...

    @final
    @interruptible
    @one_call
    def __call__(
        self,
        model: object,
        x: object,
        target: Target = None,
        *,
        at: str | None = None,
        batch_size: int | None = None,
        extra: Extra = (),
        class_names: Sequence[str] | None = None,
    ) -> Attribution[Any]:
        """Explain why the model gives `x` the score `target`.

        Args:
            model: a model of any installed framework, or one from `backlight.wrap`.
            x: the inputs: one array, a tuple or a dict, the examples on axis 0, native or NumPy.
            target: a class, one per example, a Score, or a function `(outputs, arrays) -> (N,)`. None
                explains the output of a one-output model, or else the class that is predicted.
            at: an inner site to attribute to (`model.sites(x)` lists them); None for the input.
            batch_size: most rows in one pass; the result does not depend on it.
            extra: arguments that are passed through unattributed.
            class_names: of the net's outputs in their order, for captions; the attribution keeps them.

        Raises:
            BacklightError: a subclass that says what was wrong and what is accepted.
        """
        started = time.perf_counter()
        wrapped = wrap(model, inputs=x)
        inputs = wrapped.prepare(cast(Tree, x), extra)
        if at is None and self.differentiates and not self.spatial:
            check_differentiable(wrapped, inputs)
        if at is not None and not isinstance(at, str):
            raise InputTypeError(f"at must be the name of a site, got {at!r}.")
        if batch_size is not None and (not hasattr(batch_size, "__index__") or batch_size < 1):
            raise HyperParameterError(f"batch_size must be at least 1, got {batch_size!r}.")
        batch_size = batch_size or default_batch_size(inputs)
        whole_batch = inputs.count > batch_size and rows_mix(wrapped, inputs)
        batch_size = max(batch_size, inputs.count) if whole_batch else batch_size
        blocks = blocks_of(inputs.count, batch_size)
        score, predicted = resolve(wrapped, inputs, blocks, target)
        names = checked_names(class_names, score.classes)
        whole = Objective(
            wrapped, inputs, score, at, batch_size, np.arange(inputs.count), inputs.count
        )
        structure = whole.structure
        whole = replace(whole, whole=structure is not None and bool(structure.mixing))
        if at is None and self.spatial:
            whole = whole.at_site(last_feature_map(whole.take(blocks[0])))
        objection = self.objection(whole.take(blocks[0]))
        if objection is not None:
            raise CoverageError(objection)
        grid = grid_at(whole.take(blocks[0])) if self.spatial else None
        found = [self._explain(whole.take(rows)) for rows in blocks]
        result = joined(found, wrapped)
        gaps = result.gap_notes()
        notes = tuple(
            dict.fromkeys(
                (
                    *(() if structure is None else structure.notes(inputs.count)),
                    *draw_notes(wrapped),
                    *(notes_at(whole, chosen=at is None) if self.spatial else ()),
                    *result.warnings,
                    *zero_notes(
                        whole, blocks[0], result.nonzero, self.differentiates, result.is_exact
                    ),
                    *gaps,
                    *(structure.choice_notes() if gaps and structure is not None else ()),
                )
            )
        )
        for note in notes:
            warnings.warn(note, BacklightWarning, stacklevel=3)
        return Attribution(
            values=returned_like(x, result.values, wrapped),
            score=result.score,
            baseline_score=result.baseline_score,
            gap=result.gap,
            error=result.error,
            standard_error=result.standard_error,
            method=repr(self),
            target=repr(score),
            classes=score.classes,
            rivals=score.rivals,
            predicted=predicted,
            at=whole.at,
            grid=None if grid is None else grid.shape,
            seed=getattr(self, "seed", None),
            framework=wrapped.framework,
            framework_version=wrapped.version,
            warnings=notes,
            seconds=time.perf_counter() - started,
            layouts=layouts(whole.take(blocks[0]), found[0].values, self.spatial),
            class_names=names,
        )

    @final
    def _explain(self, objective: Objective) -> Measured:
        """One block, checked, with its numbers on the host and its completeness measured."""
        result = self.attribute(objective)
        check_result(self, objective, result)
        score = result.score if result.score is not None else objective.score()
        check_finite(self, objective, result.values, numbers(objective.model, score))
        return measure(objective, result, score)


def blocks_of(count: int, batch_size: int) -> list[NDArray[np.int64]]:
    """Rows 0 to count - 1 in blocks of at most `batch_size`, of nearly equal length."""
    return [
        block.astype(np.int64)
        for block in np.array_split(np.arange(count), -(-count // batch_size))
    ]


def returned_like(x: object, values: Tree, model: Model) -> object:
    """NumPy in, NumPy out (in the dtype that came in, if it was a float of 32 bits or more); else as
    they are."""
    given = x.attributed if isinstance(x, Inputs) else x
    first: object = leaves(cast(Tree, given))[0]
    if model.owns(first):
        return values
    floating = isinstance(first, np.ndarray) and first.dtype.kind == "f" and first.itemsize >= 4
    dtype = cast(NDArray[Any], first).dtype if floating else None

    def host(leaf: Array) -> Array:
        array = model.to_numpy(leaf)
        return cast(Array, array if dtype is None else array.astype(dtype, copy=False))

    return map_leaves(host, values)
