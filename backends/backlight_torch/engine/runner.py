"""Recorded operations, run again and differentiated."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast, final

import torch

from backlight.engine.application import Applied
from backlight.engine.runner import Differentiable, Pullback, Runner, Values
from backlight.graph.graph import Node
from backlight.values.arrays import Array, Arrays
from backlight_torch import arrays
from backlight_torch.capture.records import Record
from backlight_torch.derivatives import in_closed_form, transposed
from backlight_torch.expansions import PARTS


@final
class TorchRunner(Runner):
    """Runs ATen operations as they were recorded."""

    arrays = cast(Arrays, arrays)

    def run(self, nodes: Iterable[Node], values: Values, frozen: bool = False) -> None:
        known = cast(dict[int, torch.Tensor], values)
        for node in nodes:
            record = node.native
            results: Sequence[torch.Tensor | None]
            if not isinstance(record, Record):
                results = [moved(node, known)]
            elif frozen and record.name in PARTS:
                results = PARTS[record.name](record.given(known), True)
            else:
                results = record.run(known)
            values.update(zip(node.results, cast(list[Array], results), strict=False))

    def vjp(
        self, function: Differentiable, operands: Sequence[Array]
    ) -> tuple[Pullback, Sequence[Array], Values]:
        given = cast(Sequence[torch.Tensor], operands)
        with torch.enable_grad():
            starts = [one.detach().requires_grad_() for one in given]
            found, added = function(cast(list[Array], starts))
        results = cast(Sequence[torch.Tensor], found)

        def pullback(gradients: Sequence[Array]) -> Sequence[Array]:
            flowing = [at for at, one in enumerate(results) if one.requires_grad]
            arriving = cast(Sequence[torch.Tensor], gradients)
            own: Sequence[torch.Tensor | None] = [None] * len(starts)
            if flowing:
                own = torch.autograd.grad(
                    [results[at] for at in flowing],
                    starts,
                    [arriving[at].expand_as(results[at]) for at in flowing],
                    allow_unused=True,
                )
            return cast(
                Sequence[Array],
                [
                    torch.zeros_like(start) if one is None else one
                    for start, one in zip(given, own, strict=True)
                ],
            )

        others = {value: self.stopped(one) for value, one in added.items()}
        return pullback, [self.stopped(one) for one in found], others

    def fitted(self, array: Array, like: Array) -> Array:
        given, of = cast(torch.Tensor, array), cast(torch.Tensor, like)
        if given.shape != of.shape:
            given = given.expand(of.shape)
        return cast(Array, given if given.dtype == of.dtype else given.to(of.dtype))

    def constant(self, held: object, like: Array) -> Array:
        given: Any = held
        of: Any = like
        if isinstance(given, torch.Tensor):
            return cast(Array, given)
        return cast(Array, torch.as_tensor(given, dtype=of.dtype, device=of.device))

    def stopped(self, array: Array) -> Array:
        return cast(Array, cast(torch.Tensor, array).detach())

    def derivative(
        self, op: Applied, inputs: Sequence[Array], grad: Array
    ) -> Sequence[Array] | None:
        return cast("Sequence[Array] | None", in_closed_form(op, *cast(Any, (inputs, grad))))

    def transposed(self, op: Applied, x: Array, weight: Array, grad: Array) -> Array | None:
        return cast("Array | None", transposed(op, *cast(Any, (x, weight, grad))))

    def reading(self, node: Node, operands: Mapping[int, int]) -> Node:
        record = node.native
        assert isinstance(record, Record)
        renamed, others = {node.operands[at] for at in operands}, iter(operands.values())
        own = {
            id(one): replace(one, value=next(others))
            for one in record.operands
            if one.value in renamed
        }
        return replace(node, native=record.reading(lambda one: own.get(id(one), one)))


def moved(node: Node, values: Mapping[int, torch.Tensor]) -> torch.Tensor:
    """What follows from arrays sharing memory, with no operation of its own.

    Raises:
        NotImplementedError: it is not known where the numbers go.
    """
    x = values[node.operands[0]]
    starts: Any = node.attributes.get("starts")
    if node.primitive == "reshape":
        return x.reshape(node.attributes["shape"])
    if node.primitive == "identity":
        return x
    index: Any = node.attributes.get("index")
    if node.primitive == "gather" and index is not None and index.min(initial=0) >= 0:
        return x.reshape(-1)[torch.as_tensor(index, device=x.device)]
    if node.primitive == "stop_gradient":
        return x.detach()
    if node.primitive == "update" and starts is not None:
        part, found = values[node.operands[1]], x.clone()
        ends = zip(starts, part.shape, strict=True)
        found[tuple(slice(start, start + length) for start, length in ends)] = part
        return found
    raise NotImplementedError(node.primitive)


RUNNER = TorchRunner()
