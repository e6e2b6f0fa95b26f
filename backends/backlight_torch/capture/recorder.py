"""The core's graph of one run, from what a mode below autograd sees and the nodes that autograd makes.

Every operation is recorded that depends on what the graph starts from in any way: through masks,
indices and detached values too. What arrays share memory is followed, so that an array that was
written into by way of another is known for what it is now. Where the nodes of autograd lead otherwise
than the operations, the nodes count: a function with a backward of its own is `other`, and where a node
is missing that derivatives would pass, the gradient is stopped.
"""

import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeAlias, final

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from backlight.graph.graph import DType, Graph
from backlight.graph.graph import Node as GraphNode
from backlight.graph.primitives import PRIMITIVES, Family
from backlight_torch.capture.expansion import Expander, Expansion
from backlight_torch.capture.gradients import Gradients
from backlight_torch.capture.records import (
    Node,
    Operand,
    Parts,
    Record,
    record_of,
    signature,
    tensors_in,
)
from backlight_torch.capture.steps import Step
from backlight_torch.capture.values import Values
from backlight_torch.table.reading import Found

Table: TypeAlias = Callable[[Record], Found]
"""Which primitive an operation is."""

Expand: TypeAlias = Callable[[Record, Found], Parts | None]
"""How to compute an operation from the arithmetic that it consists of, if rules are to see that."""


EVERYTHING = range(sys.maxsize)
"""The numbers of all values."""


