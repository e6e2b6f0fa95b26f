"""Rules of the user's own, for operations that a technique has none for: functions of theirs that cannot
be looked into, or whose derivative is not what it seems."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import final

from backlight.errors import require
from backlight.rules.operations import Operation
from backlight.rules.rules import Rule


@final
@dataclass(frozen=True)
class ForOperation:
    """Which rule acts at which operations, whatever the technique would do there.

    Args:
        type: of the operations, as the framework calls them and messages and `backlight check` show it:
            `autograd.CubeBackward` for a `torch.autograd.Function` called Cube, `cube` for a function
            with a `jax.custom_vjp`, `PyFunc` and `EagerPyFunc` for TensorFlow's `numpy_function` and
            `py_function`. `*` and `?` stand for what they do in file names.
        rule: what the backward pass does there, a frozen dataclass.
        at: where in the model they are, in the same way; anywhere by default.

    Raises:
        HyperParameterError: type or at is no text, or rule is no `Rule`.
    """

    type: str
    rule: Rule
    at: str = "*"

    def __post_init__(self) -> None:
        require(isinstance(self.type, str), self, "type", "a text, such as 'autograd.CubeBackward'")
        require(isinstance(self.rule, Rule), self, "rule", "a rule, such as Secant()")
        require(isinstance(self.at, str), self, "at", "a text, such as 'encoder.*'")

    def fits(self, type: str, name: str) -> bool:
        """Whether it is for operations of this type and place."""
        return fnmatchcase(name, self.at) and fnmatchcase(type, self.type)


def custom_rule(rules: Sequence[ForOperation], operation: Operation) -> Rule | None:
    """The rule of the first that fits; None where none does."""
    return next((one.rule for one in rules if one.fits(operation.type, operation.name)), None)


def without_operation(
    rules: Sequence[ForOperation], operations: Sequence[Operation]
) -> Iterator[str]:
    """A sentence for each that fits no operation."""
    types = list(dict.fromkeys(one.type for one in operations))
    for one in rules:
        if not any(one.fits(operation.type, operation.name) for operation in operations):
            there = f"{', '.join(types[:10])}{' ...' if len(types) > 10 else ''}"
            yield f"No operation fits {one!r}; of these types there are some: {there or 'none'}."


def require_custom_rules(method: object, rules: object) -> None:
    """Raise `HyperParameterError` unless the custom rules of a technique are some."""
    some = isinstance(rules, tuple) and all(isinstance(one, ForOperation) for one in rules)
    require(some, method, "custom_rules", "a tuple of ForOperation(type, rule)")
