"""The report: contents."""

import html
import json
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import backlight
import backlight_methods
from backlight import BacklightWarning, Examples, Method, Objective, Result
from backlight.errors import InputError
from backlight_datasets import SequenceSource
from backlight_loading.examples import load_examples
from backlight_report import Report, report
from backlight_report.study_page.cases import call
from backlight_study.baselines import picture_baseline
from backlight_study.replies import check_finite
from tests.report.shared import parsed, picture

FAST = ["gradient", "grad_cam"]


def test_accuracy_and_confusions(made: Report, results: dict[str, Any]) -> None:
    assert (made.count, made.correct, made.explained) == (7, 4, 3)
    accuracy = results["performance"]["accuracy"]
    assert (accuracy["correct"], accuracy["count"], accuracy["value"]) == (4, 7, 4 / 7)
    assert results["classes"] == ["left", "right"]
    cells = {(c["true"], c["predicted"]): c["count"] for c in results["confusion"]}
    assert cells == {(0, 0): 2, (0, 1): 2, (1, 0): 1, (1, 1): 2}


def test_the_most_confidently_wrong_come_first(results: dict[str, Any]) -> None:
    assert [case["name"] for case in results["cases"]] == [
        "left/b.png",
        "right/f.png",
        "left/c.png",
    ]
    odds = [case["predicted"]["probability"] for case in results["cases"]]
    assert odds == sorted(odds, reverse=True)


def test_probabilities_are_the_softmax(
    net: torch.nn.Module, examples: Examples, results: dict[str, Any]
) -> None:
    x = torch.tensor(examples.x.transpose(0, 3, 1, 2) / np.float32(255), dtype=torch.float32)
    odds = net(x).softmax(1).detach().numpy()
    for case in results["cases"]:
        for one in case["probabilities"]:
            assert one["probability"] == pytest.approx(odds[case["row"], one["class"]], rel=1e-5)


def test_numbers_are_those_of_explain(
    net: torch.nn.Module, examples: Examples, results: dict[str, Any]
) -> None:
    for case in results["cases"]:
        row = case["row"]
        x = examples.x[row : row + 1].transpose(0, 3, 1, 2).astype(np.float32) / 255
        true, predicted = case["true"]["class"], case["predicted"]["class"]
        targets = {
            "predicted": predicted,
            "true": true,
            "contrast": backlight.Margin(predicted, versus=true),
        }
        assert [one["name"] for one in case["explanations"]] == [
            "integrated_gradients",
            "grad_cam",
            "occlusion",
        ]
        for one in case["explanations"]:
            assert one["error"] is None
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", BacklightWarning)  # the report has them as well
                found = {
                    key: backlight.explain(net, x, target, one["name"])
                    for key, target in targets.items()
                }
            for key, direct in found.items():
                said = one["targets"][key]
                assert said["score"] == pytest.approx(direct.score[0], rel=1e-6)
                for name in ("baseline_score", "gap", "relative_gap"):
                    column = getattr(direct, name)
                    assert (said[name] is None) == (column is None)
                    if column is not None:
                        assert said[name] == pytest.approx(column[0], rel=1e-3, abs=1e-5)
                assert said["target"] == direct.target
                assert len(said["warnings"]) == len(direct.warnings)
            values = [np.asarray(direct.values).reshape(8, 8) for direct in found.values()]
            limit = np.percentile(np.abs(np.stack(values)), 99)
            assert one["limit"] == pytest.approx(limit, rel=1e-5)


