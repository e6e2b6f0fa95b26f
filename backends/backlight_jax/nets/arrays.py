"""Arrays among the parts of a net or a call, and their names."""

from collections.abc import Hashable, Iterator, Sequence
from typing import Any, TypeAlias, final

import jax

Leaves: TypeAlias = Sequence[Any]


def is_array(leaf: object) -> bool:
    return hasattr(leaf, "shape") and hasattr(leaf, "dtype")


@final
class Constant:
    """A part of a net or call that is no array: compared by value, or by identity without a hash."""

    def __init__(self, value: Any) -> None:
        self.value = value
        try:
            self.key: Hashable = (type(value), value)
            self.hash = hash(self.key)
        except TypeError:
            self.key = self.hash = id(value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Constant) and self.key == other.key

    def __hash__(self) -> int:
        return self.hash


def split(leaves: Leaves) -> tuple[list[Any], tuple[Constant | None, ...]]:
    """The arrays among leaves, and the rest, with None where an array was."""
    arrays = [leaf for leaf in leaves if is_array(leaf)]
    return arrays, tuple(None if is_array(leaf) else Constant(leaf) for leaf in leaves)


def joined(arrays: Leaves, rest: Sequence[Constant | None]) -> list[Any]:
    """What `split` took apart."""
    remaining = iter(arrays)
    return [next(remaining) if other is None else other.value for other in rest]


def array_names(tree: Any) -> list[str]:
    """The paths of the arrays of a tree, such as `layers[0].weight`."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return [spelled(path) for path, leaf in leaves if is_array(leaf)]


def spelled(path: Sequence[Any]) -> str:
    text = ""
    for entry in path:
        key = next(
            getattr(entry, field) for field in ("name", "key", "idx") if hasattr(entry, field)
        )
        text += f"[{key}]" if isinstance(key, int) else f".{key}"
    return text.removeprefix(".")


def wrapped_names(net: object) -> dict[int, str]:
    """Names, by identity, of the arrays of a module that a transformation wraps (`jax.vmap(module)`)."""
    while callable(inner := getattr(net, "__wrapped__", None)):
        net = inner
    if isinstance(net, tuple) or jax.tree_util.all_leaves([net]):
        return {}
    arrays = [leaf for leaf in jax.tree.leaves(net) if is_array(leaf)]
    return dict(zip(map(id, arrays), array_names(net), strict=True))


def closed_over(net: object) -> Iterator[Any]:
    """Arrays that a function holds in its closure, or in tuples, lists and dicts there."""
    while net is not None:
        for cell in getattr(net, "__closure__", None) or ():
            try:
                leaves_held = jax.tree.leaves(cell.cell_contents)
            except ValueError:  # a cell that is not filled yet, or a tree that JAX cannot sort
                continue
            yield from (leaf for leaf in leaves_held if is_array(leaf))
        net = getattr(net, "__wrapped__", None)
