"""Names for the values inside a program, as the user would say them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, final

from backlight.model.naming import Uses
from backlight_jax.capture.program import is_foreign, layer_of, scope_of
from backlight_jax.sites.structure import LAYOUT, Structure, called_values

Use: TypeAlias = tuple[str, int]
"""A name, and a value that it is for."""


def named_values(structure: Structure) -> tuple[dict[str, int], dict[int, str]]:
    """What each name points to, and the friendliest name of each value."""
    names: dict[str, int] = {}
    best: dict[int, str] = {}
    own, foreign = scoped(structure, foreign=False), scoped(structure, foreign=True)
    friendly = [marked(structure), parameterised(structure), called_values(structure)]
    counted = [list(numbered(uses)) for uses in friendly]
    for use in (*counted[0], *own, *counted[1], *foreign, *counted[2]):
        best.setdefault(use[1], add(names, use))
    for name, value, shown in primitives(structure):
        name = add(names, (name, value))
        if shown:
            best.setdefault(value, name)
    return names, best


def add(names: dict[str, int], use: Use) -> str:
    """Put a name in, changed if it is another value's: a scope may be called `max`."""
    name, value = use
    while names.setdefault(name, value) != value:
        name += "'"
    return name


def numbered(uses: Iterable[Use]) -> Iterator[Use]:
    """`name`, `name:2`, `name:3` for the uses of a name, in order."""
    numbered_use = Uses()
    for name, value in uses:
        yield numbered_use(name), value


def marked(structure: Structure) -> Iterator[Use]:
    """Values that the user named with `jax.ad_checkpoint.checkpoint_name`."""
    for node in structure.active_nodes:
        if node.primitive == "name":
            yield str(node.params["name"]), node.outputs[0]


@final
@dataclass(eq=False)
class ScopeUse:
    """One use of a scope.

    Attributes:
        values: that are computed in it.
        end: the position of its last equation.
        weights: that its own equations read, those of scopes in it aside.
    """

    scope: tuple[str, ...]
    values: list[int] = field(default_factory=list)
    end: int = 0
    weights: set[str] = field(default_factory=set)


def scoped(structure: Structure, foreign: bool) -> list[Use]:
    """What leaves each use of each scope, the innermost scope first: a value, or several in the order in
    which they are computed, `name[0]`, `name[1]`.

    Args:
        structure: the program.
        foreign: whether it is those with foreign parts, or those without.
    """
    uses: list[ScopeUse] = []
    current: dict[tuple[str, ...], ScopeUse] = {}
    for position, node in enumerate(structure.active_nodes):
        scope, read = scope_of(node, foreign), structure.weights_read[node.path]
        around = [scope[:depth] for depth in range(1, len(scope) + 1)]
        # A layer that reads a weight of its own a second time is used a second time.
        again = scope in current and not read.isdisjoint(current[scope].weights)
        current = {one: current[one] for one in around[: -1 if again else None] if one in current}
        for one in around:
            if one not in current:
                current[one] = ScopeUse(one)
                uses.append(current[one])
            current[one].values.extend(node.outputs)
            current[one].end = position
        if around:
            current[scope].weights |= read
    last = structure.last_reads
    results = []
    for use in uses:
        leaving = [value for value in use.values if last.get(value, -1) > use.end]
        floating = [value for value in leaving or use.values if structure.is_floating(value)]
        if floating:
            results.append((use.scope, floating if leaving else floating[-1:]))
    results.sort(key=lambda result: result[1][-1])
    numbered_use = Uses()
    counted = [
        (-len(scope), use)
        for scope, values in results
        for use in parts(numbered_use("/".join(scope)), values)
        if foreign is any(map(is_foreign, scope))
    ]
    return [use for _, use in sorted(counted, key=lambda each: each[0])]


def parts(name: str, values: Sequence[int]) -> list[Use]:
    """The name of a value, or of each of several."""
    several = len(values) > 1
    return [(f"{name}[{at}]" if several else name, value) for at, value in enumerate(values)]


def parameterised(structure: Structure) -> Iterator[Use]:
    """Where no scope says it, a layer is known by its weights: the last equation that reads one."""
    uses: list[tuple[str, set[str], int]] = []
    current: dict[str, int] = {}
    for node in structure.active_nodes:
        names = structure.weights_read[node.path]
        layers = {layer_of(name) for name in names}
        if len(layers) != 1 or scope_of(node):
            continue
        (layer,) = layers
        at = current.get(layer)
        if at is None or uses[at][1] & names:
            current[layer] = len(uses)
            uses.append((layer, set(names), node.outputs[0]))
        else:
            uses[at] = (layer, uses[at][1] | names, node.outputs[0])
    return ((layer, value) for layer, _, value in uses)


def primitives(structure: Structure) -> Iterator[tuple[str, int, bool]]:
    """Every value, by its primitive and a count, and whether it is worth listing: not where numbers are
    only moved."""
    counted = numbered((node.primitive, at) for at, node in enumerate(structure.active_nodes))
    for name, at in counted:
        node = structure.active_nodes[at]
        for part, value in parts(name, node.outputs):
            yield part, value, node.primitive not in LAYOUT
