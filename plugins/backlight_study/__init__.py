"""The study of a classifier on labelled examples: what it gets wrong, what it looked at, which maps to
believe, and what mistakes have in common."""

from backlight_study.judging import Judgement, judge
from backlight_study.run import study
from backlight_study.selection import Choice, Selection
from backlight_study.study import Study

__all__ = ["Choice", "Judgement", "Selection", "Study", "judge", "study"]
