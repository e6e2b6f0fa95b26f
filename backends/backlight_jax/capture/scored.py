"""A net and a score as one program, every call inlined that operations may be in."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias, cast, final

import jax
import jax.numpy as jnp
from jax.core import ShapedArray
from jax.extend.core import Literal

from backlight.engine.explained import Explained
from backlight.graph.graph import Graph
from backlight.graph.recognition.recognition import recognise
from backlight.graph.unit import Unit
from backlight.rules.rules import Rules
from backlight.scores.scores import Score
from backlight.values.arrays import Arrays
from backlight.values.tree import Tree, leaves, rebuild
from backlight_jax.capture.graph import equations, graph_of
from backlight_jax.capture.program import SCORE, Node, Operand, Program, entered_calls, flatten, run
from backlight_jax.expansions import inside
from backlight_jax.sites.operations import namer
from backlight_jax.table import abstract, is_floating

if TYPE_CHECKING:
    from backlight_jax.capture.trace import Trace
    from backlight_jax.sites.places import Place

Values: TypeAlias = dict[int, Any]


@final
@dataclass(frozen=True, eq=False)
class At:
    """Where derivatives are taken.

    Attributes:
        places: the site; None for the attributed arguments.
        values: those at the site, or the attributed arguments.
        end: how many equations come before all of them are known.
    """

    places: "Tree[Place] | None"
    values: tuple[int, ...]
    end: int

    def shown(self, values: Mapping[int, Any]) -> Any:
        """The value at the site, the examples on axis 0; None for the arguments."""
        if self.places is None:
            return None
        pairs = zip(leaves(self.places), self.values, strict=True)
        return rebuild(self.places, [place.shown(values[value]) for place, value in pairs])


@final
@dataclass(frozen=True, eq=False)
class Scored:
    """What is explained.

    Attributes:
        trace: of the net.
        program: the net's equations, then the score's.
        sites: where derivatives are taken, one or several.
        read: the values of the net that the score reads.
        operands: the numbers of the score's operands.
        targets: the score, or all floating-point outputs.
        rows: the values that differ from example to example, known before the first equation.
    """

    trace: "Trace"
    program: Program
    sites: tuple[At, ...]
    read: tuple[Operand, ...]
    operands: tuple[int, ...]
    targets: tuple[Operand, ...]
    rows: tuple[int, ...]

    @property
    def at(self) -> At:
        """The first site, or the only one."""
        return self.sites[0]

    @property
    def places(self) -> tuple[int, ...]:
        return self.at.values

    @property
    def sources(self) -> list[int]:
        """Those of the places that derivatives can be taken by."""
        return self.differentiable(self.places)

    def differentiable(self, values: Sequence[int]) -> list[int]:
        return [value for value in values if is_floating(self.program.avals[value])]

    @property
    def constants(self) -> list[Any]:
        """The arrays that the net and the score close over."""
        return self.trace.constants(self.program)

    def start(
        self, constants: Sequence[Any], arrays: Sequence[Any], operands: Sequence[Any] | None
    ) -> Values:
        """The values known before the first equation; without operands, those for the net."""
        program = self.program
        values = dict(zip(program.inputs, arrays, strict=True))
        values.update(zip(program.constants, constants, strict=True))
        if operands is not None:
            values.update(zip(self.operands, operands, strict=True))
        return values

    def enter(self, values: Values, points: Sequence[Any] | None) -> Any:
        """Run the net up to the site and put the points there, if there are any: the value there."""
        run(self.program.nodes[: self.at.end], values)
        if points is not None:
            self.put(values, points)
        return self.at.shown(values)

    def put(self, values: Values, arrays: Sequence[Any]) -> None:
        """Put arrays, of one row each or of as many as there are, in the places."""
        places = [None] * len(arrays) if self.at.places is None else leaves(self.at.places)
        for value, place, array in zip(self.places, places, arrays, strict=True):
            axis = 0 if place is None else place.axis or 0
            like = values[value]
            whole = jnp.broadcast_to(array, jnp.moveaxis(like, axis, 0).shape)
            values[value] = jnp.moveaxis(whole, 0, axis).astype(like.dtype)

    @cached_property
    def graph(self) -> Graph:
        """The operations, the score's included."""
        return self._graph(self.sources, False)

    @cached_property
    def looked_into(self) -> Graph:
        """The graph from all attributed arguments, those too that derivatives cannot be taken by, or
        from the site; loops and derivatives of functions are looked into."""
        return self._graph(self.places, True)

    @cached_property
    def named(self) -> Graph:
        """The same, with the sites by their names."""
        graph = self.looked_into
        for name, place in self.trace.sites.usable.items():
            value = self.program.keys.get(place.key)
            if isinstance(value, int):
                graph.sites[name] = value
        return graph

    @cached_property
    def name(self) -> Callable[[Sequence[Node], bool], str]:
        """Gives the name of some equations."""
        return namer(self.trace, self.program)

    def explained(self, rules: Rules) -> Explained:
        """The operations, as rules see them."""
        graph = self.graph

        def name(unit: Unit) -> str:
            linear = unit.linear is not None or bool(unit.parts)
            return self.name(equations(graph.nodes[at] for at in unit.positions), linear)

        nodes = enumerate(graph.nodes)
        score = (at for at, node in nodes if any(map(is_of_score, equations([node]))))
        read = tuple(value if isinstance(value, int) else None for value in self.read)
        return Explained(
            recognise(graph, rules, name), self.places, read, next(score, len(graph.nodes))
        )

    def _graph(self, sources: Sequence[int], derivatives: bool) -> Graph:
        weights, _, extra = self.trace.signature.parts(self.program.inputs)
        return graph_of(
            self.program,
            sources,
            self.targets,
            learned=[*weights, *extra],
            rows=self.rows,
            kept=self.read,
            place=lambda node: self.name([node], False),
            derivatives=derivatives,
        )


