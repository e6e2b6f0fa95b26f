"""docs/features.md is true: its code runs, and its tables list what there is."""

import re
from pathlib import Path

import numpy as np
import torch

from backlight.explaining.estimate import explained_by_features
from backlight.explaining.preparing import prepare
from backlight.features.registry import features, named_features
from backlight_methods import METHODS
from tests.features.games import game_model, table
from tests.reference import places_by_shapes

TEXT = (Path(__file__).parents[2] / "docs" / "features.md").read_text(encoding="utf-8")
CODE = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def test_the_example_runs() -> None:
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 3))
    scope = {"net": net, "pictures": torch.rand(2, 3, 8, 8)}
    exec(CODE[0], scope)
    assert scope["by_cell"].values.shape == (2, 16)  # type: ignore[attr-defined]


@places_by_shapes
def test_the_technique_of_your_own_is_one() -> None:
    scope: dict[str, object] = {}
    exec(CODE[1], scope)
    game, x = table(4, seed=0), np.ones((1, 4))
    (explanation,) = prepare(game_model(game), x, 1)
    objective = explanation.objective
    (found,) = explained_by_features(objective, [objective.target], None, 0.0, scope["banzhaf"])  # type: ignore[arg-type]
    cube = game[:, 1].reshape(2, 2, 2, 2)  # the last axis is feature 0
    expected = [(cube.take(1, axis) - cube.take(0, axis)).mean() for axis in (3, 2, 1, 0)]
    np.testing.assert_allclose(np.asarray(found.values)[0], expected, atol=1e-12)


def test_the_tables_list_what_there_is() -> None:
    rows = re.findall(r"^\| `[^|]*\| ([^|]*) \|", TEXT.partition("## Techniques")[0], re.MULTILINE)
    named = [name for row in rows for name in re.findall(r"`([^`]+)`", row)]
    assert {name.partition(":")[0] for name in named} == set(features())
    for name in named:
        named_features(name)
    techniques = re.findall(r"^\| `(\w+)` \|", TEXT.partition("## Techniques")[2], re.MULTILINE)
    assert set(techniques) == {
        name for name, make in METHODS.items() if "perturbation" in make.__module__
    } - {"occlusion"}
