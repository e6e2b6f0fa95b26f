"""The inner values of a trace by name: after the layers that a recorder watched, or after operations."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from backlight_tensorflow.flattening import SAME_VALUE, SHAPE_ONLY

if TYPE_CHECKING:
    from backlight_tensorflow.recording import Call, Record
    from backlight_tensorflow.tracing import Trace


def name_layers(made: "Trace", records: Sequence["Record"]) -> None:
    """Name the results of layers: a path, `:2` for the second call, `[0]` for one of several.

    What a loop's body computes is not among the values of the flat graph. And a layer may be called
    for nothing, by Keras to see the shape of its results; such calls do not count.
    """
    needed = set(made.flat.needed(without=SHAPE_ONLY))
    calls: dict[str, list[Call]] = {}
    extents: dict[Call, str] = {}
    for record in records:
        found = [value for value in made.flat.of(record.tensor) if value.node in needed]
        if not found:
            continue
        counted = calls.setdefault(record.path, [])
        if record.call not in counted:
            counted.append(record.call)
        name = record.path + (f":{len(counted)}" if len(counted) > 1 else "")
        extents[record.call] = name
        name += "" if record.position is None else f"[{record.position}]"
        made.name(name, found[0], record.kind, record.pooled)
    made.note_calls(extents)


def name_operations(made: "Trace") -> None:
    """Name the results of operations, in a network that is no Keras model, as the graph does."""
    made.by_operation = True
    seen: Counter[str] = Counter()
    for node in made.flat.needed():
        if node.op.type in SAME_VALUE or not made.depends(node):
            continue
        seen[node.op.name] += 1
        name = node.op.name if seen[node.op.name] == 1 else f"{node.op.name}:{seen[node.op.name]}"
        for position, value in enumerate(node.outputs):
            several = f"[{position}]" if len(node.outputs) > 1 else ""
            made.name(name + several, value, node.op.type, "Pool" in node.op.type)
