"""Backlight: which part of this input made the model say that?"""

from typing import TYPE_CHECKING

from backlight.attribution.attribution import Attribution
from backlight.errors import BacklightError, BacklightWarning
from backlight.evaluating.evaluate import evaluate
from backlight.evaluating.evaluation import Cell, Comparison, Evaluation
from backlight.evaluating.metric import Cost, Metric, Outcome
from backlight.evaluating.perturbed import Removals
from backlight.evaluating.registry import metrics
from backlight.evaluating.subject import Subject
from backlight.explaining.method import JointMethod, Method
from backlight.explaining.objective import Objective
from backlight.explaining.registry import explain, methods
from backlight.explaining.result import Result
from backlight.features.features import Features
from backlight.features.groups import Columns, Elements, Segments, Tokens, Words
from backlight.features.places import Channels, Grid, Windows
from backlight.graph.dependence.cuts import Connection, Cut
from backlight.model.model import Gradient, Model, Options, Site
from backlight.model.wrapping import forget, wrap
from backlight.plugins.entry_points import plugins as installed_plugins
from backlight.plugins.hooks import hookimpl
from backlight.rules.for_operation import ForOperation
from backlight.rules.operations import Kind, Operation
from backlight.rules.rules import AppliedOperation, OutputGradientRule, Rule, Rules
from backlight.scores.class_scores import Class, Logit, LogProbability, Margin, Probability
from backlight.scores.scores import Function, Neuron, Output, Score
from backlight.scores.several import Top
from backlight.values.baselines import Several
from backlight.values.dinucleotide_shuffles import DinucleotideShuffles
from backlight.values.drawn import Drawn
from backlight.values.examples import Examples
from backlight.values.inputs import Inputs, Shared
from backlight.values.made_baselines import MadeBaseline
from backlight.values.token_baseline import TokenBaseline
from backlight.version import API_VERSION, __version__

if TYPE_CHECKING:
    from backlight_attribute import attribute_dataset as attribute_dataset
    from backlight_pictures.activations import activations as activations
    from backlight_pictures.side_by_side import side_by_side as side_by_side
    from backlight_plots import plots as plots
    from backlight_study import study as study
    from backlight_text import continuation as continuation


def __getattr__(name: str) -> object:
    """What plugins add to these names, which needs more than the core."""
    found = None
    if name in _ADDED:
        found = installed_plugins().first("backlight_function", object, name=name)
    if found is None:
        raise AttributeError(f"module 'backlight' has no attribute {name!r}")
    return found


_ADDED = ("activations", "attribute_dataset", "continuation", "plots", "side_by_side", "study")


def _drawn(attribution: Attribution) -> str | None:
    return installed_plugins().first("backlight_render", str, attribution=attribution)


Attribution.renderer = staticmethod(_drawn)


def __dir__() -> list[str]:
    """What there is to use, without the modules that it comes from."""
    return sorted([*__all__, *_ADDED])


__all__ = [
    "API_VERSION",
    "AppliedOperation",
    "Attribution",
    "BacklightError",
    "BacklightWarning",
    "Cell",
    "Channels",
    "Class",
    "Columns",
    "Comparison",
    "Connection",
    "Cost",
    "Cut",
    "DinucleotideShuffles",
    "Drawn",
    "Elements",
    "Evaluation",
    "Examples",
    "Features",
    "ForOperation",
    "Function",
    "Gradient",
    "Grid",
    "Inputs",
    "JointMethod",
    "Kind",
    "LogProbability",
    "Logit",
    "MadeBaseline",
    "Margin",
    "Method",
    "Metric",
    "Model",
    "Neuron",
    "Objective",
    "Operation",
    "Options",
    "Outcome",
    "Output",
    "OutputGradientRule",
    "Probability",
    "Removals",
    "Result",
    "Rule",
    "Rules",
    "Score",
    "Segments",
    "Several",
    "Shared",
    "Site",
    "Subject",
    "TokenBaseline",
    "Tokens",
    "Top",
    "Windows",
    "Words",
    "__version__",
    "evaluate",
    "explain",
    "forget",
    "hookimpl",
    "methods",
    "metrics",
    "wrap",
]
