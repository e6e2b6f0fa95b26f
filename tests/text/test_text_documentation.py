"""docs/text.md is true: its code runs, one block after the other."""

import re
from pathlib import Path
from typing import Any

TEXT = (Path(__file__).parents[2] / "docs" / "text.md").read_text(encoding="utf-8")


def test_its_code_runs() -> None:
    scope: dict[str, Any] = {}
    blocks = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    for block in blocks:
        exec(block, scope)
    assert len(blocks) == 4
    assert len(scope["said"].tokens) == 3
