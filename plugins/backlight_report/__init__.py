"""The report on a model's mistakes: `backlight_report.report(model, examples, directory=...)`."""

from backlight_report.report import Report, report

__all__ = ["Report", "report"]
