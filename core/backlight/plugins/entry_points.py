"""Finding plugins: entry points of the group `backlight`, each a module with hook functions."""

import os
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import cast

import pluggy

from backlight.errors import BacklightWarning, InputError, PluginError, is_whole, reason, shown
from backlight.plugins import hooks
from backlight.plugins.choices import DISABLE, PREFER, Choices, chosen
from backlight.plugins.plugins import Plugin, Plugins, meant
from backlight.version import API_VERSION, __version__

GROUP = "backlight"


def load(points: Iterable[EntryPoint], choices: Choices | None = None) -> Plugins:
    """Register the plugins of these entry points; one that fails is recorded and skipped.

    Raises:
        InputError: the name of a plugin to be switched off is that of several packages' plugins.
    """
    choices = choices or Choices()
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hooks)
    named = sorted(((described(point), point) for point in points), key=lambda pair: str(pair[0]))
    everyone = [plugin for plugin, _ in named]
    disabled = {plugin for name in choices.disable for plugin in of_one_package(name, everyone)}
    found = [
        replace(plugin, disabled=True)
        if plugin in disabled
        else replace(plugin, error=register(manager, plugin, point))
        for plugin, point in named
    ]
    return Plugins(manager, tuple(found), choices)


def described(point: EntryPoint) -> Plugin:
    distribution = f"{point.dist.name} {point.dist.version}" if point.dist else "unknown"
    return Plugin(point.name, point.value, distribution)


def of_one_package(name: str, plugins: Sequence[Plugin]) -> list[Plugin]:
    found = meant(name, plugins)
    if len({plugin.package for plugin in found}) > 1:
        raise InputError(
            f"{name!r} (in {DISABLE}) is the name of {' and '.join(map(str, found))}; say a package."
        )
    return found


def register(manager: pluggy.PluginManager, plugin: Plugin, point: EntryPoint) -> str | None:
    """Load a plugin; if that fails, leave the manager as it was and say why."""
    module = None
    try:
        module = point.load()
        check_api(getattr(module, "backlight_api", API_VERSION))
        manager.register(module, name=str(plugin))
        manager.check_pending()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a foreign plugin may fail in any way
        if module is not None and manager.get_plugin(str(plugin)) is module:
            manager.unregister(name=str(plugin))
        return reason(error)
    return None


def check_api(stated: object) -> None:
    if stated == API_VERSION and is_whole(stated):
        return
    newer = is_whole(stated) and cast(int, stated) > API_VERSION
    raise PluginError(
        f"it was made for API {shown(stated)} of Backlight, and this Backlight {__version__} has API "
        f"{API_VERSION}; install {'a newer Backlight' if newer else 'a newer version of the plugin'}"
    )


@cache
def plugins() -> Plugins:
    """The installed plugins, loaded once per process; what could not be loaded is named in a warning.

    Raises:
        InputError: the user's choices in the environment cannot be followed.
    """
    found = load(entry_points(group=GROUP), chosen(os.environ))
    for sentence in (*(plugin.sentence for plugin in found.broken), *unmet(found)):
        warnings.warn(str(sentence), BacklightWarning, stacklevel=2)
    return found


def unmet(found: Plugins) -> list[str]:
    """Sentences about choices that name no plugin at all."""
    said = [(name, DISABLE) for name in found.choices.disable]
    said += [(name, PREFER) for name in found.choices.prefer.values()]
    return [
        f"No plugin is called {name!r}, which {variable} names; `backlight plugins` lists them."
        for name, variable in said
        if not meant(name, found.found)
    ]
