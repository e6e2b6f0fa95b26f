"""What the user says about plugins: which are switched off, and whose offer of one name counts."""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import final

from backlight.errors import InputError

PREFER = "BACKLIGHT_PREFER"
"""The environment variable `NAME=PLUGIN,...`: whose technique, command or hook of that name counts."""

DISABLE = "BACKLIGHT_DISABLE"
"""The environment variable `PLUGIN,...`: what is not even imported."""


@final
@dataclass(frozen=True)
class Choices:
    """A plugin is named by its package or by its entry point, in any spelling.

    Attributes:
        prefer: the plugin by the name of what is offered.
        disable: the plugins that are switched off.
    """

    prefer: Mapping[str, str] = field(default_factory=dict)
    disable: tuple[str, ...] = ()


def normalised(name: str) -> str:
    """One spelling of a name that may be written in several: `Grad-CAM`, `grad cam`, `grad_cam`."""
    return re.sub(r"[-_.\s]+", "_", name.strip().lower())


def chosen(environment: Mapping[str, str]) -> Choices:
    """The choices in an environment.

    Raises:
        InputError: a preference that is not written as NAME=PLUGIN.
    """
    prefer = {}
    for text in words(environment, PREFER):
        name, _, plugin = text.partition("=")
        if not name.strip() or not plugin.strip():
            raise InputError(f"A preference is written NAME=PLUGIN (in {PREFER}), got {text!r}.")
        prefer[normalised(name)] = plugin.strip()
    return Choices(prefer, tuple(words(environment, DISABLE)))


def remember(prefer: Iterable[str], disable: Iterable[str]) -> None:
    """Choose for this process and for those that it starts, after what the environment says."""
    for variable, more in ((PREFER, prefer), (DISABLE, disable)):
        os.environ[variable] = ",".join([*words(os.environ, variable), *more])


def words(environment: Mapping[str, str], variable: str) -> list[str]:
    return [text.strip() for text in environment.get(variable, "").split(",") if text.strip()]
