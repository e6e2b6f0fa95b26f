"""The part of autograd's graph between the explained value and the score."""

from collections.abc import Iterable
from typing import final

import torch

from backlight.operations import Kind
from backlight_torch.kernels import MOVING_NODES
from backlight_torch.recognised import Recognised
from backlight_torch.recording import Recorder
from backlight_torch.records import Node, Record

UNKNOWN = "autograd."
"""Before the names of nodes that no operation was seen for: functions with a backward of their own."""


@final
class Circuit:
    """The nodes on the way from the starts to the ends, and the operations that they belong to.

    Attributes:
        records: the operations, in the order in which they ran.
        by_node: the operation of a node.
        users: the nodes that use a node's results, a user twice if it uses two; None for an end.
    """

    def __init__(self, recorder: Recorder, ends: Iterable[torch.Tensor]) -> None:
        recorder.finish()
        self.starts = recorder.starts
        self.users: dict[Node, list[Node]] = {}
        self.ends: list[Node] = []
        for end in ends:
            node = end.grad_fn
            if node is not None and recorder.is_active(node):
                self.users.setdefault(node, []).append(None)
                self.ends.append(node)
        self.order = self._walk(recorder)
        self.by_node = {
            record.node: record for record in recorder.records if record.node in self.users
        }
        position = {id(record): number for number, record in enumerate(recorder.records)}
        self.records = [record for record in recorder.records if record.node in self.users]
        self._add_unknown(recorder, position)

    def clear_of(self, blocking: set[Node]) -> tuple[set[Node], set[Node]]:
        """The nodes that some way leads to from a start, and from which some way leads to an end,
        without a blocking node in between."""
        before: set[Node] = set()
        for node in self.order:
            below = [child for child, _ in node.next_functions if child in self.users]
            if node in self.starts or any(
                child in self.starts or (child in before and child not in blocking)
                for child in below
            ):
                before.add(node)
        after: set[Node] = set()
        for node in reversed(self.order):
            if any(
                user is None or (user in after and user not in blocking)
                for user in self.users[node]
            ):
                after.add(node)
        return before, after

    def entry(self, record: Record, operand: int) -> int:
        """The place among its node's gradients of an active operand's."""
        return self.entries(record)[operand]

    def entries(self, record: Record) -> list[int]:
        """The places among its node's gradients of its active operands', one after the other."""
        edges = record.node.next_functions
        found: list[int] = []
        if record.view is not None:
            active_base = record.operands[0].active
            found += [0] if active_base else []
            nexts = list(range(1, len(edges)))
            wanted = record.active[1:] if active_base else record.active
        else:
            nexts, wanted = list(range(len(edges))), record.active
        for operand in wanted:
            while nexts:
                number = nexts.pop(0)
                if operand.edge is not None and edges[number] == operand.edge:
                    found.append(number)
                    break
        return found

    def _walk(self, recorder: Recorder) -> list[Node]:
        """The nodes, each after those that it uses; fills in the users."""
        order: list[Node] = []
        seen: set[Node] = set()
        waiting = [(node, False) for node in self.ends]
        while waiting:
            node, done = waiting.pop()
            if done:
                order.append(node)
                continue
            if node in seen:
                continue
            seen.add(node)
            waiting.append((node, True))
            if node in self.starts:
                continue
            for child, _ in node.next_functions:
                if child is not None and recorder.is_active(child):
                    self.users.setdefault(child, []).append(node)
                    if child not in seen:
                        waiting.append((child, False))
        return order

    def _add_unknown(self, recorder: Recorder, position: dict[int, int]) -> None:
        """Nodes that no operation was seen for."""
        reached: dict[Node, float] = {}
        placed = [(float(position[id(record)]), record) for record in self.records]
        for node in self.order:
            below = [child for child, _ in node.next_functions if child in reached]
            latest = max((reached[child] for child in below), default=-1.0)
            record = self.by_node.get(node)
            if record is not None:
                latest = position[id(record)]
            elif (
                node not in recorder.moves
                and node not in self.starts
                and node.name().rpartition("::")[2] not in MOVING_NODES
            ):
                latest += 0.001
                found = Recognised(Kind.OTHER, UNKNOWN + node.name(), replayable=False)
                unknown = Record(None, node.name(), (), {}, [], found, "", node=node)
                self.by_node[node] = unknown
                placed.append((latest, unknown))
            reached[node] = latest
        placed.sort(key=lambda pair: pair[0])
        self.records = [record for _, record in placed]
