"""What a model's outputs look like: shapes and what the numbers mean, in the outputs' own nesting."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from backlight.arrays import Array
from backlight.errors import TargetError, UnknownNameError

OutputKind: TypeAlias = Literal["logits", "probabilities", "log_probabilities", "sigmoid"]
"""What an output holds: `probabilities` after a softmax, `log_probabilities` after a log-softmax,
`sigmoid` for independent probabilities, one per label,
`logits` for everything else (class scores, regression values, feature maps ...)."""

Path: TypeAlias = str | int | tuple[str | int, ...] | None


@dataclass(frozen=True)
class OutputSpec:
    """Shape (batch axis included) and kind of one array among a model's outputs."""

    shape: tuple[int, ...]
    kind: OutputKind = "logits"


Outputs: TypeAlias = "OutputSpec | tuple[Outputs, ...] | dict[str, Outputs]"


def follow(outputs: object, path: Path) -> object:
    """The part of nested outputs that `path` leads to: keys of mappings, positions in tuples."""
    steps = () if path is None else path if isinstance(path, tuple) else (path,)
    for step in steps:
        if isinstance(outputs, Mapping):
            if step not in outputs:
                raise UnknownNameError("output", step, [str(key) for key in outputs])
            outputs = outputs[step]
        elif isinstance(outputs, (tuple, list)):
            fields = getattr(outputs, "_fields", ())
            step = fields.index(step) if step in fields else step
            if not isinstance(step, int) or not -len(outputs) <= step < len(outputs):
                known = [*fields, *(str(position) for position in range(len(outputs)))]
                raise UnknownNameError("output", step, known)
            outputs = outputs[step]
        else:
            raise TargetError(f"The outputs hold nothing at {path!r}: no way on at {step!r}.")
    return outputs


def single(outputs: Outputs, path: Path) -> OutputSpec:
    """The one output that `path` leads to, or an error that shows what there is."""
    found = follow(outputs, path)
    if not isinstance(found, OutputSpec):
        raise TargetError(
            f"The model returns several outputs, {describe(outputs)}; say which one to explain, "
            "for example target=Output(0, index=3) or target=Probability(3, path='logits')."
        )
    return found


def describe(outputs: Outputs) -> str:
    """Outputs in a line, for messages: `{'logits': (8, 10), 'boxes': (8, 100, 4)}`."""
    if isinstance(outputs, OutputSpec):
        return str(outputs.shape)
    if not outputs and not isinstance(outputs, dict):
        return "nothing"
    if isinstance(outputs, dict):
        return (
            "{" + ", ".join(f"{key!r}: {describe(value)}" for key, value in outputs.items()) + "}"
        )
    return "(" + ", ".join(describe(value) for value in outputs) + ")"


def array_at(outputs: object, path: Path) -> Array:
    """The array that `path` leads to in a model's real outputs."""
    return follow(outputs, path)  # type: ignore[return-value]
