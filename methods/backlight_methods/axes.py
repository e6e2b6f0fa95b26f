"""Axes of a value that a user names."""

from backlight.errors import is_whole

AXES = "a tuple of different axes, each at least 1, such as (1, 2)"


def are_axes(axes: object) -> bool:
    """Whether these are `AXES`, or None for none."""
    if axes is None:
        return True
    numbers = isinstance(axes, tuple) and all(is_whole(axis) and axis >= 1 for axis in axes)
    return numbers and isinstance(axes, tuple) and 0 < len(set(axes)) == len(axes)
