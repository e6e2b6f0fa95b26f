"""One explanation: prepared once, answered by a technique block by block, finished as an attribution."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, cast, final

import numpy as np
from numpy.typing import NDArray

from backlight.attribution.attribution import Attribution, checked_names
from backlight.attribution.described import DescribedInput
from backlight.errors import HyperParameterError, SiteError
from backlight.explaining.asked_ids import with_vectors
from backlight.explaining.describing import Names, described
from backlight.explaining.embedding import embedding, ids_elsewhere, no_vectors
from backlight.explaining.layer_inputs import Place, Places, named_site, placed
from backlight.explaining.lookup_search import in_several_tables, lookups, told_elsewhere
from backlight.explaining.measured import Measured, joined
from backlight.explaining.objective import Objective, default_batch_size
from backlight.explaining.spatial import grid_at, last_feature_map, layouts, notes_at
from backlight.explaining.structure import rows_mix
from backlight.explaining.targets import (
    Target,
    Targets,
    check_differentiable,
    each,
    listed,
    resolve,
)
from backlight.explaining.token_ids import ids_apart, ids_in, whole_inputs
from backlight.explaining.zeros import zero_notes
from backlight.graph.axes.grids import Grid
from backlight.model.host_random import draw_notes
from backlight.model.model import Model
from backlight.model.wrapping import wrap
from backlight.rules.rules import Rules
from backlight.values.arrays import Array
from backlight.values.inputs import Extra, Inputs
from backlight.values.layout import Layout
from backlight.values.lookups import Lookups
from backlight.values.tree import Tree, leaves, map_leaves


@final
@dataclass(frozen=True)
class Explanation:
    """What a technique is asked, made precise.

    Attributes:
        objective: of all examples.
        blocks: which rows go through the model together.
        predicted: whether the score is that of the predicted classes, as the user named none.
        spatial: whether a feature map is read.
        differentiates: whether gradients are taken with respect to the objective's value.
        rules: that the backward pass obeys; None for the plain gradient.
        is_site_chosen: whether the feature map was chosen here, as the user named none.
        class_names: of the net's outputs in their order, if the user gave them, or the model tells them.
        inputs: each input described.
        ids: of each site: the name of the input whose ids it gives vectors, where it stands for that
            input; its values are then summed over each vector.
        lookups: which of the objective's inputs are vectors in the place of ids, whose values are summed
            over each vector; None where none is, or a site is explained.
    """

    objective: Objective
    blocks: tuple[NDArray[np.int64], ...]
    predicted: bool
    spatial: bool
    differentiates: bool
    rules: Rules | None
    is_site_chosen: bool
    class_names: tuple[str, ...] | None
    inputs: Mapping[str, DescribedInput]
    ids: tuple[str | None, ...]
    lookups: Lookups | None = None

    @cached_property
    def first(self) -> Objective:
        """The objective of the first block."""
        return self.objective.take(self.blocks[0])

    def inputs_at(self, grid: Grid | None) -> tuple[DescribedInput, ...]:
        """The inputs that the values of the one site are of, array by array; none where they are an
        inner value's own.

        Args:
            grid: of a class activation map: where the input's places are at its site.
        """
        every, (ids,) = tuple(self.inputs.values()), self.ids
        if ids is not None:
            return (self.inputs[ids],)
        if self.spatial:
            return () if grid is None else (every[grid.input],)
        return every if self.objective.at is None else ()

    def each(self) -> "tuple[Explanation, ...]":
        """Of each site by itself."""
        apart = zip(self.objective.apart(), self.ids, strict=True)
        return tuple(
            replace(
                self,
                objective=one,
                ids=(ids,),
                lookups=self.lookups if one.at is None else None,
            )
            for one, ids in apart
        )

    def notes(self, result: Measured) -> tuple[str, ...]:
        """What is to be said about the net and about what was found, each thing once.

        Raises:
            NoGradientError: no gradient reaches anything of what is explained.
        """
        objective = self.objective
        found = (
            *objective.structure_or_reason.notes(objective.count),
            *draw_notes(objective.model),
            *(notes_at(objective, self.is_site_chosen) if self.spatial else ()),
            *result.warnings,
            *(() if objective.model.attached else self._notes_of_ids()),
            *(() if objective.model.attached else self._notes_of_values(result)),
        )
        return tuple(dict.fromkeys(found))

    def _notes_of_ids(self) -> tuple[str, ...]:
        """What is to be said about ids that the score knows of by another way."""
        (ids,) = self.ids
        if self.lookups is not None:
            return told_elsewhere(self.first, self.lookups)
        return () if ids is None else ids_elsewhere(self.first, ids)

    def _notes_of_values(self, result: Measured) -> tuple[str, ...]:
        """What is to be said about zeros and gaps. To look into them may take several passes."""
        objective, structure, gaps = self.objective, self.objective.structure, result.gap_notes()
        return (
            *zero_notes(
                objective,
                self.blocks[0],
                result.nonzero,
                self.differentiates,
                self.rules,
                result.is_exact,
            ),
            *gaps,
            *(structure.choice_notes() if gaps and structure is not None else ()),
        )


def prepare(
    model: object,
    x: object,
    target: Target | Targets = None,
    *,
    at: Place | Places = None,
    batch_size: int | None = None,
    extra: Extra = (),
    class_names: Sequence[str] | None = None,
    names: Names = None,
    spatial: bool = False,
    differentiates: bool = False,
    moves_inputs: bool = False,
    rules: Rules | None = None,
) -> tuple[Explanation, ...]:
    """What is to be explained, from what the user said; see `Method.__call__`. One explanation for each
    target, of all sites; they share inputs and blocks.

    Args:
        spatial: whether a feature map is to be read: the last one, where `at` names none.
        differentiates: whether gradients will be taken.
        moves_inputs: whether inputs are moved, whatever is explained.
        rules: that they will obey.

    Raises:
        BacklightError: a subclass that says what was wrong and what is accepted.
    """
    wrapped = wrap(model, inputs=x)
    inputs = ids_apart(wrapped, wrapped.prepare(cast(Tree, x), extra))
    sites = [named_site(wrapped, inputs, site) for site in placed(at)]
    if None in sites and spatial and at is not None:
        said = placed(at)[sites.index(None)]
        raise SiteError(f"{said!r} is the model's own input, where there is no feature map.")
    ids: list[str | None] = [None] * len(sites)
    looked_up: Lookups | None = None
    if differentiates and not spatial and whole_inputs(wrapped, inputs):
        which, vectors = ids_in(wrapped, inputs), None
        if which is not None and None in sites and not moves_inputs:
            vectors = embedding(wrapped, inputs, which)
        if vectors is not None:
            looked_up = in_several_tables(wrapped, inputs, vectors)
        if vectors is not None and looked_up is None:
            ids = [which if site is None else None for site in sites]
            sites = [vectors if site is None else site for site in sites]
        elif looked_up is None and (None in sites or moves_inputs):
            looked_up = lookups(wrapped, inputs)
            if looked_up is None and None in sites:
                advice = "" if which is None else no_vectors(wrapped, inputs)
                check_differentiable(wrapped, inputs, advice)
    if batch_size is not None and (not hasattr(batch_size, "__index__") or batch_size < 1):
        raise HyperParameterError(f"batch_size must be at least 1, got {batch_size!r}.")
    rows = batch_size or default_batch_size(inputs)
    if inputs.count > rows and rows_mix(wrapped, inputs):
        rows = inputs.count
    blocks = blocks_of(inputs.count, rows)
    given = wrapped, inputs
    if looked_up is not None:
        inputs = with_vectors(wrapped, inputs, looked_up, blocks)
        wrapped = wrapped.with_vectors(looked_up)
    targets = each(wrapped, inputs, blocks, target) if listed(target) else (cast(Target, target),)

    said_names = wrapped.class_names if class_names is None else class_names

    def explanation(
        target: Target, inputs_told: Mapping[str, DescribedInput] | None
    ) -> Explanation:
        score, predicted = resolve(wrapped, inputs, blocks, target)
        called = checked_names(said_names, score.classes)
        every = np.arange(inputs.count)
        objective = Objective(wrapped, inputs, score, None, rows, every, inputs.count)
        whole = objective.structure_or_reason.needs_whole_batch
        objective = replace(objective, at=sites[0], beside=tuple(sites[1:]), whole=whole)
        own = replace(objective, model=given[0], inputs=given[1])
        chosen = at is None and spatial
        if chosen:
            objective = objective.at_site(last_feature_map(objective.take(blocks[0])))
        return Explanation(
            objective,
            blocks,
            predicted,
            spatial,
            differentiates,
            rules,
            chosen,
            called,
            described(own, names, ids[0], looked_up is not None)
            if inputs_told is None
            else inputs_told,
            tuple(ids),
            looked_up,
        )

    first, *others = targets
    found = explanation(first, None)
    return (found, *(explanation(one, found.inputs) for one in others))


def finish(
    explanation: Explanation,
    found: Sequence[Measured],
    *,
    x: object,
    method: str,
    seed: int | None,
    seconds: float,
) -> Attribution[Any]:
    """The attribution of what was found for the blocks, with all that is to be said about it.

    Args:
        x: the inputs as the user gave them: values come as they came.
        method: the technique, as it is to be shown.
        seed: of what it drew, if it draws.
        seconds: how long it took.

    Raises:
        NoGradientError: no gradient reaches anything of what is explained.
    """
    objective, first = explanation.objective, explanation.first
    model, score = objective.model, objective.target
    result = joined(found, model)
    grid = grid_at(first) if explanation.spatial else None
    notes = explanation.notes(result)
    (ids,) = explanation.ids
    places: tuple[Layout | None, ...] = (None,)
    if explanation.lookups is not None:
        places = tuple(one.layout for one in explanation.inputs.values())
    elif ids is None:
        told = explanation.inputs_at(grid)
        places = layouts(first, found[0].values, explanation.spatial)
        if [one.kind for one in told] == ["table"] * len(places):
            places = (None,) * len(places)

    def given(tree: Tree | None) -> Any:
        """As it is returned: what belongs to an id summed over its vector."""
        if tree is None:
            return None
        whole = tree
        if explanation.lookups is not None:
            whole = explanation.lookups.summed(tree, model.arrays)
        elif ids is not None:
            whole = map_leaves(partial(model.arrays.sum, axis=-1), tree)
        return returned_like(x, whole, model)

    return Attribution(
        values=given(result.values),
        score=result.score,
        baseline_score=result.baseline_score,
        gap=result.gap,
        error=result.error,
        standard_error=given(result.standard_error),
        standard_error_of_sum=result.standard_error_of_sum,
        r_squared=result.r_squared,
        each=given(result.each),
        method=method,
        target=repr(score),
        classes=score.classes,
        rivals=score.rivals,
        predicted=explanation.predicted,
        at=objective.at,
        grid=None if grid is None else grid.shape,
        seed=seed,
        framework=model.framework,
        framework_version=model.version,
        warnings=notes,
        seconds=seconds,
        layouts=places,
        class_names=explanation.class_names,
        inputs=explanation.inputs_at(grid),
        unit=score.unit,
    )


def blocks_of(count: int, batch_size: int) -> tuple[NDArray[np.int64], ...]:
    """Rows 0 to count - 1 in blocks of at most `batch_size`, of nearly equal length."""
    parts = np.array_split(np.arange(count), -(-count // batch_size))
    return tuple(part.astype(np.int64) for part in parts)


def returned_like(x: object, values: Tree, model: Model) -> object:
    """NumPy in, NumPy out (in the dtype that came in, if it was a float of 32 bits or more); else, and
    where they are to be differentiated, as they are."""
    given = x.attributed if isinstance(x, Inputs) else x
    first: object = leaves(cast(Tree, given))[0]
    if model.attached or (model.owns(first) and not isinstance(first, np.ndarray)):
        return values
    floating = isinstance(first, np.ndarray) and first.dtype.kind == "f" and first.itemsize >= 4
    dtype = cast(NDArray[Any], first).dtype if floating else None

    def host(leaf: Array) -> Array:
        array = model.to_numpy(leaf)
        return cast(Array, array if dtype is None else array.astype(dtype, copy=False))

    return map_leaves(host, values)
