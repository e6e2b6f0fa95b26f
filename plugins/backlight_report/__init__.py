"""The report on a model's mistakes: `backlight_report.report(model, examples, directory=...)`."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backlight_report.writing import Report, report

HOMES = {
    "Report": "backlight_report.writing",
    "report": "backlight_report.writing",
}
"""Where each name is: plugins are found by importing this package, which takes no time so."""


def __getattr__(name: str) -> object:
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(HOMES[name]), name)


__all__ = ["Report", "report"]
