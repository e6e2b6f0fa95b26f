"""Techniques, one a file."""

from collections.abc import Mapping

from backlight import Method
from backlight_methods.class_activation_maps.grad_cam import GradCAM
from backlight_methods.class_activation_maps.grad_cam_plus_plus import GradCAMPlusPlus
from backlight_methods.class_activation_maps.guided_grad_cam import GuidedGradCAM
from backlight_methods.class_activation_maps.hires_cam import HiResCAM
from backlight_methods.class_activation_maps.layer_cam import LayerCAM
from backlight_methods.class_activation_maps.x_grad_cam import XGradCAM
from backlight_methods.deep_lift.deep_lift import DeepLIFT
from backlight_methods.gradients.deconvnet import Deconvnet
from backlight_methods.gradients.expected_gradients import ExpectedGradients
from backlight_methods.gradients.gradient import Gradient
from backlight_methods.gradients.guided_backprop import GuidedBackprop
from backlight_methods.gradients.input_x_gradient import InputXGradient
from backlight_methods.gradients.integrated_gradients import IntegratedGradients
from backlight_methods.gradients.saliency import Saliency
from backlight_methods.gradients.smooth import Smooth
from backlight_methods.layers.conductance import Conductance
from backlight_methods.layers.internal_influence import InternalInfluence
from backlight_methods.layers.neuron_conductance import NeuronConductance
from backlight_methods.lrp.composites import COMPOSITES, Composite
from backlight_methods.lrp.excitation_backprop import ExcitationBackprop
from backlight_methods.lrp.lrp import LRP
from backlight_methods.perturbation.feature_ablation import FeatureAblation
from backlight_methods.perturbation.kernel_shap import KernelSHAP
from backlight_methods.perturbation.lime import LIME
from backlight_methods.perturbation.occlusion import Occlusion
from backlight_methods.perturbation.rise import RISE
from backlight_methods.perturbation.shapley_values import ShapleyValues
from backlight_methods.perturbation.sobol_indices import SobolIndices

METHODS: Mapping[str, type[Method]] = {
    "conductance": Conductance,
    "deconvnet": Deconvnet,
    "deep_lift": DeepLIFT,
    "excitation_backprop": ExcitationBackprop,
    "expected_gradients": ExpectedGradients,
    "feature_ablation": FeatureAblation,
    "grad_cam": GradCAM,
    "grad_cam_plus_plus": GradCAMPlusPlus,
    "gradient": Gradient,
    "guided_backprop": GuidedBackprop,
    "guided_grad_cam": GuidedGradCAM,
    "hires_cam": HiResCAM,
    "input_x_gradient": InputXGradient,
    "integrated_gradients": IntegratedGradients,
    "internal_influence": InternalInfluence,
    "kernel_shap": KernelSHAP,
    "layer_cam": LayerCAM,
    "lime": LIME,
    "lrp": LRP,
    "neuron_conductance": NeuronConductance,
    "occlusion": Occlusion,
    "rise": RISE,
    "saliency": Saliency,
    "shapley_values": ShapleyValues,
    "smooth": Smooth,
    "sobol_indices": SobolIndices,
    "x_grad_cam": XGradCAM,
}
"""Name to technique, as `backlight.explain(method=...)` and the command line know them."""

__all__ = [
    "COMPOSITES",
    "LIME",
    "LRP",
    "METHODS",
    "RISE",
    "Composite",
    "Conductance",
    "Deconvnet",
    "DeepLIFT",
    "ExcitationBackprop",
    "ExpectedGradients",
    "FeatureAblation",
    "GradCAM",
    "GradCAMPlusPlus",
    "Gradient",
    "GuidedBackprop",
    "GuidedGradCAM",
    "HiResCAM",
    "InputXGradient",
    "IntegratedGradients",
    "InternalInfluence",
    "KernelSHAP",
    "LayerCAM",
    "NeuronConductance",
    "Occlusion",
    "Saliency",
    "ShapleyValues",
    "Smooth",
    "SobolIndices",
    "XGradCAM",
]
