"""What a model's outputs look like: shapes and what the numbers mean, in the outputs' own nesting."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast

from backlight.errors import TargetError, UnknownNameError
from backlight.values.arrays import Array
from backlight.values.tree import children, map_nested

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
    """The part of nested outputs that `path` leads to: keys of mappings, fields, positions; a number
    that is no key of a mapping is a position in its order."""
    for step in steps_of(path):
        parts = children(outputs)
        if parts is None:
            raise TargetError(f"The outputs hold nothing at {path!r}: no way on at {step!r}.")
        outputs = parts[key_of(parts, step)]
    return outputs


def steps_of(path: Path) -> tuple[str | int, ...]:
    return () if path is None else path if isinstance(path, tuple) else (path,)


def key_of(parts: Mapping[object, object], step: str | int) -> str | int:
    """The key of the part that a step of a path means."""
    if step in parts:
        return step
    if isinstance(step, int) and -len(parts) <= step < len(parts):
        return cast("str | int", list(parts)[step])
    raise UnknownNameError("output", step, [str(key) for key in parts])


LOGITS = "logits"
"""The name of the scores among several outputs."""


def located(outputs: Outputs, path: Path) -> Path:
    """The whole path, by the outputs' own names, of the one array that there is at `path`, or of the one
    among several that is called `logits`, as of the models of Hugging Face, which give what is inside
    beside it.

    Raises:
        UnknownNameError: the path leads nowhere; with the names that there are.
        TargetError: there are several arrays, or none; with their paths.
    """
    found = cast(Outputs, follow(outputs, path))
    named: list[str | int] = []
    for step in steps_of(path):
        parts = children(follow(outputs, tuple(named))) or {}
        named.append(key_of(parts, step))
    arrays = [(*named, *below) for below in paths(found)]
    if len(arrays) > 1 and (*named, LOGITS) in arrays:
        arrays = [(*named, LOGITS)]
    if len(arrays) == 1:
        (whole,) = arrays
        return shortest(whole)
    if not arrays:
        raise TargetError(f"The model returns nothing to explain: {describe(outputs)}.")
    which = ", ".join(repr(shortest(one)) for one in arrays[:20])
    raise TargetError(
        f"The model returns several outputs, {describe(outputs)}; say which one to explain by its "
        f"path: {which}{', ...' if len(arrays) > 20 else ''}. For example "
        f"target=Output({shortest(arrays[0])!r}, index=3) or "
        f"target=Probability(3, path={shortest(arrays[0])!r})."
    )


def paths(outputs: Outputs) -> Iterator[tuple[str | int, ...]]:
    """The way to each array."""
    if isinstance(outputs, OutputSpec):
        yield ()
    for key, part in (children(outputs) or {}).items():
        for below in paths(cast(Outputs, part)):
            yield (cast("str | int", key), *below)


def shortest(path: tuple[str | int, ...]) -> Path:
    """A path as a user would write it."""
    return None if not path else path[0] if len(path) == 1 else path


def single(outputs: Outputs, path: Path) -> OutputSpec:
    """The one array at `path`, or an error that shows what there is (see `located`)."""
    return cast(OutputSpec, follow(outputs, located(outputs, path)))


def specified(outputs: object, kind: OutputKind = "logits") -> Outputs:
    """The shapes of a model's real outputs, and what is known of their meaning."""

    def specification(part: object) -> object:
        return OutputSpec(tuple(part.shape), kind) if hasattr(part, "shape") else ()

    return cast(Outputs, map_nested(specification, outputs))


def describe(outputs: Outputs) -> str:
    """Outputs in a line, for messages: `{'logits': (8, 10), 'boxes': (8, 100, 4)}`."""
    if isinstance(outputs, OutputSpec):
        return str(outputs.shape)
    if not outputs and not isinstance(outputs, dict):
        return "nothing"
    parts = children(outputs) or {}
    if isinstance(outputs, dict) or hasattr(outputs, "_fields"):
        named = [f"{key!r}: {describe(cast(Outputs, part))}" for key, part in parts.items()]
        return f"{{{', '.join(named)}}}"
    return f"({', '.join(describe(cast(Outputs, part)) for part in parts.values())})"


def array_at(outputs: object, path: Path) -> Array:
    """The array that `path` leads to in a model's real outputs."""
    return follow(outputs, path)  # type: ignore[return-value]
