"""What tells a model from others, the same in another process."""

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlight import Model
from backlight.errors import InputError
from backlight.values.outputs import Path as OutputPath
from backlight.values.outputs import array_at
from backlight.values.tree import leaves
from backlight_datasets import Source, digest_of_arrays
from backlight_loading.outputs import chosen_output
from backlight_loading.preparation import ModelInput, PreparedInput
from backlight_study.replies import outputs_of

ASKED, LARGEST = 4, 8
"""How many examples, and how many of a model's answers to each, tell it from others."""


def model_digest(
    model: Model, source: Source, prepared: PreparedInput, sample: ModelInput, scores: OutputPath
) -> str:
    """A digest of all the weights of a model, and one of some of its answers, which tell nets of the same
    weights apart; of the answers alone where a model does not tell its weights."""
    # First the answers: what a net keeps of its last call is that of the same examples then.
    answers = f"answers {answers_digest(model, source, prepared, sample, scores)}"
    weights = weights_digest(model)
    return answers if weights is None else f"weights {weights}, {answers}"


def weights_digest(model: Model) -> str | None:
    """SHA-256 of all weights in their order: dtypes, shapes and bytes. None where they are not told.

    Their names do not count: Keras counts the layers of a process in them, so that a net that is made
    twice has others.
    """
    told = model.weights()
    if told is None:
        return None

    def named() -> Iterator[tuple[str, NDArray[Any]]]:
        for kind, arrays in (("parameter", told.parameters), ("buffer", told.buffers)):
            for place, one in enumerate(arrays.values()):  # one at a time is brought to the host
                yield f"{kind} {place} {one.dtype}", model.to_numpy(one)

    return digest_of_arrays(named())


def answers_digest(
    model: Model, source: Source, prepared: PreparedInput, sample: ModelInput, scores: OutputPath
) -> str:
    """Of a model's largest answers to the first examples, to four digits, so that it is the same where a
    device sums in another order."""
    path, _ = chosen_output(model, sample, scores)
    first = source.read(0, min(ASKED, len(source))).x
    x = prepared(first) if len(first) else sample
    try:
        outputs = outputs_of(model, x)
    except InputError:  # of one of them: it is told with its number when all are asked about
        x, outputs = sample, outputs_of(model, sample)
    rows = model.to_numpy(array_at(outputs, path)).astype(np.float64).reshape(len(leaves(x)[0]), -1)
    order = np.argsort(-np.abs(rows), axis=1, kind="stable")[:, :LARGEST]
    told = [
        f"{k} {row[k]:.4g}"
        for row, places in zip(rows, order, strict=True)
        for k in places.tolist()
    ]
    return sha256("\n".join(told).encode()).hexdigest()
