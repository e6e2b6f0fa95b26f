"""Finders by name."""

import re
import warnings
from collections.abc import Callable, Mapping
from typing import cast

from backlight.errors import BacklightWarning, PluginError, shown
from backlight.plugins.choices import normalised
from backlight.plugins.entry_points import plugins
from backlight.plugins.plugins import Plugin
from backlight_findings.finding import Finder


def finders() -> Mapping[str, Finder]:
    """Every installed finder by name, alphabetical.

    A plugin that fails to list its finders is named in a warning and left out, and so is a name that
    several plugins offer, unless the user prefers one of them.
    """
    offered: dict[str, list[tuple[Plugin, Finder]]] = {}
    for plugin, answer in plugins().each("backlight_findings", finders_of):
        for name, finder in answer.items():
            offered.setdefault(name, []).append((plugin, finder))
    found = {}
    for name, offers in sorted(offered.items()):
        try:
            found[name] = plugins().choose("The finder", name, offers)
        except PluginError as clash:
            warnings.warn(f"{clash} Until then it is left out.", BacklightWarning, stacklevel=2)
    return found


def finders_of(hook: Callable[..., object]) -> dict[str, Finder]:
    """What a plugin offers, by names in one spelling; PluginError where that is no set of finders."""
    answer = hook()
    if not isinstance(answer, Mapping):
        raise PluginError(
            f"it gave something of type {type(answer).__qualname__}, not a mapping of finders"
        )
    found: dict[str, Finder] = {}
    for name, finder in answer.items():
        key = normalised(name) if isinstance(name, str) else ""
        if not re.fullmatch(r"\w+", key) or key in found:
            raise PluginError(
                f"it names a finder {shown(name)}; a name has letters, digits and _, and is another "
                "for each finder in any spelling"
            )
        if isinstance(finder, type) or not callable(finder):
            raise PluginError(
                f"its finder {name} is {shown(finder)}, not a function of what was studied"
            )
        found[key] = cast(Finder, finder)
    return found
