"""Which ways derivatives can take through a graph, and where they are cut."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from typing import TypeAlias

from backlight.graph.dependence import Dependence
from backlight.graph.graph import DType, Graph, Node
from backlight.graph.primitives import Family, family
from backlight.graph.recognition import recognise
from backlight.graph.ways import NOWHERE, End, Places, Ways, chosen, looped, tested, union
from backlight.model import Connection, Cut
from backlight.operations import COMPOSITE
from backlight.rules import NoRules

FLAT = frozenset({"ceil", "floor", "floor_divide", "round", "sign", "stop_gradient", "trunc"})
"""Primitives with floating-point results whose derivative is zero everywhere."""

FINDING = frozenset({"sort", "top_k"})
"""Primitives that also give places which they find by comparing."""

AROUND = frozenset({"identity", "stop_gradient", "convert", "reshape", "broadcast", "select"})
"""What a maximum may go through before it is taken away."""


Unmoved: TypeAlias = Callable[[Sequence[int]], Collection[int]]


def connection(graph: Graph, unmoved: Unmoved | None = None) -> Connection:
    """The ways from each of the sources to the targets, a cut named by the place of its node, or of the
    nearest before it, or else behind it.

    Args:
        graph: from the sources to the targets.
        unmoved: of the positions of nodes that derivatives cannot pass, tells those that only keep
            numbers safe: the targets stay where their results are moved. Left out, only those count
            that are known by their structure.
    """
    flow = Dependence(graph)
    found = ways_between(flow)
    reached, depends = union(found.passing), union(found.depending)
    movable = sorted({end.position for end in found.ends if can_move(flow, end, reached)})
    still = unmoved(movable) if unmoved is not None and movable else ()
    shown = [
        end
        for end in found.ends
        if end.position not in still and (not end.compares or is_only_way(end, reached, found.ends))
    ]
    cuts = dict.fromkeys(Cut(place_of(flow, end.position), end.type) for end in shown)
    count = range(len(graph.sources))
    return Connection(
        tuple(leaf in reached for leaf in count),
        tuple(leaf in depends for leaf in count),
        tuple(cuts),
    )


def can_move(flow: Dependence, end: End, reached: Places) -> bool:
    """Whether ways end, beside others, at a node of one floating-point result."""
    node = flow.nodes[end.position]
    single = len(node.results) == 1 and flow.values[node.result].dtype.differentiable
    return single and end.before <= reached and (node.primitive in FLAT or node.primitive == "call")


def place_of(flow: Dependence, position: int) -> str:
    """The place of a node, or of the nearest before it on the way, or else behind it."""
    return place_before(flow, position) or place_behind(flow, position)


def place_before(flow: Dependence, position: int) -> str:
    node = flow.nodes[position]
    if node.place:
        return node.place
    before = [flow.producers[v] for v in node.operands if v in flow.touched and v in flow.producers]
    ahead = [
        at for at in before if at < position and flow.sources.isdisjoint(flow.nodes[at].results)
    ]
    return place_before(flow, max(ahead)) if ahead else ""


def place_behind(flow: Dependence, position: int) -> str:
    users = [at for v in flow.nodes[position].results for at in flow.users.get(v, ())]
    for at in sorted(users):
        place = flow.nodes[at].place or place_behind(flow, at)
        if place:
            return place
    return ""


def is_only_way(end: End, reached: Places, ends: Iterable[End]) -> bool:
    """Whether a comparison ends the only ways from a source, none of which a derivative can pass."""
    otherwise = reached.union(*(other.before for other in ends if not other.compares))
    return not end.before <= otherwise


def ways_between(flow: Dependence) -> Ways:
    """The ways from the sources to the targets."""
    nodes, graph = flow.nodes, flow.graph
    depending = {value: frozenset([at]) for at, value in enumerate(graph.sources)}
    passing = {v: own for v, own in depending.items() if flow.values[v].dtype.differentiable}
    order = [at for at in sorted(flow.needed) if flow.sources.isdisjoint(nodes[at].results)]
    through: dict[int, Ways] = {}
    found: list[tuple[Node, End]] = []
    for position in order:
        node = nodes[position]
        if not flow.is_touched(node):
            continue
        through[position] = own = node_ways(flow, node)
        for value, passes, depends in zip(node.results, own.passing, own.depending, strict=True):
            passing[value] = joined(node, passes, passing)
            depending[value] = joined(node, depends, depending)
        for end in own.ends:
            before = joined(node, end.before, passing)
            found.append((node, replace(end, position=position, before=before)))
    behind: dict[int, Places] = {}
    for at, target in enumerate(graph.targets):
        behind[target] = behind.get(target, NOWHERE) | {at}
    for position in reversed(order):
        if position in through and not replaces_derivative(flow, position):
            for value, depends in zip(
                nodes[position].results, through[position].depending, strict=True
            ):
                for at in depends:
                    operand = nodes[position].operands[at]
                    behind[operand] = behind.get(operand, NOWHERE) | behind.get(value, NOWHERE)
    safe = safe_positions(flow)
    ends = []
    for node, end in found:
        after = union(behind.get(node.results[at], NOWHERE) for at in end.behind)
        hidden = end.position in safe or replaces_derivative(flow, end.position)
        if end.before and after and not hidden:
            ends.append(replace(end, behind=after))
    return Ways(
        tuple(passing.get(target, NOWHERE) for target in graph.targets),
        tuple(depending.get(target, NOWHERE) for target in graph.targets),
        tuple(ends),
    )


def joined(node: Node, places: Places, known: dict[int, Places]) -> Places:
    return union(known.get(node.operands[at], NOWHERE) for at in places)


def node_ways(flow: Dependence, node: Node) -> Ways:
    """The ways from the operands of a node to its results."""
    if node.primitive == "loop" and node.attributes.get("form"):
        return loop_ways(node)
    if node.primitive == "call":
        return call_ways(flow, node)
    everything = frozenset(range(len(node.operands)))
    floating = floating_operands(flow, node)
    passing = []
    for at, value in enumerate(node.results):
        blocked = node.primitive in FLAT or not flow.values[value].dtype.differentiable
        own = node.attributes.get("derivatives", (floating,) * len(node.results))[at]
        passing.append(NOWHERE if blocked else floating & own)
    compares = family(node) is Family.FIND or node.primitive in FINDING or is_truth(flow, node)
    kept = frozenset(
        at for at, passes in enumerate(passing) if (passes < floating if compares else not passes)
    )
    end = End(0, word(flow, node), compares, floating, kept)
    depending = node.attributes.get("dependences", (everything,) * len(passing))
    return Ways(tuple(passing), depending, (end,) if floating and kept else ())


def loop_ways(node: Node) -> Ways:
    form, attributes = node.attributes["form"], node.attributes
    if form == "cond":
        return chosen([body_ways(branch) for branch in attributes["branches"]])
    body = body_ways(attributes["body"])
    if form == "scan":
        return looped(body, attributes["constants"], attributes["carried"])
    counts: tuple[int, int] = attributes["constants"]
    repeated = looped(body, counts[1], len(node.results))
    return tested(body_ways(attributes["test"]), repeated, counts)


def body_ways(body: Graph) -> Ways:
    return ways_between(Dependence(body))


def call_ways(flow: Dependence, node: Node) -> Ways:
    """Of a function that may have a derivative of its own: numbers go as in its body."""
    inside = body_ways(node.attributes["body"])
    own: Sequence[Places] | None = node.attributes.get("derivatives")
    if own is None:
        return inside
    floating = floating_operands(flow, node)
    passing = tuple(
        depends & kept & floating for depends, kept in zip(inside.depending, own, strict=True)
    )
    ends = []
    for at, (passes, depends) in enumerate(zip(passing, inside.depending, strict=True)):
        blocked = (depends & floating) - passes
        if blocked:
            ends.append(End(0, word(flow, node), False, blocked, frozenset([at])))
    return Ways(passing, inside.depending, tuple(ends))


def floating_operands(flow: Dependence, node: Node) -> Places:
    return frozenset(
        at for at, value in enumerate(node.operands) if flow.values[value].dtype.differentiable
    )


def is_truth(flow: Dependence, node: Node) -> bool:
    return all(flow.values[value].dtype is DType.BOOLEAN for value in node.results)


def word(flow: Dependence, node: Node) -> str:
    """What happens at a node, in the framework's words."""
    if node.primitive == "stop_gradient":
        return str(node.attributes.get("word", "stop_gradient"))
    return node.type