@final
class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Records the operations that depend on a start. It changes nothing of what is computed.

    Args:
        table: which primitive each operation is.
        place: where in the net what runs now is.
        stored: the net's weights and buffers.
        keep: the values whose tensors are kept.
        expand: which operations are run once more as what they consist of.
        draws: whether random numbers are recorded that depend on no start.
        simpler: what operations consist of that are run as that.
        before: the steps of a run that this one may be again.
        turn: tells by its number whether a truth that Python reads is turned round.

    Attributes:
        graph: filled as the net runs.
        tensors: values by number: those in `keep`, and all constants.
        steps: the operations in the order in which they ran.
        expansions: the operations that were run once more as what they consist of.
        taken: what stands for numbers that left PyTorch.
        truths: by the values that a truth was read from: what stands for that, each time.
        seeds: the state of the generator before each draw of random numbers, if these are recorded.
    """

    def __init__(
        self,
        table: Table,
        place: Callable[[], str],
        stored: Iterable[torch.Tensor] = (),
        keep: Collection[int] = (),
        expand: Expand | None = None,
        draws: bool = False,
        simpler: Mapping[Any, Callable[..., Any]] = MappingProxyType({}),
        before: Sequence[Step] = (),
        turn: Callable[[int], bool] = lambda number: False,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.graph = Graph()
        self.expansions: list[Expansion] = []
        self.taken: list[int] = []
        self.truths: dict[tuple[int, ...], list[int]] = {}
        self._turn = turn
        self.seeds: list[object] = []
        self.steps: list[Step] = []
        self._before = before
        self._table = table
        self._expand = expand
        self._draws = draws
        self._simpler = simpler
        self._expander: Expander | None = None
        self._place = place
        self._gradients = Gradients(self.graph, lambda: self._place())
        self._values = Values(self.graph, self._gradients, stored, keep, lambda: self._place())
        self.tensors = self._values.tensors

    def source(self, leaf: torch.Tensor, copy: torch.Tensor | None = None) -> None:
        """From now on, what depends on this leaf, or on a copy of it, is recorded."""
        self.graph.sources = (*self.graph.sources, self._begun(leaf, copy))
        if leaf.requires_grad:
            self._gradients.begin(leaf)

    def row(self, array: torch.Tensor) -> None:
        """What depends on this array differs from example to example, and is recorded."""
        self.graph.rows = self.graph.rows | {self._begun(array, None)}

    def _begun(self, array: torch.Tensor, copy: torch.Tensor | None) -> int:
        value = self._values.new(array)
        for one in (array,) if copy is None else (array, copy):
            self._values.register(one, value)
        if array.requires_grad:
            self._gradients.flowing.add(value)
        return value

    def finish(self, results: Iterable[torch.Tensor]) -> None:
        """To be called when the run is over: with what is explained of it."""
        self._gradients.resolve()
        self.graph.targets = tuple(map(self.value_of, results))
        self._expander = Expander(self.graph, self._values, self._run_parts)
        self.expansions = self._expander.expansions()
        self._gradients.resolve()

    def value_of(self, array: torch.Tensor) -> int:
        """Which value an array is."""
        return self._values.located(array)[0]

    def knows(self, array: torch.Tensor) -> bool:
        """Whether an array depends on what is recorded."""
        return self._values.knows(array)

    def has(self, values: Iterable[int]) -> bool:
        """Whether all of these are kept that can be: numbers in the code need not be."""
        numbers = self.graph.values
        return all(one in self.tensors or numbers[one].number is not None for one in values)

    def clear(self) -> None:
        """Let go of everything, which the nodes of autograd's keep alive through their hooks."""
        for step in self.steps:  # which are remembered
            step.record.node, step.record.edges = None, ()
        vars(self).clear()

    def __torch_dispatch__(
        self,
        func: Any,
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        own, kwargs = signature(func), kwargs or {}
        decomposition = func.decompose if own.composite else self._simpler.get(func)
        if decomposition is not None:
            with self:
                return decomposition(*args, **kwargs)
        self._gradients.resolve()
        arguments = own.bound(args, kwargs)
        given = tensors_in([*arguments.values()])
        written = own.written(arguments) if own.writes else []
        draws = self._draws and own.random and not is_off(arguments)
        if draws:
            self.seeds.append(seed(arguments))
        if own.shaped or not any(map(self._values.knows, given)):
            self._values.protect(written)
            result = func(*args, **kwargs)
            if draws:
                self._drawn(func, written or tensors_in(result), bool(written))
            self._values.made(func, arguments, result)
            if self._expander is not None:
                self._expander.note(
                    func,
                    arguments,
                    given,
                    tensors_in(result),
                    counts=not own.shaped,
                    whole=not written and not (own.shaped and any(map(self.knows, given))),
                )
            return result
        detached = func is torch.ops.aten.detach.default
        located = [self._values.located(one, detached) for one in given]
        step = self._before[len(self.steps)] if len(self.steps) < len(self._before) else None
        if step is not None and step.repeats(func, arguments, given, located):
            record = step.again(tuple([edge for _, edge in located]))
        else:
            step, record = None, record_of(func, arguments, given, located)
        before = given[0].grad_fn if written else None
        # What it is given may be gone when it has run.
        found = self._understood(record, written, given, step) if own.in_place else None
        self._values.protect(written)
        result = func(*args, **kwargs)
        results = written if own.in_place else tensors_in(result)
        if not results:
            if result is not None:
                self.read_out("item" if own.name == "_local_scalar_dense" else own.name, *given)
            if isinstance(result, bool):
                read = self.graph.nodes[-1].operands
                self.truths.setdefault(read, []).append(self.taken[-1])
                return result is not self._turn([*self.truths].index(read))
            return result
        if func is torch.ops.aten.clone.default and (given[0].is_conj() or given[0].is_neg()):
            self._values.written_out[id(result)] = (result, given[0])
        found = found or self._understood(record, results, given, step)
        self._note(record, found, results, before, own.in_place)
        return result

    def _drawn(self, func: Any, arrays: list[torch.Tensor], written: bool) -> None:
        """Random numbers, which are others in the next run."""
        values = [self._values.new(one) for one in arrays]
        name = func.overloadpacket.__name__.strip("_")
        word = f"{func.namespace}.{name}"
        self.graph.node("random", (), values, type=word, place=self._place())
        for array, value in zip(arrays, values, strict=True):
            self._values.register(array, value, written=written)

    def read_out(self, word: str, *arrays: torch.Tensor) -> None:
        """Numbers leave PyTorch for Python, which may do anything with them."""
        values = [self.value_of(one) for one in arrays if self.knows(one)]
        taken = self.graph.value((), DType.BOOLEAN)
        self.graph.node("read_out", values, [taken], type=word, place=self._place())
        self.taken.append(taken)

    def _understood(
        self,
        record: Record,
        results: list[torch.Tensor],
        given: list[torch.Tensor],
        step: Step | None,
    ) -> Found | Step:
        """What an operation on given arrays computes, which are kept if it is to be looked into."""
        record.shapes, record.dtype = [one.shape for one in results], results[0].dtype
        found: Found | Step
        if (
            step is not None
            and step.first == len(self.graph.values)
            and record.shapes == step.record.shapes
            and record.dtype is step.record.dtype
        ):
            found = step
        else:
            found, record.parts = self._table(record), None
            if self._expand is not None and torch.is_grad_enabled() and record.active:
                record.parts = self._expand(record, found)
        if record.parts is not None:
            for operand, array in zip(record.operands, given, strict=True):
                self._values.keep(operand.value, array)
        return found

    def _note(
        self,
        record: Record,
        found: Found | Step,
        results: list[torch.Tensor],
        before: Node,
        in_place: bool,
    ) -> None:
        """Append what was run."""
        if isinstance(found, Step):
            one, place = found.node, self._place()
            self.graph.values.extend(found.values)
            said = one.primitive, one.operands, one.results, one.attributes, one.type
            node = GraphNode(*said, place, record, one.replayable)
            self.graph.nodes.append(node)
            step = Step(record, node, found.first, found.values, found.flowing, found.graded)
        else:
            step = self._new_step(record, found, results)
        self.steps.append(step)
        numbers = record.results = step.node.results
        self._gradients.flowing.update(step.flowing)
        if not step.graded:
            self._values.ungraded.update(numbers)
        elif record.active:
            self._gradients.expect(record, results[0], before)
        # Behind those that are shown are what autograd keeps for itself.
        for value, array in enumerate(results, numbers[0]):
            self._values.register(array, value, written=in_place)

    def _new_step(self, record: Record, found: Found, results: list[torch.Tensor]) -> Step:
        primitive, operands, attributes = found
        graph, first, family = self.graph, len(self.graph.values), PRIMITIVES[primitive].family
        numbers = [one.value if isinstance(one, Operand) else graph.number(one) for one in operands]
        made = [self._values.new(one) for one in results]
        # Others of a function's are what autograd keeps for itself.
        single = family in (Family.POINTWISE, Family.COMPOSITE)
        foreign = record.func.namespace not in ("aten", "prims")
        node = graph.node(
            primitive,
            numbers,
            made[:1] if single else made,
            attributes,
            type=record.type(primitive, results[0]),
            place=self._place(),
            native=record,
            replayable=not (primitive == "random" or (foreign and record.func._schema.is_mutable)),
        )
        stopped = family in (Family.TEST, Family.FIND) or primitive == "stop_gradient"
        flowing = [
            one
            for one in node.results
            if record.active and not stopped and graph.values[one].dtype.differentiable
        ]
        graded = torch.is_grad_enabled()
        return Step(record, node, first, graph.values[first:], flowing, graded)

    def _run_parts(self, node: GraphNode, record: Record, parts: Parts) -> list[int | None]:
        """Run an operation once more as what it consists of."""
        operands: dict[int, torch.Tensor] = {}
        for operand in record.operands:
            if operand.value in operands:
                continue
            tensor = self.tensors[operand.value]
            if operand.active:
                start = tensor.detach().requires_grad_()
                self._gradients.begin(start)
                tensor = start.view_as(start)
                self._values.register(tensor, operand.value)
            else:
                self._values.alias(tensor, operand.value)
            operands[operand.value] = tensor
        place, self._place = self._place, lambda: node.place
        try:
            with torch.enable_grad(), self:
                results = parts(record.given(operands), False)
            return [None if one is None else self.value_of(one) for one in results]
        finally:
            self._place = place


def seed(arguments: Mapping[str, Any]) -> object:
    """The state of the generator that an operation draws from; something new where it is not known."""
    tensors = tensors_in(list(arguments.values()))
    device = torch.device(arguments.get("device") or (tensors[0].device if tensors else "cpu"))
    generator = arguments.get("generator")
    if generator is None and device.type != "cpu":
        return object()
    state: torch.Tensor = (generator or torch.default_generator).get_state()
    return state.cpu().numpy().tobytes()


def is_off(arguments: Mapping[str, Any]) -> bool:
    """Whether an operation that draws random numbers draws none: dropout, where it is switched off."""
    switches = (arguments.get(name) for name in ("dropout_p", "p", "train", "training"))
    return any(
        one is not None and not isinstance(one, torch.Tensor) and not one for one in switches
    )
