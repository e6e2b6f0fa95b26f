"""The report on a model's mistakes: `backlight_report.report(model, examples, directory=...)`."""

from typing import TYPE_CHECKING

from backlight.plugins.lazy import lazily

if TYPE_CHECKING:
    from backlight_report.writing import Report, report

__getattr__ = lazily(
    __name__,
    {
        "Report": "backlight_report.writing",
        "report": "backlight_report.writing",
    },
)

__all__ = ["Report", "report"]
