"""Backlight: which part of this input made the model say that?"""

from backlight.attribution import Attribution
from backlight.baselines import Several
from backlight.errors import BacklightError, BacklightWarning
from backlight.examples import Examples
from backlight.hooks import hookimpl
from backlight.inputs import Inputs, Shared
from backlight.method import Evidence, Method
from backlight.model import Gradient, Model, Options, Site
from backlight.objective import Objective
from backlight.registry import explain, methods
from backlight.scores import (
    Class,
    Function,
    LogProbability,
    Margin,
    Neuron,
    Output,
    Probability,
    Score,
)
from backlight.version import __version__
from backlight.wrapping import forget, wrap

__all__ = [
    "Attribution",
    "BacklightError",
    "BacklightWarning",
    "Class",
    "Evidence",
    "Examples",
    "Function",
    "Gradient",
    "Inputs",
    "LogProbability",
    "Margin",
    "Method",
    "Model",
    "Neuron",
    "Objective",
    "Options",
    "Output",
    "Probability",
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
