"""What was understood of an operation, for the run that follows.

A net that is run again mostly does what it did. What was understood of an operation is then taken over,
if the operation, its other arguments and its operands' values, shapes and dtypes are the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

import torch

from backlight.graph.graph import Node, Value
from backlight_torch.capture.records import Edge, Located, Operand, Record


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


@final
@dataclass(eq=False)
class Before:
    """What is known of a run by the one before.

    Attributes:
        wanted: the values that rules look at.
        steps: its operations.
    """

    wanted: frozenset[int] = frozenset()
    steps: list[Step] = field(default_factory=list)


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
