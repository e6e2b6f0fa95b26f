"""Inputs that hold the ids of tokens, by their names: beside them come masks, segments and positions."""

from collections.abc import Mapping
from dataclasses import replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from backlight.errors import InputError
from backlight.model.model import Model
from backlight.values.arrays import Array, shape_of
from backlight.values.inputs import Inputs, PerExample, unwrapped
from backlight.values.token_baseline import TokenBaseline
from backlight.values.tree import Tree, leaves, names, rebuild

IDS = ("input_ids", "token_ids", "decoder_input_ids")
"""What Hugging Face and KerasHub call the ids of tokens; with them come masks, segments and positions."""

MASKS = ("attention_mask", "padding_mask")
"""What they call an input that is 0 at padding."""


def ids_apart(model: Model, inputs: Inputs) -> Inputs:
    """Inputs of which no masks, segments and positions beside the ids of tokens are attributed, but
    passed through: what else holds whole numbers, where all have names."""
    given = leaves_by_name(inputs)
    ids = next((name for name in IDS if name in given), None)
    others = [name for name in whole_inputs(model, inputs) if name != ids]
    if ids is None or not others or not model.takes_names:
        return inputs
    beside = {name: PerExample(given[name]) for name in others}
    attributed = {name: leaf for name, leaf in given.items() if name not in beside}
    return replace(inputs, attributed=attributed, keyword={**inputs.keyword, **beside})


def ids_in(model: Model, inputs: Inputs) -> str | None:
    """The name of the input whose ids are explained by way of vectors: the ids of tokens by their name,
    or the only input; None where there is no such input, or others have gradients."""
    given = leaves_by_name(inputs)
    if any(model.is_floating(leaf) or not model.has_numbers(leaf) for leaf in given.values()):
        return None
    return next(
        (name for name in IDS if name in given), next(iter(given)) if len(given) == 1 else None
    )


def whole_inputs(model: Model, inputs: Inputs) -> Mapping[str, Array]:
    """The inputs that hold no floating-point numbers, by their names: they have no gradient."""
    given = leaves_by_name(inputs)
    return {name: leaf for name, leaf in given.items() if not model.is_floating(leaf)}


def padding(model: Model, inputs: Inputs, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Where a mask is 0, of this shape; nowhere where there is none."""
    given = {**leaves_by_name(inputs), **inputs.keyword}
    for name in MASKS:
        mask = unwrapped(given.get(name))
        if model.owns(mask) and shape_of(cast(Array, mask)) == shape:
            return np.asarray(model.to_numpy(cast(Array, mask)) == 0, dtype=bool)
    return np.zeros(shape, dtype=bool)


def leaves_by_name(inputs: Inputs) -> Mapping[str, Array]:
    return dict(zip(names(inputs.attributed), leaves(inputs.attributed), strict=True))


def host_ids(model: Model, inputs: Inputs, ids: str) -> NDArray[np.integer]:
    return np.asarray(model.to_numpy(leaves_by_name(inputs)[ids]))


def with_ids(model: Model, inputs: Inputs, ids: str, new: NDArray[np.integer]) -> Inputs:
    """The same inputs with other ids."""
    given = leaves_by_name(inputs)
    arrays = [model.asarray(new) if name == ids else leaf for name, leaf in given.items()]
    return inputs.with_attributed(rebuild(inputs.attributed, arrays))


def with_token(
    model: Model, inputs: Inputs, at: str | None, token: TokenBaseline, number: int | None = None
) -> Tree:
    """The inputs, or the value at a site, with this token in the place of all but those that it keeps.

    Args:
        number: of the input whose array alone is wanted; None for all.

    Raises:
        InputError: no input holds the ids of tokens, or not this one.
    """
    found = model.lookups
    given = inputs if found is None else found.without(inputs)
    names = list(leaves_by_name(given))
    ids = ids_in(model, given) if number is None else names[number]
    if ids is None or ids not in whole_inputs(model, given):
        raise InputError(
            f"{token!r} needs an input of whole numbers, the ids of tokens, alone or by one of the names "
            f"{', '.join(IDS)}, or said for it by its own name; got {', '.join(names)}."
        )
    own = host_ids(model, given, ids)
    new = np.where(np.isin(own, list(token.keep)), own, token.id).astype(own.dtype)
    moved = with_ids(model, given, ids, new)
    if at is not None:
        return model.activation(moved, at)
    tree = moved.attributed
    if found is not None and model.of_ids is not None:
        values = model.of_ids.activations(moved, found.sites)
        at_sites = dict(zip(found.sites, cast("tuple[Array, ...]", values), strict=True))
        tree = found.put_in(moved, at_sites, model.arrays).attributed
    return tree if number is None else leaves(tree)[number]
