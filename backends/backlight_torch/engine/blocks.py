"""What goes into a net and comes out: copies to feed, batches of a fixed size, words for messages."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar, cast, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils import _pytree as pytree

from backlight.values.arrays import Array
from backlight.values.inputs import Inputs, PerExample, Shared, unwrapped
from backlight.values.tree import Tree, leaves, map_leaves, names, rebuild

T = TypeVar("T")


def copied_inputs(
    inputs: Inputs, differentiated: bool, attached: bool = False
) -> tuple[Inputs, list[torch.Tensor]]:
    """Inputs that the net may write into, and the arrays that they are differentiated at; `attached` to
    what the inputs were computed from, or not.

    The arrays share memory with the user's, which the net never gets: it gets copies.
    """
    starts = [
        start(cast(torch.Tensor, leaf), differentiated, attached)
        for leaf in leaves(inputs.attributed)
    ]
    copies = cast(list[Array], [array.clone() for array in starts])
    return Inputs(
        rebuild(inputs.attributed, copies),
        tuple(copied(value, attached) for value in inputs.positional),
        {name: copied(value, attached) for name, value in inputs.keyword.items()},
    ), starts


def start(array: torch.Tensor, differentiated: bool, attached: bool) -> torch.Tensor:
    own = array.view_as(array) if attached else array.detach()
    if array.is_inference():  # it has no graph, whatever is asked of it; a copy has
        own = array.clone()
    return own.requires_grad_() if differentiated and own.is_floating_point() else own


def copied(value: object, attached: bool) -> object:
    def copy(array: torch.Tensor) -> torch.Tensor:
        return array.clone() if attached else array.detach().clone()

    if isinstance(value, PerExample):
        return PerExample(cast(Array, copy(cast(torch.Tensor, value.value))))
    if isinstance(value, Shared):
        return Shared(copied(value.value, attached))
    return pytree.tree_map_only(torch.Tensor, copy, value)


@final
@dataclass(frozen=True)
class Block:
    """Examples that go through a net together.

    Attributes:
        inputs: of as many examples as the net takes.
        rows: which examples they are, of the user's batch; None for all, as they are.
        kept: how many count; the rest repeat the last one to fill up.
    """

    inputs: Inputs
    rows: NDArray[np.int64] | None
    kept: int

    def taken(self, value: Tree | None) -> Tree | None:
        """The rows of a value that has one for each of the user's examples."""
        if value is None or self.rows is None:
            return value
        return map_leaves(partial(rows_of, self.rows), value)


def rows_of(rows: NDArray[np.int64], array: Array) -> Array:
    tensor = cast(torch.Tensor, array)
    return cast(Array, tensor[torch.tensor(rows, device=tensor.device)])


def blocks(inputs: Inputs, size: int | None) -> list[Block]:
    """The examples in blocks of exactly `size`, or in one block where any number will do."""
    count = inputs.count
    if size in (None, count):
        return [Block(inputs, None, count)]
    found = []
    for first in range(0, count, size):
        rows = np.minimum(np.arange(first, first + size), count - 1)
        block = inputs.map_rows(partial(rows_of, rows))
        found.append(Block(block, rows, min(size, count - first)))
    return found


def joined(parts: Sequence[T], kept: Sequence[Block]) -> T:
    """What was found for each block, of any structure, with the kept rows of all one after the other;
    what has no row per example is the first block's."""
    if kept[0].rows is None:
        return parts[0]
    size = len(kept[0].rows)
    flat = [pytree.tree_flatten(part) for part in parts]

    def column(arrays: tuple[Any, ...]) -> Any:
        first = arrays[0]
        if not isinstance(first, torch.Tensor) or first.shape[:1] != (size,):
            return first
        return torch.cat([one[: block.kept] for one, block in zip(arrays, kept, strict=True)])

    columns = zip(*(found for found, _ in flat), strict=True)
    return cast(T, pytree.tree_unflatten(list(map(column, columns)), flat[0][1]))


PLAIN = (bool, int, float, str, type(None))


def signature(inputs: Inputs) -> Hashable:
    """What decides the shapes inside a net: those of its inputs, and its other arguments."""
    return (
        tuple(names(inputs.attributed)),
        tuple(form(leaf) for leaf in leaves(inputs.attributed)),
        tuple(form(value) for value in inputs.positional),
        tuple((name, form(value)) for name, value in inputs.keyword.items()),
    )


def form(value: Any) -> Hashable:
    value = unwrapped(value)
    if isinstance(value, torch.Tensor):
        return (tuple(value.shape), value.dtype, value.device)
    if isinstance(value, (tuple, list)):
        return (type(value), tuple(form(item) for item in value))
    if isinstance(value, dict):
        return tuple((key, form(item)) for key, item in value.items())
    return cast(Hashable, value if isinstance(value, PLAIN) else type(value))


def described(inputs: Inputs) -> str:
    """The arguments in a few words, for messages."""
    positional, keyword = inputs.arguments()
    parts = [in_words(value) for value in positional]
    parts += [f"{name}={in_words(value)}" for name, value in keyword.items()]
    return ", ".join(parts)


def in_words(value: object) -> str:
    if isinstance(value, torch.Tensor):
        dtype = str(value.dtype).removeprefix("torch.")
        return f"{dtype} {tuple(value.shape)} on {value.device}"
    return repr(value) if isinstance(value, PLAIN) else type(value).__name__
