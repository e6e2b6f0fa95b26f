"""The study of a model on labelled examples: what it gets wrong, what it looked at, which maps to
believe, and what mistakes have in common."""

from typing import TYPE_CHECKING

from backlight.plugins.lazy import lazily

if TYPE_CHECKING:
    from backlight_study.judging import Judgement, judge
    from backlight_study.result import Study
    from backlight_study.run import study
    from backlight_study.selection import Choice, Selection

__getattr__ = lazily(
    __name__,
    {
        "Choice": "backlight_study.selection",
        "Judgement": "backlight_study.judging",
        "Selection": "backlight_study.selection",
        "Study": "backlight_study.result",
        "judge": "backlight_study.judging",
        "study": "backlight_study.run",
    },
)

__all__ = ["Choice", "Judgement", "Selection", "Study", "judge", "study"]
