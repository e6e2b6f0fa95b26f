"""The command `backlight engines`."""

from backlight.command_line.listing import show_offered
from backlight_engines.registry import ENGINES


def engines_command() -> None:
    """List the engines of each plugin, with their options and the defaults of these.

    Example: `backlight engines`, and then `backlight attribute net.py:net pictures/ -o results
    --engine processes:workers=4`
    """
    show_offered(ENGINES)
