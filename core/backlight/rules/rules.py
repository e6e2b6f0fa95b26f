"""Rules: what the backward pass does at some kinds of operation instead of the derivative.

A technique brings `Rules`. A backend runs the model as it is, and in the backward pass hands each
operation for which `Rules.choose` names a `Rule` to that rule, as an `AppliedOperation`: the operation
with the values that went through it. Everything else is the framework's own derivative.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, final

from backlight.errors import CoverageError
from backlight.rules.operations import AFFINE, Kind, Operation
from backlight.values.arrays import Array, Arrays


class AppliedOperation(ABC):
    """An operation and the values that went through it in one pass.

    Attributes:
        operation: what it is and where.
        arrays: the array functions of the framework.
        inputs: the operands that depend on the explained value. Those that do not are constants of
            the application.
        output: the result. Of operations with several results, the first.
        params: the weights of a linear operation: `weight` and, if it has one, `bias`. With
            `Rules.folds_scales`, those that a scale and shift behind it are folded into.
        reference: the same operation in the pass over the baseline; None where no reference was asked
            for. Its arrays broadcast against these: axis 0 may be 1 where the baseline is shared.
        parts: of a `NEURON`: the linear operation and the unary function; empty for all else.
    """

    operation: Operation
    arrays: Arrays
    inputs: tuple[Array, ...]
    output: Array
    params: Mapping[str, Array]
    reference: "AppliedOperation | None"
    parts: "tuple[AppliedOperation, ...]"

    @property
    def kind(self) -> Kind:
        """What the operation computes."""
        return self.operation.kind

    @property
    def name(self) -> str:
        """Where in the model it is."""
        return self.operation.name

    @final
    def given(self, inputs: Sequence[Array] | None) -> Sequence[Array]:
        """The inputs that an operation is to be run again for; its own where nothing is said.

        Raises:
            CoverageError: it cannot be run again for others.
        """
        if inputs is None:
            return self.inputs
        if not self.operation.replayable:
            raise CoverageError(
                f"The operation {self.operation.type} at {self.name or 'an unnamed place'} cannot be "
                "run again at other values, which a rule for it asks for: it calls back to Python, or "
                "is not made of the framework's own operations. Use a technique without a rule for "
                f"operations of kind {self.kind.value!r}, or differentiate behind it with at=."
            )
        return inputs

    @abstractmethod
    def vjp(
        self,
        grad: Array,
        *,
        inputs: Sequence[Array] | None = None,
        params: Mapping[str, Array] | None = None,
        frozen: bool = False,
    ) -> tuple[Array, ...]:
        """The operation's own derivative, transposed, applied to `grad`: one array per input.

        Args:
            grad: shaped like the output.
            inputs: where it is taken; at the values that went through where nothing is said.
            params: other weights. A missing `bias` means none.
            frozen: hold what a normalisation divides by constant.
        """

    def vjp_along(
        self,
        grad: Array,
        starts: Sequence[Array],
        nodes: Sequence[float],
        weights: Sequence[float],
    ) -> tuple[Array, ...]:
        """The weighted sum of derivatives (see `vjp`) along the straight way from `starts` to `inputs`.

        A backend says it in another way where an operation takes long to build again.

        Args:
            grad: shaped like the output.
            starts: where the way begins, one array per input.
            nodes: places on the way, from 0 at its start to 1 at its end.
            weights: one for each of the nodes.
        """
        total: list[Array] = []
        for node, weight in zip(nodes, weights, strict=True):
            points = [
                start + (x - start) * node for x, start in zip(self.inputs, starts, strict=True)
            ]
            found = [part * weight for part in self.vjp(grad, inputs=points)]
            total = [a + b for a, b in zip(total, found, strict=True)] if total else found
        return tuple(total)

    @abstractmethod
    def replay(
        self,
        *,
        inputs: Sequence[Array] | None = None,
        params: Mapping[str, Array] | None = None,
    ) -> Array:
        """The result for other inputs or weights. A missing `bias` means none."""


class Rule(ABC):
    """How the gradient goes back through one operation. Implementations are frozen dataclasses:
    equal rules are compiled once. They use nothing but the application and its `arrays`."""

    needs: ClassVar[frozenset[str]] = frozenset({"inputs", "output"})
    """Which of `inputs` and `output` the rule looks at; what no rule needs is not kept."""

    @abstractmethod
    def __call__(self, op: AppliedOperation, grad: Array) -> Sequence[Array]:
        """The gradients of `op.inputs` from the gradient of `op.output`, shaped like them."""


class OutputGradientRule(Rule):
    """A rule that changes the gradient that comes in and leaves the rest to the framework."""

    @abstractmethod
    def output_gradient(self, op: AppliedOperation, grad: Array) -> Array:
        """The gradient of the output that the framework's own backward pass then starts from."""

    @final
    def __call__(self, op: AppliedOperation, grad: Array) -> Sequence[Array]:
        return op.vjp(self.output_gradient(op, grad))


class Treatment(StrEnum):
    """What rules do with an operation."""

    RULE = "rule"
    """A rule of the technique's acts."""
    EXACT = "exact as it is"
    """The derivative is what the technique asks for here."""
    FALLBACK = "falls back to the gradient"
    """The technique says nothing about such an operation; its derivative is used."""


class Rules(ABC):
    """What a technique does where. Implementations are frozen dataclasses: equal ones compile once."""

    @property
    def folds_scales(self) -> bool:
        """Whether scales and shifts (batch norm among them) that are the only users of a linear
        operation's result are part of it."""
        return False

    @property
    @abstractmethod
    def kinds(self) -> frozenset[Kind]:
        """The kinds that `choose` may name a rule for. Of `COMPOSITE` kinds, those that are to be
        units: the others are opened, and what is inside is chosen for."""

    @abstractmethod
    def choose(self, operation: Operation) -> Rule | None:
        """The rule for an operation; None for the framework's own derivative."""

    def bridges(self, type: str, name: str) -> bool:
        """Whether a rule hands on what the plain gradient does not where a way of it is cut, at
        operations of this type and place."""
        return False

    def treatment(self, operation: Operation) -> Treatment:
        if self.choose(operation) is not None:
            return Treatment.RULE
        return Treatment.EXACT if operation.kind in AFFINE else Treatment.FALLBACK

    def objection(self, operations: Sequence[Operation]) -> str | None:
        """Why the result for a model of these operations would be meaningless, and which option
        allows it nevertheless; None if it would not."""
        return None

    def notes(self, operations: Sequence[Operation]) -> tuple[str, ...]:
        """Sentences for the user about a result that is valid but deserves a second look."""
        return ()


@final
@dataclass(frozen=True)
class NoRules(Rules):
    """The framework's own derivative everywhere. Composite kinds are units."""

    @property
    def kinds(self) -> frozenset[Kind]:
        return frozenset()

    def choose(self, operation: Operation) -> Rule | None:
        return None

    def treatment(self, operation: Operation) -> Treatment:
        return Treatment.EXACT


def places(operations: Sequence[Operation], most: int = 5) -> str:
    """Kinds and places of operations, for a message: `silu at features.1.act, features.2.act`."""
    found: dict[str, dict[str, None]] = {}
    for one in operations:
        label = one.type if one.kind is Kind.OTHER else one.kind.value
        found.setdefault(label, {})[one.name or "an unnamed place"] = None
    listed = []
    for label, names in found.items():
        shown = ", ".join(list(names)[:most])
        more = f" and {len(names) - most} more" if len(names) > most else ""
        listed.append(f"{label} at {shown}{more}")
    return "; ".join(listed)
