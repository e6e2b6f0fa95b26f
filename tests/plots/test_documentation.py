"""docs/plots.md is true: its code runs, and every plot is on it."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

import backlight
from tests.plots import made

TEXT = (Path(__file__).parents[2] / "docs" / "plots.md").read_text(encoding="utf-8")


def test_its_code_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    scope: dict[str, Any] = {
        "backlight": backlight,
        "Columns": backlight.Columns,
        "Figure": Figure,
        "heat": made.table(),
        "pictures": made.picture(),
        "texts": made.text(),
        "series": made.series(),
        "seconds": np.linspace(0, 5, 50),
        "table": replace(made.table(), class_names=("benign", "malignant")),
    }
    for code in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL):
        exec(code, scope)
    with Image.open(tmp_path / "map.png") as small, Image.open(tmp_path / "heat.png") as large:
        assert max(small.size) >= 512 and min(large.size) > 100
    assert [ax.get_title() for ax in scope["figure"].axes[:2]] == [
        scope["heat"].plot(example).get_title() for example in (0, 1)
    ]


def test_every_plot_is_described() -> None:
    for name in set(backlight.plots.__all__) - {"plot", "image"}:
        assert f"plots.{name}(" in TEXT or f"`{name}`" in TEXT
