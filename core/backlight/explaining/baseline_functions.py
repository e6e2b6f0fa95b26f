"""Baselines that a user's own function computes."""

import numpy as np
from numpy.typing import NDArray

from backlight.by_value import short_repr
from backlight.errors import BacklightError, InputError
from backlight.explaining.native_baselines import baseline_parts, like_the_value
from backlight.model.model import Model
from backlight.values.arrays import shape_of
from backlight.values.baselines import BaselineFunction
from backlight.values.tree import Tree, leaves, map_leaves, rebuild

ALIKE = 1e-3
"""How much of the largest number rounding may change where more rows are computed at once: in float32,
with room to spare."""


def computed(function: BaselineFunction, value: Tree, model: Model) -> Tree:
    """What a user's function gives for a value (N, ...), shaped like it.

    Raises:
        InputError: it fails, gives something else than finite numbers shaped like the value, or another
            baseline where the first example is alone.
    """
    name = f"The baseline function {short_repr(function)}"

    def called(some: Tree) -> Tree:
        try:
            found = function(some)
        except (BacklightError, MemoryError):
            raise
        except Exception as error:  # the user's own code may fail in any way
            shapes = ", ".join(str(shape_of(leaf)) for leaf in leaves(some))
            raise InputError(
                f"{name} raised {type(error).__name__} for a value of shape {shapes}: "
                f"{str(error).rstrip('. ')}."
            ) from error
        parts = zip(baseline_parts(found, some), leaves(some), strict=True)
        return rebuild(some, [like_the_value(part, leaf, model, name) for part, leaf in parts])

    found = called(value)
    alone = called(map_leaves(lambda leaf: leaf[:1, ...], value))
    for all_rows, first in zip(leaves(found), leaves(alone), strict=True):
        if not alike(model.to_numpy(all_rows[:1, ...]), model.to_numpy(first)):
            raise InputError(
                f"{name} gives the first example another baseline alone than among the others: it must "
                "come from each example itself and be no random one, as it is shown any rows of the "
                "batch. What all examples share, such as their mean, is an array; draws are Drawn(data)."
            )
    return found


def alike(one: NDArray[np.generic], other: NDArray[np.generic]) -> bool:
    """Whether they are equal but for rounding."""
    if one.dtype.kind != "f":
        return np.array_equal(one, other)
    size = np.abs(other.astype(np.float64)).max(initial=0)
    return np.allclose(one, other, rtol=0, atol=ALIKE * size)
