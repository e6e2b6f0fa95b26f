"""The inner values of a trace: what they are called, which are sites, and which a name means."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backlight.errors import SiteError, UnknownNameError
from backlight.model.model import Site
from backlight.model.naming import Uses
from backlight.values.tree import Tree
from backlight_tensorflow.capture.flattening import (
    SAME_VALUE,
    SHAPE_ONLY,
    Node,
    Tensor,
    Value,
    needed,
)
from backlight_tensorflow.nets.calls import Request

if TYPE_CHECKING:
    from backlight_tensorflow.capture.tracing import Trace
    from backlight_tensorflow.nets.recording import Call, Record


@dataclass(frozen=True)
class Named:
    """An inner value that has a name."""

    name: str
    value: Value
    kind: str
    pooled: bool


def inner_sites(traced: "Trace", request: Request) -> tuple[Site, ...]:
    """The named values that hold floating-point numbers for each of the examples."""
    named = [each for each in traced.named.values() if may_be_site(each.value.tensor, traced)]
    shapes = traced.shapes([each.value for each in named], request)
    return tuple(
        Site(each.name, shape, each.kind, each.pooled)
        for each, shape in zip(named, shapes, strict=True)
        if shape[:1] == (request.count,)
    )


def site_at(traced: "Trace", name: str) -> Tree[Named]:
    """The value of a site: that of its name, or all that a layer gives, where it gives several arrays."""
    several = [one for one in traced.named if one.startswith(name + "[")]
    if name in traced.named or not several:
        return named_site(traced, name)
    return tuple(named_site(traced, one) for one in several)


def named_site(traced: "Trace", name: str) -> Named:
    """The value of this name, or of this last part of a name if only one has it.

    Raises:
        UnknownNameError: no such name.
        SiteError: no floating-point number there, or none for each of the examples.
    """
    found = traced.named.get(name) or traced.operations.get(name)
    if found is None:
        nested = [each for each in traced.named.values() if each.name.endswith(f"/{name}")]
        if len(nested) != 1:
            known = [each.name for each in traced.named.values()]
            raise UnknownNameError("site", name, known, advice(traced, nested))
        (found,) = nested
    tensor = found.value.tensor
    if not may_be_site(tensor, traced):
        shape = None if tensor.shape.rank is None else tuple(tensor.shape)
        raise SiteError(
            f"The site {name!r} holds {tensor.dtype.name} of shape {shape}; a site needs "
            "floating-point numbers with the examples on axis 0."
        )
    return found


def may_be_site(tensor: Tensor, traced: "Trace") -> bool:
    """Whether dtype and what is known of the shape allow for a row of numbers per example."""
    if not tensor.dtype.is_floating:
        return False
    if tensor.shape.rank is None:
        return True
    return tensor.shape.rank > 0 and tensor.shape[0] in (None, traced.count)


def require_examples(site: Named, shape: tuple[int, ...], request: Request) -> None:
    """Raise SiteError if a value has not one row per example."""
    if shape[:1] != (request.count,):
        raise SiteError(
            f"The site {site.name!r} has shape {shape} for {request.count} examples; a site needs "
            "the examples on axis 0."
        )


def advice(traced: "Trace", nested: list[Named]) -> str:
    if nested:
        return f"Say which: {', '.join(each.name for each in nested)}."
    if traced.by_operation:
        return "Where the network is no Keras model, sites are operations of the traced graph."
    return ""


def name_layers(made: "Trace", records: Sequence["Record"]) -> None:
    """Name the results of layers: a path, `:2` for the second call, `[0]` for one of several.

    What a loop's body computes is not among the values of the flat graph. And a layer may be called
    for nothing, by Keras to see the shape of its results; such calls do not count.
    """
    used = set(needed(made.flat.nodes, made.flat.outputs, SHAPE_ONLY))
    calls: dict[str, list[Call]] = {}
    for record in records:
        found = [value for value in made.flat.of(record.tensor) if value.node in used]
        if not found:
            continue
        counted = calls.setdefault(record.path, [])
        if record.call not in counted:
            counted.append(record.call)
        name = record.path + (f":{len(counted)}" if len(counted) > 1 else "")
        made.calls[record.call] = name
        name += "" if record.position is None else f"[{record.position}]"
        made.named[name] = Named(name, found[0], record.kind, record.pooled)


def name_operations(made: "Trace", listed: bool) -> None:
    """Name the results of operations as the graph does; they are listed as sites in a network that is no
    Keras model."""
    made.by_operation = listed
    names = made.named if listed else made.operations
    use = Uses()
    for node in needed(made.flat.nodes, made.flat.outputs):
        if node.op.type in SAME_VALUE or made.dependent.isdisjoint(node.outputs):
            continue
        name = use(node.op.name)
        for position, value in enumerate(node.outputs):
            full = name + (f"[{position}]" if len(node.outputs) > 1 else "")
            names[full] = Named(full, value, node.op.type, "Pool" in node.op.type)


def places_of(traced: "Trace", calls: Iterable[tuple["Call", str]]) -> dict[Node, str]:
    """Where operations are: the names of the layers that they were made in, the innermost, or their own.

    Args:
        calls: of layers, by their names as sites.
    """
    if traced.by_operation:
        named = ((each.value.node, name) for name, each in reversed(traced.named.items()))
        return {node: name for node, name in named if node is not None}
    layers = {
        (call.graph, operation): name
        for call, name in sorted(calls, key=extent, reverse=True)
        for operation in range(call.start + 1, call.end + 1)
    }
    at = ((node, (node.op.graph, node.op._id)) for node in traced.flat.nodes)
    return {node: layers[place] for node, place in at if place in layers}


def extent(called: tuple["Call", str]) -> tuple[int, int, str]:
    """How much a call has inside, by which calls are ordered from the innermost to the outermost."""
    call, name = called
    return call.end - call.start, -len(name), name