def replaces_derivative(flow: Dependence, position: int) -> bool:
    """Whether it is the stop in `x + stop_gradient(q - x)`, or its like: the value is q's, and the
    derivative goes straight to x."""
    node = flow.nodes[position]
    if node.primitive != "stop_gradient":
        return False
    difference = flow.producer(node.operands[0])
    if difference is None or difference.primitive != "sub":
        return False
    plus, minus = difference.operands
    users = [flow.nodes[at] for at in flow.users.get(node.result, ())]
    return bool(users) and all(
        (user.primitive == "add" and minus in user.operands)
        or (user.primitive == "sub" and user.operands == (plus, node.result))
        for user in users
    )


def safe_positions(flow: Dependence) -> set[int]:
    """The nodes whose stops and comparisons only keep numbers safe: those inside of a softmax and its
    kin, and the largest number that is taken away before an exponential."""
    units = recognise(flow.graph, NoRules()).units
    inside = {at for unit in units if unit.kind in COMPOSITE for at in unit.positions}
    return inside | {
        position
        for position in flow.needed
        if flow.nodes[position].primitive == "stop_gradient" and is_safeguard(flow, position)
    }


def is_safeguard(flow: Dependence, position: int) -> bool:
    """Whether a stop holds constant the largest of some numbers, which is taken away from them before
    the exponential, and added again perhaps: the derivative by it is zero."""
    (stopped,) = flow.nodes[position].results
    value, node = stopped, flow.producer(stopped)
    while node is not None and node.primitive in AROUND:
        value = node.operands[1] if node.primitive == "select" else node.operands[0]
        node = flow.producer(value)
    if node is None or node.primitive != "max":
        return False
    users = readers(flow, stopped)
    away = [user for user in users if user.primitive == "sub"]
    return (
        bool(away)
        and all(user.primitive in ("add", "sub") for user in users)
        and all(one.primitive == "exp" for user in away for one in readers(flow, user.result))
    )


def readers(flow: Dependence, value: int) -> list[Node]:
    """What reads a value, moved about perhaps."""
    found = []
    for at in flow.users.get(value, ()):
        user = flow.nodes[at]
        if user.primitive in AROUND and user.primitive != "select":
            found += readers(flow, user.result)
        else:
            found.append(user)
    return found
