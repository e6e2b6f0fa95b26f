"""What docs/attribute.md shows runs as it stands."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.study.nets import Net, examples

TEXT = (Path(__file__).parents[2] / "docs" / "attribute.md").read_text(encoding="utf-8")


def test_the_code_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    known: dict[str, Any] = {"model": Net().eval(), "data": examples(20)}
    for code in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL):
        exec(code, known)
    assert known["heat"].gap.max() < 1e-4
    assert known["gaps"].shape == (20,)
    _, values = known["found"].values("deep_lift", "contrast")
    np.testing.assert_array_equal(known["values"], values)


def test_every_command_of_the_page_is_there() -> None:
    from typer.main import get_command

    from backlight.command_line.console import application

    commands: Any = get_command(application()).commands  # type: ignore[attr-defined]
    for line in re.findall(r"^    backlight (.+)$", TEXT, re.MULTILINE):
        first, second, *_ = line.split()
        found = commands[first]
        assert second in found.commands if first == "store" else found, line
