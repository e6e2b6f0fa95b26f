"""The report on a model's mistakes: `backlight_report.report(model, examples, directory=...)`."""

from backlight_report.door import Report, report
from backlight_report.preprocessing import Preprocessing

__all__ = ["Preprocessing", "Report", "report"]
