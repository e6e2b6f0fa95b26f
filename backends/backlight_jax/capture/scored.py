"""A net and a score as one program, every call opened that operations may be in."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import jax
from jax.core import ShapedArray
from jax.extend.core import Literal

from backlight.graph.graph import Graph
from backlight.graph.recognition import Recognised, recognise
from backlight.graph.unit import Unit
from backlight.rules import Rules
from backlight.scores import Score
from backlight_jax.capture.graph import equations, graph_of
from backlight_jax.capture.program import SCORE, Node, Operand, Program, flatten
from backlight_jax.capture.trace import Trace
from backlight_jax.engine import passes
from backlight_jax.expansions import abstract, inside
from backlight_jax.sites.operations import namer
from backlight_jax.sites.places import Place
from backlight_jax.table import is_floating


@final
@dataclass(frozen=True, eq=False)
class Scored:
    """What is explained.

    Attributes:
        trace: of the net.
        program: the net's equations, then the score's.
        sources: the values that derivatives are taken by.
        attributed: the attributed arguments.
        begin: how many equations come before the sources.
        read: the values of the net that the score reads.
        operands: the numbers of the score's operands.
        targets: the score, or all floating-point outputs.
        rows: the values that differ from example to example, known before the first equation.
    """

    trace: Trace
    program: Program
    sources: tuple[int, ...]
    attributed: tuple[int, ...]
    begin: int
    read: tuple[Operand, ...]
    operands: tuple[int, ...]
    targets: tuple[Operand, ...]
    rows: tuple[int, ...]

    @cached_property
    def graph(self) -> Graph:
        """The operations, the score's included."""
        return self._graph(self.sources, False)

    @cached_property
    def looked_into(self) -> Graph:
        """The graph from all attributed arguments, those too that derivatives cannot be taken by, or
        from the site; loops and derivatives of functions are looked into."""
        return self._graph(self.sources if self.begin else self.attributed, True)

    @cached_property
    def named(self) -> Graph:
        """The same, with the sites by their names."""
        graph, sites = self.looked_into, self.trace.sites
        for name in dict.fromkeys((*(site.name for site in sites.listed), *sites.places)):
            value = self.program.keys.get(sites.places[name].key)
            if sites.places[name].usable and isinstance(value, int):
                graph.sites[name] = value
        return graph

    @cached_property
    def name(self) -> Callable[[Sequence[Node], bool], str]:
        """Gives the name of some equations."""
        return namer(self.trace, self.program)

    def _graph(self, sources: Sequence[int], derivatives: bool) -> Graph:
        weights, inputs = len(self.trace.signature.weights), self.program.inputs
        return graph_of(
            self.program,
            sources,
            self.targets,
            learned=[*inputs[:weights], *inputs[weights + len(self.attributed) :]],
            rows=self.rows,
            kept=self.read,
            place=lambda node: self.name([node], False),
            derivatives=derivatives,
        )


def scored(trace: Trace, score: Score | None, at: Place | None) -> Scored:
    """A net with a score, or its outputs, explained at its arguments or at a site."""
    program, flattener = flatten(trace.jaxpr, inside)
    signature = trace.signature
    first = len(signature.weights)
    attributed = program.inputs[first : first + len(signature.attributed)]
    extra = program.inputs[first + len(signature.attributed) :]
    rows = [*attributed, *(value for value, row in zip(extra, signature.rows, strict=True) if row)]
    sources, begin = [value for value in attributed if is_floating(program.avals[value])], 0
    if at is not None:
        number, begin = passes.cut(program, at)
        sources = [number]
    read: list[Operand] = []
    operands: list[int] = []
    if score is None:
        targets: list[Operand] = [
            output
            for output in program.outputs
            if isinstance(output, int) and is_floating(program.avals[output])
        ]
    else:
        neuron = None if score.site is None else trace.place(score.site)
        read = list(program.outputs if neuron is None else [passes.number_of(program, neuron)])
        operands = [program.fresh(aval) for aval in operand_avals(score)]

        def evaluated(values: Sequence[Any], classes: Sequence[Any]) -> Any:
            return passes.evaluated(trace, score, neuron, values, classes)

        with passes.failures():
            closed = jax.make_jaxpr(evaluated)(
                [aval_of(program, value) for value in read],
                [program.avals[operand] for operand in operands],
            )
        targets = list(flattener.body(closed.jaxpr, closed.consts, [*read, *operands], SCORE, ()))
    return Scored(
        trace,
        program,
        tuple(sources),
        tuple(attributed),
        begin,
        tuple(read),
        tuple(operands),
        tuple(targets),
        (*rows, *operands),
    )


@final
@dataclass(frozen=True, eq=False)
class Explained:
    """A net and a score with their operations, as rules see them.

    Attributes:
        scored: the net and the score.
        recognised: the operations.
        steps: the equations behind the sources, in an order that they can be run in: those of each
            operation together, others by themselves.
    """

    scored: Scored
    recognised: Recognised
    steps: tuple[tuple[Unit | None, tuple[Node, ...]], ...]

    @property
    def units(self) -> tuple[Unit, ...]:
        return self.recognised.units


def explained(trace: Trace, score: Score | None, at: Place | None, rules: Rules) -> Explained:
    """The operations between the attributed arguments, or a site, and the score."""
    found = scored(trace, score, at)
    graph = found.graph

    def name(unit: Unit) -> str:
        linear = unit.linear is not None or bool(unit.parts)
        return found.name(equations(graph, unit.positions), linear)

    recognised = recognise(graph, rules, name)
    before = {id(node) for node in found.program.nodes[: found.begin]}
    steps: list[tuple[Unit | None, tuple[Node, ...]]] = []
    for step in recognised.steps:
        unit = step if isinstance(step, Unit) else None
        nodes = equations(graph, [step] if isinstance(step, int) else step.positions)
        if nodes and id(nodes[0]) not in before:
            steps.append((unit, tuple(nodes)))
    return Explained(found, recognised, tuple(steps))


def operand_avals(score: Score) -> list[Any]:
    native = jax.dtypes.canonicalize_dtype
    return [abstract(ShapedArray(one.shape, native(one.dtype))) for one in score.operands()]


def aval_of(program: Program, operand: Operand) -> Any:
    held: Any = operand
    return abstract(held.aval if isinstance(operand, Literal) else program.avals[operand])
