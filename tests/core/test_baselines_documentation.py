"""docs/baselines.md is true: its code runs."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

import backlight

TEXT = (Path(__file__).parents[2] / "docs" / "baselines.md").read_text(encoding="utf-8")
PICTURES, SEQUENCES, OWN = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture
def scope() -> dict:
    torch.manual_seed(0)
    letters = torch.randint(0, 4, (3, 30))
    return {
        "net": torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 3)),
        "pictures": torch.rand(2, 3, 8, 8),
        "data": torch.rand(12, 3, 8, 8),
        "motifs": torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(120, 1)),
        "sequences": torch.nn.functional.one_hot(letters, 4).float(),
    }


def test_pictures_have_all_these_baselines(scope: dict) -> None:
    exec(PICTURES, scope)
    mean = (scope["dark"].values + scope["light"].values) / 2
    torch.testing.assert_close(scope["either"].values, mean)
    assert scope["removed"].by(scope["cells"]).values.shape == (2, 16)
    assert scope["usual"].gap.max() < 1e-5
    torch.testing.assert_close(scope["dimmed"].values, 0.8 * scope["dark"].values)


def test_letters_times_the_input_sum_to_the_change(scope: dict) -> None:
    exec(SEQUENCES, scope)
    found, whole = scope["letters"], scope["contributions"]
    there = (scope["sequences"] * found.values).sum(dim=(1, 2)).numpy()
    np.testing.assert_allclose(there, whole.score - whole.baseline_score, atol=1e-5)


def test_one_of_your_own_is_one(scope: dict) -> None:
    exec(OWN, scope)
    x = scope["pictures"]
    found = backlight.explain(
        scope["net"], x, 1, method="deep_lift", baseline=scope["OtherColours"]()
    )
    weight = scope["net"][1].weight[1].reshape(3, 8, 8)
    turned = (x.roll(1, 1) + x.roll(2, 1)) / 2
    torch.testing.assert_close(found.values, (weight * (x - turned)).detach())
