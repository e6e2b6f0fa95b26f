"""What is installed, for a person to read: the commands `backlight plugins` and `backlight methods`."""

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from backlight.command_line.commands import offered_commands
from backlight.errors import PluginError, reason, shown
from backlight.explaining.registry import METHODS
from backlight.plugins.catalogue import Catalogue, parameters_of
from backlight.plugins.entry_points import plugins
from backlight.plugins.plugins import Offers, Plugin, Plugins


def show_plugins() -> None:
    """List what is installed: each plugin, where it comes from, which hooks it has, whether it works.

    A plugin that fails is shown with the reason and left out; the others work on. What several plugins
    offer under one name is told below the list.

    Example: `backlight plugins`
    """
    found = plugins()
    clashes = clashing(f"The {METHODS.word}", METHODS.offered()) + clashing(
        "The command", offered_commands()
    )
    table = Table(box=None, header_style="bold")
    for heading in ("name", "module", "distribution", "hooks", "state"):
        table.add_column(heading, overflow="fold")
    for plugin in found.found:
        registered = found.manager.get_plugin(str(plugin)) if plugin.sentence is None else None
        callers = found.manager.get_hookcallers(registered) if registered is not None else None
        hooks = ", ".join(sorted(one.name.removeprefix("backlight_") for one in callers or ()))
        about = (plugin.name, plugin.module, plugin.distribution, hooks)
        table.add_row(*map(Text, about), state(found, plugin))
    console = Console()
    if not console.is_terminal:
        # A file or another program reads whole lines; only a person needs them to fit a screen.
        console = Console(width=10_000)
    console.print(table)
    for clash in clashes:
        console.print(Text(clash, "bold red"))


def state(found: Plugins, plugin: Plugin) -> Text:
    failures = [f"{hook}: {why}" for (one, hook), why in found.failures.items() if one == plugin]
    if plugin.error is not None or failures:
        return Text("; ".join(filter(None, (plugin.error, *failures))), "bold red")
    return Text("switched off", "yellow") if plugin.disabled else Text("loaded", "green")


def clashing(what: str, named: Mapping[str, Offers[object]]) -> list[str]:
    """A sentence for each name that several plugins offer, where the user prefers none of them."""
    found = []
    for name, offers in named.items():
        try:
            plugins().choose(what, name, offers)
        except PluginError as clash:
            found.append(str(clash))
    return found


def show_methods() -> None:
    """List the techniques of each plugin, with their hyper-parameters and the defaults of these.

    Example: `backlight methods`, and then a technique from the list by its name, with
    hyper-parameters of your choice: `backlight report net.py:net pictures/ --method
    integrated_gradients:steps=100`
    """
    show_offered(METHODS)


def show_offered(catalogue: Catalogue[Any]) -> None:
    """List what plugins offer, with what each can be told and its first line."""
    console = Console()
    print_line = partial(console.print, soft_wrap=not console.is_terminal)
    known = catalogue.offered()
    offering = {plugin for offers in known.values() for plugin, _ in offers}
    for plugin in sorted(offering, key=lambda plugin: (plugin.foreign, str(plugin))):
        print_line(f"[magenta]From the plugin {escape(str(plugin))}:[/magenta]\n")
        for name, offers in known.items():
            for _, make in (offer for offer in offers if offer[0] == plugin):
                print_line(f"[bold]{escape(name)}[/bold]  [cyan]{escape(parameters(make))}[/cyan]")
                first, *_ = (inspect.getdoc(make) or "").splitlines() or [""]
                print_line(f"    {escape(first)}")
        print_line()
    for clash in clashing(f"The {catalogue.word}", known):
        print_line(f"[bold red]{escape(clash)}[/bold red]")


def parameters(make: Callable[..., object]) -> str:
    """The hyper-parameters of a technique with their defaults, or why they cannot be told."""
    try:
        return ", ".join(f"{name}={value}" for name, value in defaults(make))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a foreign technique may fail in any way
        return f"(hyper-parameters cannot be told: {reason(error)})"


def defaults(make: Callable[..., object]) -> list[tuple[str, str]]:
    """The hyper-parameters of a technique with their defaults as text; `required` where none is."""
    factories = (
        {
            field.name: field.default_factory
            for field in dataclasses.fields(make)
            if field.default_factory is not dataclasses.MISSING
        }
        if dataclasses.is_dataclass(make)
        else {}
    )
    found = []
    for name, parameter in parameters_of(make).items():
        if name in factories:
            text = shown(factories[name]())
        else:
            missing = parameter.default is inspect.Parameter.empty
            text = "required" if missing else shown(parameter.default)
        found.append((name, text))
    return found
