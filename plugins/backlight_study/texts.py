"""Texts as a model takes them: how many tokens, and whether it knows their ids."""

from dataclasses import replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from backlight import Model
from backlight.errors import InputError
from backlight.explaining.embedding import embedding
from backlight.explaining.token_ids import IDS, ids_apart, ids_in
from backlight.values.tree import leaves, map_leaves, names
from backlight_datasets import Source, digest_of_arrays, read_blocks
from backlight_datasets.digests import digest_of_texts
from backlight_loading.models import wanted_shape
from backlight_loading.tokenization import Extent, TokenInput, Tokenization, length_of
from backlight_loading.tokenizers import Tokenizer, ids_of, load_tokenizer
from backlight_study.replies import BLOCK, outputs_of, takes


def tokenization(
    said: Tokenizer | str, tokens: int | None, source: Source, model: Model[Any], net: object
) -> Tokenization:
    """How the texts of a source become a model's input, which is looked at once for that.

    Args:
        said: the tokenizer, or its name.
        tokens: that each text is brought to, where that is said.
        net: the model as the user has it.

    Raises:
        InputError: a text has more tokens than the model takes, or an id that it does not know.
    """
    tokenizer = load_tokenizer(said) if isinstance(said, str) else said
    extent, digests = Extent(), list[str]()
    for _, batch in read_blocks(source, BLOCK):
        if batch.x.dtype.kind not in "OUiu":
            raise InputError(
                f"A tokenizer is for texts, or their ids; the data holds {batch.x.dtype} "
                f"{batch.x.shape[1:]}."
            )
        called = [source.names(id, id + 1)[0] for id in batch.ids.tolist()]
        ids = [*batch.x] if batch.x.dtype.kind in "iu" else ids_of(tokenizer, batch.x.tolist())
        extent = extent.with_texts(ids, called)
        digests.append(digest_of_arrays((str(k), one) for k, one in enumerate(ids)))
    shape = wanted_shape(net)
    declared = None if shape is None or len(shape) != 2 else shape[1]
    length = length_of(extent, tokenizer, tokens, declared)
    found = Tokenization(tokenizer, length, said if isinstance(said, str) else None)
    example = found(np.array(["a"], dtype=object))
    few = few_ids(example)
    try:
        outputs_of(model, few)
    except InputError as error:  # of ids that every model knows, so that it may be their number
        if not takes(model, cast(TokenInput, map_leaves(lambda one: one[:, :1], few))):
            raise
        raise InputError(
            f"The model does not take {found.length} tokens, as many as the longest text, "
            f"{extent.longest_name!r}, has: cut longer ones with --tokens N (tokens=N in Python). {error}"
        ) from error
    known = vocabulary_size(model, few)
    if known is not None and extent.highest >= known:
        raise InputError(
            f"The text {extent.highest_name!r} has a token with the id {extent.highest}, and the model's "
            f"embedding has {known} rows, for ids 0 to {known - 1}: this is not the tokenizer that the "
            "model was trained with."
        )
    # How it fills up shorter texts is seen from any.
    form = digest_of_arrays(zip(names(example), leaves(example), strict=True))
    return replace(found, digest=digest_of_texts((*digests, form)))


def few_ids(sample: TokenInput) -> TokenInput:
    """A text as the model takes it, (1, L) or a dict, with 0 and 1 for ids, which every model knows."""
    if not isinstance(sample, dict):
        return np.arange(sample.size).reshape(sample.shape) % 2
    name = next((one for one in IDS if one in sample), next(iter(sample)))
    return {**sample, name: cast("NDArray[Any]", few_ids(sample[name]))}


def vocabulary_size(model: Model[Any], few: TokenInput) -> int | None:
    """How many ids a model has vectors for; None where that cannot be seen: where its embedding is not
    found, or is no row of one of its weights.

    Args:
        few: as of `few_ids`.
    """
    weights, inputs = model.weights(), model.prepare(few)
    ids = ids_in(model, ids_apart(model, inputs))
    site = None if ids is None else embedding(model, ids_apart(model, inputs), ids)
    if weights is None or site is None:
        return None
    vectors = model.to_numpy(model.array_at(inputs, site))[0, :2]
    for one in weights.parameters.values():
        table = np.asarray(model.to_numpy(one))
        fits = table.ndim == 2 and len(table) > 1
        if fits and np.array_equal(table[: len(vectors)], vectors):
            return len(table)
    return None
