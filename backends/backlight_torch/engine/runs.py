"""Recorded runs of a net, with the values that rules look at."""

import sys
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, cast, final

import torch
from torch.utils import _pytree as pytree

from backlight.engine.application import Applied
from backlight.engine.runner import Values
from backlight.graph.recognition.recognition import Recognised, recognise
from backlight.graph.unit import Unit
from backlight.rules.rules import Rules
from backlight.scores.scores import Score
from backlight.values.arrays import shape_of
from backlight.values.inputs import Inputs, PerExample
from backlight.values.tree import Tree, leaves, map_nested
from backlight_torch.capture.recorder import EVERYTHING, Recorder
from backlight_torch.capture.steps import Before
from backlight_torch.engine.blocks import Block, copied_inputs
from backlight_torch.engine.runner import RUNNER
from backlight_torch.engine.running import running, without_compilation
from backlight_torch.engine.sections import Section, sections_of
from backlight_torch.expansions import expander
from backlight_torch.table import primitive_of

if TYPE_CHECKING:
    from backlight_torch.engine.passes import Passes


@final
@dataclass(eq=False)
class Task:
    """What is asked for: see `Model.gradient`. Without a score, all outputs are."""

    block: Block
    score: Score | None
    at: str | None
    value: Tree | None
    rules: Rules


@final
@dataclass(eq=False)
class Run:
    """A recorded run.

    Attributes:
        recorder: has its graph and the values that were kept.
        value: what is differentiated at a site; None for the inputs.
        starts: its arrays, or those of the inputs.
        outputs: of the net, or the site that the score reads.
        scores: where the score was asked for.
        recognised: its operations.
        rules: for them.
    """

    recorder: Recorder
    value: Tree[torch.Tensor] | None
    starts: list[torch.Tensor]
    outputs: object
    scores: torch.Tensor | None
    recognised: Recognised
    rules: Rules

    @cached_property
    def sections(self) -> list[Section]:
        """The parts that rules act in."""
        return sections_of(
            RUNNER,
            self.recognised,
            self.rules,
            cast(Values, self.recorder.tensors),
            self.recorder.expansions,
        )

    @property
    def wanted(self) -> frozenset[int]:
        """The values that rules look at."""
        return frozenset[int]().union(*(one.wanted() for one in self.sections))

    def applied(self, unit: Unit) -> Applied:
        known = cast(Values, self.recorder.tensors)
        return Applied(RUNNER, self.recorder.graph, unit, known)


@contextmanager
def step_by_step(passes: "Passes", graph: bool = True) -> Iterator[Callable[[], str]]:
    """The net runs all its operations one by one, with autograd's graph or without; what is given says
    where in the net."""
    compiled = "torch._dynamo" in sys.modules
    with (
        running(passes.net.roots(), graph=graph, hooked=True),
        passes.net.named() as places,
        without_compilation() if compiled else nullcontext(),
        torch.jit.optimized_execution(False),  # type: ignore[attr-defined]
    ):
        yield places


@contextmanager
def run_with_values(
    passes: "Passes", task: Task, attributed: Tree | None = None, like: object | None = None
) -> Iterator[Run]:
    """A recorded run that has kept the values which the rules look at. Which these are is known by the
    run before; where none was, or it took another way, the net runs once more. See `recorded`."""
    key = (*asked(task), None if attributed is None else shapes_of(attributed), like is None)
    before = passes.before.recall(key, Before)
    for again in (True, True, False):
        with recorded(passes, task, attributed, like, before, whole=not again) as run:
            before.steps = run.recorder.steps
            if not again or run.recorder.has(wanted := run.wanted):
                yield run
                return
        before.wanted = wanted


def asked(task: Task) -> tuple[Hashable, ...]:
    """What decides which operations a run has, and what of them is looked at."""
    score = None if task.score is None else task.score.recipe
    return task.rules, task.at, score, shapes_of(task.block.inputs.attributed)


def shapes_of(tree: Tree) -> tuple[tuple[int, ...], ...]:
    return tuple(map(shape_of, leaves(tree)))


@contextmanager
def recorded(
    passes: "Passes",
    task: Task,
    attributed: Tree | None = None,
    like: object | None = None,
    before: Before | None = None,
    whole: bool = False,
) -> Iterator[Run]:
    """Run the net and the score.

    Args:
        passes: of the net.
        task: what is asked for.
        attributed: other values at the input.
        like: outputs that those of this run are to be broadcast against.
        before: what is known of a run like this one.
        whole: whether all values are kept, rather than those that were looked at before.
    """
    block = task.block
    with step_by_step(passes) as places:
        given = block.inputs if attributed is None else block.inputs.with_attributed(attributed)
        access = passes.access(block, task.score, (task.at,), task.value)
        if access is not None:
            access.rows = given.count  # a shared reference runs alone
        arguments, starts = copied_inputs(given, differentiated=task.at is None)
        before = before or Before()
        recorder = Recorder(
            primitive_of,
            places,
            passes.net.numbers(),
            EVERYTHING if whole else before.wanted,
            expander(task.rules),
            before=before.steps,
        )
        try:
            begin(recorder, arguments, starts, inside=task.at is not None)
            if access is not None:
                access.begun = recorder.source
            with recorder:
                outputs = passes.call(arguments, access)
                if like is not None:
                    outputs = broadcast(outputs, like)
                scores = None
                if task.score is not None:
                    scores = passes.evaluate(block, task.score, outputs)
            passes.require(access, block)
            value = None if task.at is None else passes.started(access, task.at)
            starts = starts if value is None else leaves(value)
            recorder.finish(arrays_in(outputs) if scores is None else [scores])
            recognised = recognise(recorder.graph, task.rules)
            yield Run(recorder, value, starts, outputs, scores, recognised, task.rules)
        finally:
            recorder.clear()


def begin(recorder: Recorder, arguments: Inputs, starts: list[torch.Tensor], inside: bool) -> None:
    """Record what depends on the inputs: from the start, or from a site inside on, which other values
    that differ from example to example go past."""
    copies = cast(list[torch.Tensor], leaves(arguments.attributed))
    for start, copy in zip(starts, copies, strict=True):
        if inside:
            recorder.row(copy)
        else:
            recorder.source(start, copy)
    for value in (*arguments.positional, *arguments.keyword.values()):
        if isinstance(value, PerExample):
            recorder.row(cast(torch.Tensor, value.value))


class MismatchError(Exception):
    """Where two runs part."""


def broadcast(outputs: object, like: object) -> object:
    """Outputs with as many rows as others have."""
    found, structure = pytree.tree_flatten(outputs)
    others = pytree.tree_leaves(like)
    if len(found) != len(others):
        raise MismatchError(f"{len(others)} outputs here and {len(found)} there.")

    def one(array: object, other: object) -> object:
        if not isinstance(array, torch.Tensor) or not isinstance(other, torch.Tensor):
            return array
        if array.ndim and array.shape != other.shape and array.shape[0] == 1:
            return array.expand(other.shape[0], *array.shape[1:])
        return array

    return pytree.tree_unflatten(
        [one(array, other) for array, other in zip(found, others, strict=True)], structure
    )


def arrays_in(outputs: object) -> list[torch.Tensor]:
    """The arrays of a net's outputs, in the core's order."""
    found: list[object] = []
    map_nested(found.append, outputs)
    return [one for one in found if isinstance(one, torch.Tensor)]
