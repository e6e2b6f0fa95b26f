"""The report: fixtures."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from backlight import Examples
from backlight_loading.examples import load_examples
from backlight_report import Report, report
from tests.report.places import FILED, NET
from tests.report.shared import picture


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `net.py`, `pictures/` and `data.npz`."""
    folder = tmp_path_factory.mktemp("place")
    (folder / "net.py").write_text(NET)
    for name, halves in FILED.items():
        file = folder / "pictures" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(*halves)).save(file)
    np.savez(
        folder / "data.npz",
        x=np.stack([picture(*halves) for halves in FILED.values()]),
        y=np.array([name.startswith("right") for name in FILED], dtype=np.uint8),
        classes=np.array(["left", "right"]),
    )
    return folder


@pytest.fixture(scope="module")
def examples(place: Path) -> Examples:
    return load_examples(str(place / "pictures"))


@pytest.fixture(scope="module")
def net(place: Path) -> Iterator[torch.nn.Module]:
    from backlight_loading.models import load_model

    found = load_model(f"{place / 'net.py'}:net")
    assert isinstance(found, torch.nn.Module)
    yield found


@pytest.fixture(scope="module")
def made(net: object, examples: Examples, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """One report with the default choices, that several tests read."""
    return report(net, examples, directory=tmp_path_factory.mktemp("made") / "report")


@pytest.fixture(scope="module")
def results(made: Report) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((made.directory / "study.json").read_text())
    return found
