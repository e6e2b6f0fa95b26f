"""Options of which only the last would count are said once: `--label rain --label fun` is an error."""

from collections import Counter
from typing import Any

import typer
from typer.core import TyperCommand, TyperOption

from backlight.errors import InputError


class Once(TyperCommand):
    """A command whose options are said once each, but for flags and those that take several."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read what was said.

        Raises:
            InputError: an option that takes one value was said again.
        """
        _, _, order = self.make_parser(ctx).parse_args(args=list(args))
        said = (one for one in order if isinstance(one, TyperOption))
        for option, times in Counter(said).items():
            if times > 1 and not (option.multiple or option.is_flag):
                raise InputError(f"{option.opts[0]} takes one value, and was said {times} times.")
        return super().parse_args(ctx, args)


def said_once(app: typer.Typer) -> None:
    """Hold all commands of an application, and of the groups in it, to that."""
    for command in app.registered_commands:
        command.cls = Once if command.cls in (None, TyperCommand) else command.cls
    for group in app.registered_groups:
        if group.typer_instance is not None:
            said_once(group.typer_instance)
