"""Backward passes that obey rules: the net runs as it is, recorded; hooks act in its graph."""

import sys
from collections.abc import Callable, Collection, Hashable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast, final

import torch
from torch.utils import _pytree as pytree

from backlight.arrays import Array, shape_of
from backlight.errors import CoverageError, ModelError, SiteError
from backlight.graph.pairing import mismatch
from backlight.graph.recognition import Recognised, recognise
from backlight.inputs import Inputs, PerExample
from backlight.model import Gradient
from backlight.operations import Operation
from backlight.rules import Rules
from backlight.scores import Score
from backlight.tree import Tree, leaves, map_leaves, rebuild
from backlight_torch.acting import Acting, pair
from backlight_torch.acting import application as application_of
from backlight_torch.blocks import Block, fed
from backlight_torch.capture import EVERYTHING, Recorder
from backlight_torch.expansions import expander
from backlight_torch.hooks import ExpandedHooks, Hooks
from backlight_torch.naming import named
from backlight_torch.running import running, without_compilation

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
        recorder: has its graph and the values that were kept.
        starts: what is differentiated at.
        outputs: of the net, or the site that the score reads.
        scores: where the score was asked for.
        recognised: its operations.
        rules: for them.
    """

    recorder: Recorder
    starts: list[torch.Tensor]
    outputs: object
    scores: torch.Tensor | None
    recognised: Recognised
    rules: Rules

    @property
    def acting(self) -> dict[int, Acting]:
        """The operations with a rule, by their numbers."""
        chosen = enumerate(self.recognised.units)
        rules = {at: (unit, self.rules.choose(unit.described)) for at, unit in chosen}
        return {
            at: Acting(self.recorder, unit, rule)
            for at, (unit, rule) in rules.items()
            if rule is not None
        }

    def install(self, reference: "Run | None") -> Iterator[Any]:
        """Hooks on the nodes; gives the handle of each as soon as it is there."""
        positions: set[int] = set()
        for at, acting in self.acting.items():
            application = acting.application()
            if reference is not None:
                other = reference.recognised.units[at]
                pair(application, application_of(reference.recorder, other))
            positions.update(acting.unit.positions)
            yield from Hooks(acting, application).install()
        for expansion in self.recorder.expansions:
            # Where nothing acts inside autograd's own derivative knows its conventions.
            if not positions.isdisjoint(range(expansion.first, expansion.last)):
                yield from ExpandedHooks(expansion).install()


def ruled_gradient(passes: "Passes", task: Task, reference: Tree | None) -> Gradient:
    attributed = task.block.inputs.attributed
    passes = passes.unoptimised()
    with kept(passes, task) as run:
        assert run.scores is not None
        if reference is None:
            gradients = _backward(passes, task, run, None)
            reference_score = None
        else:
            with referred(passes, task, run, reference) as other:
                assert other.scores is not None
                gradients = _backward(passes, task, run, other)
                reference_score = cast(Array, other.scores.detach())
        scores = cast(Array, run.scores.detach())
        found = cast(list[Array], gradients)
        if task.at is None:
            value, gradient = attributed, rebuild(attributed, found)
        else:
            value, gradient = cast(Array, run.starts[0].detach()), found[0]
        return Gradient(scores, value, gradient, run.recognised.operations, reference_score)


def ruled_operations(passes: "Passes", task: Task) -> tuple[Operation, ...]:
    with recorded(passes.unoptimised(), task) as run:
        return run.recognised.operations


def _backward(passes: "Passes", task: Task, run: Run, reference: Run | None) -> list[torch.Tensor]:
    assert run.scores is not None
    handles = []
    try:
        for handle in run.install(reference):
            handles.append(handle)  # one by one: an error may come in between
        return passes.backward(task.block, run.scores, run.starts)
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def watched(passes: "Passes", graph: bool = True) -> Iterator[Callable[[], str]]:
    """The net runs all its operations one by one, with autograd's graph or without; what is given says
    where in the net."""
    compiled = "torch._dynamo" in sys.modules
    with (
        running(passes.net.roots(), graph=graph, hooked=True),
        named(passes.net) as places,
        without_compilation() if compiled else nullcontext(),
        torch.jit.optimized_execution(False),  # type: ignore[attr-defined]
    ):
        yield places


@contextmanager
def kept(
    passes: "Passes", task: Task, attributed: Tree | None = None, like: object | None = None
) -> Iterator[Run]:
    """A recorded run that has kept the values which the rules look at. Which these are is known by the
    run before; where none was, or it took another way, the net runs once more. See `recorded`."""
    key = (*asked(task), None if attributed is None else shapes_of(attributed), like is None)
    for again in (True, True, False):
        keep = passes.kept.get(key, frozenset()) if again else EVERYTHING
        with recorded(passes, task, attributed, like, keep) as run:
            if not again or run.recorder.has(wanted := values_of(run)):
                yield run
                return
        passes.kept[key] = wanted


def asked(task: Task) -> tuple[Hashable, ...]:
    """What decides which operations a run has, and what of them is looked at."""
    score = None if task.score is None else task.score.recipe
    return task.rules, task.at, score, shapes_of(task.block.inputs.attributed)


def shapes_of(tree: Tree) -> tuple[tuple[int, ...], ...]:
    return tuple(map(shape_of, leaves(tree)))


def values_of(run: Run) -> frozenset[int]:
    return frozenset[int]().union(*(one.values() for one in run.acting.values()))


@contextmanager
def recorded(
    passes: "Passes",
    task: Task,
    attributed: Tree | None = None,
    like: object | None = None,
    keep: Collection[int] = (),
) -> Iterator[Run]:
    """Run the net and the score.

    Args:
        passes: of the net.
        task: what is asked for.
        attributed: other values at the input.
        like: outputs that those of this run are to be broadcast against.
        keep: the values that are kept, by number.
    """
    block = task.block
    with watched(passes) as places:
        given = block.inputs if attributed is None else block.inputs.with_attributed(attributed)
        passage = passes.passage(block, task.score, task.at, task.value)
        if passage is not None:
            passage.rows = given.count  # a shared reference runs alone
        arguments, starts = fed(given, differentiated=task.at is None)
        recorder = Recorder(places, passes.net.numbers(), keep, expander(task.rules))
        try:
            begin(recorder, arguments, starts, inside=task.at is not None)
            if passage is not None:
                passage.begun = recorder.source
            with recorder:
                outputs = passes.call(arguments, passage)
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
            recorder.finish(arrays_in(outputs) if scores is None else [scores])
            recognised = recognise(recorder.graph, task.rules)
            yield Run(recorder, starts, outputs, scores, recognised, task.rules)
        finally:
            recorder.clear()


@contextmanager
def captured(passes: "Passes", block: Block) -> Iterator[tuple[Recorder, object]]:
    """The graph from the inputs to all outputs, with fused operations as they are, and the outputs."""
    passes = passes.unoptimised()
    with watched(passes, graph=False) as places:
        arguments, starts = fed(block.inputs, differentiated=False)
        recorder = Recorder(places, passes.net.numbers())
        try:
            begin(recorder, arguments, starts, inside=False)
            with recorder:
                outputs = passes.call(arguments)
            recorder.finish(arrays_in(outputs))
            yield recorder, outputs
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
    # Whether it can run alone hangs on operations and shapes, and is found out once.
    alone = shared and task.at is None and not per_example(task.block.inputs)
    if alone and asked(task) not in passes.folding:
        try:
            opened = at_reference(passes, task, run, reference)
            found = opened.__enter__()
        except (ModelError, SiteError, MismatchError):
            passes.folding.add(asked(task))
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
    with kept(passes, changed, attributed, run.outputs) as other:
        parting = mismatch(run.recognised, other.recognised)
        if parting is not None:
            raise MismatchError(parting)
        yield other


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


def arrays_in(outputs: object) -> list[torch.Tensor]:
    return [one for one in pytree.tree_leaves(outputs) if isinstance(one, torch.Tensor)]
