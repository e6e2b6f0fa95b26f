"""Compound operations that rules see as the arithmetic they consist of."""

from collections.abc import Sequence
from typing import Any

import torch

from backlight.operations import Kind
from backlight.rules import Rules
from backlight_torch.complex_numbers import Parts
from backlight_torch.parts import PARTS
from backlight_torch.records import Operand, Record

ARITHMETIC = frozenset(
    {
        Kind.ADD,
        Kind.SUM,
        Kind.MUL,
        Kind.DIV,
        Kind.EXP,
        Kind.LOG,
        Kind.SQRT,
        Kind.RSQRT,
        Kind.POW,
        Kind.ELEMENTWISE,
    }
)
"""What composites consist of: where no rule is for any of it, there is nothing to open them for."""

COMPOUND = frozenset({Kind.SOFTMAX, Kind.LOG_SOFTMAX, Kind.LOGSUMEXP, Kind.NORMALIZATION})


def is_opened(record: Record, rules: Rules) -> bool:
    """Whether rules see what it consists of in its stead."""
    if record.found.opened:
        return True
    kind = record.found.kind
    return kind in COMPOUND and kind not in rules.kinds and bool(rules.kinds & ARITHMETIC)


def parts_of(record: Record) -> Parts | None:
    """How to compute it from its parts; None where that is not known."""
    return PARTS.get(record.name)


def run_opened(
    record: Record, parts: Parts, inputs: Sequence[torch.Tensor], frozen: bool = False
) -> list[torch.Tensor | None]:
    """All results from these active operands."""
    given = iter(inputs)
    values = {id(one): next(given) if one.active else one.tensor for one in record.operands}

    def filled(value: Any) -> Any:
        if isinstance(value, Operand):
            return values[id(value)]
        return [filled(item) for item in value] if isinstance(value, list) else value

    arguments: dict[str, Any] = {}
    for number, argument in enumerate(record.func._schema.arguments):
        if number < len(record.args):
            arguments[argument.name] = filled(record.args[number])
        elif argument.name in record.kwargs:
            arguments[argument.name] = filled(record.kwargs[argument.name])
        else:
            arguments[argument.name] = argument.default_value
    return parts(arguments, frozen)
