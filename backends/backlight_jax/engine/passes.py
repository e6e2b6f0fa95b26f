"""Forward passes over a program, compiled: outputs, activations, scores."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, final

import jax

from backlight.errors import BacklightError, ModelError
from backlight.operations import Operation
from backlight.scores import Score
from backlight_jax.capture.program import Program, read, run
from backlight_jax.capture.scored import scored
from backlight_jax.capture.trace import Trace
from backlight_jax.sites.places import Place

wait: Callable[[Any], Any] = jax.block_until_ready


@final
@dataclass(frozen=True, eq=False)
class Pass:
    """A compiled function of (constants, arrays, operands, value), and its constants.

    Attributes:
        calls_back: whether Python runs in it, whose errors come out when the result is waited for.
        operations: those that are ruled, between the value and the score.
    """

    function: Callable[..., Any]
    constants: Sequence[Any]
    calls_back: bool
    operations: tuple[Operation, ...] = ()

    def __call__(
        self, arrays: Sequence[Any], operands: Sequence[Any] = (), value: Any = None
    ) -> Any:
        with failures():
            found = self.function(self.constants, arrays, operands, value)
            return wait(found) if self.calls_back else found


def compiled(
    function: Callable[..., Any],
    program: Program,
    constants: Sequence[Any],
    operations: tuple[Operation, ...] = (),
) -> Pass:
    calls_back = any("callback" in node.primitive for node in program.nodes)
    return Pass(jax.jit(function), constants, calls_back, operations)


@contextmanager
def failures() -> Iterator[None]:
    """Errors of the model as ModelError; those of memory as they are."""
    try:
        yield
    except BacklightError:
        raise
    except Exception as error:  # JAX's own, and whatever a model's callbacks and derivatives raise
        if "RESOURCE_EXHAUSTED" in str(error):
            raise
        raise ModelError(
            f"Running or differentiating the model raised {type(error).__name__}: {error}"
        ) from error


def outputs_pass(trace: Trace) -> Pass:
    built = scored(trace, None, None, whole=False)
    program = built.program

    def outputs(constants: Any, arrays: Any, operands: Any, value: Any) -> Any:
        values = built.start(constants, arrays, operands)
        run(program.nodes, values)
        found = [read(values, output) for output in program.outputs]
        return jax.tree.unflatten(trace.structure_of_outputs, found)

    return compiled(outputs, program, trace.constants(program))


def activation_pass(trace: Trace, at: Place) -> Pass:
    built = scored(trace, None, at, whole=False)

    def activation(constants: Any, arrays: Any, operands: Any, value: Any) -> Any:
        return built.enter(built.start(constants, arrays, operands), None)

    return compiled(activation, built.program, trace.constants(built.program))


def score_pass(trace: Trace, score: Score, at: Place | None) -> Pass:
    """Scores; with a value, what follows the site is computed from it."""
    built = scored(trace, score, at, whole=False)
    (target,) = built.targets

    def scores(constants: Any, arrays: Any, operands: Any, value: Any) -> Any:
        values = built.start(constants, arrays, operands)
        built.enter(values, value)
        run(built.program.nodes[built.begin :], values)
        return read(values, target)

    return compiled(scores, built.program, trace.constants(built.program))
