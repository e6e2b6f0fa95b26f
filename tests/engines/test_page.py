"""What docs/engines.md shows runs as it stands."""

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from backlight_engines import ENGINES, Processes
from tests.engines.works import Writing, noted

TEXT = (Path(__file__).parents[2] / "docs" / "engines.md").read_text(encoding="utf-8")


def test_the_code_of_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = ModuleType("squares")
    module.Squares = lambda folder: Writing(tmp_path)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "squares", module)
    run, plugin = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    exec(run, {})
    assert len(capsys.readouterr().out.splitlines()) == 100
    assert len(noted(tmp_path)) == 1 + 100
    known = {"Slurm": Processes}
    exec(plugin, known)
    assert known["backlight_engines"]() == {"slurm": Processes}  # type: ignore[operator]


@pytest.mark.parametrize("name", [*ENGINES, "ray"])
def test_each_engine_is_in_the_table(name: str) -> None:
    assert f"\n| `{name}` |" in TEXT
