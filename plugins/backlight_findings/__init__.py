"""What mistakes have in common: findings as data, with their numbers and with what they do not show."""

from backlight_findings.clusters import Clusters
from backlight_findings.disagreement import Agreement, Disagreement, agreement
from backlight_findings.find import find
from backlight_findings.finding import Finder, Finding, Json, Severity, Studied
from backlight_findings.mean_maps import MeanMaps
from backlight_findings.outside_masks import OutsideMasks
from backlight_findings.registry import finders
from backlight_findings.rival_explanations import RivalExplanations
from backlight_findings.suspect_labels import LabelScores, SuspectLabels, label_scores

FINDERS: dict[str, Finder] = {
    "clusters": Clusters(),
    "disagreement": Disagreement(),
    "mean_maps": MeanMaps(),
    "outside_masks": OutsideMasks(),
    "rival_explanations": RivalExplanations(),
    "suspect_labels": SuspectLabels(),
}
"""The finders of this package, by name."""

__all__ = [
    "FINDERS",
    "Agreement",
    "Clusters",
    "Disagreement",
    "Finder",
    "Finding",
    "Json",
    "LabelScores",
    "MeanMaps",
    "OutsideMasks",
    "RivalExplanations",
    "Severity",
    "Studied",
    "SuspectLabels",
    "agreement",
    "find",
    "finders",
    "label_scores",
]
