"""The README is true: its code runs, and its table lists every technique."""

import re
from pathlib import Path
from typing import Any

import array_api_strict as strict
import numpy as np
import pytest

import backlight
from backlight_methods import METHODS
from tests import tape
from tests.reference import ReferenceModel, linear, places_by_shapes
from tests.study.nets import examples, torch_net

README = (Path(__file__).parent.parent / "README.md").read_text()
CODE = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


def code(holding: str) -> str:
    """The one piece of code that holds this."""
    (found,) = (one for one in CODE if holding in one)
    return found


@pytest.fixture
def net() -> ReferenceModel:
    weight = np.random.default_rng(0).normal(size=(2 * 6 * 6, 8))
    return ReferenceModel(("feature", lambda x: x * x), ("out", linear(weight)))


@places_by_shapes
def test_the_three_one_liners_run(net: ReferenceModel) -> None:
    x = strict.asarray(np.random.default_rng(1).normal(size=(2, 2, 6, 6)))
    scope = {"model": net, "x": x, "labels": [1, 2]}
    exec(code("from backlight_methods import IntegratedGradients"), scope)
    heat = scope["heat"]
    assert heat.values.shape == x.shape  # type: ignore[attr-defined]
    assert heat.relative_gap.max() <= 0.01  # type: ignore[attr-defined]


@pytest.mark.filterwarnings("ignore:Every value is exactly 0")  # trees have steps
def test_any_model_is_explained() -> None:
    rng = np.random.default_rng(0)
    x, weights = rng.normal(size=(60, 4)), np.array([1.0, -2.0, 0.0, 0.5])

    def ask_service(x: Any) -> Any:
        p = 1 / (1 + np.exp(-(x @ weights)))
        return np.stack([1 - p, p], axis=1)

    scope = {"backlight": backlight, "Margin": backlight.Margin, "x": x}
    scope |= {"ask_service": ask_service, "labels": x @ weights > 0}
    exec(code('framework="numpy"'), scope)
    assert np.allclose(scope["heat"].values, weights * x[:8])  # type: ignore[attr-defined]
    assert scope["heat"].framework == "numpy"  # type: ignore[attr-defined]


def test_the_study_runs() -> None:
    scope: dict[str, object] = {
        "backlight": backlight,
        "model": torch_net(),
        "examples": examples(),
    }
    exec(code("backlight.study(").replace("Shirt", "metal"), scope)
    assert scope["study"].rule.startswith("All examples of metal called something else")  # type: ignore[attr-defined]


def test_the_ten_line_technique_runs(net: ReferenceModel) -> None:
    x = strict.asarray(np.random.default_rng(1).normal(size=(2, 2, 6, 6)))
    scope: dict[str, object] = {"__name__": "squared_gradient"}
    exec(code("# squared_gradient.py"), scope)
    (technique,) = scope["backlight_methods"]().values()  # type: ignore[operator]
    slope = np.array(METHODS["gradient"]()(net, x, 3).values)
    assert np.allclose(np.array(technique()(net, x, 3).values), slope**2)


def test_the_rule_softens_rectifiers() -> None:
    weights = [np.random.default_rng(seed).normal(size=(6, 6)) for seed in range(2)]
    hidden = ("hidden", lambda x: tape.relu(tape.dense(x, weights[0])))
    net = ReferenceModel(hidden, ("out", lambda x: tape.dense(x, weights[1])))
    x = np.random.default_rng(1).normal(size=(3, 6))
    scope: dict[str, object] = {"__name__": "softened_gradient"}
    exec(code("class SoftenedGradient"), scope)
    found = scope["SoftenedGradient"]()(net, x, 3)  # type: ignore[operator]
    softened = weights[1][:, 3] / (1 + np.exp(-10 * (x @ weights[0])))
    assert np.allclose(found.values, softened @ weights[0].T)


def test_the_table_lists_every_technique_and_no_other() -> None:
    assert set(re.findall(r"^\| `(\w+)` \|", README, flags=re.MULTILINE)) == set(METHODS)
