"""Studies and reports of models that can only be run."""

import json
import re
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.neural_network import MLPClassifier

import backlight
from backlight import Examples
from backlight.command_line import main
from backlight.errors import InputError
from backlight_compare import compare
from backlight_methods import Occlusion
from backlight_report import report
from tests.backends.numpy import onnx_nets
from tests.study.nets import examples, torch_net, true_classes

DIGITS = load_digits()
KNOWN, NEW = slice(0, 900), slice(900, 1100)
pytestmark = pytest.mark.filterwarnings("ignore:Every value is exactly 0")
OCCLUSION = Occlusion(window=2)


def forest() -> RandomForestClassifier:
    made = RandomForestClassifier(20, max_depth=6, random_state=0)
    return made.fit(DIGITS.data[KNOWN], DIGITS.target[KNOWN])


def digits() -> Examples:
    return Examples(DIGITS.images[NEW].astype(np.float32), DIGITS.target[NEW])


def test_a_study_explains_by_what_needs_no_gradients() -> None:
    estimator = forest()
    made = backlight.study(estimator, digits(), limit=4)
    assert [one.name for one in made.cases.techniques] == ["occlusion"]
    right = estimator.predict(DIGITS.data[NEW])
    assert np.array_equal(made.predictions.classes, right)
    assert np.allclose(
        made.predictions.probabilities, estimator.predict_proba(DIGITS.data[NEW].astype(np.float32))
    )


def test_classes_are_those_that_the_estimator_names_in_its_order() -> None:
    words = np.array(["none", "one", "two", *"3456789"])
    x, labels = DIGITS.images[NEW].astype(np.float32), DIGITS.target[NEW]
    named = forest().fit(DIGITS.data[KNOWN], words[DIGITS.target[KNOWN]])
    order = tuple(map(str, named.classes_))
    positions = np.searchsorted(named.classes_, words[labels])
    one, other = (
        backlight.study(named, Examples(x, positions, classes), limit=1) for classes in ((), order)
    )
    assert one.classes == other.classes == order
    assert one.predictions.correct > 150
    with pytest.raises(InputError, match=r"calls its classes 3, 4, 5.*the data has none, one"):
        backlight.study(named, Examples(x, labels, tuple(words)), limit=1)
    shifted = forest().fit(DIGITS.data[KNOWN], DIGITS.target[KNOWN] + 1)
    with pytest.raises(InputError, match="labels must be positions in it, 0 to 9"):
        backlight.study(shifted, Examples(x, labels), limit=1)


def test_a_report_has_a_row_with_the_reason(tmp_path: Path) -> None:
    net = MLPClassifier((20,), max_iter=30, random_state=0)
    with pytest.warns(UserWarning, match="Maximum iterations"):
        net.fit(DIGITS.data[KNOWN], DIGITS.target[KNOWN])
    asked = ("integrated_gradients:steps=8", OCCLUSION)
    made = report(net, digits(), directory=tmp_path / "report", methods=asked, limit=3)
    (error,) = made.errors
    assert error.startswith("integrated_gradients: IntegratedGradients takes gradients")
    record = json.loads((tmp_path / "report" / "study.json").read_text())
    assert len(record["cases"]) == 3
    for case in record["cases"]:
        refused, covered = case["explanations"]
        assert re.search(r"Techniques that need none: .*\bocclusion\b", refused["error"])
        assert not covered["error"]
        assert set(covered["targets"]) >= {"predicted", "true", "contrast"}


@pytest.mark.filterwarnings("default::backlight.errors.BacklightWarning")  # which the command shows
def test_an_onnx_file_is_reported_as_the_net_that_it_holds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "net.onnx").write_bytes(onnx_nets.picture_net())
    found = examples()
    np.savez(tmp_path / "data.npz", x=found.x, y=found.labels, classes=np.array(found.classes))
    with pytest.raises(SystemExit) as ending:
        main(
            [
                *("report", str(tmp_path / "net.onnx"), str(tmp_path / "data.npz")),
                *("-o", str(tmp_path / "report"), "--limit", "2", "--metric", "none"),
            ]
        )
    out, err = capsys.readouterr()
    assert ending.value.code in (0, None), err
    right = int((true_classes(found) == found.labels).sum())
    assert f"{right} of {len(found.labels)} right" in out
    assert "runs in ONNX Runtime, which has no gradients" in err
    record = json.loads((tmp_path / "report" / "study.json").read_text())
    assert [one["name"] for one in record["cases"][0]["explanations"]] == ["occlusion"]


def test_a_session_and_its_net_are_compared_by_occlusion() -> None:
    session = onnxruntime.InferenceSession(
        onnx_nets.picture_net(), providers=["CPUExecutionProvider"]
    )
    made = compare(torch_net(), session, examples(12), limit=4)
    (agreement,) = made.agreements
    assert agreement.technique == "occlusion"
    assert made.difference < 1e-5 and made.changed == 0
    assert agreement.difference < 1e-4


def test_techniques_are_judged_without_gradients() -> None:
    x = DIGITS.images[900:904]
    model = backlight.wrap(forest(), channels="none")
    found = backlight.evaluate(model, x, OCCLUSION, ["srg"])
    cells = {name: found[name, "srg"].mean for name in ("Occlusion", "random")}
    assert cells["Occlusion"] > cells["random"]
