"""What a model says of every example, whatever its task: asked block by block, and written down."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from backlight import Model
from backlight.errors import InputError, reason
from backlight.progress import Progress
from backlight.values.arrays import Array
from backlight.values.examples import Labels
from backlight.values.outputs import OutputKind, Path, array_at
from backlight.values.tree import leaves
from backlight_datasets import BlockStore, Source, read_blocks
from backlight_loading.outputs import chosen_output
from backlight_loading.preparation import ModelInput, PreparedInput

OUTPUTS = "outputs"
"""The column of a store that holds what the model says."""

BLOCK = 64
"""How many examples the model is asked about at a time, where nothing is said."""

CheckOutputs: TypeAlias = Callable[[Array, int, Sequence[str]], None]
"""Raises TargetError unless outputs for so many examples are of a task; with the names of its classes."""


@final
@dataclass(frozen=True, eq=False)
class Replies:
    """What a model says of all examples that could be read, and what is true of them.

    Attributes:
        outputs: as the model gives them, (N, k), float64.
        labels: of the data, see `Labels`.
        ids: their numbers in the source, rising, (N,).
        kind: what the outputs hold.
        path: where they are among several outputs.
        skipped: those that could not be read, with the reason.
    """

    outputs: NDArray[np.float64]
    labels: Labels
    ids: NDArray[np.int64]
    kind: OutputKind
    path: Path = None
    skipped: tuple[str, ...] = ()


def ask_all(
    model: Model,
    source: Source,
    prepared: PreparedInput,
    sample: ModelInput,
    block_length: int,
    progress: Progress,
    check: CheckOutputs,
    path: Path = None,
    store: BlockStore | None = None,
) -> Replies:
    """Ask the model about every example, block by block; of several outputs, about the one at `path`.

    Args:
        sample: one example as the model takes it.
        block_length: how many examples go through the model together; that of the store's plan.
        check: of the outputs.
        store: where answers are kept as they come, and those of a run before are taken from.

    Raises:
        InputError: the model cannot take such inputs, or no example can be read.
        TargetError: its outputs are not those of the task, or not of the examples' classes.
    """
    path, output = chosen_output(model, sample, path)
    count, done = len(source), 0
    found: dict[int, tuple[NDArray[np.int64], NDArray[Any], Labels]] = {}
    skipped = {} if store is None else {one.id: one for one in store.skipped()}
    missing = None if store is None else store.missing()
    for block, batch in read_blocks(source, block_length, missing, before=skipped.values()):
        progress("Asking the model", done, count)
        done += len(batch.ids) + len(batch.skipped)
        skipped |= {one.id: one for one in batch.skipped}
        values = np.empty((0, 1))
        if len(batch.ids):
            values = checked_outputs(
                model, source, prepared(batch.x), batch.ids, path, output.kind, check
            )
        if store is None:
            found[block] = batch.ids, values, batch.labels
        else:
            answers = {OUTPUTS: values, "labels": batch.labels}
            store.write(block, batch.ids, answers if len(batch.ids) else {}, batch.skipped)
    progress("Asking the model", count, count)
    if store is None:
        ids, outputs, labels = (
            np.concatenate([one[part] for one in found.values() if len(one[0])])
            for part in range(3)
        )
    else:
        ids, outputs = store.column(OUTPUTS)
        _, labels = store.column("labels")
    reasons = tuple(str(skipped[id]) for id in sorted(skipped))
    return Replies(outputs.astype(np.float64), labels, ids, output.kind, path, reasons)


def checked_outputs(
    model: Model,
    source: Source,
    x: ModelInput,
    ids: NDArray[np.int64],
    path: Path,
    kind: OutputKind,
    check: CheckOutputs,
) -> NDArray[Any]:
    """The output at `path` for these examples, (n, k), in the dtype that it has.

    Raises:
        InputError: the model fails, or not all numbers are finite.
        TargetError: as of `check`.
    """
    outputs = array_at(outputs_of(model, x, ids), path)
    check(outputs, len(ids), source.classes)
    values = model.to_numpy(outputs).reshape(len(ids), -1)
    check_finite(values, kind, x, source, ids)
    return values


def outputs_of(
    model: Model[Any], batch: ModelInput, ids: NDArray[np.int64] | None = None
) -> object:
    """The outputs for these examples; whatever the user's network raises, calls to end the program
    included, is an InputError."""
    try:
        return model.predict(model.prepare(batch))
    except (Exception, SystemExit) as error:
        said, cause = reason(error), error
    if ids is not None and ids[0] > 0:
        which = f"example {ids[0]}" if len(ids) == 1 else f"examples {ids[0]} to {ids[-1]}"
        raise InputError(f"The model failed for {which}: {said}.") from cause
    shapes = ", ".join(str(leaf.shape) for leaf in leaves(batch))
    raise InputError(
        f"The model cannot take inputs of shape {shapes} (examples first): {said}. {advice(batch)}"
    ) from cause


def takes(model: Model[Any], x: ModelInput) -> bool:
    """Whether the model can be run on these examples."""
    try:
        outputs_of(model, x)
    except InputError:
        return False
    return True


def advice(batch: ModelInput) -> str:
    """What to do about inputs that a model does not take."""
    parts = leaves(batch)
    if all(leaf.dtype.kind in "iu" for leaf in parts):
        return (
            "Texts have as many tokens as the longest, or as --tokens says; --tokenizer makes them."
        )
    if parts[0].ndim == 2:
        return (
            "A table's columns are all but the label; --x names those that the model takes, each once; "
            "--preprocess names a function of your own."
        )
    return (
        "Pictures are read with the size and colours that --size and --colour say; --preprocess names a "
        "function of your own."
    )


def check_finite(
    values: NDArray[Any], kind: str, x: ModelInput, source: Source, ids: NDArray[np.int64]
) -> None:
    """Raise InputError for outputs that rank no class, since NaN would count as the first one."""
    unusable = np.flatnonzero(~rank_classes(values, kind))
    if not len(unusable):
        return
    row = int(unusable[0])
    parts = [leaf[row] for leaf in leaves(x)]
    cause = ""
    if any(not np.isfinite(one).all() for one in parts if one.dtype.kind == "f"):
        cause = " Its input, as prepared for the model, is not finite already."
        column = empty_column(source, int(ids[row]))
        if column:
            cause = f" Its column {column!r} is empty or not finite: fill it, or leave the row out."
    which = example_in_words(source, int(ids[row]))
    raise InputError(f"The model's outputs for {which} are not all finite numbers.{cause}")


def empty_column(source: Source, id: int) -> str:
    """The first column of a row that holds no finite number, and no word; "" where there is none."""
    cells = source.read(id, id + 1).x.ravel().tolist()
    named = zip(source.features, cells, strict=False) if len(source.features) == len(cells) else ()
    return next(
        (one for one, cell in named if not isinstance(cell, str) and not isfinite(cell)), ""
    )


def rank_classes(values: NDArray[Any], kind: str) -> NDArray[np.bool_]:
    """Which rows of outputs (n, k) rank the classes, (n,): those that are finite. A class that is ruled
    out (the logarithm of 0) is an answer, but not every class at once."""
    usable = np.isfinite(values)
    if kind in ("logits", "log_probabilities"):
        usable |= np.isneginf(values) & usable.any(axis=1, keepdims=True)
    return np.asarray(usable.all(axis=1))


def example_in_words(source: Source, id: int) -> str:
    """An example in words: its number, and its name if it has one."""
    (name,) = source.names(id, id + 1)
    return f"example {id}" if name == str(id) else f"example {id} ({name})"
