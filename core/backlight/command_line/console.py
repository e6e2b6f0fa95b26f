"""The console command `backlight`: what is installed, and the commands that plugins add."""

import sys
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Any

import typer

from backlight.command_line.commands import add_commands
from backlight.command_line.listing import show_methods, show_plugins
from backlight.command_line.once import said_once
from backlight.command_line.one_line import one_line
from backlight.errors import BacklightError, BacklightWarning
from backlight.plugins.choices import remember
from backlight.plugins.entry_points import plugins
from backlight.termination import terminable
from backlight.version import __version__

BAD_INPUT = 2
INTERRUPTED = 130
ENDED = 143
STOPPED = "Stopped from the keyboard."
TERMINATED = "Stopped by the system or another program (SIGTERM)."

ABOUT = """Which part of this input made the model say that, and why did it get this one wrong?

Try it on the pictures and the network that come along:

    backlight demo

Then on your own: a model and a folder with one sub-folder of pictures per class.

    backlight report my_model.py:net pictures/ -o report
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with its exit code: 2 for what the user can put right, 130 for
    an interruption, 143 where the system ends it (SIGTERM), each with one line on the error stream."""
    with terminable() as terminated:
        try:
            with warnings.catch_warnings():
                warnings.showwarning = partial(show_warning, warnings.showwarning, set())
                run(sys.argv[1:] if arguments is None else arguments)
        except KeyboardInterrupt:  # while plugins and frameworks are imported, or errors are told
            stopped = True
        except SystemExit as ending:
            stopped = ending.code == INTERRUPTED
            if not stopped:
                raise
        if stopped:
            print(TERMINATED if terminated else STOPPED, file=sys.stderr)
            sys.exit(ENDED if terminated else INTERRUPTED)


def run(arguments: Sequence[str]) -> None:
    try:
        choose(arguments)
        application()(args=arguments, prog_name="backlight")
    except BacklightError as error:
        print(f"Error: {one_line(error, *getattr(error, '__notes__', ()))}", file=sys.stderr)
        sys.exit(BAD_INPUT)


def show_warning(
    otherwise: Callable[..., None],
    told: set[str],
    message: Warning | str,
    category: type[Warning],
    *where: Any,
) -> None:
    """Ours once, in one line, as errors are; the others with the place that they come from."""
    if not issubclass(category, BacklightWarning):
        otherwise(message, category, *where)
    elif str(message) not in told:
        told.add(str(message))
        print(f"Warning: {one_line(message)}", file=sys.stderr)


def choose(arguments: Sequence[str]) -> None:
    """Follow `--prefer` and `--disable`: which commands there are depends on them."""
    said: dict[str, list[str]] = {"--prefer": [], "--disable": []}
    rest = iter(arguments)
    for argument in rest:
        option, sign, value = argument.partition("=")
        if not argument.startswith("-"):
            break
        if option in said:
            said[option].append(value if sign else next(rest, ""))
    if any(said.values()):
        remember(said["--prefer"], said["--disable"])
        plugins.cache_clear()


def application() -> typer.Typer:
    """The commands of the core and of every plugin that loads."""
    app = typer.Typer(
        help=ABOUT,
        no_args_is_help=True,
        rich_markup_mode="markdown",
        pretty_exceptions_enable=False,
        add_completion=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(options)
    app.command("plugins")(show_plugins)
    app.command("methods")(show_methods)
    add_commands(app)
    said_once(app)
    return app


def show_version(asked: bool) -> None:
    if asked:
        print(f"backlight {__version__}")
        raise typer.Exit


def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=show_version, is_eager=True, help="Show the version and stop."
        ),
    ] = False,
    prefer: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=PLUGIN",
            help="Of several plugins that offer a technique or a command of this name, use this one's; "
            "may be repeated.",
        ),
    ] = None,
    disable: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PLUGIN",
            help="Switch a plugin off, by its own name or its package's; may be repeated.",
        ),
    ] = None,
) -> None:
    """What can be said before any command; `choose` has followed the choices of plugins by then."""
