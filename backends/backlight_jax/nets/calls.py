"""What a traced function depends on: structures, shapes and dtypes, never numbers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, TypeVar, cast, final

import jax

from backlight.values.inputs import Inputs, PerExample, unwrapped
from backlight.values.tree import leaves
from backlight_jax.nets.arrays import Constant, is_array, joined, split
from backlight_jax.nets.styles import Net, State

T = TypeVar("T")

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
        avals: of all arrays: the weights, then the attributed ones, then those of the extra arguments.
        weights, attributed: how many these are.
        rows: for each array, whether it has one row per example.
        names: keys of the attributed dict; a number for a tuple; None for one array.
        arguments, constants: the structure of the extra arguments, and what is no array in them.
        settings: JAX's own that change what is traced.
        count: the number of examples.
    """

    net: Any
    avals: tuple[Aval, ...]
    weights: int
    attributed: int
    rows: tuple[bool, ...]
    names: tuple[str, ...] | int | None
    arguments: Any
    constants: tuple[Constant | None, ...]
    settings: tuple[object, ...]
    count: int

    def of_count(self, count: int) -> "Signature":
        """The same for another number of examples."""
        avals = (
            ((count, *shape[1:]), *rest) if row else (shape, *rest)
            for (shape, *rest), row in zip(self.avals, self.rows, strict=True)
        )
        return replace(self, avals=cast(tuple[Aval, ...], tuple(avals)), count=count)

    def first_rows(self, arrays: Sequence[Any]) -> list[Any]:
        """The arrays of a call for as many examples or more, cut to as many."""
        each = zip(arrays, self.rows, strict=True)
        return [array[: self.count] if row else array for array, row in each]

    def parts(self, arrays: Sequence[T]) -> tuple[list[T], list[T], list[T]]:
        """What there is of each of the arrays: of the weights, the attributed ones, the extra ones."""
        end = self.weights + self.attributed
        return [*arrays[: self.weights]], [*arrays[self.weights : end]], [*arrays[end:]]

    def abstract(self) -> list[jax.ShapeDtypeStruct]:
        """All arrays, as shapes and dtypes."""
        struct = cast(Any, jax.ShapeDtypeStruct)
        return [struct(shape, dtype, weak_type=weak) for shape, dtype, weak in self.avals]

    def described(self) -> str:
        """The arguments in words, for messages."""
        said = [f"{shape} {dtype}" for shape, dtype, _ in self.avals]
        _, attributed, extra = self.parts(said)
        return " and extra ".join(", ".join(some) for some in (attributed, extra) if some)

    def inputs(self, arrays: Sequence[Any]) -> Inputs:
        """The arguments made of arrays in the order of `abstract`."""
        _, given, extra = self.parts(arrays)
        positional, keywords = jax.tree.unflatten(self.arguments, joined(extra, self.constants))
        attributed: Any = given[0] if self.names is None else tuple(given)
        if isinstance(self.names, tuple):
            attributed = dict(zip(self.names, given, strict=True))
        return Inputs(attributed, tuple(positional), keywords)

    def call(self, net: Net, arrays: Sequence[Any]) -> Any:
        """The net's outputs for arrays in the order of `abstract`."""
        inputs, state = self.inputs(arrays), State(list(arrays[: self.weights]), self.net)
        if net.structured:
            return net.call(state, inputs.attributed, *inputs.positional, **inputs.keyword)
        arguments, named = inputs.arguments()
        return net.call(state, *arguments, **named)

    def with_rows(self) -> Inputs:
        """The arguments as shapes and dtypes, those marked that have one row per example."""
        arrays: list[Any] = self.abstract()
        extra = self.weights + self.attributed
        return self.inputs(
            [
                PerExample(array) if row and at >= extra else array
                for at, (array, row) in enumerate(zip(arrays, self.rows, strict=True))
            ]
        )


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
    given = [list(inputs.positional), dict(inputs.keyword)]
    parts, arguments = jax.tree.flatten(jax.tree.map(unwrapped, given))
    extra, constants = split(parts)
    rows = [
        isinstance(value, PerExample)
        for value in jax.tree.leaves(given)
        for part in jax.tree.leaves(unwrapped(value))
        if is_array(part)
    ]
    tree, arrays = inputs.attributed, [*state.leaves, *attributed, *extra]
    count = len(tree) if isinstance(tree, tuple) else None
    signature = Signature(
        net=state.structure,
        avals=tuple(map(aval_of, arrays)),
        weights=len(state.leaves),
        attributed=len(attributed),
        rows=(*(False for _ in state.leaves), *(True for _ in attributed), *rows),
        names=tuple(tree) if isinstance(tree, dict) else count,
        arguments=arguments,
        constants=constants,
        settings=settings(),
        count=inputs.count,
    )
    return signature, arrays
