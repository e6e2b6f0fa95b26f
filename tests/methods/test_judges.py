from importlib import import_module
from pathlib import Path

from backlight_methods import METHODS
from tests.methods.judges import JUDGED


def test_every_technique_has_a_closed_form() -> None:
    for folder in ("methods", "features"):
        for path in (Path(__file__).parents[1] / folder).glob("test_*.py"):
            import_module(f"tests.{folder}.{path.stem}")  # which marks them
    assert set(METHODS) == JUDGED
