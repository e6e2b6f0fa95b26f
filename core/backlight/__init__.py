"""Backlight: which part of this input made the model say that?"""

from backlight.attribution import Attribution
from backlight.baselines import Several
from backlight.class_scores import Class, Logit, LogProbability, Margin, Probability
from backlight.errors import BacklightError, BacklightWarning
from backlight.evidence import Evidence
from backlight.examples import Examples
from backlight.hooks import hookimpl
from backlight.inputs import Inputs, Shared
from backlight.method import Method
from backlight.model import Connection, Cut, Gradient, Model, Options, Site
from backlight.objective import Objective
from backlight.operations import Kind, Operation
from backlight.plugins import plugins as installed_plugins
from backlight.registry import explain, methods
from backlight.rules import Application, Incoming, Rule, Rules
from backlight.scores import Function, Neuron, Output, Score
from backlight.version import API_VERSION, __version__
from backlight.wrapping import forget, wrap


def _drawn(attribution: Attribution) -> str | None:
    return installed_plugins().first("backlight_render", str, attribution=attribution)


Attribution.renderer = staticmethod(_drawn)


def __dir__() -> list[str]:
    """What there is to use, without the modules that it comes from."""
    return __all__


__all__ = [
    "API_VERSION",
    "Application",
    "Attribution",
    "BacklightError",
    "BacklightWarning",
    "Class",
    "Connection",
    "Cut",
    "Evidence",
    "Examples",
    "Function",
    "Gradient",
    "Incoming",
    "Inputs",
    "Kind",
    "LogProbability",
    "Logit",
    "Margin",
    "Method",
    "Model",
    "Neuron",
    "Objective",
    "Operation",
    "Options",
    "Output",
    "Probability",
    "Rule",
    "Rules",
    "Score",
    "Several",
    "Shared",
    "Site",
    "__version__",
    "explain",
    "forget",
    "hookimpl",
    "methods",
    "wrap",
]
