"""The report: choices."""

import json
from pathlib import Path

import numpy as np
import pytest

from backlight import BacklightError, Examples
from backlight.errors import HyperParameterError, InputError, UnknownNameError
from backlight_loading.techniques import technique, techniques
from backlight_report import report
from backlight_study.predictions import probabilities
from tests.report.shared import parsed, picture, run


def test_probabilities_of_every_kind_of_output() -> None:
    odds = np.array([[0.9, 0.1], [0.25, 0.75]])
    np.testing.assert_array_equal(probabilities(odds, "probabilities"), odds)
    np.testing.assert_array_equal(probabilities(odds * 2, "sigmoid"), odds * 2)
    np.testing.assert_allclose(probabilities(np.log(odds), "log_probabilities"), odds)
    np.testing.assert_allclose(probabilities(np.log(odds) + 900, "logits"), odds)


def test_a_right_case_is_held_against_the_second_choice(
    net: object, examples: Examples, tmp_path: Path
) -> None:
    made = report(
        net, examples, directory=tmp_path / "out", methods=["gradient"], only="correct", limit=1
    )
    (case,) = json.loads((made.directory / "study.json").read_text())["cases"]
    assert case["true"] == case["predicted"]
    assert case["rival"]["class"] == 1 - case["predicted"]["class"]
    assert list(case["explanations"][0]["targets"]) == ["predicted", "contrast"]
    assert "rightly called" in made.page.read_text()


def test_one_confusion_cell(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(
        capsys, "report", f"{place}/net.py:net", place / "pictures", "-o", tmp_path / "out",
        "-m", "gradient", "--true", "RIGHT", "--predicted", "0",
    )  # fmt: skip
    assert code == 0
    assert "1 explained" in out
    (case,) = json.loads((tmp_path / "out/study.json").read_text())["cases"]
    assert case["name"] == "right/f.png"


def test_nothing_to_explain_is_a_report_too(
    net: object, examples: Examples, tmp_path: Path, capsys: pytest.CaptureFixture[str], place: Path
) -> None:
    np.savez(tmp_path / "right.npz", images=picture(0, 200)[None], labels=np.array([1]))
    code, out, _ = run(
        capsys, "report", f"{place}/net.py:net", tmp_path / "right.npz", "-o", tmp_path / "out"
    )
    assert code == 0
    assert "None of the examples asked for" in out
    text = (tmp_path / "out/report.html").read_text()
    parsed(text)
    assert "There are no cases to explain." in text


def test_techniques_from_text() -> None:
    made = technique("smooth:inner=input_x_gradient,samples=3,noise=0.5", seed=7)
    assert repr(made.method).startswith("Smooth(inner=InputXGradient(), samples=3, noise=0.5")
    assert getattr(made.method, "seed") == 7  # noqa: B009
    assert technique("smooth:seed=1", seed=7).method == technique("smooth:seed=1").method
    placed = technique("Grad-CAM:at=conv,rectify=True")
    assert (placed.name, placed.at) == ("grad_cam", "conv")
    windows = technique("occlusion:window=(3, 2),stride=1").method
    assert (
        repr(windows) == "Occlusion(window=(3, 2), stride=1, baseline=0.0, axes=None, keep='mean')"
    )
    names = [one.name for one in techniques(["gradient", "saliency", "gradient"])]
    assert names == ["gradient", "saliency", "gradient 2"]
    with pytest.raises(UnknownNameError, match="Nearest: grad_cam"):
        technique("grad_kam")
    with pytest.raises(HyperParameterError, match="steps must be at least 1"):
        technique("integrated_gradients:steps=0")
    for word, meant in (("false", False), ("TRUE", True)):
        assert getattr(technique(f"grad_cam:rectify={word}").method, "rectify") is meant  # noqa: B009
    assert "upsample='none'" in repr(technique("grad_cam:upsample=none").method)
    assert technique("grad_cam:at=0.10").at == "0.10"
    inner = technique("smooth:inner=expected_gradients", seed=7).method
    assert "seed=7" in repr(getattr(inner, "inner"))  # noqa: B009
    with pytest.raises(InputError, match="steps is said twice"):
        technique("integrated_gradients:steps=3,steps=4")
    with pytest.raises(BacklightError):
        technique("integrated_gradients:steps=none")
    with pytest.raises(HyperParameterError, match="NAME:key=value"):
        technique("integrated_gradients:steps")
