"""What the maps of a case explain: one quantity, whatever the net ends in and however many outputs it
has; and pictures without an axis for channels, on each framework."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import torch
from numpy.typing import NDArray

from backlight import Examples, Method, Objective, Result
from backlight.errors import InputError, TargetError
from backlight_report import report
from backlight_report.terminal import show
from backlight_report.writing import estimates
from backlight_study.predictions import odds_of_one
from tests.report.shared import parsed, picture

WEIGHT = np.random.default_rng(0).normal(size=(64, 3)).astype(np.float32) / 4
BRIGHT = np.array([(200, 20), (20, 220), (60, 100), (90, 30)])
DATA = Examples(np.stack([picture(*one) for one in BRIGHT]), np.array([1, 0, 0, 0]))


def torch_net(weight: NDArray[np.float32], ending: str | None) -> object:
    matrix = torch.tensor(weight)

    class Net(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            z = x.reshape(len(x), 64) @ matrix
            if ending in ("softmax", "log_softmax"):
                return getattr(z, ending)(1)  # type: ignore[no-any-return]
            z = z.sigmoid() if ending and "sigmoid" in ending else z
            return z[:, 0] if ending and "flat" in ending else z

    return Net().eval()


def jax_net(weight: NDArray[np.float32], ending: str | None) -> object:
    import jax

    def run(x: Any) -> Any:
        z = x.reshape(len(x), 64) @ weight
        if ending in ("softmax", "log_softmax"):
            return getattr(jax.nn, ending)(z)
        z = jax.nn.sigmoid(z) if ending and "sigmoid" in ending else z
        return z[:, 0] if ending and "flat" in ending else z

    return run


def tensorflow_net(weight: NDArray[np.float32], ending: str | None) -> object:
    matrix = tf.constant(weight)

    @tf.function  # type: ignore[untyped-decorator]
    def run(x: Any) -> Any:
        z = tf.reshape(x, (-1, 64)) @ matrix
        if ending in ("softmax", "log_softmax"):
            return getattr(tf.nn, ending)(z)
        z = tf.nn.sigmoid(z) if ending and "sigmoid" in ending else z
        return z[:, 0] if ending and "flat" in ending else z

    return run


NETS: dict[str, Callable[..., object]] = {
    "torch": torch_net,
    "jax": jax_net,
    "tensorflow": tensorflow_net,
}


def made(
    framework: str,
    place: Path,
    ending: str | None,
    weight: NDArray[np.float32] = WEIGHT,
    **more: Any,
) -> tuple[dict[str, Any], str]:
    """The results and the page of a report."""
    chosen = {"methods": ["input_x_gradient"], "only": "all", **more}
    data = chosen.pop("data", DATA)
    net = NETS[framework](weight, ending)
    written = report(net, data, directory=place / "out", framework=framework, **chosen)
    text = written.page.read_text()
    parsed(text)
    return json.loads((written.directory / "study.json").read_text()), text


@pytest.mark.parametrize("framework", NETS)
@pytest.mark.parametrize("ending", ["softmax", "log_softmax", "sigmoid"])
def test_predicted_true_and_contrast_are_one_quantity(
    framework: str, ending: str, tmp_path: Path
) -> None:
    """That of a logit: the contrast is the difference of the other two, and that of the net without
    its ending."""
    plain, _ = made(framework, tmp_path / "plain", None)
    found, text = made(framework, tmp_path / "ending", ending)
    assert "logits" in found["quantity"]
    assert found["quantity"].replace("'", "&#39;") in text
    assert plain["quantity"] == "the class scores as the model gives them"
    wrong = [case for case in found["cases"] if case["true"]["class"] != case["predicted"]["class"]]
    assert wrong
    same = {case["row"]: case for case in plain["cases"]}
    for case in wrong:
        (row,) = case["explanations"]
        score = {question: one["score"] for question, one in row["targets"].items()}
        assert score["contrast"] == pytest.approx(score["predicted"] - score["true"], rel=1e-3)
        (other,) = same[case["row"]]["explanations"]
        direct = other["targets"]["contrast"]["score"]
        assert score["contrast"] == pytest.approx(direct, rel=1e-3)


def test_probabilities_that_only_their_values_tell(tmp_path: Path) -> None:
    """Behind the softmax there is something else: their softmax would be shown instead of them."""

    class Clipped(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            odds = (x.flatten(1) @ torch.tensor(WEIGHT)).softmax(1)
            return torch.stack([odds[:, 0], odds[:, 1], odds[:, 2]], 1)

    written = report(Clipped(), DATA, directory=tmp_path / "out", methods=["gradient"], only="all")
    found = json.loads((written.directory / "study.json").read_text())
    assert found["outputs"] == "probabilities"
    for case in found["cases"]:
        assert sum(one["probability"] for one in case["probabilities"]) == pytest.approx(1)
        x = torch.tensor(DATA.x[case["row"]].astype(np.float32) / 255)[None, None]
        direct = Clipped()(x)[0, case["predicted"]["class"]].item()
        assert case["predicted"]["probability"] == pytest.approx(direct)


ONE = np.where(np.arange(64) % 8 < 4, -0.05, 0.07).astype(np.float32)[:, None]
"""Is it brighter on the right?"""


@pytest.mark.parametrize("framework", NETS)
@pytest.mark.parametrize("ending", [None, "flat", "sigmoid", "flat sigmoid"])
def test_one_output_is_for_class_1_and_against_class_0(
    framework: str, ending: str | None, tmp_path: Path
) -> None:
    found, text = made(framework, tmp_path, ending, ONE)
    z = DATA.x.reshape(-1, 64).astype(np.float64) / 255 @ ONE[:, 0]
    odds = 1 / (1 + np.exp(-z))
    assert found["one_output"]
    assert found["classes"] == ["class 0", "class 1"]
    assert {(odds > 0.5).any(), (odds < 0.5).any()} == {True}
    for case in found["cases"]:
        row = case["row"]
        k = int(odds[row] > 0.5)
        assert case["predicted"]["class"] == k
        assert case["predicted"]["probability"] == pytest.approx(max(odds[row], 1 - odds[row]))
        targets = case["explanations"][0]["targets"]
        assert targets["predicted"]["score"] == pytest.approx(abs(z[row]), rel=1e-4)
        if case["true"]["class"] != k:
            assert targets["true"]["score"] == pytest.approx(-abs(z[row]), rel=1e-4)
        assert "contrast" not in targets
    assert "why class 1 rather than class 0" in text


def test_a_name_for_one_output_is_enough(tmp_path: Path) -> None:
    data = Examples(DATA.x, DATA.labels, ["defect"])
    found, text = made("torch", tmp_path, None, ONE, data=data)
    assert found["classes"] == ["not defect", "defect"]
    assert "why not defect rather than defect" in text


def test_what_one_output_cannot_be(tmp_path: Path) -> None:
    three = Examples(DATA.x, DATA.labels, ["a", "b", "c"])
    with pytest.raises(TargetError, match=r"3 classes \(a, b, c\), the model one output"):
        made("torch", tmp_path, None, ONE, data=three)
    with pytest.raises(TargetError, match="1 for every example, as of a softmax"):
        made("torch", tmp_path, "softmax", ONE)
    with pytest.raises(InputError, match="Labels must be 0 to 1; example 0 has 2"):
        made("torch", tmp_path, None, ONE, data=Examples(DATA.x, DATA.labels + 1))


def test_probabilities_from_one_output() -> None:
    values = np.array([[-1.0], [0.0], [3.0]])
    odds = 1 / (1 + np.exp(-values))
    both = np.concatenate([1 - odds, odds], axis=1)
    np.testing.assert_allclose(odds_of_one(values, "logits"), both)
    np.testing.assert_allclose(odds_of_one(odds, "sigmoid"), both)
    np.testing.assert_allclose(odds_of_one(np.log(odds), "log_probabilities"), both)


@pytest.mark.parametrize("framework", NETS)
def test_pictures_without_an_axis_for_channels(framework: str, tmp_path: Path) -> None:
    """Ready floats (N, H, W): each place's own value is drawn there."""
    ready = Examples(DATA.x.astype(np.float32) / 255, DATA.labels)
    seen: list[NDArray[Any]] = []

    @dataclass(frozen=True, kw_only=True)
    class NetStructure(Method):
        def attribute(self, objective: Objective) -> Result:
            found = objective.gradient()
            seen.append(objective.model.to_numpy(found.gradient))  # type: ignore[arg-type]
            return Result(found.gradient, found.score)

    found, _ = made(framework, tmp_path, None, data=ready, methods=[NetStructure()], limit=1)
    assert found["input"]["shape"] == [8, 8]
    (case,) = found["cases"]
    np.testing.assert_allclose(
        seen[0][0], WEIGHT[:, case["predicted"]["class"]].reshape(8, 8), rtol=1e-6
    )
    assert case["explanations"][0]["error"] is None
    assert case["explanations"][0]["reduction"] == "sum"


