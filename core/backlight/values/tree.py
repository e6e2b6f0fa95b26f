"""One array, a tuple of arrays or a dict of arrays: what models take and techniques return."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

from backlight.values.arrays import AnyArray, Array, Arrays, ArrayT, shape_of

Tree: TypeAlias = ArrayT | tuple[ArrayT, ...] | dict[str, ArrayT]
"""One array, a tuple or a dict of arrays: of any framework, or as in `Tree[torch.Tensor]`."""

if TYPE_CHECKING:  # which knows defaults; `typing` does from Python 3.13 on
    from typing_extensions import TypeVar as TypeVariable

    ValuesT = TypeVariable("ValuesT", default=Any)
else:
    ValuesT = TypeVar("ValuesT")
"""What a user gives and gets back: arrays of a framework, or a tuple or dict of them."""

GivenT = TypeVar("GivenT", bound=AnyArray)
"""An array of the user's own."""
NestedT = TypeVar("NestedT", bound=tuple[AnyArray, ...] | dict[str, Any])
"""Several of them."""

Given = TypeVar("Given")


def leaves(tree: Tree[ArrayT]) -> list[ArrayT]:
    """The arrays of a tree, in order."""
    if isinstance(tree, dict):
        return list(tree.values())
    if isinstance(tree, tuple):
        return list(tree)
    return [tree]


def names(tree: Tree[ArrayT]) -> list[str]:
    """A name per leaf: the dict's keys, the tuple's positions, or `x`."""
    if isinstance(tree, dict):
        return list(tree)
    if isinstance(tree, tuple):
        return [str(position) for position in range(len(tree))]
    return ["x"]


def rebuild(like: Tree[Given], arrays: Sequence[ArrayT]) -> Tree[ArrayT]:
    """A tree with the structure of `like` and the given leaves."""
    if isinstance(like, dict):
        return dict(zip(like, arrays, strict=True))
    if isinstance(like, tuple):
        return tuple(arrays)
    (array,) = arrays
    return array


def map_leaves(
    function: Callable[..., ArrayT], first: Tree[Given], *others: Tree[Given]
) -> Tree[ArrayT]:
    """Apply `function` leaf by leaf to trees of the same structure."""
    columns = zip(leaves(first), *(leaves(other) for other in others), strict=True)
    return rebuild(first, [function(*column) for column in columns])


def concat(trees: Sequence[Tree], arrays: Arrays, axis: int = 0) -> Tree:
    """Join trees of the same structure along an axis, by default that of the examples."""
    if len(trees) == 1:
        return trees[0]
    columns = zip(*(leaves(tree) for tree in trees), strict=True)
    return rebuild(trees[0], [arrays.concat(list(column), axis=axis) for column in columns])


def stack(trees: Sequence[Tree], arrays: Arrays) -> Tree:
    """Trees of the same structure and shapes along a new first axis."""
    return concat([map_leaves(lambda leaf: leaf[None, ...], tree) for tree in trees], arrays)


def sum_per_example(tree: Tree, arrays: Arrays) -> Array:
    """Sum of everything but the examples' axis, over all leaves: shape (N,)."""
    sums = [
        arrays.sum(arrays.reshape(leaf, (shape_of(leaf)[0], -1)), axis=1) for leaf in leaves(tree)
    ]
    total = sums[0]
    for more in sums[1:]:
        total = total + more
    return total


def children(outputs: object) -> Mapping[object, object] | None:
    """The parts of a model's outputs by key, field or position; None for an array, or for nothing.

    Mappings, tuples, lists, named tuples and dataclasses (Hugging Face's outputs are two of these)
    have parts.
    """
    if isinstance(outputs, Mapping):
        return outputs
    if hasattr(outputs, "shape"):
        return None
    if isinstance(outputs, tuple) and hasattr(outputs, "_fields"):
        return dict(zip(outputs._fields, outputs, strict=True))
    if isinstance(outputs, (tuple, list)):
        return dict(enumerate(outputs))
    if is_dataclass(outputs) and not isinstance(outputs, type):
        return {field.name: getattr(outputs, field.name) for field in fields(outputs)}
    return None


def map_nested(function: Callable[[Array], object], outputs: object) -> object:
    """Apply `function` to everything in a model's outputs that has no parts. Named tuples stay what
    they are; else parts with names come in a dict, those with positions in a tuple."""
    parts = children(outputs)
    if parts is None:
        return function(cast(Array, outputs))
    mapped = {key: map_nested(function, part) for key, part in parts.items()}
    if hasattr(outputs, "_fields"):
        return type(outputs)(*mapped.values())
    return tuple(mapped.values()) if isinstance(outputs, (tuple, list)) else mapped
