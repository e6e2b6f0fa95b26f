"""Which ways derivatives can take from the explained value to the score, and where they are cut."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from jax.extend.core import ClosedJaxpr

from backlight.model import Connection, Cut
from backlight.operations import Kind
from backlight.scores import Score
from backlight_jax.circuit import Circuit, circuit, is_floating, whole
from backlight_jax.composites import softmaxes
from backlight_jax.flow import Flow
from backlight_jax.labels import namer
from backlight_jax.naming import Place
from backlight_jax.program import Node, body_of, called
from backlight_jax.safeguards import safeguards
from backlight_jax.trace import Trace
from backlight_jax.units import Unit
from backlight_jax.ways import NOWHERE, End, Places, Ways, chosen, looped, tested, union
from backlight_jax.zeros import ruled_out

FLAT = {"bitcast_convert_type", "ceil", "floor", "round", "sign", "stop_gradient"}
"""Equations with floating-point results whose derivative is zero everywhere."""

SORTS = {"approx_top_k", "argmax", "argmin", "sort", "top_k"}
"""Equations that compare, and find places by it."""

RULED = {"custom_jvp_call", "custom_vjp_call", "custom_vjp_call_jaxpr"}
"""Calls with a derivative of their own."""


def connection(
    trace: Trace, score: Score, at: Place | None, at_name: str | None, arrays: Sequence[Any]
) -> Connection:
    """The ways from the attributed inputs, or the site of that name, to the score."""
    built = circuit(trace, score, at)
    flow = Flow(built)
    first = len(trace.signature.weights)
    attributed = built.program.inputs[first : first + len(trace.signature.attributed)]
    sources = attributed if at is None else built.sources
    found = ways_between(flow, sources)
    (passing,), (depending,) = found.passing, found.depending
    known = namer(trace)

    def name(position: int) -> str:
        """That of the equation, or else of the nearest before it."""
        node = flow.nodes[position]
        unit = Unit(Kind.OTHER, (node,), (), (), node.outputs, (position,), node.primitive)
        before = max((flow.producers.get(v, -1) for v in node.values if flow.varies(v)), default=-1)
        return known(unit, flow) or (name(before) if before >= built.begin else at_name or "")

    def cut(end: End) -> Cut:
        return Cut(name(end.position), end.type)

    candidates = sorted(
        {end.position for end in found.ends if end.before <= passing and can_move(flow, end)}
    )
    safe = safeguards(flow, arrays, score.operands(), candidates) if candidates else ()
    shown = [
        end
        for end in found.ends
        if end.position not in safe and (not end.compares or only_way(end, passing, found.ends))
    ]
    return Connection(
        tuple(leaf in passing for leaf in range(len(sources))),
        tuple(leaf in depending for leaf in range(len(sources))),
        tuple(dict.fromkeys(map(cut, shown))),
    )


def can_move(flow: Flow, end: End) -> bool:
    """Whether ways end at an equation with one floating-point result, which can be given another."""
    node = flow.nodes[end.position]
    single = len(node.outputs) == 1 and (node.primitive in FLAT or node.primitive in RULED)
    return single and is_floating(flow.avals[node.outputs[0]])


def only_way(end: End, reached: frozenset[int], ends: tuple[End, ...]) -> bool:
    """Whether a comparison ends the only ways from a leaf, none of which a derivative can pass."""
    otherwise = reached.union(*(other.before for other in ends if not other.compares))
    return not end.before <= otherwise


def ways_between(flow: Flow, sources: Sequence[int]) -> Ways:
    """The ways from values to the targets."""
    nodes = flow.nodes
    passing = {v: frozenset([at]) for at, v in enumerate(sources) if is_floating(flow.avals[v])}
    depending = {value: frozenset([at]) for at, value in enumerate(sources)}
    found: list[tuple[Node, End]] = []
    order = [at for at in sorted(flow.needed) if not set(nodes[at].outputs) & depending.keys()]
    through: dict[int, Ways] = {}
    for position in order:
        node = nodes[position]
        if not any(value in depending for value in node.values):
            continue
        through[position] = own = equation_ways(flow.circuit, node)

        def joined(places: Places, known: dict[int, Places], node: Node = node) -> Places:
            return union(
                known.get(operand, NOWHERE)
                for at in places
                if isinstance(operand := node.inputs[at], int)
            )

        for value, passes, depends in zip(node.outputs, own.passing, own.depending, strict=True):
            passing[value] = joined(passes, passing)
            depending[value] = joined(depends, depending)
        for end in own.ends:
            before = joined(end.before, passing)
            found.append((node, replace(end, position=position, before=before)))
    behind: dict[int, Places] = {}
    for at, target in enumerate(flow.circuit.targets):
        if isinstance(target, int):
            behind[target] = behind.get(target, NOWHERE) | {at}
    for position in reversed(order):
        if position not in through or replaces_derivative(flow, position):
            continue
        node = nodes[position]
        for value, depends in zip(node.outputs, through[position].depending, strict=True):
            for at in depends:
                operand = node.inputs[at]
                if isinstance(operand, int):
                    behind[operand] = behind.get(operand, NOWHERE) | behind.get(value, NOWHERE)
    safe = {position for unit in softmaxes(flow) for position in unit.positions}
    ends = []
    for node, end in found:
        after = union(behind.get(node.outputs[at], NOWHERE) for at in end.behind)
        hidden = end.position in safe or replaces_derivative(flow, end.position)
        if end.before and after and not hidden:
            ends.append(replace(end, behind=after))
    targets = flow.circuit.targets

    def reaching(known: dict[int, Places]) -> tuple[Places, ...]:
        return tuple(known.get(t, NOWHERE) if isinstance(t, int) else NOWHERE for t in targets)

    return Ways(reaching(passing), reaching(depending), tuple(ends))


def replaces_derivative(flow: Flow, position: int) -> bool:
    """Whether it is the stop in `x + stop_gradient(q - x)`, or its like: the value is q's, and the
    derivative goes straight to x."""
    node = flow.nodes[position]
    difference = flow.producer(node.inputs[0]) if node.primitive == "stop_gradient" else None
    if difference is None or difference.primitive != "sub":
        return False
    (stopped,) = node.outputs
    plus, minus = difference.inputs
    users = [flow.nodes[at] for at in flow.users.get(stopped, ())]
    return bool(users) and all(
        (user.primitive in ("add", "add_any") and minus in user.inputs)
        or (user.primitive == "sub" and user.inputs == (plus, stopped))
        for user in users
    )


def floating_operands(node: Node) -> Places:
    return frozenset(at for at, atom in enumerate(node.equation.invars) if is_floating(atom.aval))


def equation_ways(circuit: Circuit, node: Node) -> Ways:
    name = node.primitive
    params = node.params
    if name == "scan":
        body = body_ways(circuit, params["jaxpr"])
        return looped(body, params["num_consts"], params["num_carry"])
    if name == "while":
        counts = params["cond_nconsts"], params["body_nconsts"]
        body = looped(body_ways(circuit, params["body_jaxpr"]), counts[1], len(node.outputs))
        return tested(body_ways(circuit, params["cond_jaxpr"]), body, counts)
    if name == "cond":
        return chosen([body_ways(circuit, branch) for branch in params["branches"]])
    if name in RULED:
        return ruled_ways(circuit, node)
    if name == "custom_linear_solve":
        return solved_ways(node)
    called_body = body_of(node.equation)
    if called_body is not None and len(called_body.jaxpr.invars) == len(node.inputs):
        return body_ways(circuit, called_body)
    return plain_ways(node)


def body_ways(circuit: Circuit, body: ClosedJaxpr) -> Ways:
    flow = Flow(whole(circuit.trace, body))
    return ways_between(flow, flow.circuit.sources)


def plain_ways(node: Node) -> Ways:
    """Of an equation without a body: what has no derivative is told by name and dtype."""
    everything = frozenset(range(len(node.inputs)))
    floating = floating_operands(node)
    passing = []
    for at, variable in enumerate(node.equation.outvars):
        blocked = node.primitive in FLAT or not is_floating(variable.aval)
        own = floating & {at} if node.primitive == "sort" else floating
        passing.append(NOWHERE if blocked else own)
    kept = frozenset(at for at, passes in enumerate(passing) if passes < floating)
    compares = node.primitive in SORTS or gives_booleans(node)
    end = End(0, word(node), compares, floating, kept)
    return Ways(tuple(passing), (everything,) * len(passing), (end,) if floating and kept else ())


def gives_booleans(node: Node) -> bool:
    results: list[Any] = [variable.aval for variable in node.equation.outvars]
    return all(aval.dtype == bool for aval in results)


def solved_ways(node: Node) -> Ways:
    """Of the solution of a linear system: what only helps to find it has no derivative of its own."""
    lengths = node.params["const_lengths"]
    helping = range(
        lengths.matvec, lengths.matvec + lengths.vecmat + lengths.solve + lengths.transpose_solve
    )
    operands = frozenset(range(len(node.inputs))) - frozenset(helping)
    count = len(node.outputs)
    return Ways((operands & floating_operands(node),) * count, (operands,) * count)


def word(node: Node) -> str:
    """What JAX calls an equation."""
    if node.primitive == "convert_element_type":
        return f"cast to {node.params['new_dtype'].name}"
    if node.primitive in RULED:
        return f"{called(node.equation) or 'a function'} ({node.primitive.removesuffix('_call')})"
    return node.primitive


def ruled_ways(circuit: Circuit, node: Node) -> Ways:
    """Of a call with a derivative of its own, which may be zero: numbers go as in its body."""
    body = body_of(node.equation)
    assert body is not None
    depending = body_ways(circuit, body).depending
    passing = [
        depends - blocked for depends, blocked in zip(depending, ruled_out(node), strict=True)
    ]
    floating = floating_operands(node)
    ends = []
    for at, (passes, depends) in enumerate(zip(passing, depending, strict=True)):
        blocked = (depends & floating) - passes
        if blocked:
            ends.append(End(0, word(node), False, blocked, frozenset([at])))
    return Ways(tuple(passing), depending, tuple(ends))
