"""Whether a framework's backend, or a technique, keeps Backlight's laws.

A backend's author writes a `Builder` of the golden nets, and a technique's author needs none:

    from backlight.testing import backend_checks, method_checks

    @pytest.mark.parametrize("check", backend_checks(MyBuilder()), ids=str)
    def test_my_backend(check):
        check()

`check_backend` checks all at once, and so does the command `backlight conformance`.
"""

from backlight.testing.backend import backend_checks, check_backend
from backlight.testing.building import Builder
from backlight.testing.checks import Check
from backlight.testing.nets import NETS, Layers, Net
from backlight.testing.plugin import check_plugin
from backlight.testing.technique import check_method, method_checks

__all__ = [
    "NETS",
    "Builder",
    "Check",
    "Layers",
    "Net",
    "backend_checks",
    "check_backend",
    "check_method",
    "check_plugin",
    "method_checks",
]
