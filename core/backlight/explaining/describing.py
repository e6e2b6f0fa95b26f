"""Inputs as they are described to whoever reads their values."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from backlight.attribution.described import DescribedInput, kind_of
from backlight.attribution.tokens import TokenNames, named_tokens
from backlight.errors import InputError, shown
from backlight.explaining.embedding import embedding
from backlight.explaining.objective import Objective
from backlight.explaining.spatial import layouts
from backlight.explaining.token_ids import IDS, leaves_by_name, padding
from backlight.model.model import Model
from backlight.values.arrays import Array, shape_of
from backlight.values.inputs import Inputs
from backlight.values.layout import Layout

Names: TypeAlias = (
    TokenNames | tuple[Sequence[str] | None, ...] | Mapping[str, Sequence[str] | None] | None
)
"""What users may say for `names`: of a table's columns, or of channels, in their order; for several
inputs a tuple or dict of them; for tokens see `TokenNames`."""

KEPT = 2**21
"""How many numbers of an input are kept at most, 8 MB of float32: examples from the first on."""


def described(
    objective: Objective, names: Names, ids: str | None, several: bool = False
) -> dict[str, DescribedInput]:
    """Each input by its name.

    Args:
        objective: of all examples.
        names: of what the one input holds, or, in a tuple or dict, of each. With ids, of these.
        ids: the input whose ids are explained by way of their vectors.
        several: whether all inputs of whole numbers are explained so.

    Raises:
        InputError: there are not as many names as columns or channels, or an id has no text.
    """
    model, inputs = objective.model, objective.inputs
    given = leaves_by_name(inputs)
    named = names_of_each(names, given)
    if ids is not None:
        return {ids: of_ids(model, inputs, ids, cast("TokenNames | None", named[ids]))}
    places = layouts(objective.at_site(None), inputs.attributed, maps=False)
    found = {}
    for (name, leaf), layout in zip(given.items(), places, strict=True):
        in_order = several and layout is not None  # neighbours are looked at, as of tokens
        if is_text(model, inputs, name, named[name], in_order):
            found[name] = of_ids(model, inputs, name, cast("TokenNames | None", named[name]))
        else:
            columns = cast("Sequence[str] | None", named[name])
            found[name] = of_numbers(model, leaf, layout, columns)
    return found


def is_text(model: Model, inputs: Inputs, name: str, names: object, in_order: bool) -> bool:
    """Whether an input holds the ids of tokens: whole numbers, of a name or with names that say so, or
    that the model has vectors for.

    Args:
        names: of what it holds.
        in_order: whether it is known that they are ids, and that the net looks at neighbours.
    """
    given = leaves_by_name(inputs)
    shape = shape_of(given[name])
    if model.is_floating(given[name]) or len(shape) != 2:
        return False
    if name in IDS:
        return True
    if names is not None:
        return not is_columns(names, shape)
    alone = len(given) == 1 and model.has_numbers(given[name])
    return in_order or (alone and embedding(model, inputs, name) is not None)


def is_columns(names: object, shape: tuple[int, ...]) -> bool:
    """Whether these are names of the columns of a table of this shape."""
    return is_texts(names) and len(cast(Sequence[str], names)) == shape[1]


def is_texts(names: object) -> bool:
    flat = isinstance(names, Sequence) and not isinstance(names, str)
    return flat and all(isinstance(name, str) for name in cast(Sequence[object], names))


def names_of_each(names: Names, inputs: Mapping[str, Array]) -> Mapping[str, object]:
    """The names of each input; None where it has none. What is said for one is meant for the only one, or
    for that of token ids.

    Raises:
        InputError: it is not said whose names they are.
    """
    nothing: dict[str, object] = dict.fromkeys(inputs)
    if names is None:
        return nothing
    if isinstance(names, Mapping) and set(names) <= set(inputs):
        return {**nothing, **cast("Mapping[str, object]", names)}
    if len(inputs) > 1 and isinstance(names, tuple) and len(names) == len(inputs):
        return dict(zip(inputs, names, strict=True))
    meant = list(inputs) if len(inputs) == 1 else [name for name in inputs if name in IDS]
    if len(meant) == 1:
        return {**nothing, meant[0]: names}
    raise InputError(
        f"names must be a tuple or dict with those of each of the inputs {', '.join(inputs)}; got "
        f"{shown(names)}."
    )


def of_numbers(
    model: Model, leaf: Array, layout: Layout | None, names: Sequence[str] | None
) -> DescribedInput:
    shape = shape_of(leaf)
    if len(shape) == 2 and is_columns(names, shape):
        layout = None  # a table, though the net may look at its columns as at places
    kind = kind_of(shape, layout, whole=False)
    if names is None:
        return DescribedInput(kind, given=kept(model, leaf), layout=layout)
    columns = kind == "table" or layout is None
    axis = len(shape) - 1 if columns else layout.channel_axis if layout is not None else None
    count = 1 if axis is None else shape[axis]
    if not is_texts(names) or len(names) != count:
        what = "columns" if columns else "channels"
        raise InputError(
            f"names must be a list of {count} texts, one for each of the {what} of an input of shape "
            f"{shape}; got {shown(names)}."
        )
    return DescribedInput(kind, tuple(names), given=kept(model, leaf), layout=layout)


def of_ids(model: Model, inputs: Inputs, ids: str, names: TokenNames | None) -> DescribedInput:
    """The input of token ids, whose names tell their texts."""
    leaf = leaves_by_name(inputs)[ids]
    own = np.asarray(model.to_numpy(leaf))
    kind = kind_of(own.shape, None, whole=True)
    if names is None or kind != "text":
        return DescribedInput(kind, given=kept(model, leaf))
    found = named_tokens(own, names, padding(model, inputs, own.shape))
    return DescribedInput(kind, (), found.tokens, found.words, kept(model, leaf))


def kept(model: Model, leaf: Array) -> NDArray[np.generic] | None:
    """The first examples of an input as far as `KEPT` goes, one at least, on the host: a copy."""
    if model.attached or not model.has_numbers(leaf):
        return None
    count, *rest = shape_of(leaf)
    rows = max(1, min(count, KEPT // max(int(np.prod(rest)), 1)))
    return np.array(model.to_numpy(cast(Any, leaf)[:rows, ...]))
