"""One array, a tuple of arrays or a dict of arrays: what models take and techniques return."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias, cast

from backlight.arrays import Array, Arrays, shape_of

Tree: TypeAlias = Array | tuple[Array, ...] | dict[str, Array]


def leaves(tree: Tree) -> list[Array]:
    """The arrays of a tree, in order."""
    if isinstance(tree, dict):
        return list(tree.values())
    if isinstance(tree, tuple):
        return list(tree)
    return [tree]


def names(tree: Tree) -> list[str]:
    """A name per leaf: the dict's keys, the tuple's positions, or `x`."""
    if isinstance(tree, dict):
        return list(tree)
    if isinstance(tree, tuple):
        return [str(position) for position in range(len(tree))]
    return ["x"]


def rebuild(like: Tree, arrays: Sequence[Array]) -> Tree:
    """A tree with the structure of `like` and the given leaves."""
    if isinstance(like, dict):
        return dict(zip(like, arrays, strict=True))
    if isinstance(like, tuple):
        return tuple(arrays)
    (array,) = arrays
    return array


def map_leaves(function: Callable[..., Array], first: Tree, *others: Tree) -> Tree:
    """Apply `function` leaf by leaf to trees of the same structure."""
    columns = zip(leaves(first), *(leaves(other) for other in others), strict=True)
    return rebuild(first, [function(*column) for column in columns])


def concat(trees: Sequence[Tree], arrays: Arrays) -> Tree:
    """Join trees of the same structure along the examples' axis."""
    if len(trees) == 1:
        return trees[0]
    columns = zip(*(leaves(tree) for tree in trees), strict=True)
    return rebuild(trees[0], [arrays.concat(list(column), axis=0) for column in columns])


def sum_per_example(tree: Tree, arrays: Arrays) -> Array:
    """Sum of everything but the examples' axis, over all leaves: shape (N,)."""
    sums = [
        arrays.sum(arrays.reshape(leaf, (shape_of(leaf)[0], -1)), axis=1) for leaf in leaves(tree)
    ]
    total = sums[0]
    for more in sums[1:]:
        total = total + more
    return total


def map_nested(function: Callable[[Array], object], outputs: object) -> object:
    """Apply `function` to every array in a model's outputs: nested mappings, tuples and lists."""
    if isinstance(outputs, Mapping):
        return {key: map_nested(function, value) for key, value in outputs.items()}
    if isinstance(outputs, (tuple, list)):
        parts = [map_nested(function, value) for value in outputs]
        return type(outputs)(*parts) if hasattr(outputs, "_fields") else tuple(parts)  # type: ignore[arg-type]
    return function(cast(Array, outputs))