@pytest.mark.parametrize("framework", NETS)
def test_windows_cover_both_axes_of_pictures_without_channels(
    framework: str, tmp_path: Path
) -> None:
    """A window of one place takes away what that place adds to the score, and no column or row."""
    ready = Examples(DATA.x.astype(np.float32) / 255, DATA.labels)
    net, one = NETS[framework](WEIGHT, None), ["occlusion:window=1,stride=1"]
    made = report(net, ready, directory=tmp_path / "out", framework=framework, methods=one, limit=1)
    found = json.loads((made.directory / "study.json").read_text())
    (case,) = found["cases"]
    (row,) = case["explanations"]
    assert row["error"] is None
    falls = [WEIGHT[:, k].reshape(8, 8) * ready.x[case["row"]] for k in (
        case["predicted"]["class"], case["true"]["class"])]  # fmt: skip
    falls.append(falls[0] - falls[1])
    assert row["limit"] == pytest.approx(np.percentile(np.abs(falls), 99), rel=1e-4)
    assert not any(one["warnings"] for one in row["targets"].values())


@dataclass(frozen=True, kw_only=True)
class Estimated(Method):
    """Says how far it may be off."""

    def attribute(self, objective: Objective) -> Result:
        found = objective.gradient()
        return Result(
            found.gradient,
            found.score,
            error=np.array([0.25]),
            standard_error_of_sum=np.array([0.5]),
        )


