"""The console command `backlight`: what is installed, and the commands that plugins add."""

import dataclasses
import inspect
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from backlight.errors import BacklightError
from backlight.plugins import Plugins
from backlight.plugins import plugins as installed_plugins
from backlight.registry import methods as installed_methods
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
            run(arguments)
        except KeyboardInterrupt:  # while plugins and frameworks are imported, or errors are told
            stopped = True
        except SystemExit as ending:
            stopped = ending.code == INTERRUPTED
            if not stopped:
                raise
        if stopped:
            print(TERMINATED if terminated else STOPPED, file=sys.stderr)
            sys.exit(ENDED if terminated else INTERRUPTED)


@contextmanager
def terminable() -> Iterator[list[int]]:
    """SIGTERM does what Ctrl-C does meanwhile, so that all is put back; the list then has the signal."""
    seen: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield seen  # signals are the main thread's
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        seen.append(number)
        on_interrupt = signal.getsignal(signal.SIGINT)
        if callable(on_interrupt):
            on_interrupt(signal.SIGINT, frame)
        else:  # Ctrl-C is switched off, as in the background of a script
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield seen
    finally:
        signal.signal(signal.SIGTERM, before)


def run(arguments: Sequence[str] | None) -> None:
    try:
        application()(args=arguments, prog_name="backlight")
    except BacklightError as error:
        print(f"Error: {one_line(error)}", file=sys.stderr)
        sys.exit(BAD_INPUT)
    except SystemExit as ending:
        if ending.code == BAD_INPUT:
            report_broken(installed_plugins())
        raise


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
    add_commands(app, installed_plugins())
    return app


def add_commands(app: typer.Typer, found: Plugins) -> None:
    """Let each plugin add its commands; one that fails is named on the error stream and skipped."""
    manager = found.manager
    everyone = manager.get_plugins()
    for name, plugin in sorted(manager.list_name_plugin(), key=lambda pair: pair[0]):
        if plugin is None:  # blocked by name
            continue
        only = manager.subset_hook_caller("backlight_commands", everyone - {plugin})
        try:
            only(app=app)
        except Exception as error:  # a foreign plugin may fail in any way; it is reported by name
            reason = f"{type(error).__name__}: {error}"
            print(f"Plugin {name} could not add its commands: {one_line(reason)}", file=sys.stderr)


def report_broken(found: Plugins) -> None:
    """Name the plugins that did not load: a command may be missing for that reason."""
    for plugin in found.broken:
        print(
            f"Plugin {plugin.name} could not be loaded: {one_line(plugin.error)}", file=sys.stderr
        )


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
) -> None:
    """What can be said before any command."""


def show_plugins() -> None:
    """List what is installed: each plugin, where it comes from and whether it loads.

    A plugin that cannot be loaded is shown with the reason and left out; the others work on.

    Example: `backlight plugins`
    """
    console = Console()
    if not console.is_terminal:
        # A file or another program reads whole lines; only a person needs them to fit a screen.
        console = Console(width=10_000)
    table = Table(box=None, header_style="bold")
    for heading in ("name", "module", "distribution", "state"):
        table.add_column(heading, overflow="fold")
    for plugin in installed_plugins().found:
        broken = plugin.error is not None
        state = Text(one_line(plugin.error), "bold red") if broken else Text("loaded", "green")
        table.add_row(*map(Text, (plugin.name, plugin.module, plugin.distribution)), state)
    console.print(table)


def one_line(text: object) -> str:
    return " ".join(str(text).split())


def show_methods() -> None:
    """List the techniques, each with its hyper-parameters and their defaults.

    Example: `backlight methods`, and then a technique from the list by its name, with
    hyper-parameters of your choice: `backlight report net.py:net pictures/ --method
    integrated_gradients:steps=100`
    """
    console = Console()
    for name, make in installed_methods().items():
        parameters = ", ".join(f"{key}={value}" for key, value in defaults(make))
        title = f"[bold]{escape(name)}[/bold]  [cyan]{escape(parameters)}[/cyan]"
        console.print(title, soft_wrap=not console.is_terminal)
        first = (inspect.getdoc(make) or "").partition("\n")[0]
        console.print(f"    {escape(first)}", soft_wrap=not console.is_terminal)


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
    for name, parameter in inspect.signature(make).parameters.items():
        if name in factories:
            shown = repr(factories[name]())
        else:
            missing = parameter.default is inspect.Parameter.empty
            shown = "required" if missing else repr(parameter.default)
        found.append((name, shown))
    return found
