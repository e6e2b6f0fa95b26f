"""A traced function as one flat list of equations, which can be run, tapped and cut anywhere."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast, final

import jax.numpy as jnp
from jax.extend import source_info_util
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal

Path: TypeAlias = tuple[int, ...]
"""Where an equation is: its number in the function, then in the function it calls, and so on. The
same whichever calls are inlined."""

Key: TypeAlias = tuple[Path, int]
"""Which result of which equation."""

Operand: TypeAlias = int | Literal
"""The number of a value, or a constant scalar."""

SCORE: Path = (-1,)
"""Where the equations of a score are."""

INLINED = {"jit", "pjit", "closed_call", "core_call", "core_closed_call"}
"""Calls that mean nothing but their body."""

OPENABLE = {"checkpoint", "remat2", "custom_jvp_call"}
"""Calls that carry a meaning for autodiff: inlined only to reach a value inside."""


@final
@dataclass(frozen=True, eq=False)
class Node:
    """One equation.

    Attributes:
        path: where it is in the traced function.
        equation: as traced.
        inputs, outputs: its values, by number.
        scope: the names of the scopes around it, outermost first.
    """

    path: Path
    equation: JaxprEqn
    inputs: tuple[Operand, ...]
    outputs: tuple[int, ...]
    scope: tuple[str, ...]

    @property
    def primitive(self) -> str:
        return str(self.equation.primitive.name)

    @property
    def params(self) -> dict[str, Any]:
        return self.equation.params

    @property
    def values(self) -> list[int]:
        """The inputs that are values, not scalars."""
        return [operand for operand in self.inputs if isinstance(operand, int)]


Inside: TypeAlias = Callable[[Path, JaxprEqn], ClosedJaxpr | None]
"""What to put in the place of an equation; None to keep it."""


@final
@dataclass(eq=False)
class Program:
    """Equations in order; every value has a number.

    Attributes:
        inside: decides what is put in the place of calls.
        avals: shape and dtype of each value.
        inputs: the numbers of the arguments.
        constants: the numbers and values of the arrays that the function closes over.
        nodes: the equations.
        calls: the names and results of the calls that were inlined, by where they are.
        outputs: what the function returns.
        keys: the number of each result of each equation and inlined call.
    """

    inside: Inside
    avals: list[Any] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    constants: dict[int, Any] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    calls: dict[Path, tuple[str, tuple[Operand, ...]]] = field(default_factory=dict)
    outputs: list[Operand] = field(default_factory=list)
    keys: dict[Key, Operand] = field(default_factory=dict)
    _numbers: dict[int, int] = field(default_factory=dict)

    def fresh(self, aval: Any) -> int:
        self.avals.append(aval)
        return len(self.avals) - 1

    def number_of(self, key: Key) -> int:
        """The number of a result that is no scalar."""
        return cast(int, self.keys[key])

    def append(
        self,
        closed: ClosedJaxpr,
        arguments: Sequence[Operand],
        path: Path = (),
        scope: tuple[str, ...] = (),
    ) -> tuple[Operand, ...]:
        """The results of a function, its equations put behind the others: with fresh values, as bodies
        are shared objects."""
        jaxpr = closed.jaxpr
        environment: dict[Any, Operand] = dict(zip(jaxpr.invars, arguments, strict=True))
        for variable, constant in zip(jaxpr.constvars, closed.consts, strict=True):
            environment[variable] = self._constant(variable.aval, constant)

        def operand(atom: Any) -> Operand:
            return atom if isinstance(atom, Literal) else environment[atom]

        for number, equation in enumerate(jaxpr.eqns):
            here, within = (*path, number), (*scope, *scopes(equation))
            inputs = tuple(map(operand, equation.invars))
            inner = self.inside(here, equation)
            if inner is None:
                numbers = tuple(self.fresh(variable.aval) for variable in equation.outvars)
                self.nodes.append(Node(here, equation, inputs, numbers, within))
                outputs: tuple[Operand, ...] = numbers
            else:
                outputs = self.append(inner, inputs, here, within)
                self.calls[here] = called(equation), outputs
            environment.update(zip(equation.outvars, outputs, strict=True))
            self.keys.update({(here, index): output for index, output in enumerate(outputs)})
        return tuple(map(operand, jaxpr.outvars))

    def _constant(self, aval: Any, value: Any) -> int:
        """The number of a closed-over array, which is an argument of whatever gets compiled."""
        if id(value) not in self._numbers:
            self._numbers[id(value)] = number = self.fresh(aval)
            self.constants[number] = value
        return self._numbers[id(value)]


def flatten(closed: ClosedJaxpr, inside: Inside) -> Program:
    """The program of a traced function."""
    program = Program(inside)
    program.inputs = [program.fresh(variable.aval) for variable in closed.jaxpr.invars]
    program.outputs = list(program.append(closed, program.inputs))
    return program


def entered_calls(calls: Collection[Path] | None = ()) -> Inside:
    """Opens these of the `OPENABLE` calls, None for all of them, beside those that mean their body."""

    def inside(path: Path, equation: JaxprEqn) -> ClosedJaxpr | None:
        name = str(equation.primitive.name)
        open_it = name in OPENABLE and (calls is None or path in calls)
        return body_of(equation) if name in INLINED or open_it else None

    return inside


def body_of(equation: JaxprEqn) -> ClosedJaxpr | None:
    for name in ("jaxpr", "call_jaxpr"):
        body = equation.params.get(name)
        if isinstance(body, ClosedJaxpr):
            return body
        if isinstance(body, Jaxpr):
            return ClosedJaxpr(body, ())
    return None


def called(equation: JaxprEqn) -> str:
    """The name of the function that a call calls, or an empty string."""
    name = equation.params.get("name")
    if name is None:
        body = body_of(equation)
        name = getattr(getattr(body and body.jaxpr, "debug_info", None), "func_name", "")
    return str(name)


def scopes(equation: JaxprEqn) -> tuple[str, ...]:
    """The scopes an equation was written in, without the frames that transformations add."""
    stack = equation.source_info.name_stack.stack
    names = (frame.name for frame in stack if type(frame).__name__ == "Scope")
    return tuple(part for name in names for part in name.split("/"))


def is_foreign(part: str) -> bool:
    """Scopes that name a class of layer, not the layer: equinox writes such."""
    return part.startswith("eqx.")


def scope_of(node: Node, foreign: bool = False) -> tuple[str, ...]:
    return tuple(part for part in node.scope if foreign or not is_foreign(part))


def layer_of(weight: str) -> str:
    """The layer that a weight belongs to: `layers[0]` of `layers[0].weight`."""
    return weight.rpartition(".")[0] or weight


def read(values: Mapping[int, Any], operand: Operand) -> Any:
    """An operand as an array, given the values known so far."""
    return values[operand] if isinstance(operand, int) else jnp.asarray(operand.val)


def run(nodes: Iterable[Node], values: dict[int, Any]) -> None:
    """Evaluate equations on the values known so far, and add theirs."""
    for node in nodes:
        operands = [
            values[operand] if isinstance(operand, int) else operand.val for operand in node.inputs
        ]
        primitive: Any = node.equation.primitive
        info = node.equation.source_info
        bound = primitive.get_bind_params(node.params)
        functions, params = bound if isinstance(bound, tuple) else ((), bound)
        stack = source_info_util.current_name_stack()
        for name in node.scope:
            stack = stack.extend(name)
        with (
            source_info_util.user_context(info.traceback, name_stack=stack),
            node.equation.ctx.manager,
        ):
            results = primitive.bind(*functions, *operands, **params)
        if not primitive.multiple_results:
            results = [results]
        values.update(zip(node.outputs, results, strict=True))
