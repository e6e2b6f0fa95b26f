"""The tokens that a decoder says next, each of which is then explained by those before it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast, final

import numpy as np
from numpy.typing import NDArray

from backlight import Model, wrap
from backlight.errors import HyperParameterError, InputError, is_whole
from backlight.values.arrays import Array
from backlight.values.outputs import array_at, describe, located, single

IDS = "input_ids"
"""What holds the ids of a prompt's tokens, where it comes with masks."""

Prompt = Mapping[str, Array] | Array | NDArray[np.integer]


@final
@dataclass(frozen=True, eq=False)
class Continuation:
    """A prompt with what follows, once for each token that follows.

    Attributes:
        inputs: as the prompt was, (tokens, L + tokens): each row has the whole text, of which a decoder
            sees what is before the token that the row is about.
        target: for each row the position and the id of the token that is said there: what `explain` takes
            for `target`.
        tokens: the ids of what follows, in order.
    """

    inputs: dict[str, Array] | Array
    target: list[tuple[int, int]]
    tokens: tuple[int, ...]


def continuation(model: object, prompt: Prompt, tokens: int = 1) -> Continuation:
    """What a decoder says next, greedily: each time the token of the largest score.

    >>> said = backlight.continuation(net, tokenizer("The film was", return_tensors="pt"), tokens=3)
    >>> backlight.explain(net, said.inputs, said.target, names=tokenizer)

    Args:
        model: gives the scores of all tokens at each position, (N, L, vocabulary), alone or by the name
            `logits`.
        prompt: ids of one text, (1, L), alone or as `input_ids` with masks of the same shape beside them.
        tokens: how many follow, at least 1.

    Cost: one forward pass over the whole text for each token.

    Raises:
        HyperParameterError: no token is asked for.
        InputError: several texts, or something else than ids of the shape (1, L); or the model gives no
            scores of tokens.
    """
    if not is_whole(tokens) or tokens < 1:
        raise HyperParameterError(f"tokens must be at least 1, got {tokens!r}.")
    given = dict(prompt) if isinstance(prompt, Mapping) else {IDS: prompt}
    wrapped = wrap(model, inputs=given.get(IDS))
    text = {name: host(wrapped, part) for name, part in given.items()}
    if IDS not in text or any(part.shape != text[IDS].shape for part in text.values()):
        shapes = {name: part.shape for name, part in text.items()}
        raise InputError(
            f"A prompt has `input_ids` and masks of their shape, (1, L); got {shapes}."
        )
    if text[IDS].ndim != 2 or len(text[IDS]) != 1 or text[IDS].dtype.kind not in "iu":
        raise InputError(
            f"A prompt is one text, ids of the shape (1, L); got {text[IDS].dtype} {text[IDS].shape}. "
            "Continue several texts one by one."
        )
    begins, named = text[IDS].shape[1], isinstance(prompt, Mapping)

    def native(rows: Mapping[str, NDArray[np.integer]]) -> dict[str, Array] | Array:
        arrays = {name: wrapped.asarray(part) for name, part in rows.items()}
        return arrays if named else arrays[IDS]

    said: list[int] = []
    for _ in range(tokens):
        said.append(next_token(wrapped, native(text)))
        text = {name: extended(part, name, said[-1]) for name, part in text.items()}
    rows = {name: np.repeat(part, tokens, axis=0) for name, part in text.items()}
    target = [(begins - 1 + step, token) for step, token in enumerate(said)]
    return Continuation(native(rows), target, tuple(said))


def next_token(model: Model, text: dict[str, Array] | Array) -> int:
    """The id of the token with the largest score behind the last one."""
    inputs = model.prepare(text)
    outputs = model.outputs(inputs)
    path = located(outputs, None)
    if len(single(outputs, path).shape) != 3:
        raise InputError(
            f"A decoder gives the scores of all tokens at each position, (N, L, vocabulary); this model "
            f"gives {describe(outputs)}."
        )
    scores = model.to_numpy(array_at(model.predict(inputs), path))
    return int(np.argmax(scores[0, -1]))


def extended(part: NDArray[np.integer], name: str, token: int) -> NDArray[np.integer]:
    """Ids with one more, or a mask, or segments, with their last number once more."""
    last = np.array([[token]]) if name == IDS else part[:, -1:]
    return np.concatenate([part, last.astype(part.dtype)], axis=1)


def host(model: Model, part: object) -> NDArray[np.integer]:
    array = model.to_numpy(cast(Array, part)) if model.owns(part) else np.asarray(part)
    return np.asarray(array)
