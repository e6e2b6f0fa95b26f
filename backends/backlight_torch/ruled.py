"""Backward passes that obey rules: the net runs as it is, recorded; hooks act in its graph."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast, final

import torch
from torch.utils import _pytree as pytree

from backlight.arrays import Array
from backlight.errors import CoverageError, ModelError, SiteError
from backlight.inputs import Inputs, PerExample
from backlight.model import Gradient
from backlight.operations import Operation
from backlight.rules import Rules
from backlight.scores import Score
from backlight.tree import Tree, leaves, map_leaves, rebuild
from backlight_torch.feeding import Block, fed
from backlight_torch.naming import named
from backlight_torch.plans import Plan, keeps_for
from backlight_torch.recording import Recorder
from backlight_torch.running import running, without_compilation
from backlight_torch.visits import Passage, Place, Visitor

if TYPE_CHECKING:
    from backlight_torch.passes import Passes


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
        starts: what is differentiated at.
        outputs: of the net, or the site that the score reads.
        scores: where the score was asked for.
        plan: what is done with its operations.
    """

    starts: list[torch.Tensor]
    outputs: object
    scores: torch.Tensor | None
    plan: Plan


def ruled_gradient(passes: "Passes", task: Task, reference: Tree | None) -> Gradient:
    attributed = task.block.inputs.attributed
    passes = passes.unoptimised()
    with recorded(passes, task) as run:
        assert run.scores is not None
        if reference is None:
            gradients = _backward(passes, task, run, None)
            reference_score = None
        else:
            with referred(passes, task, run, reference) as other:
                assert other.scores is not None
                gradients = _backward(passes, task, run, other.plan)
                reference_score = cast(Array, other.scores.detach())
        scores = cast(Array, run.scores.detach())
        found = cast(list[Array], gradients)
        if task.at is None:
            value, gradient = attributed, rebuild(attributed, found)
        else:
            value, gradient = cast(Array, run.starts[0].detach()), found[0]
        return Gradient(scores, value, gradient, run.plan.operations, reference_score)


def ruled_operations(passes: "Passes", task: Task) -> tuple[Operation, ...]:
    with recorded(passes.unoptimised(), task) as run:
        return run.plan.operations


def _backward(passes: "Passes", task: Task, run: Run, reference: Plan | None) -> list[torch.Tensor]:
    assert run.scores is not None
    handles = []
    try:
        for handle in run.plan.install(reference):
            handles.append(handle)  # one by one: an error may come in between
        return passes.backward(task.block, run.scores, run.starts)
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def watched(passes: "Passes") -> Iterator[Callable[[], str]]:
    """The net runs with a graph, all its operations one by one; what is given says where in the net."""
    compiled = "torch._dynamo" in sys.modules
    with (
        running(passes.net.roots(), graph=True, hooked=True),
        named(passes.net) as places,
        without_compilation() if compiled else nullcontext(),
        torch.jit.optimized_execution(False),  # type: ignore[attr-defined]
    ):
        yield places


@contextmanager
def recorded(
    passes: "Passes",
    task: Task,
    attributed: Tree | None = None,
    like: object | None = None,
) -> Iterator[Run]:
    """Run the net and the score.

    Args:
        passes: of the net.
        task: what is asked for.
        attributed: other values at the input.
        like: outputs that those of this run are to be broadcast against.
    """
    block = task.block
    with watched(passes) as places:
        given = block.inputs if attributed is None else block.inputs.with_attributed(attributed)
        passage = passes.passage(block, task.score, task.at, task.value)
        if passage is not None:
            passage.rows = given.count  # a shared reference runs alone
        arguments, starts = fed(given, differentiated=task.at is None)
        recorder = Recorder(keeps_for(task.rules), places)
        plan: Plan | None = None
        try:
            if task.at is None:
                for start in starts:
                    if start.requires_grad:
                        recorder.start(start)
            visitor = None if passage is None else starting(passage, recorder.start)
            with recorder:
                outputs = passes.call(arguments, visitor, passage)
                if passage is not None:
                    outputs = passage.read_from(outputs)
                if like is not None:
                    outputs = broadcast(outputs, like)
                scores = None
                if task.score is not None:
                    scores = passes.evaluate(block, task.score, outputs)
            if task.at is not None:
                if passage is None or passage.leaf is None:
                    raise passes.unknown(task.at, block)
                starts = [passage.leaf]
            ends = floating(outputs) if scores is None else [scores]
            plan = Plan(recorder, ends, task.rules, passes.arrays)
            yield Run(starts, outputs, scores, plan)
        finally:
            if plan is not None:
                plan.clear()
            recorder.clear()


