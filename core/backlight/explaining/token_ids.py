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
    """Inputs of which the ids of tokens alone are attributed, and masks, segments and positions beside
    them are passed through, where they all have names and hold whole numbers."""
    given = leaves_by_name(inputs)
    ids = next((name for name in IDS if name in given), None)
    whole = not any(model.is_floating(leaf) for leaf in given.values())
    if ids is None or not whole or len(given) == 1 or not model.takes_names:
        return inputs
    beside = {name: PerExample(leaf) for name, leaf in given.items() if name != ids}
    return replace(inputs, attributed={ids: given[ids]}, keyword={**inputs.keyword, **beside})


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


def with_token(model: Model, inputs: Inputs, at: str | None, token: TokenBaseline) -> Tree:
    """The inputs, or the value at a site, with this token in the place of all but those that it keeps.

    Raises:
        InputError: no input holds the ids of tokens.
    """
    ids = ids_in(model, inputs)
    if ids is None:
        raise InputError(
            f"{token!r} needs an input of whole numbers, the ids of tokens, alone or by one of the names "
            f"{', '.join(IDS)}; got {', '.join(leaves_by_name(inputs))}."
        )
    own = host_ids(model, inputs, ids)
    new = np.where(np.isin(own, list(token.keep)), own, token.id).astype(own.dtype)
    moved = with_ids(model, inputs, ids, new)
    return moved.attributed if at is None else model.activation(moved, at)
