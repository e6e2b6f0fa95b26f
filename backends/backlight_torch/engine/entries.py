"""Where the gradients of an operation's operands are among those that nodes of autograd's give."""

from dataclasses import dataclass
from typing import final

import torch

from backlight.errors import CoverageError
from backlight_torch.capture.records import Node, Record, View


@final
@dataclass(frozen=True, eq=False)
class Entry:
    """A place among the gradients that a node of autograd's gives.

    Attributes:
        node: it.
        number: which of its gradients.
        shape: of the operand, that autograd sums the gradient to.
        view: the part of a larger gradient, if the operand was a part of a larger array.
    """

    node: Node
    number: int
    shape: tuple[int, ...]
    view: View | None = None


def entries_of(record: Record) -> list[tuple[int, Entry]]:
    """Where the gradients of a record's operands are, each with the operand's value.

    Raises:
        CoverageError: they cannot be told apart.
    """
    edges = record.node.next_functions
    active = [
        (operand, edge)
        for operand, edge in zip(record.operands, record.edges, strict=True)
        if operand.active
    ]
    found: list[tuple[int, Entry]] = []
    left = list(range(len(edges)))
    if record.view is not None:
        left = left[1:]  # the first is the whole's that it wrote into
        if record.operands[0].active:
            base, _ = active.pop(0)
            found.append((base.value, Entry(record.node, 0, base.shape, record.view)))
    for operand, edge in active:
        while left:
            number = left.pop(0)
            if edges[number] == edge:
                found.append((operand.value, Entry(record.node, number, operand.shape)))
                break
        else:
            raise CoverageError(
                f"The gradients of {record.name} could not be told apart, so that no rule can act "
                "there. Please report this model; meanwhile use a technique without rules, such as "
                "'gradient'."
            )
    return found


def part_of(view: View, whole: torch.Tensor) -> torch.Tensor:
    return view.part(whole)[1].clone()


def put_back(result: torch.Tensor, like: torch.Tensor, view: View | None) -> torch.Tensor:
    """A gradient in the place of another: of the same shape, or a part of it."""
    if view is None:
        return shaped(result, like)
    whole: torch.Tensor
    whole, part = view.part(like)
    part.copy_(result)
    return whole


def shaped(result: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """The gradient of an operand in the shape that autograd will sum to the operand's own."""
    result = result.to(like.dtype)
    if result.shape == like.shape:
        return result
    own = torch.zeros_like(like)
    shape = (1,) * (like.ndim - result.ndim) + tuple(result.shape)
    own[tuple(slice(length) for length in shape)] = result.reshape(shape)
    return own
