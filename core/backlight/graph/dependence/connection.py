"""Which ways derivatives can take through a graph, and where they are cut."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from backlight.graph.dependence.cuts import Connection, Cut
from backlight.graph.dependence.dependence import Dependence
from backlight.graph.dependence.moves import OTHER, Move, Moves, at_targets, moves_behind, start
from backlight.graph.dependence.ways import (
    NOWHERE,
    End,
    Places,
    Ways,
    chosen,
    looped,
    tested,
    union,
)
from backlight.graph.graph import DType, Graph, Node
from backlight.graph.primitives import Family, family

FLAT = frozenset({"ceil", "floor", "floor_divide", "round", "sign", "stop_gradient", "trunc"})
"""Primitives with floating-point results whose derivative is zero everywhere."""

COMPARING = frozenset({"sign", "sort", "top_k"})
"""Primitives that compare, beside those that give truths or places."""

ADDING = frozenset({"add", "sub", "neg", "identity"})
"""What a sum is made by."""

Term: TypeAlias = tuple[int, int]
"""A value, and 1 or -1."""

REPEATED = 4
"""How many turns of a loop what a value moves in it is followed through."""


def connection(graph: Graph) -> Connection:
    """The ways from each of the sources to the targets, a cut named by the place of its node, or of the
    nearest before it, or else behind it."""
    flow = Dependence(graph)
    found = ways_between(flow)
    reached, depends = union(found.passing), union(found.depending)
    shown = [end for end in found.ends if not end.is_minor or is_only_way(end, reached, found.ends)]
    cuts = dict.fromkeys(Cut(place_of(flow, end.position), end.type) for end in shown)
    count = range(len(graph.sources))
    return Connection(
        tuple(leaf in reached for leaf in count),
        tuple(leaf in depends for leaf in count),
        tuple(cuts),
    )


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
    """Whether the only ways from a source end there, none of which a derivative can pass."""
    otherwise = reached.union(*(other.before for other in ends if not other.is_minor))
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
                for at in depends - seldom(flow, nodes[position]):
                    operand = nodes[position].operands[at]
                    behind[operand] = behind.get(operand, NOWHERE) | behind.get(value, NOWHERE)
    held = {end.position: end for _, end in found if end.before}
    ends = []
    for node, end in found:
        after = union(behind.get(node.results[at], NOWHERE) for at in end.behind)
        if end.before and after and not replaces_derivative(flow, end.position):
            ends.append(judged(flow, node, replace(end, behind=after), held))
    return Ways(
        tuple(passing.get(target, NOWHERE) for target in graph.targets),
        tuple(depending.get(target, NOWHERE) for target in graph.targets),
        tuple(ends),
    )


def judged(flow: Dependence, node: Node, end: End, held: Mapping[int, End]) -> End:
    """An end with how the targets move by what is given there: not at all by what only keeps numbers
    safe, such as the largest that is taken away before an exponential."""
    results = [node.results[at] for at in held[end.position].behind]
    if end.is_minor:
        return end
    if not all(flow.values[value].dtype.differentiable for value in results):
        return replace(end, moves=(dict.fromkeys(end.behind, OTHER),))
    given = [{node.results[at]: move for at, move in moves.items()} for moves in end.moves]
    if not given and len(results) == 1:
        alike, alone = first_alike(flow), dict[int, Move]()
        for other in (flow.nodes[at].result for at in held):
            if alike[other] == alike[results[0]]:
                alone |= start(flow, other)
        given = [alone]
    elif not given:
        given = [dict.fromkeys(results, OTHER)]
    found = [at_targets(flow, moves_behind(flow, moves, held)) for moves in given]
    moves = tuple(one for one in found if one)
    return replace(end, moves=moves, is_minor=not moves)


def first_alike(flow: Dependence) -> dict[int, int]:
    """For each value the first one that is computed alike from the same."""
    first: dict[int, int] = {}
    seen: dict[Hashable, int] = {}
    for position in sorted(flow.needed):
        node = flow.nodes[position]
        for value in node.operands:
            if value not in first:
                number = flow.values[value].number
                first[value] = value if number is None else seen.setdefault(repr(number), value)
        key = node.primitive, *(first[value] for value in node.operands), repr(node.attributes)
        for at, value in enumerate(node.results):
            first[value] = seen.setdefault((key, at), value)
    return first


def joined(node: Node, places: Places, known: dict[int, Places]) -> Places:
    return union(known.get(node.operands[at], NOWHERE) for at in places)


def node_ways(flow: Dependence, node: Node) -> Ways:
    """The ways from the operands of a node to its results."""
    if node.primitive == "loop" and node.attributes.get("form"):
        return loop_ways(node)
    if node.primitive == "call":
        return call_ways(flow, node)
    everything = frozenset(range(len(node.operands)))
    depending = node.attributes.get("dependences", (everything,) * len(node.results))
    floating = floating_operands(flow, node) & union(depending)
    passing = []
    for at, value in enumerate(node.results):
        blocked = node.primitive in FLAT or not flow.values[value].dtype.differentiable
        own = node.attributes.get("derivatives", (floating,) * len(node.results))[at]
        passing.append(NOWHERE if blocked else floating & own)
    pairs = enumerate(zip(passing, depending, strict=True))
    kept = frozenset(at for at, (passes, depends) in pairs if passes < floating & depends)
    minor = family(node) is Family.FIND or node.primitive in COMPARING or is_truth(flow, node)
    end = End(0, word(flow, node), minor, floating, kept)
    return Ways(tuple(passing), depending, (end,) if floating and kept else ())


def loop_ways(node: Node) -> Ways:
    form, attributes = node.attributes["form"], node.attributes
    if form == "cond":
        return chosen([body_ways(branch) for branch in attributes["branches"]])
    flow = Dependence(attributes["body"])
    body = ways_between(flow)
    if form == "scan":
        constants, carried = attributes["constants"], attributes["carried"]
        return looped(again(flow, body, constants, carried), constants, carried)
    counts: tuple[int, int] = attributes["constants"]
    carried = len(node.results)
    repeated = looped(again(flow, body, counts[1], carried), counts[1], carried)
    return tested(body_ways(attributes["test"]), repeated, counts)


def again(flow: Dependence, body: Ways, constants: int, carried: int) -> Ways:
    """The ways through a body, with what moves in its later turns."""
    held = {end.position for end in body.ends}
    ends = []
    for end in body.ends:
        waiting, found = list(end.moves), list[Moves]()
        while waiting and len(found) < REPEATED:
            moves = waiting.pop()
            if moves and moves not in found:
                found.append(moves)
                later = {
                    flow.graph.sources[constants + at]: m for at, m in moves.items() if at < carried
                }
                waiting.append(at_targets(flow, moves_behind(flow, later, held)))
        if waiting and len(found) == REPEATED:
            found.append(dict.fromkeys(range(len(flow.graph.targets)), OTHER))
        ends.append(replace(end, moves=tuple(found)))
    return replace(body, ends=tuple(ends))


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


def seldom(flow: Dependence, node: Node) -> Places:
    """What is only chosen where numbers equal a given one: what it does elsewhere does not count."""
    test = flow.producer(node.operands[0]) if node.primitive == "select" else None
    if test is None or test.primitive not in ("eq", "ne"):
        return NOWHERE
    real = all(flow.values[value].dtype.differentiable for value in test.operands)
    if not real or all(flow.number(value) is None for value in test.operands):
        return NOWHERE
    return frozenset([1 if test.primitive == "eq" else 2])


def replaces_derivative(flow: Dependence, position: int) -> bool:
    """Whether it is a stop in `x + stop_gradient(q - x)`, or its like, or the rounding in
    `round(q) - stop_gradient(x) + x`: the value is q's, and the derivative goes straight to x."""
    node = flow.nodes[position]
    return node.primitive in FLAT and bool(straight(flow, node.result))


def straight(flow: Dependence, value: int) -> set[int]:
    """The values x that a sum which this value is a term of has added and, with the derivative stopped,
    taken away."""
    whole = value
    while (user := flow.sole_user(whole)) is not None and flow.nodes[user].primitive in ADDING:
        whole = flow.nodes[user].result
    passing, stopped = terms(flow, whole, 1, False)
    return {one for one, sign in passing if (one, -sign) in stopped}


def terms(flow: Dependence, value: int, sign: int, stops: bool) -> tuple[set[Term], set[Term]]:
    """What a sum consists of, with the signs: what derivatives pass to, and what they do not."""
    node = flow.producer(value)
    if node is None or value in flow.sources or node.primitive not in (*ADDING, "stop_gradient"):
        return (set(), {(value, sign)}) if stops else ({(value, sign)}, set())
    stops = stops or node.primitive == "stop_gradient"
    found: tuple[set[Term], set[Term]] = (set(), set())
    for place, operand in enumerate(node.operands):
        turned = node.primitive == "neg" or (node.primitive == "sub" and place == 1)
        inside = terms(flow, operand, -sign if turned else sign, stops)
        for one, more in zip(found, inside, strict=True):
            one |= more
    return found
