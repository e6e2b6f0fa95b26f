"""Backward passes that obey rules: over a run, and beside it one at a reference, which is once for all
examples where that can be, else with a row for each."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache, partial
from typing import TYPE_CHECKING, cast

import torch

from backlight.engine.application import Applied
from backlight.errors import CoverageError, ModelError, SiteError
from backlight.graph.axes.atoms import Axes
from backlight.graph.axes.axes import GraphAxes
from backlight.graph.pairing import folded_axis, mismatch
from backlight.model.model import Gradient
from backlight.values.arrays import Array
from backlight.values.inputs import Inputs, PerExample
from backlight.values.tree import Tree, leaves, map_leaves, rebuild
from backlight_torch.engine.hooks import Hooks
from backlight_torch.engine.runs import MismatchError, Run, Task, asked, run_with_values

if TYPE_CHECKING:
    from backlight_torch.engine.passes import Passes


def ruled_gradient(passes: "Passes", task: Task, reference: Tree | None) -> Gradient:
    attributed, other = task.block.inputs.attributed, None
    references: dict[int, Applied] = {}
    passes = passes.unoptimised()
    with ExitStack() as stack:
        run = stack.enter_context(run_with_values(passes, task))
        if reference is not None:
            other = stack.enter_context(reference_run(passes, task, run, reference))
            pairs = zip(run.recognised.units, other.recognised.units, strict=True)
            references = {one.output: other.applied(two) for one, two in pairs}
        for section in run.sections:
            for handle in Hooks(section, references).install():
                stack.callback(handle.remove)  # one by one: an error may come in between
        assert run.scores is not None
        gradients = cast(list[Array], passes.backward(task.block, run.scores, run.starts))
        score, operations = cast(Array, run.scores.detach()), run.recognised.operations
        there = None if other is None or other.scores is None else other.scores.detach()
        value: Tree = attributed
        if run.value is not None:
            value = cast(Tree, map_leaves(torch.Tensor.detach, run.value))
        gradient = rebuild(value, gradients)
        return Gradient(score, value, gradient, operations, cast("Array | None", there))


@contextmanager
def reference_run(passes: "Passes", task: Task, run: Run, reference: Tree) -> Iterator[Run]:
    """The run at the reference, its operations paired with the run's.

    Where all examples share one reference it runs alone, if the net allows that: one may fold the
    examples into another axis, so that what it computes for one does not broadcast.
    """
    whole = with_rows(reference, task.block.inputs.count)
    shared = all(
        array.shape[0] != task.block.inputs.count
        for array in cast(list[torch.Tensor], leaves(reference))
    )
    # Whether it can run alone hangs on operations and shapes, and is found out once.
    alone = shared and task.at is None and not per_example(task.block.inputs)
    with ExitStack() as runs:
        found: Run | None = None
        if alone and asked(task) not in passes.unshared:
            try:
                found = runs.enter_context(run_at(passes, task, run, reference))
            except (ModelError, SiteError, MismatchError):
                passes.unshared.add(asked(task))
        if found is None:
            try:
                found = runs.enter_context(run_at(passes, task, run, whole))
            except MismatchError as mismatch:
                raise CoverageError(
                    "The pass over the baseline took another way than the pass over the inputs: "
                    f"{mismatch} What the model computes depends on the values that it gets, so that "
                    "the two cannot be compared operation by operation. Use a technique without a "
                    "baseline pass, or another baseline."
                ) from None
        yield found


@contextmanager
def run_at(passes: "Passes", task: Task, run: Run, reference: Tree) -> Iterator[Run]:
    if task.at is None:
        changed, attributed = task, reference
    else:
        changed = Task(task.block, task.score, task.at, reference, task.rules)
        attributed = task.block.inputs.attributed
    with run_with_values(passes, changed, attributed, run.outputs) as other:
        shape, rows = run.recorder.graph.shape, other.recorder.graph.shape
        axes = cache(partial(axes_of, passes, task, run))
        folded: dict[int, int] = {}
        """By the reference's values: in which axis examples are one with something else."""

        def fits(one: int, value: int) -> bool:
            axis = folded_axis(axes()[one], shape(one), rows(value))
            if axis is not None:
                folded[value] = axis
            return axis is not None

        parting = mismatch(run.recognised, other.recognised, fits)
        if parting is not None:
            raise MismatchError(parting)
        tensors = other.recorder.tensors
        with torch.no_grad():
            for section in other.sections:
                section.run()
        for value, axis in folded.items():
            if value in tensors:
                tensors[value] = repeated(tensors[value], axis, task.block.inputs.count)
        yield other


def axes_of(passes: "Passes", task: Task, run: Run) -> Mapping[int, Axes]:
    """The axes of a run's values, which are looked for once for runs of the same operations."""
    graph = run.recorder.graph
    steps = tuple((node.primitive, node.operands) for node in graph.nodes)
    count = task.block.inputs.count
    return passes.axes.recall((asked(task), steps), lambda: GraphAxes.of(graph, count).axes)


def repeated(array: torch.Tensor, axis: int, count: int) -> torch.Tensor:
    """An array as often as there are examples, one after the other along an axis."""
    before, after = array.shape[:axis], array.shape[axis:]
    whole = array.reshape(*before, 1, *after).expand(*before, count, *after)
    return whole.reshape(*before, count * after[0], *after[1:])


def with_rows(reference: Tree, rows: int) -> Tree:
    def one(array: Array) -> Array:
        tensor = cast(torch.Tensor, array)
        if tensor.shape[0] == rows:
            return array
        return cast(Array, tensor.expand(rows, *tensor.shape[1:]).contiguous())

    return map_leaves(cast(Callable[[Array], Array], one), reference)


def per_example(inputs: Inputs) -> bool:
    extras = [*inputs.positional, *inputs.keyword.values()]
    return any(isinstance(value, PerExample) for value in extras)
