from importlib import import_module
from pathlib import Path

from backlight_methods import METHODS
from tests.methods.judges import JUDGED


def test_every_technique_has_a_closed_form() -> None:
    for path in Path(__file__).parent.glob(
        "test_*.py"
    ):  # techniques are marked as they are imported
        import_module(f"tests.methods.{path.stem}")
    assert set(METHODS) == JUDGED
