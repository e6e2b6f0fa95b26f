"""Operations whose derivative hangs on no value but constants: their gradients, without autograd."""

from collections.abc import Iterable, Mapping

import torch

from backlight.graph.graph import Node
from backlight_torch.capture.records import Operand, Record

RESHAPES = frozenset({"view", "_unsafe_view", "reshape", "unsqueeze", "squeeze"})
SUMS = frozenset({"sum", "mean"})
OTHERS = frozenset({"expand", "transpose", "permute", "add", "sub", "mul"})


def are_linear(nodes: Iterable[Node]) -> bool:
    """Whether all of them are such operations."""
    return all(map(is_linear, nodes))


def is_linear(node: Node) -> bool:
    record = node.native
    if not isinstance(record, Record):
        return record is None and node.primitive == "identity"
    if any(one.dtype != record.dtype for one in record.operands) or record.func is None:
        return False
    if record.name == "mul":
        return sum(one.active for one in record.operands) == 1
    return record.name in RESHAPES | OTHERS or (record.name in SUMS and bool(record["keepdim"]))


def gradients(
    node: Node, grad: torch.Tensor, values: Mapping[int, torch.Tensor]
) -> list[tuple[int, torch.Tensor]]:
    """The gradients of its operands, by their values."""
    record = node.native
    if not isinstance(record, Record):
        return [(node.operands[0], grad)]
    found = []
    for place, one in enumerate(record.operands):
        if one.active:
            moved = of_operand(record, place, grad, values)
            found.append((one.value, moved.reshape(one.shape)))
    return found


def of_operand(
    record: Record, place: int, grad: torch.Tensor, values: Mapping[int, torch.Tensor]
) -> torch.Tensor:
    shape = record.operands[place].shape
    match record.name:
        case "transpose":
            return grad.transpose(record["dim0"], record["dim1"])
        case "permute":
            order = [int(axis) % len(shape) for axis in record["dims"]]
            return grad.permute([order.index(axis) for axis in range(len(shape))])
        case "mul":
            other = next(one for one in record.first(2) if one is not record.operands[place])
            factor = values[other.value] if isinstance(other, Operand) else other
            return (grad * factor).sum_to_size(shape)
        case "mean":
            whole = grad.expand(shape)
            return whole * (grad.numel() / whole.numel())
        case "sum":
            return grad.expand(shape)
        case "expand" | "add" | "sub":
            part = grad.sum_to_size(shape)
            return -part if record.name == "sub" and place == 1 else part
    return grad
