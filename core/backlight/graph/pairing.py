"""Whether a pass over a reference can be compared with that over the inputs, operation by operation."""

from backlight.graph.recognition import Recognised
from backlight.graph.unit import Unit


def mismatch(here: Recognised, there: Recognised) -> str | None:
    """Where two passes part, as a clause for a message; None where all operations of the pass over the
    reference broadcast against those of the other: axis 0 may be 1 there."""
    return mismatch_of(here, here.units, there, there.units)


def mismatch_of(
    here: Recognised, mine: tuple[Unit, ...], there: Recognised, theirs: tuple[Unit, ...]
) -> str | None:
    for number, (one, other) in enumerate(zip(mine, theirs, strict=False)):
        first, second = one.described, other.described
        if (one.kind, first.type, len(one.inputs)) != (other.kind, second.type, len(other.inputs)):
            return f"operation {number} is {first.type} here and {second.type} there."
        for a, b in zip((*one.inputs, one.output), (*other.inputs, other.output), strict=True):
            shape, reference = here.flow.shape(a), there.flow.shape(b)
            if not broadcasts(reference, shape):
                return (
                    f"{first.type} at {first.name!r} has shape {shape} here and {reference} there."
                )
    if len(mine) != len(theirs):
        return f"{len(mine)} operations here and {len(theirs)} there."
    return None


def broadcasts(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    return len(shape) == len(to) and all(
        one in (1, length) for one, length in zip(shape, to, strict=True)
    )
