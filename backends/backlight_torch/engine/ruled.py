"""Backward passes that obey rules: the net runs as it is, recorded; hooks act in its graph."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

import torch

from backlight.model.model import Gradient
from backlight.rules.operations import Operation
from backlight.values.arrays import Array
from backlight.values.tree import Tree, rebuild
from backlight_torch.engine.hooks import ExpandedHooks, Hooks
from backlight_torch.engine.references import reference_run
from backlight_torch.engine.runs import Run, Task, recorded, run_with_values
from backlight_torch.engine.units import applied

if TYPE_CHECKING:
    from backlight_torch.engine.passes import Passes


def ruled_gradient(passes: "Passes", task: Task, reference: Tree | None) -> Gradient:
    attributed = task.block.inputs.attributed
    passes = passes.unoptimised()
    with run_with_values(passes, task) as run:
        assert run.scores is not None
        if reference is None:
            gradients = _backward(passes, task, run, None)
            reference_score = None
        else:
            with reference_run(passes, task, run, reference) as other:
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
        for handle in install(run, reference):
            handles.append(handle)  # one by one: an error may come in between
        return passes.backward(task.block, run.scores, run.starts)
    finally:
        for handle in handles:
            handle.remove()


def install(run: Run, reference: Run | None) -> Iterator[Any]:
    """Hooks on the nodes; gives the handle of each as soon as it is there."""
    positions: set[int] = set()
    for at, ruled in run.ruled.items():
        there = None
        if reference is not None:
            there = applied(reference.recorder, reference.recognised.units[at])
        found = applied(run.recorder, ruled.unit, there)
        positions.update(ruled.unit.positions)
        yield from Hooks(ruled, found).install()
    for expansion in run.recorder.expansions:
        # Where nothing acts inside autograd's own derivative knows its conventions.
        if not positions.isdisjoint(range(expansion.first, expansion.last)):
            yield from ExpandedHooks(expansion).install()
