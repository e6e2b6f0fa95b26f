"""Names for the values of a net, and which of them can be looked at and replaced."""

from collections.abc import Iterator

from backlight.graph.outputs import as_if_differentiable
from backlight.graph.recognition.recognition import recognise
from backlight.model.model import Site
from backlight.model.named_sites import NamedSites
from backlight.model.naming import Uses
from backlight.rules.operations import Kind
from backlight.rules.rules import NoRules
from backlight_mlx.capture import Trace
from backlight_mlx.nets import arrays_in

Named = tuple[str, int, str, bool]
"""A name, the value it points to, what computes that, and whether it is worth listing."""


def find_sites(trace: Trace, other: Trace | None) -> tuple[NamedSites[int], dict[int, str]]:
    """The sites of a net, and the friendliest name of each value.

    Args:
        trace: of the net.
        other: for another number of examples; None for a net that takes no other.
    """
    places: dict[str, int] = {}
    unusable: dict[str, str] = {}
    best: dict[int, str] = {}
    listed: list[tuple[int, Site]] = []
    nodes = enumerate(trace.graph.nodes)
    order = {value: position for position, node in nodes for value in node.results}
    uses = Uses()
    for plain, value, kind, shown in (*of_modules(trace), *of_operations(trace)):
        name = uses(plain)
        places.setdefault(name, value)
        reason = unfit(trace, other, value)
        if reason is not None:
            unusable[name] = reason
        elif shown and value not in best:
            site = Site(name, trace.graph.shape(value), kind, "pool" in kind.lower())
            listed.append((order.get(value, -1), site))
        best.setdefault(value, name)
    listed.sort(key=lambda one: one[0])
    return NamedSites(tuple(site for _, site in listed), places, unusable), best


def of_modules(trace: Trace) -> Iterator[Named]:
    """The results of modules, by their paths; the net itself has none."""
    for call in trace.calls:
        given = {one.value for one in arrays_in(call.given)}
        found = [one for one in arrays_in(call.result) if one.value not in given]  # not as dropout
        for place, one in enumerate(found if call.name else ()):
            name = call.name if len(found) == 1 else f"{call.name}[{place}]"
            yield name, one.value, call.kind, True


def of_operations(trace: Trace) -> Iterator[Named]:
    """The results of operations, by the module that they are in and what they compute. What is inside
    the layers of mlx.nn need not be listed."""
    around = {call.name.rpartition(".")[0] for call in trace.calls}
    layers = {call.name for call in trace.calls if call.ours} - around
    graph = trace.graph
    found = recognise(as_if_differentiable(graph), NoRules())
    kinds = {unit.output: unit.kind for unit in found.units}
    for position, node in enumerate(graph.nodes):
        for value in node.results:
            if position in found.flow.needed and value in found.flow.touched:
                kind = kinds.get(value, Kind.OTHER)
                word = node.primitive if kind is Kind.OTHER else kind.value
                yield (
                    f"{node.place}.{word}".lstrip("."),
                    value,
                    node.type,
                    value in kinds and node.place not in layers,
                )


def unfit(trace: Trace, other: Trace | None, value: int) -> str | None:
    """Why a value cannot be looked at; None if it can."""
    held, count = trace.graph.values[value], trace.signature.count
    if not held.dtype.differentiable:
        return "holds no floating-point numbers"
    same = other is not None and len(other.graph.nodes) == len(trace.graph.nodes)
    grown = (other.signature.count, *held.shape[1:]) if other and same else held.shape
    there = other.graph.shape(value) if other and same else held.shape
    if held.shape[:1] != (count,) or there != grown:
        return f"of shape {held.shape} does not have the examples on axis 0"
    return None