def test_the_call_that_a_page_shows_gives_the_map_again(tmp_path: Path) -> None:
    class Several(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Conv2d(1, 3, 3, padding=1)

        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            y = self.layer(x).sin().square().mean((2, 3))
            return {"scores": y, "other": -y[:, :2]}

    torch.manual_seed(0)
    net = Several().eval()
    x = np.random.default_rng(0).random((9, 1, 8, 8)).astype(np.float32)
    made = report(
        net, Examples(x, np.arange(9) % 3), directory=tmp_path / "made", scores="scores",
        baseline="blur", limit=2, metrics=[],
        methods=["integrated_gradients:steps=5", "occlusion:baseline=0.0", "gradient",
                 "smooth:inner=integrated_gradients,samples=2", "conductance:at=layer,steps=5"],
    )  # fmt: skip
    record = json.loads((tmp_path / "made" / "study.json").read_text())
    page = html.unescape((tmp_path / "made" / "report.html").read_text())
    cases = made.study.cases
    names = vars(backlight) | vars(backlight_methods) | {"backlight": backlight, "model": net}
    checked = 0
    for place, case in enumerate(record["cases"]):
        stored = cases.stored(np.array([place]))
        names |= {"x": stored, "blur": picture_baseline("blur", stored, cases.ends, cases.prepared)}
        for row in case["explanations"]:
            assert ("baseline=blur" in row["method"]) == (
                row["name"] in ("integrated_gradients", "smooth", "conductance")
            )
            for question in row["targets"]:
                line = call(row, question)
                assert line is not None
                assert line in page
                wanted = eval(line, names)
                stays = made.study.values(row["name"], question)[place]
                np.testing.assert_allclose(stays, wanted.numpy()[0], rtol=1e-3, atol=1e-6)
                checked += 1
    assert checked == 2 * 5 * 3


def test_a_row_shares_one_scale_and_files_say_it(made: Report, results: dict[str, Any]) -> None:
    for case in results["cases"]:
        assert (made.directory / case["input"]).is_file()
        for one in case["explanations"]:
            assert (made.directory / one["scale"]).is_file()
            for said in one["targets"].values():
                with Image.open(made.directory / said["file"]) as picture:
                    assert float(picture.info["limit"]) == one["limit"]
                    assert picture.info["target"] == said["target"]
                    assert (picture.size, picture.mode) == ((8, 8), "L")


def test_results_name_versions_and_methods(results: dict[str, Any]) -> None:
    assert results["versions"]["backlight"] == backlight.__version__
    assert results["versions"]["torch"] == torch.__version__
    assert results["preprocessing"] == "value / 255"
    assert results["input"] == {
        "shape": [1, 8, 8],
        "dtype": "float32",
        "kind": "picture",
        "names": [],
    }
    assert results["methods"][0]["method"].startswith("IntegratedGradients(steps=50")
    assert results["cases"][0]["explanations"][1]["at"] == "/relu"


def test_the_page_needs_no_other_file(made: Report) -> None:
    text = made.page.read_text(encoding="utf-8")
    page = parsed(text)
    assert not re.search(
        r"<(link|iframe|object)\b|<script[^>]*src|@import|url\((?![\"']?(#|data:))", text
    )
    for address in page.addresses:
        assert address.startswith(("data:image/", "#")), address
        if address.startswith("#") and "=" not in address:  # else it is a filter
            assert address[1:] in page.ids, address
    assert len(page.ids) == len(set(page.ids))
    assert all(one.get("alt") is not None for one in page.pictures)


def test_the_page_says_what_matters(made: Report) -> None:
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", made.page.read_text(encoding="utf-8")))
    text = text.replace("\N{NO-BREAK SPACE}", " ")
    for wanted in (
        "57.1 % right",
        "Misclassified examples, the most confident first: 3.",
        "called right",
        "but it is left",
        "right rather than left",
        "value / 255",
        "Red places speak for the class",
        "share one scale",
    ):
        assert wanted in text, wanted


def test_names_are_escaped(net: object, tmp_path: Path) -> None:
    hostile = Examples(
        picture(0, 200)[None],
        np.array([0]),
        ["<b>left</b>", "right"],
        ["<script>alert(1)</script>"],
    )
    made = report(net, hostile, directory=tmp_path / "out", methods=["gradient"])
    text = made.page.read_text()
    assert "<script>alert" not in text
    assert "<b>left" not in text


def test_finite_outputs() -> None:
    x, labels = np.array([[0.0], [np.nan]]), np.zeros(2, dtype=int)
    named, ids = SequenceSource(x, labels, names=["a", "b"]), np.arange(2)
    for kind in ("logits", "log_probabilities"):
        check_finite(np.array([[0, -np.inf], [0, 1]]), kind, x, named, ids)
    for kind, row in (("logits", [0, np.nan]), ("log_probabilities", [-np.inf, -np.inf])):
        with pytest.raises(InputError, match=r"example 1 \(b\) .* input, .* not finite already"):
            check_finite(np.array([[0.0, 1.0], row]), kind, x, named, ids)


def test_long_names_make_files_too(net: object, tmp_path: Path) -> None:
    long = Examples(picture(0, 200)[None], np.array([0]), names=["n" * 400])
    made = report(net, long, directory=tmp_path / "out", methods=["gradient"])
    assert max(len(file.name) for file in (made.directory / "pictures").iterdir()) < 130


def test_classes_can_be_named_for_examples_in_code(place: Path, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(
        "import numpy\nfrom backlight import Examples\n"
        "data = Examples(numpy.zeros((1, 8, 8)), numpy.array([0]))\n"
    )
    found = load_examples(f"{tmp_path}/own.py:data", classes=("left", "right"))
    assert found.classes == ("left", "right")


@dataclass(frozen=True, kw_only=True)
class Doubtful(Method):
    """Zeros, and a word of warning."""

    def attribute(self, objective: Objective) -> Result:
        zeros = objective.gradient().gradient * 0.0  # type: ignore[operator]
        return Result(zeros, warnings=("Take this with salt.",))


def test_warnings_are_on_the_page_and_zeros_are_drawn(
    net: object, examples: Examples, tmp_path: Path
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = report(net, examples, directory=tmp_path / "out", methods=[Doubtful()])
    assert made.page.read_text().count("Take this with salt.") == 3
    (case, *_) = json.loads((made.directory / "study.json").read_text())["cases"]
    (one,) = case["explanations"]
    assert one["limit"] == 0
    assert "Take this with salt." in one["targets"]["true"]["warnings"]


def test_progress_is_told(net: object, examples: Examples, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    report(
        net,
        examples,
        directory=tmp_path / "out",
        methods=FAST,
        batch_size=3,
        progress=lambda *step: told.append(step),
    )
    assert [step for step in told if step[0] == "Asking the model"] == [
        ("Asking the model", done, 7) for done in (0, 3, 6, 7)
    ]
    judging = told[told.index(("Explaining", 6, 6)) + 1 :]
    assert judging.pop(0) == ("Looking at maps", 0, 1)
    assert {what for what, _, _ in judging} == {"Judging"}
    (total,) = {total for _, _, total in judging}
    steps = [done for _, done, _ in judging]
    assert (steps[0], steps[-1]) == (0, total)
    assert steps == sorted(steps)
    assert len(set(steps)) > 10  # it moves on the way