def scored(
    trace: "Trace", score: Score | None, *sites: "Tree[Place] | None", whole: bool = True
) -> Scored:
    """A net with a score, or its outputs, explained at its arguments or at sites.

    Args:
        trace, score: the net and the score.
        sites: None is the arguments.
        whole: whether every call is inlined that operations may be in; else those that sites are in.
    """
    neuron = None if score is None or score.site is None else trace.sites.place(score.site)
    entered = [place for site in sites if site is not None for place in leaves(site)]
    paths = [place.key[0] for place in (*entered, neuron) if place is not None]
    calls = {path[:depth] for path in paths for depth in range(1, len(path))}
    program = flatten(trace.jaxpr, inside if whole else entered_calls(calls))
    _, attributed, _ = trace.signature.parts(program.inputs)
    given = zip(program.inputs, trace.signature.rows, strict=True)
    rows = [value for value, row in given if row]
    producers = {value: at for at, node in enumerate(program.nodes, 1) for value in node.outputs}

    def located(site: "Tree[Place] | None") -> At:
        if site is None:
            return At(None, tuple(attributed), 0)
        values = tuple(program.number_of(place.key) for place in leaves(site))
        return At(site, values, max(producers[value] for value in values))

    read: list[Operand] = []
    operands: list[int] = []
    targets: list[Operand]
    if score is None:
        outputs = (output for output in program.outputs if isinstance(output, int))
        targets = [output for output in outputs if is_floating(program.avals[output])]
    else:
        read = list(program.outputs if neuron is None else [program.number_of(neuron.key)])
        operands = [program.fresh(aval) for aval in operand_avals(score)]

        def evaluated(values: Sequence[Any], classes: Sequence[Any]) -> Any:
            if neuron is None:
                outputs = jax.tree.unflatten(trace.structure_of_outputs, values)
            else:
                outputs = neuron.shown(values[0])
            found: Any = score.evaluate(outputs, classes, cast(Arrays, jnp))
            # A score of integers, an argmax say, is a score that does not depend on the value.
            return found if jnp.issubdtype(found.dtype, jnp.inexact) else found.astype(float)

        closed = jax.make_jaxpr(evaluated)(
            [aval_of(program, value) for value in read],
            [program.avals[operand] for operand in operands],
        )
        targets = list(program.append(closed, [*read, *operands], SCORE))
    return Scored(
        trace,
        program,
        tuple(map(located, sites)),
        tuple(read),
        tuple(operands),
        tuple(targets),
        (*rows, *operands),
    )


def is_of_score(node: Node) -> bool:
    return node.path[:1] == SCORE


def operand_avals(score: Score) -> list[Any]:
    native = jax.dtypes.canonicalize_dtype
    return [abstract(ShapedArray(one.shape, native(one.dtype))) for one in score.operands()]


def aval_of(program: Program, operand: Operand) -> Any:
    held: Any = operand
    return abstract(held.aval if isinstance(operand, Literal) else program.avals[operand])
