"""Finding plugins: entry points of the group `backlight`, each a module with hook functions."""

from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import final

import pluggy

from backlight import hooks

GROUP = "backlight"


@final
@dataclass(frozen=True)
class Plugin:
    """An entry point that was found.

    Attributes:
        name: of the entry point.
        module: where it points.
        distribution: the installed package it came with, and its version.
        error: why it could not be loaded; None if it was.
    """

    name: str
    module: str
    distribution: str
    error: str | None = None


@final
@dataclass(frozen=True)
class Plugins:
    """The plugin manager, and what was found on the way."""

    manager: pluggy.PluginManager
    found: tuple[Plugin, ...]

    @property
    def broken(self) -> tuple[Plugin, ...]:
        return tuple(plugin for plugin in self.found if plugin.error)


def load(points: list[EntryPoint]) -> Plugins:
    """Register the plugins of these entry points; one that fails is recorded and skipped."""
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hooks)
    found = [_register(manager, point) for point in sorted(points, key=lambda point: point.name)]
    return Plugins(manager, tuple(found))


def _register(manager: pluggy.PluginManager, point: EntryPoint) -> Plugin:
    distribution = f"{point.dist.name} {point.dist.version}" if point.dist else "unknown"
    name = f"{point.name} ({distribution})"
    module = None
    try:
        module = point.load()
        manager.register(module, name=name)
        manager.check_pending()
    except (Exception, SystemExit) as error:  # a foreign plugin may fail in any way
        if module is not None and manager.get_plugin(name) is module:
            manager.unregister(name=name)
        return Plugin(point.name, point.value, distribution, f"{type(error).__name__}: {error}")
    return Plugin(point.name, point.value, distribution)


@cache
def plugins() -> Plugins:
    """The installed plugins, loaded once per process."""
    return load(list(entry_points(group=GROUP)))
