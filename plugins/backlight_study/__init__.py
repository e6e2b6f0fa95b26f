"""The study of a classifier on labelled examples: what it gets wrong, what it looked at, which maps to
believe, and what mistakes have in common."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backlight_study.judging import Judgement, judge
    from backlight_study.result import Study
    from backlight_study.run import study
    from backlight_study.selection import Choice, Selection

HOMES = {
    "Choice": "backlight_study.selection",
    "Judgement": "backlight_study.judging",
    "Selection": "backlight_study.selection",
    "Study": "backlight_study.result",
    "judge": "backlight_study.judging",
    "study": "backlight_study.run",
}
"""Where each name is: plugins are found by importing this package, which takes no time so."""


def __getattr__(name: str) -> object:
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(HOMES[name]), name)


__all__ = ["Choice", "Judgement", "Selection", "Study", "judge", "study"]
