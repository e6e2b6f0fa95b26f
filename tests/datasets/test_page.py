"""What docs/datasets.md shows runs as it stands."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from backlight_datasets import BlockStore

TEXT = (Path(__file__).parents[2] / "docs" / "datasets.md").read_text(encoding="utf-8")


def test_the_code_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for k in range(100):
        file = tmp_path / "pictures" / "abc"[k % 3] / f"{k}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (9, 7, 3), dtype=np.uint8)).save(file)
    known: dict[str, Any] = {}
    for code in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL):
        exec(code, known)
    store = BlockStore.open("results")
    assert store.missing() == []
    assert known["scores"].shape == (100, 3)
    np.testing.assert_array_equal(known["row"]["scores"], known["scores"][0])
    stored = store.read(0).arrays["values/mean/predicted"]
    np.testing.assert_array_equal(known["values"], stored)
    x = known["source"].read(0, 64).x.astype(np.float32) / 255
    np.testing.assert_allclose(stored, x - x.mean(), rtol=2**-11, atol=2**-39)
