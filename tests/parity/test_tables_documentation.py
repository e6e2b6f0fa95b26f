"""docs/tables.md is true: its code runs, one block after the other."""

import re
from pathlib import Path
from typing import Any

TEXT = (Path(__file__).parents[2] / "docs" / "tables.md").read_text(encoding="utf-8")


def test_its_code_runs() -> None:
    scope: dict[str, Any] = {}
    for code in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL):
        exec(code, scope)
    assert scope["pooled"].values.shape == (2, 2)
