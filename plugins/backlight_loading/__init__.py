"""Models, labelled examples and techniques from what a user names: files, folders, things in code.

model = backlight.wrap(backlight_loading.load_model("net.py:trained"))
examples = backlight_loading.load_examples("photos/", size=(224, 224))
explained = backlight_loading.technique("grad_cam:upsample=receptive_field").method(model, ...)
"""

from backlight_loading.examples import load_examples, read_classes
from backlight_loading.models import load_model
from backlight_loading.preparation import preparation
from backlight_loading.preprocessing import Preprocessing
from backlight_loading.references import load_reference
from backlight_loading.techniques import Technique, technique, techniques

__all__ = [
    "Preprocessing",
    "Technique",
    "load_examples",
    "load_model",
    "load_reference",
    "preparation",
    "read_classes",
    "technique",
    "techniques",
]
