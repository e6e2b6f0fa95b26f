"""Operations of a recorded run, run once more at other values."""

from collections.abc import Collection, Iterable, MutableMapping
from typing import Any

import torch

from backlight.graph.graph import Graph, Node
from backlight_torch.capture.records import Record


def run(
    graph: Graph,
    positions: Iterable[int],
    values: MutableMapping[int, torch.Tensor],
    held: Collection[int] = (),
) -> None:
    """Run operations in order.

    Args:
        graph: that they are in.
        positions: of theirs.
        values: by number: what they read, and then what they give too.
        held: values that are taken for constants once they are known.
    """
    for position in positions:
        node = graph.nodes[position]
        record = node.native
        results = record.run(values) if isinstance(record, Record) else [moved(node, values)]
        for value, result in zip(node.results, results, strict=False):
            values[value] = result.detach() if value in held else result


def moved(node: Node, values: MutableMapping[int, torch.Tensor]) -> torch.Tensor:
    """What follows from arrays sharing memory, with no operation of its own.

    Raises:
        NotImplementedError: it is not known where the numbers go.
    """
    x = values[node.operands[0]]
    starts: Any = node.attributes.get("starts")
    if node.primitive == "reshape":
        return x.reshape(node.attributes["shape"])
    if node.primitive == "identity":
        return x
    if node.primitive == "stop_gradient":
        return x.detach()
    if node.primitive == "update" and starts is not None:
        part, found = values[node.operands[1]], x.clone()
        ends = zip(starts, part.shape, strict=True)
        found[tuple(slice(start, start + length) for start, length in ends)] = part
        return found
    raise NotImplementedError(node.primitive)