def test_estimated_errors_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    net = torch_net(WEIGHT, None)
    shown = report(net, DATA, directory=tmp_path / "shown", methods=[Estimated()], limit=1)
    show(shown)
    assert "Estimated: estimated error of a map up to 25.0%" in capsys.readouterr().err
    found, text = made("torch", tmp_path, None, methods=[Estimated()], limit=1)
    (row,) = found["cases"][0]["explanations"]
    assert {(one["error"], one["standard_error_of_sum"]) for one in row["targets"].values()} == {
        (0.25, 0.5)
    }
    assert '<span class="bad">error 25' in text
    assert estimates(found["cases"]) == (
        "Estimated: estimated error of a map up to 25.0%, standard error of a map's sum up to 0.5",
    )
    assert "standard error 0.5" in text


# Keras 3.15 saves and loads TensorFlow variables in a way that NumPy 2 frowns upon.
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")
def test_a_keras_net_that_takes_pictures_without_channels(tmp_path: Path) -> None:
    """As in many tutorials: bytes (N, H, W) are given to it as they lie."""
    import keras

    net = keras.Sequential(
        [keras.Input((8, 8)), keras.layers.Flatten(), keras.layers.Dense(3, activation="softmax")]
    )
    net.layers[-1].set_weights([WEIGHT, np.zeros(3, np.float32)])
    made = report(net, DATA, directory=tmp_path / "out", methods=["gradient"], limit=1)
    found = json.loads((made.directory / "study.json").read_text())
    assert found["input"]["shape"] == [8, 8]
    (case,) = found["cases"]
    (row,) = case["explanations"]
    centred = WEIGHT - WEIGHT.mean(axis=1, keepdims=True)
    maps = [centred[:, case[one]["class"]] for one in ("predicted", "true")]
    maps.append(maps[0] - maps[1])
    assert row["limit"] == pytest.approx(np.percentile(np.abs(maps), 99), rel=1e-4)
