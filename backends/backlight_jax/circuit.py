"""A net and a score as one program, every call opened that operations may be in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, final

import jax
import jax.numpy as jnp
from jax.core import ShapedArray
from jax.extend.core import ClosedJaxpr, Literal

from backlight.graph.graph import Graph
from backlight.scores import Score
from backlight_jax import passes
from backlight_jax.capture import graph_of, opened
from backlight_jax.naming import Place, scope_of
from backlight_jax.opening import abstract
from backlight_jax.program import Node, Operand, Path, Program
from backlight_jax.trace import Trace

SCORE: Path = (-1,)
"""Where the equations of the score are."""


@final
@dataclass(frozen=True, eq=False)
class Circuit:
    """What is ruled.

    Attributes:
        trace: of the net.
        program: the net's equations, then the score's.
        sources: the values that are differentiated at.
        begin: how many equations come before them.
        end: how many equations are the net's.
        scored: the values of the net that the score reads.
        operands: the numbers of the score's operands.
        targets: what is explained: the score, or all floating-point outputs.
        rows: the values that differ from example to example, known before the first equation.
    """

    trace: Trace
    program: Program
    sources: tuple[int, ...]
    begin: int
    end: int
    scored: tuple[Operand, ...]
    operands: tuple[int, ...]
    targets: tuple[Operand, ...]
    rows: tuple[int, ...]

    @property
    def nodes(self) -> list[Node]:
        return self.program.nodes

    @cached_property
    def graph(self) -> Graph:
        """The operations, the score's included."""
        signature = self.trace.signature
        first = len(signature.weights)
        inputs = self.program.inputs
        return graph_of(
            self.program,
            self.sources,
            self.targets,
            learned=[*inputs[:first], *inputs[first + len(signature.attributed) :]],
            rows=self.rows,
            kept=self.scored,
        )


def circuit(trace: Trace, score: Score | None, at: Place | None) -> Circuit:
    program, flattener = opened(trace.jaxpr)
    end = len(program.nodes)
    signature = trace.signature
    first = len(signature.weights)
    attributed = program.inputs[first : first + len(signature.attributed)]
    extra = program.inputs[first + len(signature.attributed) :]
    rows = [*attributed, *(value for value, row in zip(extra, signature.rows, strict=True) if row)]
    if at is None:
        sources = [value for value in attributed if is_floating(program.avals[value])]
        begin = 0
    else:
        number, begin = passes.cut(program, at)
        sources = [number]
    scored: list[Operand] = []
    operands: list[int] = []
    if score is None:
        targets: list[Operand] = [
            output
            for output in program.outputs
            if isinstance(output, int) and is_floating(program.avals[output])
        ]
    else:
        neuron = None if score.site is None else trace.place(score.site)
        scored = list(program.outputs if neuron is None else [passes.number_of(program, neuron)])
        operands = [program.fresh(aval) for aval in operand_avals(score)]

        def evaluated(values: Sequence[Any], classes: Sequence[Any]) -> Any:
            return passes.evaluated(trace, score, neuron, values, classes)

        with passes.failures():
            closed = jax.make_jaxpr(evaluated)(
                [aval_of(program, value) for value in scored],
                [program.avals[operand] for operand in operands],
            )
        targets = list(flattener.body(closed.jaxpr, closed.consts, [*scored, *operands], SCORE, ()))
    return Circuit(
        trace,
        program,
        tuple(sources),
        begin,
        end,
        tuple(scored),
        tuple(operands),
        tuple(targets),
        (*rows, *operands),
    )


def named_graph(trace: Trace, score: Score | None) -> Graph:
    """The operations from all inputs to the score, each in its place, and the sites by their names."""
    built = circuit(trace, score, None)
    graph, program = built.graph, built.program
    first = len(trace.signature.weights)
    graph.sources = tuple(program.inputs[first : first + len(trace.signature.attributed)])
    names = [site.name for site in trace.sites.listed]
    for name in dict.fromkeys((*names, *trace.sites.places)):
        place = trace.sites.places[name]
        value = program.keys.get(place.key)
        if place.usable and isinstance(value, int):
            graph.sites[name] = value
    labels = {
        value: label
        for key, label in trace.labels.items()
        if isinstance(value := program.keys.get(key), int)
    }
    graph.nodes = [
        replace(node, place=place_of(node.native, node.result, labels)) for node in graph.nodes
    ]
    return graph


def place_of(native: object, result: int, labels: Mapping[int, str]) -> str:
    """The scope that an equation is in, or the name of what it gives; nothing for what only helps."""
    scope = "/".join(scope_of(native, foreign=False)) if isinstance(native, Node) else ""
    return scope or labels.get(result, "")


def whole(trace: Trace, closed: ClosedJaxpr) -> Circuit:
    """A function that the net calls, by itself: from its arguments to its results."""
    program, _ = opened(closed)
    inputs, outputs = tuple(program.inputs), tuple(program.outputs)
    return Circuit(trace, program, inputs, 0, len(program.nodes), (), (), outputs, ())


def operand_avals(score: Score) -> list[Any]:
    native = jax.dtypes.canonicalize_dtype
    return [abstract(ShapedArray(one.shape, native(one.dtype))) for one in score.operands()]


def aval_of(program: Program, operand: Operand) -> Any:
    held: Any = operand
    return abstract(held.aval if isinstance(operand, Literal) else program.avals[operand])


def is_floating(aval: Any) -> bool:
    return bool(jnp.issubdtype(aval.dtype, jnp.inexact))
