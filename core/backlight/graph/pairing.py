"""Whether a pass over a reference can be compared with that over the inputs, operation by operation."""

from collections.abc import Callable

from backlight.graph.axes.atoms import Axes
from backlight.graph.axes.node_axes import examples
from backlight.graph.recognition.recognition import Recognised
from backlight.graph.unit import Unit
from backlight.rules.operations import LINEAR, Kind

PRODUCTS = LINEAR | {Kind.MATMUL}
LAYOUT_FREE = frozenset({"dot", "add"})
"""Operations that can be run again at values of another length."""


def mismatch(
    here: Recognised, there: Recognised, fits: Callable[[int, int], bool] = lambda one, other: False
) -> str | None:
    """Where two passes part, as a clause for a message; None where all operations of the pass over the
    reference broadcast against those of the other: axis 0 may be 1 there.

    Args:
        here, there: the passes over the inputs and over the reference.
        fits: whether what a product takes or gives in the first pass can be had from what
            it takes or gives in the second, though that does not broadcast.
    """
    return mismatch_of(here, here.units, there, there.units, fits)


def folded_axis(axes: Axes, shape: tuple[int, ...], reference: tuple[int, ...]) -> int | None:
    """The axis in which the examples and something else are one, the examples first, so that the pass
    over a reference of one row has that without the examples; None if there is none.

    Args:
        axes: of a value in the pass over the inputs.
        shape, reference: of the value in both passes.
    """
    differing = [at for at, (a, b) in enumerate(zip(shape, reference, strict=False)) if a != b]
    if len(shape) != len(reference) or len(differing) != 1:
        return None
    (at,) = differing
    count, rest = divmod(shape[at], reference[at])
    return at if rest == 0 and axes[at][:1] == examples(count) else None


def mismatch_of(
    here: Recognised,
    mine: tuple[Unit, ...],
    there: Recognised,
    theirs: tuple[Unit, ...],
    fits: Callable[[int, int], bool] = lambda one, other: False,
) -> str | None:
    for number, (one, other) in enumerate(zip(mine, theirs, strict=False)):
        first, second = one.described, other.described
        if (one.kind, first.type, len(one.inputs)) != (other.kind, second.type, len(other.inputs)):
            return f"operation {number} is {first.type} here and {second.type} there."
        for a, b in zip((*one.inputs, one.output), (*other.inputs, other.output), strict=True):
            shape, reference = here.flow.shape(a), there.flow.shape(b)
            if broadcasts(reference, shape):
                continue
            alike = {there.flow.nodes[at].primitive for at in other.positions} <= LAYOUT_FREE
            if one.kind not in PRODUCTS or not alike or not fits(a, b):
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
