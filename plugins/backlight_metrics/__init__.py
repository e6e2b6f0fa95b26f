"""Metrics: which technique to believe, one file each.

backlight.evaluate(net, pictures, ["integrated_gradients", "grad_cam"], ["srg", "infidelity"])
"""

from collections.abc import Callable, Mapping

from backlight import Metric
from backlight_metrics.agreement import Agreement
from backlight_metrics.completeness_gap import CompletenessGap
from backlight_metrics.complexity import Complexity
from backlight_metrics.decision_flip import DecisionFlip
from backlight_metrics.deletion import Deletion
from backlight_metrics.infidelity import Infidelity
from backlight_metrics.insertion import Insertion
from backlight_metrics.mass_accuracy import MassAccuracy
from backlight_metrics.max_sensitivity import MaxSensitivity
from backlight_metrics.model_randomisation import ModelRandomisation
from backlight_metrics.pointing_game import PointingGame
from backlight_metrics.random_target import RandomTarget
from backlight_metrics.rank_accuracy import RankAccuracy
from backlight_metrics.road import Road
from backlight_metrics.sparseness import Sparseness
from backlight_metrics.srg import SRG

METRICS: Mapping[str, Callable[..., Metric]] = {
    "agreement": Agreement,
    "completeness_gap": CompletenessGap,
    "complexity": Complexity,
    "decision_flip": DecisionFlip,
    "deletion": Deletion,
    "infidelity": Infidelity,
    "insertion": Insertion,
    "mass_accuracy": MassAccuracy,
    "max_sensitivity": MaxSensitivity,
    "model_randomisation": ModelRandomisation,
    "pointing_game": PointingGame,
    "random_target": RandomTarget,
    "rank_accuracy": RankAccuracy,
    "road": Road,
    "sparseness": Sparseness,
    "srg": SRG,
}

__all__ = ["METRICS", *(make.__name__ for make in METRICS.values())]
