"""Softmax, its logarithm and normalisation where a model, or a score, spells them in parts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias, final

import torch

from backlight.operations import UNARY, Kind
from backlight_torch.circuit import Circuit
from backlight_torch.recognised import Condition
from backlight_torch.records import Operand, Record

SPELLED = frozenset({Kind.SOFTMAX, Kind.LOG_SOFTMAX, Kind.NORMALIZATION})
"""What is looked for."""

Function: TypeAlias = Callable[[Sequence[torch.Tensor], object], torch.Tensor]


@final
@dataclass(eq=False)
class Region:
    """Several operations that make one function of one value.

    Attributes:
        kind: of the function.
        axes: that a softmax sums over.
        source: an operation that takes the value in first.
        takes: where the value goes in: operations, and which of their active operands it is. All of
            the gradient is put at the first place.
        records: the operations.
        end: what gives the result.
        forward: the function.
        frozen: the same with what it divides by held constant.
    """

    kind: Kind
    axes: tuple[int, ...]
    source: Record
    takes: list[tuple[Record, int]]
    records: list[Record]
    end: Record
    forward: Function
    frozen: Function | None = None

    @property
    def inputs(self) -> list[torch.Tensor]:
        record, number = (self.source, 0) if self.source is not self.end else self.takes[0]
        value = record.active[number].tensor
        return [] if value is None else [value]


def regions(circuit: Circuit, kinds: frozenset[Kind]) -> list[Region]:
    """The regions of these kinds."""
    found = []
    for record in circuit.records:
        region = None
        if record.found.kind is Kind.DIV and Kind.SOFTMAX in kinds:
            region = _softmax(circuit, record)
        elif record.name == "sub" and record.found.kind is Kind.ADD and Kind.LOG_SOFTMAX in kinds:
            region = _log_softmax(circuit, record)
        if record.found.kind in (Kind.DIV, Kind.MUL) and Kind.NORMALIZATION in kinds:
            region = region or _root_mean_square(circuit, record)
        if record.found.condition is not None:
            region = _piecewise(circuit, record, record.found.condition)
        if region is not None:
            found.append(region)
    return found


def _composite(
    kind: Kind,
    axes: tuple[int, ...],
    entry: Record,
    highest: Record | None,
    inner: tuple[Record, ...],
    end: Record,
) -> Region:
    """A softmax or its logarithm; what is subtracted from all alike changes nothing."""

    def forward(inputs: Sequence[torch.Tensor], params: object) -> torch.Tensor:
        (x,) = inputs
        total = torch.logsumexp(x, axes, keepdim=True)
        return x - total if kind is Kind.LOG_SOFTMAX else (x - total).exp()

    others = [] if highest is None else [highest]
    return Region(
        kind,
        axes,
        highest or entry,
        [(entry, 0), *((one, 0) for one in others)],
        [entry, *others, *inner, end],
        end,
        forward,
    )


def _root_mean_square(circuit: Circuit, end: Record) -> Region | None:
    """x / sqrt(mean(x^2) + epsilon), the epsilon anywhere or nowhere."""
    for number, size in enumerate(end.active):
        chain: list[Record] = []
        users: tuple[Record, ...] = (end,)
        record = _producer(circuit, size)
        while record is not None and _used_by(circuit, record, *users):
            chain.insert(0, record)
            users = (record,)
            square = record.name == "pow" and record.args[1] == 2
            square |= record.name == "mul" and len({one.edge for one in record.active}) == 1
            if square or record.found.kind not in (Kind.SHIFT, Kind.SUM, Kind.SQRT, Kind.RSQRT):
                break
            record = _producer(circuit, record.active[0])
        value = end.active[1 - number]
        kinds = [one.found.kind for one in chain]
        root = Kind.SQRT if end.found.kind is Kind.DIV else Kind.RSQRT
        divisor = end.found.kind is Kind.MUL or number == 1
        if (
            len(chain) < 3
            or kinds[0] not in (Kind.POW, Kind.MUL)
            or Kind.SUM not in kinds
            or root not in kinds
            or chain[0].active[0].edge != value.edge
            or not divisor
        ):
            continue
        return _normalised(chain, end, 1 - number, _affine(circuit, end))
    return None


def _affine(circuit: Circuit, end: Record) -> list[Record]:
    """The weight and bias of the normalisation: constant arrays behind it."""
    found: list[Record] = []
    for kind in (Kind.SCALE, Kind.SHIFT):
        users = circuit.users[(found[-1] if found else end).node]
        record = circuit.by_node.get(users[0]) if len(users) == 1 else None
        if record is None or record.found.kind is not kind or record.name not in ("mul", "add"):
            continue
        constants = [one.tensor for one in record.operands if not one.active]
        if len(constants) == 1 and constants[0] is not None and constants[0].numel() > 1:
            found.append(record)
    return found


def _normalised(chain: list[Record], end: Record, place: int, affine: list[Record]) -> Region:
    def run(x: torch.Tensor, frozen: bool) -> torch.Tensor:
        size = x
        for record in chain:
            size = record.run([size] * len(record.active), {})
        size = size.detach() if frozen else size
        result = end.run([x, size] if place == 0 else [size, x], {})
        for record in affine:
            result = record.run([result], {})
        return result

    square = chain[0]
    return Region(
        Kind.NORMALIZATION,
        (),
        square,
        [(end, place), *((square, number) for number in range(len(square.active)))],
        [*chain, end, *affine],
        affine[-1] if affine else end,
        lambda inputs, params: run(inputs[0], False),
        lambda inputs, params: run(inputs[0], True),
    )


def _softmax(circuit: Circuit, end: Record) -> Region | None:
    upper, lower = (_producer(circuit, one) for one in end.active)
    if upper is None or lower is None or upper.name != "exp" or lower.name != "sum":
        return None
    if lower.active[0].edge != end.active[0].edge or not _used_by(circuit, upper, lower, end):
        return None
    if not _used_by(circuit, lower, end):
        return None
    axes = _axes(lower)
    shifted = _producer(circuit, upper.active[0])
    highest = _highest(circuit, shifted, axes)
    if axes is None:
        return None
    if shifted is not None and highest is not None and _used_by(circuit, shifted, upper):
        return _composite(Kind.SOFTMAX, axes, shifted, highest, (upper, lower), end)
    return _composite(Kind.SOFTMAX, axes, upper, None, (lower,), end)


def _log_softmax(circuit: Circuit, end: Record) -> Region | None:
    if len(end.active) != 2:
        return None
    shifted, logarithm = (_producer(circuit, one) for one in end.active)
    if shifted is None or logarithm is None or logarithm.name != "log":
        return None
    total = _producer(circuit, logarithm.active[0])
    if total is None or total.name != "sum":
        return None
    exponential = _producer(circuit, total.active[0])
    axes = _axes(total)
    if exponential is None or exponential.name != "exp" or axes is None:
        return None
    highest = _highest(circuit, shifted, axes)
    chain = ((shifted, (exponential, end)), (exponential, (total,)), (total, (logarithm,)))
    if (
        highest is None
        or exponential.active[0].edge != end.active[0].edge
        or not all(_used_by(circuit, one, *users) for one, users in chain)
        or not _used_by(circuit, logarithm, end)
    ):
        return None
    return _composite(
        Kind.LOG_SOFTMAX, axes, shifted, highest, (exponential, logarithm, total), end
    )


def _highest(
    circuit: Circuit, shifted: Record | None, axes: tuple[int, ...] | None
) -> Record | None:
    """The maximum that is subtracted from the value it is the maximum of."""
    if shifted is None or shifted.name != "sub" or len(shifted.active) != 2:
        return None
    value, highest = shifted.active
    found = _producer(circuit, highest)
    if found is None or found.name not in ("amax", "max") or found.found.axes != axes:
        return None
    same = found.active[0].edge == value.edge and _used_by(circuit, found, shifted)
    return found if same else None


POINTWISE = UNARY | {Kind.SCALE, Kind.SHIFT}


def _piecewise(circuit: Circuit, end: Record, condition: Condition) -> Region | None:
    """One of two functions of a value, chosen by comparing it with a number: one is the value
    itself, the other a constant or a chain of functions of each number by itself."""
    values = [end.args[1], end.args[2]]
    place = next((n for n, one in enumerate(values) if one.edge == condition.edge), None)
    if place is None or values[place].shape != end.shape:
        return None
    other = values[1 - place]
    chain: list[Record] = []
    users: tuple[Record, ...] = (end,)
    operand = other
    while operand.active and operand.edge != condition.edge:
        record = _producer(circuit, operand)
        if record is None or not _used_by(circuit, record, *users) or len(record.active) != 1:
            return None
        if record.found.kind not in POINTWISE or not record.found.replayable:
            return None
        chain.insert(0, record)
        users, operand = (record,), record.active[0]
    if other.active and not chain:
        return None

    def forward(inputs: Sequence[torch.Tensor], params: object) -> torch.Tensor:
        (x,) = inputs
        result = x if other.active else other.tensor
        assert result is not None
        for record in chain:
            result = record.run([result], {})
        pair = (x, result) if place == 0 else (result, x)
        return torch.where(condition.holds(x), pair[0], pair[1])

    rising = condition.above if place == 0 else condition.below
    leaky = rising and [one.found.kind for one in chain] == [Kind.SCALE]
    numbers = [one for record in chain for one in record.operands if not one.active]
    leaky &= all(one.tensor is not None and one.tensor.numel() == 1 for one in numbers)
    takes = [(end, end.active.index(values[place]))]
    takes += [(chain[0], 0)] if chain else []
    kind = Kind.LEAKY_RELU if leaky else Kind.ELEMENTWISE
    return Region(kind, (), end, takes, [*chain, end], end, forward)


def _axes(total: Record) -> tuple[int, ...] | None:
    """The axes of a sum that keeps them."""
    if len(total.args) < 3 or total.args[2] is not True or not isinstance(total.args[1], list):
        return None
    rank = len(total.active[0].shape)
    return tuple(sorted(axis % rank for axis in total.args[1]))


def _producer(circuit: Circuit, operand: Operand) -> Record | None:
    return None if operand.edge is None else circuit.by_node.get(operand.edge[0])


def _used_by(circuit: Circuit, record: Record, *users: Record) -> bool:
    """Whether these use its result, each once, and nothing else does."""
    found = circuit.users[record.node]
    return len(found) == len(users) and all(one.node in found for one in users)
