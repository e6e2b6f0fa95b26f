"""What one operation was called with, and whether it is what was called at this place in the run before.

A net that is run again mostly does what it did. What was understood of an operation is then taken over,
if the operation, its other arguments and its operands' values, shapes and dtypes are the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias, final

import torch

from backlight.graph.graph import Node, Value
from backlight_torch.capture.records import Edge, Operand, Record, replaced, tensors_in

Located: TypeAlias = tuple[int, Edge | None]
"""The value of an array, and where derivatives lead back from it."""

BACKENDS = ("CPU", "CUDA", "MPS", "XPU", "CompositeExplicitAutograd")
"""Where an operation may be computed by a kernel of its own."""


@final
class Signature:
    """An ATen operation, whatever it is called with. PyTorch makes its schema anew when it is asked.

    Attributes:
        name: of it, with the underscore of those that write in place.
        defaults: its arguments by name.
        writes: the names of those that it writes into.
        in_place: whether what it gives is what it has written into.
        shaped: whether no more than the shape of what it is given counts.
        random: whether it draws random numbers.
        composite: whether PyTorch itself computes it by others. It does so before a mode sees it, but
            for arrays that were made in inference mode.
    """

    def __init__(self, func: Any) -> None:
        schema = func._schema
        own = func.namespace == "aten"
        name = func.overloadpacket.__name__
        self.name = name
        self.defaults = {one.name: one.default_value for one in schema.arguments}
        self.writes = [
            one.name for one in schema.arguments if one.alias_info and one.alias_info.is_write
        ]
        returned = schema.returns
        in_place = not returned or returned[0].alias_info is not None
        self.in_place = bool(self.writes) and in_place
        self.shaped = own and (name.startswith("new_") or name.endswith("_like"))
        self.random = torch.Tag.nondeterministic_seeded in func.tags
        has = torch._C._dispatch_has_kernel_for_dispatch_key
        kernels = (has(func.name(), key) for key in BACKENDS)
        self.composite = has(func.name(), "CompositeImplicitAutograd") and not any(kernels)

    def bound(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """All arguments by name."""
        return {**self.defaults, **dict(zip(self.defaults, args, strict=False)), **kwargs}

    def written(self, arguments: Mapping[str, Any]) -> list[torch.Tensor]:
        """The arrays that it writes into."""
        return tensors_in([arguments[name] for name in self.writes])


signature = cache(Signature)


@final
@dataclass(eq=False, slots=True)
class Step:
    """An operation of a run before.

    Attributes:
        record: what it was called with.
        node: what it is in the graph.
        first: the number of the first value that was made for it.
        values: those that were.
        flowing: the results that derivatives lead back from, unless autograd says otherwise.
        graded: whether gradients were on.
    """

    record: Record
    node: Node
    first: int
    values: Sequence[Value]
    flowing: Sequence[int]
    graded: bool

    def repeats(
        self,
        func: Any,
        arguments: Mapping[str, Any],
        given: Sequence[torch.Tensor],
        located: Sequence[Located],
    ) -> bool:
        """Whether a call is this one again."""
        record = self.record
        if record.func is not func or self.graded is not torch.is_grad_enabled():
            return False
        if not all(map(same, record.arguments.values(), arguments.values())):
            return False
        for one, (value, edge), array in zip(record.operands, located, given, strict=True):
            if one.value != value or one.active is (edge is None):
                return False
            if one.shape != array.shape or one.dtype is not array.dtype:
                return False
        return True

    def again(self, edges: tuple[Edge | None, ...]) -> Record:
        """What is called, in the run that repeats it."""
        one = self.record
        return Record(
            one.func,
            one.name,
            one.arguments,
            one.operands,
            edges,
            parts=one.parts,
            expanded=one.expanded,
        )


def record_of(
    func: Any,
    arguments: Mapping[str, Any],
    given: Sequence[torch.Tensor],
    located: Sequence[Located],
) -> Record:
    """What an operation is called with."""
    operands = tuple(
        Operand(value, tuple(one.shape), one.dtype, edge is not None)
        for one, (value, edge) in zip(given, located, strict=True)
    )
    stands = iter(operands)
    own = signature(func)
    return Record(
        func,
        own.name.removesuffix("_") if own.writes else own.name,
        {name: replaced(torch.Tensor, lambda _: next(stands), x) for name, x in arguments.items()},
        operands,
        tuple(edge for _, edge in located),
    )


def same(stand: Any, given: Any) -> bool:
    """Whether an argument is what another was, tensors aside, for which operands stand."""
    if stand is given:
        return True
    if isinstance(given, torch.Tensor):
        return type(stand) is Operand
    if isinstance(given, (list, tuple)):
        return type(stand) is list and len(stand) == len(given) and all(map(same, stand, given))
    if type(given) is float:  # -0.0 is not 0.0 here, and NaN is itself
        return type(stand) is float and repr(stand) == repr(given)
    return type(stand) is type(given) and bool(stand == given)
