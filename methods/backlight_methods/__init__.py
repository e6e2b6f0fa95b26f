"""Techniques, one a file."""

from collections.abc import Mapping

from backlight import Method
from backlight_methods.composites import COMPOSITES, Composite
from backlight_methods.deconvnet import Deconvnet
from backlight_methods.deep_lift import DeepLIFT
from backlight_methods.excitation_backprop import ExcitationBackprop
from backlight_methods.expected_gradients import ExpectedGradients
from backlight_methods.grad_cam import GradCAM
from backlight_methods.grad_cam_plus_plus import GradCAMPlusPlus
from backlight_methods.gradient import Gradient
from backlight_methods.guided_backprop import GuidedBackprop
from backlight_methods.guided_grad_cam import GuidedGradCAM
from backlight_methods.hires_cam import HiResCAM
from backlight_methods.input_x_gradient import InputXGradient
from backlight_methods.integrated_gradients import IntegratedGradients
from backlight_methods.layer_cam import LayerCAM
from backlight_methods.lrp import LRP
from backlight_methods.occlusion import Occlusion
from backlight_methods.saliency import Saliency
from backlight_methods.smooth import Smooth
from backlight_methods.x_grad_cam import XGradCAM

METHODS: Mapping[str, type[Method]] = {
    "deconvnet": Deconvnet,
    "deep_lift": DeepLIFT,
    "excitation_backprop": ExcitationBackprop,
    "expected_gradients": ExpectedGradients,
    "grad_cam": GradCAM,
    "grad_cam_plus_plus": GradCAMPlusPlus,
    "gradient": Gradient,
    "guided_backprop": GuidedBackprop,
    "guided_grad_cam": GuidedGradCAM,
    "hires_cam": HiResCAM,
    "input_x_gradient": InputXGradient,
    "integrated_gradients": IntegratedGradients,
    "layer_cam": LayerCAM,
    "lrp": LRP,
    "occlusion": Occlusion,
    "saliency": Saliency,
    "smooth": Smooth,
    "x_grad_cam": XGradCAM,
}
"""Name to technique, as `backlight.explain(method=...)` and the command line know them."""

__all__ = [
    "COMPOSITES",
    "LRP",
    "METHODS",
    "Composite",
    "Deconvnet",
    "DeepLIFT",
    "ExcitationBackprop",
    "ExpectedGradients",
    "GradCAM",
    "GradCAMPlusPlus",
    "Gradient",
    "GuidedBackprop",
    "GuidedGradCAM",
    "HiResCAM",
    "InputXGradient",
    "IntegratedGradients",
    "LayerCAM",
    "Occlusion",
    "Saliency",
    "Smooth",
    "XGradCAM",
]
