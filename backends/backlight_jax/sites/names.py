"""Names for the values inside a program, as the user would say them."""

from collections import Counter
from collections.abc import Iterator, Mapping

import jax.numpy as jnp

from backlight_jax.capture.program import Node
from backlight_jax.sites.structure import LAYOUT, Structure

Named = tuple[str, int, bool]
"""A name, the value it points to, and whether it is worth listing."""


def named_values(
    structure: Structure, weights: Mapping[int, str]
) -> tuple[dict[str, int], dict[int, str]]:
    """What each name points to, and the friendliest name of each value."""
    found = [
        *marked(structure),
        *scoped(structure, weights, foreign=False),
        *parameterised(structure, weights),
        *scoped(structure, weights, foreign=True),
        *called(structure),
        *primitives(structure),
    ]
    names: dict[str, int] = {}
    best: dict[int, str] = {}
    for name, value, shown in found:
        while names.setdefault(name, value) != value:  # a scope may be called `max`
            name += "'"
        if shown:
            best.setdefault(value, name)
    return names, best


def numbered(uses: Iterator[tuple[str, int]]) -> Iterator[Named]:
    """`name`, `name:2`, `name:3` for the uses of a name, in order."""
    counts: Counter[str] = Counter()
    for name, value in uses:
        counts[name] += 1
        yield (name if counts[name] == 1 else f"{name}:{counts[name]}"), value, True


def marked(structure: Structure) -> Iterator[Named]:
    """Values that the user named with `jax.ad_checkpoint.checkpoint_name`."""
    return numbered(
        (str(node.params["name"]), node.outputs[0])
        for node in structure.active_nodes
        if node.primitive == "name"
    )


def is_foreign(part: str) -> bool:
    """Scopes that name a class of layer, not the layer: equinox writes such."""
    return part.startswith("eqx.")


def scope_of(node: Node, foreign: bool) -> tuple[str, ...]:
    return tuple(part for part in node.scope if foreign or not is_foreign(part))


def scoped(structure: Structure, weights: Mapping[int, str], foreign: bool) -> Iterator[Named]:
    """The result of each use of each scope, the innermost scope first."""
    read = weights_read(structure, weights)
    consumers = last_consumers(structure)
    runs: list[tuple[tuple[str, ...], list[int], int]] = []
    open_runs: dict[tuple[str, ...], tuple[list[int], set[str]]] = {}

    def close(scope: tuple[str, ...], until: int) -> None:
        runs.append((scope, open_runs.pop(scope)[0], until))

    for position, node in enumerate(structure.active_nodes):
        scope = scope_of(node, foreign)
        around = [scope[:depth] for depth in range(1, len(scope) + 1)]
        for left in [known for known in open_runs if known not in around]:
            close(left, position)
        # A layer that reads a weight of its own a second time is used a second time.
        if scope in open_runs and open_runs[scope][1] & read[node.path]:
            close(scope, position)
        for known in around:
            values, weights_seen = open_runs.setdefault(known, ([], set()))
            values.extend(node.outputs)
            if known == scope:
                weights_seen |= read[node.path]
    for left in list(open_runs):
        close(left, len(structure.active_nodes))
    results = []
    for scope, values, until in runs:
        leaving = [value for value in values if consumers.get(value, -1) >= until]
        floating = [
            value
            for value in leaving or values
            if jnp.issubdtype(structure.program.avals[value].dtype, jnp.floating)
        ]
        if floating:
            results.append((scope, floating[-1]))
    results.sort(key=lambda result: result[1])
    counted = [
        (scope, named)
        for scope, named in zip(
            [scope for scope, _ in results],
            numbered(("/".join(scope), value) for scope, value in results),
            strict=True,
        )
        if foreign is any(map(is_foreign, scope))
    ]
    counted.sort(key=lambda result: -len(result[0]))
    return iter([named for _, named in counted])


def last_consumers(structure: Structure) -> dict[int, float]:
    """The position of the last equation that reads each value; infinite for outputs."""
    last: dict[int, float] = {}
    for position, node in enumerate(structure.active_nodes):
        for value in node.values:
            last[value] = position
    for output in structure.program.outputs:
        if isinstance(output, int):
            last[output] = float("inf")
    return last


def weights_read(
    structure: Structure, weights: Mapping[int, str]
) -> dict[tuple[int, ...], set[str]]:
    """The weights that each equation on the examples' way reads, by its path."""
    sources: dict[int, set[str]] = {value: {name} for value, name in weights.items()}
    read: dict[tuple[int, ...], set[str]] = {}
    for node in structure.program.nodes:
        names = set[str]().union(
            *(sources.get(value, ()) for value in node.values if value not in structure.active)
        )
        if structure.active.intersection(node.outputs):
            read[node.path] = names
        elif names:
            sources.update(dict.fromkeys(node.outputs, names))
    return read


def parent(weight: str) -> str:
    """The layer that a weight belongs to: `layers[0]` of `layers[0].weight`."""
    return weight.rpartition(".")[0] or weight


def parameterised(structure: Structure, weights: Mapping[int, str]) -> Iterator[Named]:
    """Where no scope says it, a layer is known by its weights: the last equation that reads one."""
    read = weights_read(structure, weights)
    uses: list[tuple[str, set[str], int]] = []
    current: dict[str, int] = {}
    for node in structure.active_nodes:
        names = read[node.path]
        layers = {parent(name) for name in names}
        if len(layers) != 1 or scope_of(node, foreign=False):
            continue
        (layer,) = layers
        at = current.get(layer)
        if at is None or uses[at][1] & names:
            current[layer] = len(uses)
            uses.append((layer, set(names), node.outputs[0]))
        else:
            uses[at] = (layer, uses[at][1] | names, node.outputs[0])
    return numbered((layer, value) for layer, _, value in uses)


def call_results(structure: Structure) -> Iterator[tuple[str, int]]:
    """The named functions (`relu`, `silu` ...) with one result, and their results."""
    seen: set[tuple[str, int]] = set()
    whole = (
        len(structure.program.keys)
        and max((path[0] for path, _ in structure.program.keys), default=0) == 0
    )
    for call in sorted(structure.program.calls, key=lambda call: call.path):
        named = call.name.isidentifier() and not call.name.startswith("_")
        if not named or len(call.outputs) != 1 or (whole and len(call.path) == 1):
            continue
        (value,) = call.outputs
        if isinstance(value, int) and value in structure.producers and value in structure.active:
            # `relu` is a function with a rule around a compiled function, both of that name.
            if (call.name, value) not in seen:
                yield call.name, value
            seen.add((call.name, value))


def called(structure: Structure) -> Iterator[Named]:
    return numbered(iter(sorted(call_results(structure), key=lambda result: result[1])))


def primitives(structure: Structure) -> Iterator[Named]:
    """Every value, by its primitive and a count; those that only move numbers are not listed."""
    counts: Counter[str] = Counter()
    for node in structure.active_nodes:
        counts[node.primitive] += 1
        count = counts[node.primitive]
        name = node.primitive if count == 1 else f"{node.primitive}:{count}"
        for index, value in enumerate(node.outputs):
            part = f"{name}[{index}]" if len(node.outputs) > 1 else name
            yield part, value, node.primitive not in LAYOUT
