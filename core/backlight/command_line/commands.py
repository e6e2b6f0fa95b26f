"""The commands that plugins add to the command line."""

from collections.abc import Callable, Iterator, Mapping

import typer
from typer.main import get_group

from backlight.errors import PluginError
from backlight.plugins.entry_points import plugins
from backlight.plugins.plugins import Offers, Plugin

OWN = ("plugins", "methods")
"""Commands that no plugin may offer: one can always see what is installed."""


def offered_commands() -> Mapping[str, Offers[typer.Typer]]:
    """Every command by name, each in an application of its own, with the plugins that offer it."""
    found: dict[str, list[tuple[Plugin, typer.Typer]]] = {}
    for plugin, commands in plugins().each("backlight_commands", commands_of):
        for name, command in commands.items():
            found.setdefault(name, []).append((plugin, command))
    return found


def add_commands(app: typer.Typer) -> None:
    """Add what plugins offer; a name that several do is a command that says so when it is used."""
    for name, offers in offered_commands().items():
        try:
            chosen = plugins().choose("The command", name, offers)
        except PluginError as error:
            chosen = refusal(name, error)
        app.registered_commands += chosen.registered_commands
        app.registered_groups += chosen.registered_groups


def commands_of(hook: Callable[..., object]) -> dict[str, typer.Typer]:
    """The commands that one plugin adds; PluginError where it does anything else."""
    app = typer.Typer()
    answer = hook(app=app)
    if answer is not None:
        raise PluginError(
            f"it gave something of type {type(answer).__qualname__}, where nothing is wanted"
        )
    if app.registered_callback is not None:
        raise PluginError("it may add commands only, not a callback of the whole command line")
    found = dict(separated(app))
    for name in OWN:
        if name in found:
            raise PluginError(f"it adds a command {name}, which is Backlight's own")
    return found


def separated(app: typer.Typer) -> Iterator[tuple[str, typer.Typer]]:
    """The commands of an application, one in each, by name; whatever typer refuses is raised here."""
    for command in app.registered_commands:
        alone = typer.Typer()
        alone.registered_commands.append(command)
        yield from ((name, alone) for name in get_group(alone).commands)
    for group in app.registered_groups:
        alone = typer.Typer()
        alone.registered_groups.append(group)
        names = list(get_group(alone).commands)
        if len(names) == 1:
            yield names[0], alone
        elif group.typer_instance is not None:  # without a name: its commands are of this level
            yield from separated(group.typer_instance)


def refusal(name: str, error: PluginError) -> typer.Typer:
    """A command that raises the error, whatever it is given."""
    app = typer.Typer()

    @app.command(
        name,
        help=str(error),
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    )
    def refuse() -> None:
        raise error

    return app
