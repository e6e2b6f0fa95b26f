"""What a traced function depends on: structures, shapes and dtypes, never numbers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, cast, final

import jax

from backlight.inputs import Inputs, PerExample, unwrapped
from backlight.tree import Tree, leaves
from backlight_jax.nets import Net, State, joined, split

Aval: TypeAlias = tuple[tuple[int, ...], Any, bool]
"""Shape, dtype, and whether the dtype gives way to others (`weak_type`)."""


def aval_of(array: Any) -> Aval:
    return tuple(array.shape), array.dtype, bool(getattr(array, "weak_type", False))


@final
@dataclass(frozen=True)
class Signature:
    """The key of a trace.

    Attributes:
        net: the structure of the net around its weights.
        weights, attributed, extra: the arrays of each.
        names: keys of the attributed dict; a number for a tuple; None for one array.
        rows: for each extra array, whether it has one row per example.
        arguments: the structures and constants of the extra arguments.
        settings: JAX's own that change what is traced.
        count: the number of examples.
    """

    net: Any
    weights: tuple[Aval, ...]
    attributed: tuple[Aval, ...]
    names: tuple[str, ...] | int | None
    extra: tuple[Aval, ...]
    rows: tuple[bool, ...]
    arguments: tuple[Any, ...]
    settings: tuple[object, ...]
    count: int

    def of_count(self, count: int) -> "Signature":
        """The same for another number of examples."""

        def resized(aval: Aval, rows: bool = True) -> Aval:
            return ((count, *aval[0][1:]), *aval[1:]) if rows else aval

        return replace(
            self,
            attributed=tuple(map(resized, self.attributed)),
            extra=tuple(map(resized, self.extra, self.rows)),
            count=count,
        )

    def rows_of(self, arrays: Sequence[Any]) -> list[Any]:
        """The first rows of the arrays of a call for more examples."""
        per_example = (
            *(False for _ in self.weights),
            *(True for _ in self.attributed),
            *self.rows,
        )
        return [
            array[: self.count] if rows else array
            for array, rows in zip(arrays, per_example, strict=True)
        ]

    def abstract(self) -> list[jax.ShapeDtypeStruct]:
        """All arrays, as shapes and dtypes."""
        return [
            cast(Any, jax.ShapeDtypeStruct)(shape, dtype, weak_type=weak)
            for shape, dtype, weak in (*self.weights, *self.attributed, *self.extra)
        ]

    def described(self) -> str:
        """The arguments in words, for messages."""

        def said(aval: Aval) -> str:
            return f"{aval[0]} {aval[1]}"

        extra = f" and extra {', '.join(map(said, self.extra))}" if self.extra else ""
        return f"{', '.join(map(said, self.attributed))}{extra}"

    def call(self, net: Net, arrays: Sequence[Any]) -> Any:
        """The net's outputs for arrays in the order of `abstract`."""
        first, second = len(self.weights), len(self.weights) + len(self.attributed)
        given = list(arrays[first:second])
        attributed: Any = given[0]
        if isinstance(self.names, tuple):
            attributed = dict(zip(self.names, given, strict=True))
        elif self.names is not None:
            attributed = tuple(given)
        remaining = iter(arrays[second:])
        keywords: dict[str, Any] = {}
        positional: list[Any] = []
        for name, structure, rest in self.arguments:
            held = [next(remaining) for other in rest if other is None]
            value = jax.tree.unflatten(structure, joined(held, rest))
            if name is None:
                positional.append(value)
            else:
                keywords[name] = value
        state = State(arrays[:first], self.net)
        if net.structured:
            return net.call(state, attributed, *positional, **keywords)
        inputs = Inputs(cast(Tree, attributed), tuple(positional), keywords)
        arguments, named = inputs.arguments()
        return net.call(state, *arguments, **named)


def settings() -> tuple[object, ...]:
    config: Any = jax.config  # its attributes are made at run time
    return (
        config.jax_enable_x64,
        config.jax_default_matmul_precision,
        config.jax_numpy_dtype_promotion,
        config.jax_numpy_rank_promotion,
    )


def read(state: State, inputs: Inputs) -> tuple[Signature, list[Any]]:
    """The signature of a call, and its arrays."""
    attributed = leaves(inputs.attributed)
    extra: list[Any] = []
    rows: list[bool] = []
    arguments: list[Any] = []
    named: list[tuple[str | None, object]] = [(None, value) for value in inputs.positional]
    for name, value in (*named, *inputs.keyword.items()):
        parts, structure = jax.tree.flatten(unwrapped(value))
        arrays, rest = split(parts)
        extra += arrays
        rows += [isinstance(value, PerExample)] * len(arrays)
        arguments.append((name, structure, rest))
    tree = inputs.attributed
    signature = Signature(
        net=state.structure,
        weights=tuple(map(aval_of, state.leaves)),
        attributed=tuple(map(aval_of, attributed)),
        names=tuple(tree)
        if isinstance(tree, dict)
        else len(tree)
        if isinstance(tree, tuple)
        else None,
        extra=tuple(map(aval_of, extra)),
        rows=tuple(rows),
        arguments=tuple(arguments),
        settings=settings(),
        count=inputs.count,
    )
    return signature, [*state.leaves, *attributed, *extra]
