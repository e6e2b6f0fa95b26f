"""Techniques, one a file."""

from collections.abc import Mapping

from backlight import Method
from backlight_methods.expected_gradients import ExpectedGradients
from backlight_methods.grad_cam import GradCAM
from backlight_methods.grad_cam_plus_plus import GradCAMPlusPlus
from backlight_methods.gradient import Gradient
from backlight_methods.hires_cam import HiResCAM
from backlight_methods.input_x_gradient import InputXGradient
from backlight_methods.integrated_gradients import IntegratedGradients
from backlight_methods.layer_cam import LayerCAM
from backlight_methods.occlusion import Occlusion
from backlight_methods.saliency import Saliency
from backlight_methods.smooth import Smooth
from backlight_methods.x_grad_cam import XGradCAM

METHODS: Mapping[str, type[Method]] = {
    "expected_gradients": ExpectedGradients,
    "grad_cam": GradCAM,
    "grad_cam_plus_plus": GradCAMPlusPlus,
    "gradient": Gradient,
    "hires_cam": HiResCAM,
    "input_x_gradient": InputXGradient,
    "integrated_gradients": IntegratedGradients,
    "layer_cam": LayerCAM,
    "occlusion": Occlusion,
    "saliency": Saliency,
    "smooth": Smooth,
    "x_grad_cam": XGradCAM,
}
"""Name to technique, as `backlight.explain(method=...)` and the command line know them."""

__all__ = [
    "METHODS",
    "ExpectedGradients",
    "GradCAM",
    "GradCAMPlusPlus",
    "Gradient",
    "HiResCAM",
    "InputXGradient",
    "IntegratedGradients",
    "LayerCAM",
    "Occlusion",
    "Saliency",
    "Smooth",
    "XGradCAM",
]
