"""Which backends the command checks."""

from collections.abc import Sequence
from importlib.util import find_spec

from backlight.errors import InputTypeError, shown
from backlight.testing import Builder
from backlight_conformance import BUILDERS, builder
from backlight_loading import load_reference


def builders(said: Sequence[str]) -> list[Builder]:
    """The builders that a user names; of every framework that is installed where none is said.

    Raises:
        UnknownNameError: it is neither a framework nor the name of a thing in code.
        InputTypeError: the thing is no Builder.
    """
    return [named(one) for one in said or filter(find_spec, BUILDERS)]


def named(said: str) -> Builder:
    if ":" not in said:
        return builder(said)
    found = load_reference(said)
    made = found() if isinstance(found, type) and issubclass(found, Builder) else found
    if not isinstance(made, Builder):
        raise InputTypeError(
            f"{said} is {shown(made)}, where a class derived from backlight.testing.Builder is wanted."
        )
    return made
