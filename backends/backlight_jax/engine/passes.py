"""Forward and backward passes over a program, compiled: outputs, activations, scores, gradients."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast, final

import jax
import jax.numpy as jnp

from backlight.arrays import Arrays
from backlight.errors import BacklightError, ModelError
from backlight.scores import Score
from backlight_jax.capture.program import Program, run
from backlight_jax.capture.trace import Trace
from backlight_jax.sites.places import Place

ARRAYS = cast(Arrays, jnp)
"""`jax.numpy` has the array API standard's names and meanings."""

wait: Callable[[Any], Any] = jax.block_until_ready


@final
@dataclass(frozen=True, eq=False)
class Pass:
    """A compiled function of (constants, arrays, operands, value), and its constants."""

    function: Callable[..., Any]
    constants: Sequence[jax.Array]
    calls_back: bool
    """Whether Python runs in it, whose errors come out when the result is waited for."""

    def __call__(
        self, arrays: Sequence[Any], operands: Sequence[Any] = (), value: Any = None
    ) -> Any:
        with failures():
            found = self.function(self.constants, arrays, operands, value)
            return wait(found) if self.calls_back else found


def compiled(function: Callable[..., Any], trace: Trace, program: Program) -> Pass:
    calls_back = any("callback" in node.primitive for node in program.nodes)
    return Pass(jax.jit(function), trace.constants(program), calls_back)


