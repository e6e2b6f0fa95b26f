"""The operations of one run: what a mode below autograd sees, and the nodes that autograd makes."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, final

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from backlight.operations import Kind
from backlight_torch.kernels import WITH_PLACES
from backlight_torch.recognised import COMPARISONS, Condition, Decided, Recognised, cut_at
from backlight_torch.recognising import recognised
from backlight_torch.records import Node, Operand, Record, View

Keeps: TypeAlias = Callable[["Record"], frozenset[str]]
"""Which of inputs and output some rule may look at."""


@final
@dataclass(eq=False)
class _Pending:
    """An operation whose node autograd has not made yet."""

    record: Record | None
    result: torch.Tensor
    before: Node
    tries: int = 0


@final
class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Records the operations that depend on a start. It changes nothing of what is computed."""

    def __init__(self, keeps: Keeps, place: Callable[[], str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.records: list[Record] = []
        self.moves: set[Node] = set()
        self.starts: set[Node] = set()
        self._keeps = keeps
        self._place = place
        self._active: dict[Node, bool] = {}
        self._pending: list[_Pending] = []
        self._kept: dict[int, list[Operand | Record]] = {}
        self._conditions: dict[int, Condition] = {}
        self._decided: dict[int, Decided] = {}
        """By id."""
        self._written_out: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        """By id: a copy in place of a lazy conjugate or negative, which autograd never sees; of what."""

    def start(self, leaf: torch.Tensor) -> None:
        """From now on, what depends on this leaf is recorded."""
        self.starts.add(torch.autograd.graph.get_gradient_edge(leaf).node)

    def finish(self) -> None:
        """To be called when the run is over: the last operations get their nodes."""
        self._resolve()

    def clear(self) -> None:
        """Let go of all values, which the graph's nodes keep alive through their hooks."""
        for record in self.records:
            record.node = record.output = record.places = None
            for operand in record.operands:
                operand.tensor = operand.edge = None
        self.records, self._pending = [], []
        for kept in (
            self.moves,
            self.starts,
            self._active,
            self._kept,
            self._conditions,
            self._decided,
            self._written_out,
        ):
            kept.clear()

    def is_active(self, node: Node) -> bool:
        """Whether a node depends on a start."""
        if node is None:
            return False
        known = self._active.get(node)
        if known is not None:
            return known
        waiting = [node]
        while waiting:
            top = waiting[-1]
            if top in self.starts:
                self._active[top] = True
            elif top not in self._active:
                below = [child for child, _ in top.next_functions if child is not None]
                unknown = [child for child in below if child not in self._active]
                if unknown:
                    waiting += unknown
                    continue
                self._active[top] = any(self._active[child] for child in below)
            waiting.pop()
        return self._active[node]

    def __torch_dispatch__(
        self,
        func: Any,
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        self._resolve()
        schema = func._schema
        mutable = schema.is_mutable
        if not self.starts or not torch.is_grad_enabled():
            if mutable:
                self._protect(args, kwargs)
            return func(*args, **kwargs)
        operands: list[Operand] = []
        stands = tuple(self._stand_in(value, operands) for value in args)
        named = {name: self._stand_in(value, operands) for name, value in kwargs.items()}
        record: Record | None = None
        active = any(operand.active for operand in operands)
        if active:
            name = func.overloadpacket.__name__
            if mutable and name.endswith("_"):
                name = name[:-1]
            record = self._recorded(func, name, stands, named, operands, args)
            if record is not None:
                self._keep_inputs(record, mutable)
        before = args[0].grad_fn if mutable and args and is_tensor(args[0]) else None
        if mutable:
            self._protect(args, kwargs)
        result = func(*args, **kwargs)
        if func is torch.ops.aten.clone.default and (args[0].is_conj() or args[0].is_neg()):
            self._written_out[id(result)] = (result, args[0])
        if active:
            first = result[0] if isinstance(result, (tuple, list)) and len(result) else result
            if is_tensor(first):
                if first.is_floating_point() or first.is_complex():
                    self._after(record, first, before)
                    if record is not None and record.name == WITH_PLACES and record.needs:
                        record.places = result[1]
                else:
                    name = func.overloadpacket.__name__
                    cut = cut_at(name.rstrip("_") if mutable else name, first)
                    self._decided[id(first)] = Decided(first, cut, self._place())
                    self._note_condition(func, args, first)
        elif self._decided and any(id(value) in self._decided for value in args):
            self._note_derived(func, args, result)
        return result

    def _recorded(
        self,
        func: Any,
        name: str,
        stands: tuple[Any, ...],
        named: dict[str, Any],
        operands: list[Operand],
        args: tuple[Any, ...],
    ) -> Record | None:
        conditions = [
            self._conditions.get(id(value)) if is_tensor(value) else None for value in args
        ]
        found = recognised(func, name, stands, named, operands, args, conditions)
        place = self._place()
        chosen = [self._decided[id(value)] for value in flat(args) if id(value) in self._decided]
        if chosen and (found is None or found.slope is None) and not is_added(found, chosen):
            # Which numbers go where depends on the values: the decision is not made again.
            condition = conditions[0] if name == "where" else None
            found = Recognised(Kind.OTHER, replayable=False, condition=condition)
            cast = next((one for one in chosen if one.operation.startswith("cast to int")), None)
            if cast is not None:
                found.type, place = cast.operation, cast.place
        if found is None:
            return None
        namespace = func.namespace
        record = Record(func, name, stands, named, operands, found, place)
        found.type = found.type or f"{namespace}.{name}"
        return record

    def _after(self, record: Record | None, result: torch.Tensor, before: Node) -> None:
        if record is not None:
            record.shape = tuple(result.shape)
            self.records.append(record)
            if "output" in record.needs:
                record.output = result.detach()
                self._note_kept(record.output, record)
        self._pending.append(_Pending(record, result, before))

    def _keep_inputs(self, record: Record, mutable: bool) -> None:
        record.needs = self._keeps(record)
        wanted = "inputs" in record.needs
        for number, operand in enumerate(record.operands):
            if operand.tensor is None:
                continue
            if operand.active and not wanted:
                operand.tensor = None
                continue
            tensor = operand.tensor.detach()
            if mutable and number == 0:
                tensor = tensor.clone()
                operand.tensor = tensor
            else:
                operand.tensor = tensor
                self._note_kept(tensor, operand)

    def _stand_in(self, value: Any, operands: list[Operand]) -> Any:
        if isinstance(value, torch.Tensor):
            _, seen = self._written_out.get(id(value), (value, value))
            seen = value if value.grad_fn is not None else seen
            node = seen.grad_fn
            active = node is not None and self.is_active(node)
            edge = (node, seen.output_nr) if active else None
            operand = Operand(value, active, edge, tuple(value.shape))
            operands.append(operand)
            return operand
        if isinstance(value, (list, tuple)) and any(is_tensor(item) for item in value):
            return [self._stand_in(item, operands) for item in value]
        return value

    def _note_kept(self, tensor: torch.Tensor, holder: Operand | Record) -> None:
        self._kept.setdefault(tensor.untyped_storage()._cdata, []).append(holder)

    def _protect(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Copy kept values that an operation is about to write into."""
        for value in (*args[:1], kwargs.get("out")):
            if not is_tensor(value):
                continue
            for holder in self._kept.pop(value.untyped_storage()._cdata, ()):
                if isinstance(holder, Record):
                    if holder.output is not None:
                        holder.output = holder.output.clone()
                elif holder.tensor is not None:
                    holder.tensor = holder.tensor.clone()

    def _note_condition(self, func: Any, args: tuple[Any, ...], result: torch.Tensor) -> None:
        name = func.overloadpacket.__name__
        if name not in COMPARISONS or not is_tensor(args[0]) or args[0].grad_fn is None:
            return
        level = args[1]
        if is_tensor(level):
            if level.numel() != 1 or level.grad_fn is not None:
                return
            level = float(level)
        edge = (args[0].grad_fn, args[0].output_nr)
        self._conditions[id(result)] = Condition(result, edge, name, level)

    def _note_derived(self, func: Any, args: tuple[Any, ...], result: Any) -> None:
        """What is made of masks and indices alone: another dtype, the opposite, a product."""
        if is_tensor(result):
            before = next(self._decided[id(value)] for value in args if id(value) in self._decided)
            self._decided[id(result)] = replace(before, array=result)
            condition = self._conditions.get(id(args[0]))
            if condition is not None and func.overloadpacket.__name__ in ("_to_copy", "to"):
                self._conditions[id(result)] = replace(condition, result=result)

    def _resolve(self) -> None:
        """Nodes of the operations before: autograd makes them when this mode has returned."""
        if not self._pending:
            return
        left: list[_Pending] = []
        for pending in self._pending:
            record, result = pending.record, pending.result
            node = result.grad_fn
            if node is None or node is pending.before:
                # Not made yet; a result without gradients never gets one.
                pending.tries += 1
                if pending.tries < 4:
                    left.append(pending)
                continue
            base = result._base
            if pending.before is not None and base is not None and base.grad_fn is not None:
                node = base.grad_fn
                if record is not None and node.name().endswith("CopySlices"):
                    record.view = View(
                        tuple(result.shape),
                        tuple(result.stride()),
                        int(result.storage_offset() - base.storage_offset()),
                        tuple(base.shape),
                        tuple(base.stride()),
                    )
            if record is None:
                self.moves.add(node)
            else:
                record.node = node
        self._pending = left


def is_added(found: Recognised | None, chosen: Iterable[Decided]) -> bool:
    """Whether what was chosen is only put beside, or added to, what depends on the explained value:
    derivatives of that are what they would be beside any other constant."""
    sums = found is None or found.kind in (Kind.ADD, Kind.SHIFT)
    return sums and all(one.array.is_floating_point() for one in chosen)


def flat(values: Iterable[Any]) -> Iterable[Any]:
    for value in values:
        if isinstance(value, (list, tuple)):
            yield from value
        else:
            yield value


def is_tensor(value: object) -> bool:
    return isinstance(value, torch.Tensor)
