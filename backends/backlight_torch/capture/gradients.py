"""Autograd's nodes: whether derivatives lead back from an array, and the node of each operation."""

from dataclasses import dataclass
from typing import final

import torch
from torch.utils._mode_utils import no_dispatch

from backlight_torch.capture.records import Node, Record, View


@final
@dataclass(eq=False)
class Pending:
    """An operation whose node autograd has not made yet."""

    record: Record
    result: torch.Tensor
    before: Node
    tries: int = 0


@final
class Gradients:
    """Follows autograd's graph back to where derivatives are taken.

    Attributes:
        own: the nodes of operations that were seen.
    """

    def __init__(self) -> None:
        self.own: set[Node] = set()
        self._leaves: dict[int, tuple[torch.Tensor, Node]] = {}
        """By id: what derivatives lead back to, with its node, which cannot be asked for meanwhile."""
        self._active: dict[Node, bool] = {}
        self._pending: list[Pending] = []

    def begin(self, leaf: torch.Tensor) -> None:
        """Derivatives are taken by this."""
        # Its node is asked for by an operation on it, whatever mode the net is in there.
        with no_dispatch(), torch.inference_mode(False), torch.enable_grad():
            node = torch.autograd.graph.get_gradient_edge(leaf).node
        self._active[node] = True
        self._leaves[id(leaf)] = leaf, node

    def is_active(self, node: Node) -> bool:
        """Whether derivatives lead from a node to where they are taken."""
        if node is None:
            return False
        waiting = [] if node in self._active else [node]
        while waiting:
            top = waiting[-1]
            below = [child for child, _ in top.next_functions if child is not None]
            if any(map(self._active.get, below)):
                self._active[top] = True
            elif unknown := [child for child in below if child not in self._active]:
                waiting += unknown
                continue
            else:
                self._active[top] = False
            waiting.pop()
        return self._active[node]

    def edge(self, array: torch.Tensor) -> tuple[Node, int] | None:
        """Where derivatives lead back from an array, if they do."""
        node = array.grad_fn
        if node is None and id(array) in self._leaves:
            _, node = self._leaves[id(array)]
        return (node, int(array.output_nr)) if self.is_active(node) else None

    def expect(self, record: Record, result: torch.Tensor, before: Node) -> None:
        """Autograd is going to make the node of this operation; before, its result had another."""
        self._pending.append(Pending(record, result, before))

    def resolve(self) -> None:
        """Look for the nodes of the operations before: they are made when the mode has returned."""
        self._pending = [one for one in self._pending if not self._found(one)]

    def _found(self, pending: Pending) -> bool:
        """Whether there is no need to look again."""
        record, result, node = pending.record, pending.result, pending.result.grad_fn
        if node is None or node is pending.before:
            pending.tries += 1
            return pending.tries == 4  # a result without gradients never gets one
        base = result._base
        whole = None if base is None or not record.func._schema.is_mutable else base.grad_fn
        if base is not None and whole is not None and whole.name().endswith("CopySlices"):
            node = whole
            record.view = View(
                tuple(result.shape),
                tuple(result.stride()),
                int(result.storage_offset() - base.storage_offset()),
                tuple(base.shape),
                tuple(base.stride()),
            )
        record.node = node
        self.own.add(node)
        return True


def is_function(node: Node) -> bool:
    """Whether it has a backward of its own: in Python, or in C++ as operations on quantised weights."""
    if isinstance(node, torch.autograd.function.BackwardCFunction):
        return True
    return type(node).__name__ == "CppFunction" and node.name() != "CopySlices"
