"""What is to be explained, from what the user said."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from backlight.attribution.attribution import checked_names
from backlight.attribution.described import DescribedInput
from backlight.errors import HyperParameterError, SiteError
from backlight.explaining.asked_ids import with_vectors
from backlight.explaining.describing import Names, described
from backlight.explaining.embedding import embedding, no_vectors
from backlight.explaining.explanation import Explanation
from backlight.explaining.layer_inputs import Place, Places, named_site, placed
from backlight.explaining.lookup_search import in_several_tables, lookups
from backlight.explaining.objective import Objective, default_batch_size
from backlight.explaining.spatial import last_feature_map
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
from backlight.model.model import Model
from backlight.model.wrapping import wrap
from backlight.rules.rules import Rules
from backlight.values.inputs import Extra, Inputs
from backlight.values.lookups import Lookups
from backlight.values.tree import Tree


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
    ids, looked_up = tuple[str | None, ...]([None] * len(sites)), None
    if differentiates and not spatial and whole_inputs(wrapped, inputs):
        sites, ids, looked_up = with_gradients(wrapped, inputs, sites, moves_inputs)
    rows = rows_together(wrapped, inputs, batch_size)
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
            ids,
            looked_up,
        )

    first, *others = targets
    found = explanation(first, None)
    return (found, *(explanation(one, found.inputs) for one in others))


def with_gradients(
    model: Model, inputs: Inputs, sites: Sequence[str | None], moves_inputs: bool
) -> tuple[list[str | None], tuple[str | None, ...], Lookups | None]:
    """Where ids, which have no gradient, are explained instead: at a site, or by their vectors.

    Args:
        sites: what is to be explained; None for the inputs, some of which hold whole numbers.
        moves_inputs: whether inputs are moved, whatever is explained.

    Returns:
        the sites; of each, the input whose ids it gives vectors, where it stands for that; and the
        lookups whose vectors are to be put in the place of ids.

    Raises:
        InputTypeError: ids are to be explained, and have no vectors that are known.
    """
    inputs_asked, which = None in sites, ids_in(model, inputs)
    vectors, found = None, None
    if which is not None and inputs_asked and not moves_inputs:
        vectors = embedding(model, inputs, which)
    if vectors is not None:
        found = in_several_tables(model, inputs, vectors)
    elif inputs_asked or moves_inputs:
        found = lookups(model, inputs)
    if vectors is not None and found is None:
        ids = tuple(which if site is None else None for site in sites)
        return [vectors if site is None else site for site in sites], ids, None
    if found is None and inputs_asked:
        advice = "" if which is None else no_vectors(model, inputs)
        check_differentiable(model, inputs, advice)
    return list(sites), (None,) * len(sites), found


def rows_together(model: Model, inputs: Inputs, batch_size: int | None) -> int:
    """How many examples go through the model at once.

    Raises:
        HyperParameterError: `batch_size` is no number from 1 on.
    """
    if batch_size is not None and (not hasattr(batch_size, "__index__") or batch_size < 1):
        raise HyperParameterError(f"batch_size must be at least 1, got {batch_size!r}.")
    rows = batch_size or default_batch_size(inputs)
    return inputs.count if inputs.count > rows and rows_mix(model, inputs) else rows


def blocks_of(count: int, batch_size: int) -> tuple[NDArray[np.int64], ...]:
    """Rows 0 to count - 1 in blocks of at most `batch_size`, of nearly equal length."""
    parts = np.array_split(np.arange(count), -(-count // batch_size))
    return tuple(part.astype(np.int64) for part in parts)