@contextmanager
def referred(passes: "Passes", task: Task, run: Run, reference: Tree) -> Iterator[Run]:
    """The run at the reference, its operations paired with the run's.

    Where all examples share one reference it runs alone, if the net allows that: one may fold the
    examples into another axis, so that what it computes for one does not broadcast.
    """
    whole = expanded(reference, task.block.inputs.count)
    shared = all(
        array.shape[0] != task.block.inputs.count
        for array in cast(list[torch.Tensor], leaves(reference))
    )
    if shared and task.at is None and not per_example(task.block.inputs):
        try:
            opened = at_reference(passes, task, run, reference)
            found = opened.__enter__()
        except (ModelError, SiteError, MismatchError):
            pass
        else:
            try:
                yield found
            finally:
                opened.__exit__(None, None, None)
            return
    try:
        opened = at_reference(passes, task, run, whole)
        found = opened.__enter__()
    except MismatchError as mismatch:
        raise CoverageError(
            f"The pass over the baseline took another way than the pass over the inputs: {mismatch} "
            "What the model computes depends on the values that it gets, so that the two cannot be "
            "compared operation by operation. Use a technique without a baseline pass, or another "
            "baseline."
        ) from None
    try:
        yield found
    finally:
        opened.__exit__(None, None, None)


class MismatchError(Exception):
    """Where two runs part."""


@contextmanager
def at_reference(passes: "Passes", task: Task, run: Run, reference: Tree) -> Iterator[Run]:
    if task.at is None:
        changed, attributed = task, reference
    else:
        changed = Task(task.block, task.score, task.at, reference, task.rules)
        attributed = task.block.inputs.attributed
    with recorded(passes, changed, attributed, run.outputs) as other:
        compare(run.plan, other.plan)
        yield other


def compare(plan: Plan, other: Plan) -> None:
    """Raise `MismatchError` unless the two have the same operations, on arrays that broadcast."""
    units, others = list(plan.flat()), list(other.flat())
    for number, (unit, pair) in enumerate(zip(units, others, strict=False)):
        one, two = unit.operation, pair.operation
        assert one is not None
        assert two is not None
        if (one.kind, one.type) != (two.kind, two.type):
            raise MismatchError(f"operation {number} is {one.type} here and {two.type} there.")
        if unit.rule is None:
            continue
        shapes = [(unit.end.shape, pair.end.shape)]
        shapes += [
            (a.shape, b.shape) for a, b in zip(unit.record.active, pair.record.active, strict=False)
        ]
        for here, there in shapes:
            if here != there and (not here or there != (1, *here[1:])):
                raise MismatchError(
                    f"{one.type} at {one.name!r} has shape {here} here, {there} there."
                )
    if len(units) != len(others) or len(plan.units) != len(other.units):
        raise MismatchError(f"{len(units)} operations here and {len(others)} there.")


def starting(passage: Passage, start: Callable[[torch.Tensor], None]) -> Visitor:
    """The passage, telling of the start that it makes."""

    def visit(place: Place, value: object) -> object:
        known = passage.leaf
        result = passage(place, value)
        if passage.leaf is not None and passage.leaf is not known:
            start(passage.leaf)
        return result

    return visit


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


def expanded(reference: Tree, rows: int) -> Tree:
    def one(array: Array) -> Array:
        tensor = cast(torch.Tensor, array)
        if tensor.shape[0] == rows:
            return array
        return cast(Array, tensor.expand(rows, *tensor.shape[1:]).contiguous())

    return map_leaves(cast(Callable[[Array], Array], one), reference)


def per_example(inputs: Inputs) -> bool:
    extras = [*inputs.positional, *inputs.keyword.values()]
    return any(isinstance(value, PerExample) for value in extras)


def floating(outputs: object) -> list[torch.Tensor]:
    return [
        array
        for array in pytree.tree_leaves(outputs)
        if isinstance(array, torch.Tensor) and array.requires_grad
    ]
