"""How maps are to be read: what a technique answers, and what it cannot."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from backlight_loading.techniques import Technique, sentence


@final
@dataclass(frozen=True)
class Reading:
    """What a technique answers, and what it cannot, a sentence each."""

    answers: str
    cannot: str


SMALL_CHANGES = "Say what would happen if a part were missing: it knows small changes only."
NOT_FAITHFUL = (
    "Tell this model from an untrained one with any certainty: its maps follow the picture's edges more "
    "than the upper layers' weights."
)
COARSE_PLACES = "Point to single pixels: it knows as many places as the feature map has cells."
BASELINE = (
    "Stand without its baseline: it says what differs from that, and nothing of what is equal."
)

READINGS: Mapping[str, Reading] = {
    "gradient": Reading(
        "Which pixels, changed a little, would change the score most.", SMALL_CHANGES
    ),
    "saliency": Reading(
        "Which pixels, changed a little either way, would change the score most.", SMALL_CHANGES
    ),
    "input_x_gradient": Reading(
        "What each pixel would add to the score if the model were linear here.",
        "Speak of dark pixels: what is 0 gets 0, whatever it means.",
    ),
    "integrated_gradients": Reading(
        "How the change of the score from the baseline to the picture is shared among the pixels.",
        BASELINE,
    ),
    "expected_gradients": Reading(
        "How the change of the score from typical baselines to the picture is shared among the pixels.",
        BASELINE,
    ),
    "conductance": Reading(
        "How the change of the score from the baseline flows through each value of a layer.",
        BASELINE,
    ),
    "neuron_conductance": Reading(
        "How the change of the score that flows through some neurons is shared among the pixels.",
        BASELINE,
    ),
    "internal_influence": Reading(
        "Which values of a layer change the score most, on average on the way from the baseline.",
        SMALL_CHANGES,
    ),
    "smooth": Reading(
        "What the technique inside says on average of pictures with a little noise.",
        "Say more than the technique inside: noise hides what is unstable.",
    ),
    "deep_lift": Reading(
        "How the change of the score from the baseline is shared among the pixels, layer by layer.",
        BASELINE,
    ),
    "lrp": Reading(
        "How the score is dealt out backwards, layer by layer, to the pixels.",
        "Say what would happen without a part; its rules are a choice, and others share otherwise.",
    ),
    "excitation_backprop": Reading(
        "Which pixels the winners on the way to the score were excited by.",
        "Show what speaks against a class: it follows excitation only.",
    ),
    "guided_backprop": Reading("Which shapes the score's neurons react to.", NOT_FAITHFUL),
    "deconvnet": Reading("Which shapes the score's neurons react to.", NOT_FAITHFUL),
    "guided_grad_cam": Reading(
        "Which shapes there are where Grad-CAM sees something.", NOT_FAITHFUL
    ),
    "grad_cam": Reading("Which regions of the feature map speak for the score.", COARSE_PLACES),
    "grad_cam_plus_plus": Reading(
        "Which regions of the feature map speak for the score, several objects alike.",
        COARSE_PLACES,
    ),
    "hires_cam": Reading(
        "Which regions of the feature map speak for the score, place by place.", COARSE_PLACES
    ),
    "x_grad_cam": Reading("Which regions of the feature map speak for the score.", COARSE_PLACES),
    "layer_cam": Reading(
        "Which regions of the feature map speak for the score, place by place.", COARSE_PLACES
    ),
    "occlusion": Reading(
        "By how much the score falls when a window of the picture is covered.",
        "See what is only strong together: windows are covered one by one, with one kind of cover.",
    ),
}


def reading(technique: Technique) -> Reading:
    """Of a technique, by its name; of one that another package brings, its own first sentence."""
    name = technique.name.partition(" ")[0]
    unknown = "Backlight does not know this technique's limits: see its own documentation."
    return READINGS.get(name, Reading(sentence(technique.method), unknown))