@final
class FromScoreError(Exception):
    """Carries an error of the user's own score through a pass."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


@contextmanager
def failures() -> Iterator[None]:
    """Errors of the model as ModelError; those of the score, and of memory, as they are."""
    try:
        yield
    except BacklightError:
        raise
    except FromScoreError as failure:
        raise failure.error from failure.error.__cause__
    except Exception as error:  # JAX's own, and whatever a model's callbacks and derivatives raise
        if "RESOURCE_EXHAUSTED" in str(error):
            raise
        raise ModelError(
            f"Running or differentiating the model raised {type(error).__name__}: {error}"
        ) from error


def outputs_pass(trace: Trace) -> Pass:
    program = trace.program([])

    def outputs(constants: Any, arrays: Any, operands: Any, value: Any) -> Any:
        values = start(program, constants, arrays)
        run(program.nodes, values)
        return jax.tree.unflatten(trace.structure_of_outputs, scored(program, None, values))

    return compiled(outputs, trace, program)


def activation_pass(trace: Trace, at: Place) -> Pass:
    program = trace.program([at.key])
    number, end = cut(program, at)

    def activation(constants: Any, arrays: Any, operands: Any, value: Any) -> Any:
        values = start(program, constants, arrays)
        run(program.nodes[:end], values)
        return shown(values[number], at)

    return compiled(activation, trace, program)


def score_pass(trace: Trace, score: Score, at: Place | None) -> Pass:
    """Scores; with a value, what follows the site is computed from it."""
    program, neuron = scored_program(trace, score, at)

    def scores(constants: Any, arrays: Any, operands: Any, value: Any) -> Any:
        values = start(program, constants, arrays)
        end = 0
        if at is not None and value is not None:
            number, end = cut(program, at)
            run(program.nodes[:end], values)
            values[number] = hidden(value, at, values[number])
        run(program.nodes[end:], values)
        return evaluated(trace, score, neuron, scored(program, neuron, values), operands)

    return compiled(scores, trace, program)


def input_gradient_pass(trace: Trace, score: Score) -> Pass:
    """(score, gradients of the attributed inputs)."""
    program, neuron = scored_program(trace, score, None)
    first = len(trace.signature.weights)
    attributed = range(first, first + len(trace.signature.attributed))
    moving = [
        index
        for index in attributed
        if jnp.issubdtype(trace.whole.avals[trace.whole.inputs[index]].dtype, jnp.floating)
    ]

    def gradients(constants: Any, arrays: Any, operands: Any, value: Any) -> Any:
        def scores(inputs: Sequence[Any]) -> Any:
            moved = list(arrays)
            for index, array in zip(moving, inputs, strict=True):
                moved[index] = array
            values = start(program, constants, moved)
            run(program.nodes, values)
            return evaluated(trace, score, neuron, scored(program, neuron, values), operands)

        found, pullback = jax.vjp(scores, [arrays[index] for index in moving])
        (gradient,) = pullback(jnp.ones_like(found))
        of = dict(zip(moving, gradient, strict=True))
        # What is not a floating-point number cannot be moved: its gradient is zero.
        return found, [
            of[index] if index in of else jnp.zeros_like(arrays[index]) for index in attributed
        ]

    return compiled(gradients, trace, program)


def site_gradient_pass(trace: Trace, score: Score, at: Place) -> Pass:
    """(score, the site's value, gradient there): the activation is computed and used in one pass."""
    program, neuron = scored_program(trace, score, at)
    number, end = cut(program, at)

    def gradients(constants: Any, arrays: Any, operands: Any, value: Any) -> Any:
        before = start(program, constants, arrays)
        run(program.nodes[:end], before)
        point = shown(before[number], at) if value is None else value

        def scores(moved: Any) -> Any:
            values = {**before, number: hidden(moved, at, before[number])}
            run(program.nodes[end:], values)
            return evaluated(trace, score, neuron, scored(program, neuron, values), operands)

        found, pullback = jax.vjp(scores, point)
        (gradient,) = pullback(jnp.ones_like(found))
        return found, point, gradient

    return compiled(gradients, trace, program)


def magnitudes_pass(trace: Trace, score: Score, sites: Sequence[Place]) -> Pass:
    """For each site, |d score / d value| summed over its last axis, all in one pass."""
    program, neuron = scored_program(trace, score, *sites)
    numbers = [number_of(program, site) for site in sites]

    def magnitudes(constants: Any, arrays: Any, operands: Any, value: Any) -> Any:
        def scores(moves: dict[int, Any]) -> Any:
            values = start(program, constants, arrays)
            for node in program.nodes:
                run([node], values)
                for number in moves.keys() & set(node.outputs):
                    values[number] = values[number] + moves[number]
            return evaluated(trace, score, neuron, scored(program, neuron, values), operands)

        still = {number: jnp.zeros_like(program.avals[number]) for number in numbers}
        found, pullback = jax.vjp(scores, still)
        (gradients,) = pullback(jnp.ones_like(found))
        return [
            jnp.abs(shown(gradients[number], site)).sum(-1, keepdims=True)
            for number, site in zip(numbers, sites, strict=True)
        ]

    return compiled(magnitudes, trace, program)


def scored_program(
    trace: Trace, score: Score, *sites: Place | None
) -> tuple[Program, Place | None]:
    """The program in which sites and the scored neuron can be seen, and where the neuron is."""
    neuron = None if score.site is None else trace.place(score.site)
    return trace.program([place.key for place in (*sites, neuron) if place is not None]), neuron


def scored(program: Program, neuron: Place | None, values: dict[int, Any]) -> list[Any]:
    """What a score reads: the outputs, or the value that it is of."""
    if neuron is not None:
        return [values[number_of(program, neuron)]]
    return [
        values[output] if isinstance(output, int) else jnp.asarray(output.val)
        for output in program.outputs
    ]


def evaluated(
    trace: Trace,
    score: Score,
    neuron: Place | None,
    values: Sequence[Any],
    operands: Sequence[Any],
) -> Any:
    if neuron is None:
        outputs = jax.tree.unflatten(trace.structure_of_outputs, values)
    else:
        outputs = shown(values[0], neuron)
    try:
        found: Any = score.evaluate(outputs, operands, ARRAYS)
    except Exception as error:
        raise FromScoreError(error) from error
    # A score of integers, an argmax say, is a score that does not depend on the value.
    return found if jnp.issubdtype(found.dtype, jnp.inexact) else found.astype(float)


def start(program: Program, constants: Sequence[Any], arrays: Sequence[Any]) -> dict[int, Any]:
    """The values known before the first equation."""
    return {
        **dict(zip(program.inputs, arrays, strict=True)),
        **dict(zip(program.constants, constants, strict=True)),
    }


def number_of(program: Program, place: Place) -> int:
    return cast(int, program.keys[place.key])


def cut(program: Program, place: Place) -> tuple[int, int]:
    """A site's value, and the number of equations up to it."""
    number = number_of(program, place)
    for position, node in enumerate(program.nodes, start=1):
        if number in node.outputs:
            return number, position
    raise AssertionError(f"no equation computes {place}")


def shown(value: Any, place: Place) -> Any:
    """A value with the examples on axis 0."""
    return jnp.moveaxis(value, place.axis or 0, 0)


def hidden(value: Any, place: Place, like: Any) -> Any:
    """A value as the program has it."""
    return jnp.moveaxis(value, 0, place.axis or 0).astype(like.dtype)
