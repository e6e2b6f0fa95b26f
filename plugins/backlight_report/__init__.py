"""The report on a model's mistakes: `backlight_report.report(model, examples, directory=...)`."""

from typing import TYPE_CHECKING

from backlight.plugins.lazy import lazily

if TYPE_CHECKING:
    from backlight_report.result import Report
    from backlight_report.run import report

__getattr__ = lazily(
    __name__,
    {
        "Report": "backlight_report.result",
        "report": "backlight_report.run",
    },
)

__all__ = ["Report", "report"]
