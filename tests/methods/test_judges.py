from backlight_methods import METHODS
from tests.methods import (
    test_class_activation_maps,
    test_deep_lift,
    test_gradients,
    test_integrated_gradients,
    test_lrp,
    test_occlusion,
    test_rectifiers,
    test_smooth,
)
from tests.methods.judges import JUDGED

MARKING = (
    test_class_activation_maps,
    test_deep_lift,
    test_gradients,
    test_integrated_gradients,
    test_lrp,
    test_occlusion,
    test_rectifiers,
    test_smooth,
)
"""Where techniques are marked as judged, when these are imported."""


def test_every_technique_has_a_closed_form() -> None:
    assert all(MARKING)
    assert set(METHODS) == JUDGED
