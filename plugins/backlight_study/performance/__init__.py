"""How well a model does on examples whose answer is known, each figure with a 95 % interval.

`performance` judges classifiers, `multi_label_performance` nets with several labels an example,
`regression_performance` numbers, and `mcnemar` compares two models on the same examples.
"""

from backlight_study.performance.calibration import Bin, Calibration
from backlight_study.performance.classes import ClassPerformance, Macro
from backlight_study.performance.classification import Performance, performance
from backlight_study.performance.comparison import McNemar, mcnemar
from backlight_study.performance.confusion import Confusion
from backlight_study.performance.estimate import Average, Estimate, Json
from backlight_study.performance.multi_label import (
    Confused,
    LabelPerformance,
    Micro,
    MultiLabelPerformance,
    multi_label_performance,
)
from backlight_study.performance.regression import (
    NumbersPerformance,
    RegressionPerformance,
    numbers_performance,
    regression_performance,
)

__all__ = [
    "Average",
    "Bin",
    "Calibration",
    "ClassPerformance",
    "Confused",
    "Confusion",
    "Estimate",
    "Json",
    "LabelPerformance",
    "Macro",
    "McNemar",
    "Micro",
    "MultiLabelPerformance",
    "NumbersPerformance",
    "Performance",
    "RegressionPerformance",
    "mcnemar",
    "multi_label_performance",
    "numbers_performance",
    "performance",
    "regression_performance",
]
