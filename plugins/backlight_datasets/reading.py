"""A pass over a source, block by block."""

from collections.abc import Iterable, Iterator

import numpy as np

from backlight.errors import HyperParameterError, InputError
from backlight_datasets.source import Batch, Skipped, Source


def blocks_of(count: int, length: int) -> int:
    """How many blocks of so many candidates there are; the last one may be shorter."""
    return -(-count // length)


def rows_of(block: int, length: int, count: int) -> tuple[int, int]:
    """The first candidate of a block, and the one after its last."""
    return block * length, min((block + 1) * length, count)


def read_blocks(
    source: Source,
    length: int,
    blocks: Iterable[int] | None = None,
    most_skipped: int | None = None,
    before: Iterable[Skipped] = (),
    finite: bool = False,
) -> Iterator[tuple[int, Batch]]:
    """The candidates of each block, one block in memory at a time.

    Args:
        length: candidates per block, at least 1.
        blocks: the numbers of those to read; None reads all.
        most_skipped: how many candidates may be skipped in all; None sets no limit.
        before: those skipped in a run that this one goes on with.
        finite: skip examples with NaN or infinite numbers, which few models can take.

    Raises:
        HyperParameterError: `length` or `most_skipped` is out of its range.
        InputError: more were skipped; or every candidate was.
    """
    if length < 1 or (most_skipped is not None and most_skipped < 0):
        raise HyperParameterError(
            "A block has at least 1 candidate, and at least 0 are skipped; got a length of "
            f"{length}, and {most_skipped} to be skipped."
        )
    count = len(source)
    skipped = {one.id: one for one in before}
    check_skipped(skipped, most_skipped, count)
    for block in range(blocks_of(count, length)) if blocks is None else blocks:
        batch = source.read(*rows_of(block, length, count))
        if finite:
            batch = finite_of(batch, source)
        skipped |= {one.id: one for one in batch.skipped}
        check_skipped(skipped, most_skipped, count)
        yield block, batch


def check_skipped(skipped: dict[int, Skipped], most: int | None, count: int) -> None:
    if not skipped:
        return
    first = "; ".join(map(str, list(skipped.values())[:3]))
    if len(skipped) == count:
        raise InputError(f"None of the {count} candidates could be read: {first}.")
    if most is not None and len(skipped) > most:
        raise InputError(
            f"{len(skipped)} candidates could not be read, and at most {most} may be skipped: {first}. "
            "Mend or take out these, or allow more."
        )


def finite_of(batch: Batch, source: Source) -> Batch:
    """The batch of a source without examples that hold NaN or infinite numbers, which are skipped."""
    if batch.x.dtype.kind not in "fc":
        return batch
    odd = ~np.isfinite(batch.x)
    broken = odd.reshape(len(batch.x), -1).any(axis=1)
    skipped = [*batch.skipped]
    for row in np.flatnonzero(broken).tolist():
        place = tuple(np.argwhere(odd[row])[0].tolist())
        id = int(batch.ids[row])
        why = f"it holds {batch.x[row][place]} at {place}"
        skipped.append(Skipped(id, source.names(id, id + 1)[0], why))
    skipped.sort(key=lambda one: one.id)
    kept = ~broken
    return Batch(batch.x[kept], batch.labels[kept], batch.ids[kept], tuple(skipped))
