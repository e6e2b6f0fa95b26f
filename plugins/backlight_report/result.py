"""What a report has written, and what is to be said of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import final

from backlight_report.directory import PAGE
from backlight_study.result import Study


@final
@dataclass(frozen=True)
class Report:
    """What was written where.

    Attributes:
        directory: it holds report.html, study.json and the folder pictures.
        study: what was found.
        errors: what techniques could not do, each once.
        notes: what should be known before anything is believed: that the classes seem to be in another
            order than the model's, for example.
        warnings: of techniques, each once.
        estimates: how far techniques say that their values may be off.
    """

    directory: Path
    study: Study
    errors: tuple[str, ...]
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    estimates: tuple[str, ...] = ()

    @property
    def page(self) -> Path:
        """The file to open."""
        return self.directory / PAGE

    @property
    def count(self) -> int:
        """How many examples the model was judged on."""
        return len(self.study.task.ids)

    @property
    def correct(self) -> int:
        """How many of them a classifier got right."""
        return self.study.predictions.correct

    @property
    def explained(self) -> int:
        """How many are in the report."""
        return len(self.study.rows)
