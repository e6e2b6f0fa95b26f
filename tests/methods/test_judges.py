from backlight_methods import METHODS
from tests.methods import test_closed_forms, test_deep_lift, test_lrp, test_rectifiers
from tests.methods.judges import JUDGED


def test_every_technique_has_a_closed_form() -> None:
    assert all(
        (test_closed_forms, test_deep_lift, test_lrp, test_rectifiers)
    )  # imported, so marked
    assert set(METHODS) == JUDGED
