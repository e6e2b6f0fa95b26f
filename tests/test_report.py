"""The report: what it reads, what it chooses, what it writes, and what it refuses."""

import json
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import EpsImagePlugin, Image

import backlight
from backlight import BacklightError, BacklightWarning, Examples, Method, Objective, Result
from backlight.errors import HyperParameterError, InputError, UnknownNameError
from backlight_loading import Preprocessing
from backlight_loading.examples import load_examples, read_classes
from backlight_loading.picture_folders import read_folder
from backlight_loading.techniques import technique, techniques
from backlight_report import Report, report
from backlight_report.directory import check_directory
from backlight_report.page import KINDS
from backlight_report.predictions import Predictions, check_finite, probabilities
from backlight_report.selection import class_number, class_numbers, select
from tests.report.shared import parsed, picture, run

NET = '''
"""Is it brighter on the left or on the right?"""
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, inputs=1):
        super().__init__()
        self.conv = nn.Conv2d(inputs, 2, 3, padding=1)
        self.head = nn.Linear(2 * 8 * 8, 2)
        sides = torch.zeros(2, 2, 8, 8)
        sides[0, :, :, :4] = sides[1, :, :, 4:] = 0.5
        with torch.no_grad():
            self.conv.weight.fill_(0.1)
            self.conv.bias.zero_()
            self.head.weight.copy_(sides.reshape(2, -1))
            self.head.bias.copy_(torch.tensor([0.1, 0.0]))

    def forward(self, x):
        return self.head(torch.relu(self.conv(x)).flatten(1))


def net():
    return Net().eval()


def colour_net():
    return Net(3).eval()


def dense(x):
    return net().conv(x)


class Number:
    value = 3


number = Number()


def leaving():
    raise SystemExit("gone")


def unprepared(pictures):
    raise KeyError("no such picture")


def broken():
    made = net()
    made.head.bias.data[1] = float("nan")
    return made


def pair():
    class Pair(Net):
        def forward(self, x):
            return super().forward(x), x

    return Pair().eval()


def heat_map():
    return net().conv


def failing():
    raise RuntimeError("no weights here")


def halved(pictures):
    return pictures[..., 0][:, None].astype("float32") / 510


shape = (8, 8)
'''

FAST = ["gradient", "grad_cam"]


# Brightness of the halves and the class it is filed under; three are filed wrongly.
FILED = {
    "left/a.png": (200, 20),
    "left/b.png": (20, 220),
    "left/c.png": (60, 100),
    "left/d.png": (90, 30),
    "right/e.png": (10, 240),
    "right/f.png": (180, 60),
    "right/g.png": (30, 90),
}


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
    found: dict[str, Any] = json.loads((made.directory / "results.json").read_text())
    return found


# What the report says


def test_accuracy_and_confusions(made: Report, results: dict[str, Any]) -> None:
    assert (made.count, made.correct, made.explained) == (7, 4, 3)
    assert results["accuracy"] == {"correct": 4, "count": 7, "share": 4 / 7}
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
                assert said["score"] == direct.score[0]
                for name in ("baseline_score", "gap", "relative_gap"):
                    column = getattr(direct, name)
                    assert said[name] == (None if column is None else column[0])
                assert said["target"] == direct.target
                assert said["warnings"] == list(direct.warnings)
            values = [np.asarray(direct.values).reshape(8, 8) for direct in found.values()]
            limit = np.percentile(np.abs(np.stack(values)), 99)
            assert one["limit"] == pytest.approx(limit, rel=1e-6)


def test_a_row_shares_one_scale_and_files_say_it(made: Report, results: dict[str, Any]) -> None:
    for case in results["cases"]:
        assert (made.directory / case["input"]).is_file()
        for one in case["explanations"]:
            assert (made.directory / one["scale"]).is_file()
            for said in one["targets"].values():
                with Image.open(made.directory / said["file"]) as picture:
                    assert float(picture.info["limit"]) == one["limit"]
                    assert picture.info["target"] == said["target"]
                    assert picture.size == (224, 224)


def test_results_name_versions_and_methods(results: dict[str, Any]) -> None:
    assert results["versions"]["backlight"] == backlight.__version__
    assert results["versions"]["torch"] == torch.__version__
    assert results["preprocessing"] == "value / 255"
    assert results["input"] == {"shape": [1, 8, 8], "dtype": "float32"}
    assert results["methods"][0]["method"].startswith("IntegratedGradients(steps=50")
    assert results["cases"][0]["explanations"][1]["at"] == "/relu"


def test_the_page_needs_no_other_file(made: Report) -> None:
    text = made.page.read_text(encoding="utf-8")
    page = parsed(text)
    assert not re.search(r"<(script|link|iframe|object)\b|@import|url\(", text)
    for address in page.addresses:
        assert address.startswith(("data:image/png;base64,", "#")), address
        if address.startswith("#"):
            assert address[1:] in page.ids
    assert len(page.ids) == len(set(page.ids))
    assert all(one.get("alt") for one in page.pictures)
    # Three cases: a picture, three techniques with three maps, and a colour bar for each.
    assert len(page.pictures) == 3 * (1 + 3 * (3 + 1))


def test_the_page_says_what_matters(made: Report) -> None:
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", made.page.read_text(encoding="utf-8")))
    text = text.replace("\N{NO-BREAK SPACE}", " ")
    for wanted in (
        "57.1 % right",
        "All 3 misclassified pictures are explained below, the most confidently wrong first.",
        "called right",
        "but it is left",
        "why right rather than left",
        "value / 255",
        "Red parts speak for the class",
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
    assert "<script>" not in text
    assert "<b>left" not in text


# What is chosen


def predictions() -> Predictions:
    odds = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.1, 0.9], [0.6, 0.4], [0.05, 0.95]])
    return Predictions(odds, np.array([1, 1, 1, 0, 0, 1]), "probabilities")


def test_probabilities_of_every_kind_of_output() -> None:
    odds = np.array([[0.9, 0.1], [0.25, 0.75]])
    np.testing.assert_array_equal(probabilities(odds, "probabilities"), odds)
    np.testing.assert_array_equal(probabilities(odds * 2, "sigmoid"), odds * 2)
    assert "add up" in KINDS["sigmoid"]
    np.testing.assert_allclose(probabilities(np.log(odds), "log_probabilities"), odds)
    np.testing.assert_allclose(probabilities(np.log(odds) + 900, "logits"), odds)


@pytest.mark.parametrize(
    ("only", "true", "predicted", "limit", "rows", "found"),
    [
        (None, (), (), 9, (0, 3, 2), 3),
        ("misclassified", (), (), 2, (0, 3), 3),
        ("correct", (), (), 9, (5, 1, 4), 3),
        ("all", (), (), 9, (0, 3, 2, 5, 1, 4), 6),
        (None, (1,), (), 9, (0, 2), 2),
        (None, (), (1,), 9, (3,), 1),
        (None, (1, 0), (), 9, (0, 3, 2), 3),
        (None, (1,), (0,), 9, (0, 2), 2),
        (None, (1,), (1,), 9, (5, 1), 2),
        (None, (0, 1), (1,), 9, (3, 5, 1), 3),
        ("misclassified", (1,), (1,), 9, (), 0),
    ],
)
def test_selection(
    only: Any,
    true: tuple[int, ...],
    predicted: tuple[int, ...],
    limit: int,
    rows: tuple[int, ...],
    found: int,
) -> None:
    chosen = select(predictions(), only, true, predicted, limit)
    assert chosen.rows == rows
    assert chosen.found == found


def test_classes_by_name_and_number() -> None:
    names = ["tabby, tabby cat", "tiger cat", "7"]
    assert class_number("Tiger Cat", names) == 1
    assert class_number("tabby", names) == 0
    assert class_number("1", names) == 1
    assert class_number("7", names) == 2
    assert class_numbers(None, names) == ()
    assert class_numbers("tabby", names) == (0,)
    assert class_numbers(["tiger cat", 0, "1"], names) == (1, 0)
    with pytest.raises(InputError, match=r"classes 0 and 2 are all called 'Crane'.* number"):
        class_number("Crane", ["crane", "heron", "crane"])
    assert class_number("2", ["crane", "heron", "crane"]) == 2
    with pytest.raises(UnknownNameError, match=r"Nearest: tiger cat\. .* number from 0 to 2"):
        class_number("tigre cat", names)
    with pytest.raises(UnknownNameError):
        class_number("3", names)


def test_a_right_case_is_held_against_the_second_choice(
    net: object, examples: Examples, tmp_path: Path
) -> None:
    made = report(
        net, examples, directory=tmp_path / "out", methods=["gradient"], only="correct", limit=1
    )
    (case,) = json.loads((made.directory / "results.json").read_text())["cases"]
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
    (case,) = json.loads((tmp_path / "out/results.json").read_text())["cases"]
    assert case["name"] == "right/f.png"


def test_nothing_to_explain_is_a_report_too(
    net: object, examples: Examples, tmp_path: Path, capsys: pytest.CaptureFixture[str], place: Path
) -> None:
    np.savez(tmp_path / "right.npz", images=picture(0, 200)[None], labels=np.array([1]))
    code, out, _ = run(
        capsys, "report", f"{place}/net.py:net", tmp_path / "right.npz", "-o", tmp_path / "out"
    )
    assert code == 0
    assert "None of the pictures asked for" in out
    text = (tmp_path / "out/report.html").read_text()
    parsed(text)
    assert "There are no misclassified pictures." in text


def test_techniques_from_text() -> None:
    made = technique("smooth:inner=input_x_gradient,samples=3,noise=0.5", seed=7)
    assert repr(made.method).startswith("Smooth(inner=InputXGradient(), samples=3, noise=0.5")
    assert getattr(made.method, "seed") == 7  # noqa: B009
    assert technique("smooth:seed=1", seed=7).method == technique("smooth:seed=1").method
    placed = technique("Grad-CAM:at=conv,rectify=True")
    assert (placed.name, placed.at) == ("grad_cam", "conv")
    windows = technique("occlusion:window=(3, 2),stride=1").method
    assert repr(windows) == "Occlusion(window=(3, 2), stride=1, baseline=0.0, axes=None)"
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


# What goes in


def test_preprocessing_is_a_formula() -> None:
    bytes_ = np.arange(24, dtype=np.uint8).reshape(1, 2, 4, 3)
    made = Preprocessing(mean=(0.1, 0.2, 0.3), std=(2.0,))
    wanted = (bytes_ / 255 - [0.1, 0.2, 0.3]) / 2
    np.testing.assert_allclose(made(bytes_, "last"), wanted, rtol=1e-5)
    np.testing.assert_allclose(made(bytes_, "first"), wanted.transpose(0, 3, 1, 2), rtol=1e-5)
    assert made(bytes_, "first").dtype == np.float32
    assert made.described(bytes_) == "(value / 255 \N{MINUS SIGN} (0.1, 0.2, 0.3)) / 2"
    plain = Preprocessing(divide_by=1, mean=(127,))
    np.testing.assert_array_equal(plain(bytes_, "last"), bytes_.astype(np.float32) - 127)
    grey = Preprocessing()(bytes_[..., 0], "first")
    assert grey.shape == (1, 1, 2, 4)
    assert Preprocessing()(bytes_[..., 0], "first", wanted_axes=3).shape == (1, 2, 4)


def test_floats_are_ready() -> None:
    ready = np.random.default_rng(0).standard_normal((2, 5, 6, 3))
    np.testing.assert_array_equal(Preprocessing()(ready, "first"), ready)
    shifted = Preprocessing(mean=(1.0, 2.0, 3.0))(ready, "first")
    np.testing.assert_allclose(shifted, ready - [1, 2, 3])
    assert Preprocessing().described(ready) == "values as they are stored"


def test_preprocessing_is_checked() -> None:
    with pytest.raises(InputError, match="each of the 3 channels; got 2"):
        Preprocessing(mean=(1.0, 2.0))(np.zeros((1, 4, 4, 3), np.uint8), "last")
    for wrong in ({"divide_by": np.nan}, {"mean": (np.inf,)}, {"std": (np.nan,)}):
        with pytest.raises(InputError, match="must be finite"):
            Preprocessing(**wrong)
    with pytest.raises(InputError, match="divided by 0"):
        Preprocessing(std=(1.0, 0.0))
    with pytest.raises(InputError, match="leave out"):
        Preprocessing(divide_by=2, function=lambda x: x)


def test_folders_are_read_in_order_and_upright(tmp_path: Path) -> None:
    for name, colour in (("b/2.png", (10, 20, 30)), ("b/1.jpg", (1, 2, 3)), ("a/0.png", (9, 9, 9))):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (6, 4), colour).save(tmp_path / name)
    (tmp_path / "b" / "notes.txt").write_text("no picture")
    (tmp_path / "b" / ".hidden").write_text("left alone")
    (tmp_path / ".git").mkdir()
    (tmp_path / "b" / "more").mkdir()
    turned = Image.new("RGB", (4, 6), (50, 60, 70))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    turned.save(tmp_path / "a" / "1.png", exif=exif)
    clear = Image.new("RGBA", (6, 4), (0, 0, 0, 0))
    clear.save(tmp_path / "a" / "2.png")
    found = read_folder(tmp_path, None, None)
    assert list(found.classes) == ["a", "b"]
    assert list(found.names) == ["a/0.png", "a/1.png", "a/2.png", "b/1.jpg", "b/2.png"]
    assert found.labels.tolist() == [0, 0, 0, 1, 1]
    assert found.x.shape == (5, 4, 6, 3)
    assert found.x[4, 0, 0].tolist() == [10, 20, 30]
    assert found.x[2].min() == 255  # transparent is white
    inner, skipped = found.skipped
    assert inner.startswith("b/more: a folder in a class folder")
    assert skipped == "b/notes.txt: cannot identify image file 'notes.txt'"
    assert str(tmp_path) not in skipped
    assert read_folder(tmp_path, (3, 5), "grey").x.shape == (5, 3, 5, 1)


def test_sixteen_bits_become_eight(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    deep = np.full((4, 4), 257 * 99, dtype=np.uint16)
    Image.fromarray(deep).save(tmp_path / "a" / "deep.png")
    found = read_folder(tmp_path, None, None)
    assert found.x.shape == (1, 4, 4, 1)
    assert (found.x == 99).all()


def test_a_folder_may_show_some_of_the_classes(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    Image.new("L", (4, 4)).save(tmp_path / "cat" / "a.png")
    names = tmp_path / "names.txt"
    names.write_text("\ufeffdog\ncat\n\nfish\n", encoding="utf-8")
    found = read_folder(tmp_path, None, None, read_classes(names))
    assert found.labels.tolist() == [1]
    assert list(found.classes) == ["dog", "cat", "fish"]
    with pytest.raises(UnknownNameError, match="sub-folder"):
        read_folder(tmp_path, None, None, ("dog", "fish"))


def test_arrays_and_folder_give_the_same_report(
    place: Path, results: dict[str, Any], tmp_path: Path, net: object
) -> None:
    made = report(net, load_examples(str(place / "data.npz")), directory=tmp_path / "out")
    found = json.loads((made.directory / "results.json").read_text())
    assert found["confusion"] == results["confusion"]
    for one, other in zip(found["cases"], results["cases"], strict=True):
        assert one["row"] == other["row"]
        for left, right in zip(one["explanations"], other["explanations"], strict=True):
            assert left["limit"] == right["limit"]


def test_options_reach_the_model(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ("report", f"{place}/net.py:net", place / "pictures", "-m", "gradient")
    by_options = ("--divide-by", "510", "-o", tmp_path / "options")
    by_function = ("--preprocess", f"{place}/net.py:halved", "-o", tmp_path / "function")
    assert run(capsys, *common, *by_options)[0] == 0
    assert run(capsys, *common, *by_function)[0] == 0
    first, second = (
        json.loads((tmp_path / name / "results.json").read_text())
        for name in ("options", "function")
    )
    assert first["preprocessing"] == "value / 510"
    assert second["preprocessing"].endswith("net.py:halved (values)")
    assert first["cases"][0]["probabilities"] == second["cases"][0]["probabilities"]


def test_unreadable_files_are_counted(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "pictures"
    for side, halves in (("left", (200, 0)), ("right", (200, 10))):
        (folder / side).mkdir(parents=True)
        Image.fromarray(picture(*halves)).save(folder / side / "fine.png")
    whole = (folder / "left" / "fine.png").read_bytes()
    (folder / "left" / "torn.png").write_bytes(whole[: len(whole) // 2])
    code, _, err = run(
        capsys, "report", f"{place}/net.py:net", folder, "-m", "gradient", "-o", tmp_path / "out"
    )
    assert code == 0
    assert "Skipped left/torn.png" in err
    assert "1 unreadable in all" in err
    assert "1 file could not be read" in (tmp_path / "out/report.html").read_text()


# Keras 3.15 saves and loads TensorFlow variables in a way that NumPy 2 frowns upon.
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")
def test_a_saved_keras_model_says_what_it_wants(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Colour pictures of several sizes become the grey 8x8 that the model declares."""
    import keras

    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(2, 3, padding="same", activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(2, activation="softmax", name="says"),
        ]
    )
    model.save(tmp_path / "net.keras")
    for side, (height, width) in (("left", (12, 20)), ("right", (9, 9))):
        (tmp_path / "pictures" / side).mkdir(parents=True)
        pixels = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "pictures" / side / "a.png")
    code, _, err = run(
        capsys, "report", tmp_path / "net.keras", tmp_path / "pictures", "--only", "all",
        "-o", tmp_path / "out", "-m", "gradient", "-m", "grad_cam",
    )  # fmt: skip
    assert code == 0, err
    found = json.loads((tmp_path / "out/results.json").read_text())
    assert found["input"] == {"shape": [8, 8, 1], "dtype": "float32"}
    assert found["outputs"] == "probabilities"
    assert "stretched to 8 \N{MULTIPLICATION SIGN} 8" in found["data"]["reading"]
    odds = [sum(one["probability"] for one in case["probabilities"]) for case in found["cases"]]
    assert odds == pytest.approx([1, 1])
    code, _, err = run(
        capsys, "report", tmp_path / "net.keras", tmp_path / "pictures", "--size", "9x9",
        "-o", tmp_path / "other",
    )  # fmt: skip
    assert code == 2
    assert re.search(r"takes inputs of shape \(any, 8, 8, 1\), but .* \(1, 9, 9, 1\)", err), err


def test_a_plain_jax_function(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "plain.py").write_text(
        "import jax.numpy as jnp\n"
        "def sides(x):\n"
        "    return jnp.stack([x[:, :, :4].sum((1, 2, 3)), x[:, :, 4:].sum((1, 2, 3))], axis=1)\n"
    )
    code, _, err = run(
        capsys, "report", f"{tmp_path}/plain.py:sides", place / "pictures", "--framework", "jax",
        "-m", "input_x_gradient", "-o", tmp_path / "out",
    )  # fmt: skip
    assert code == 0, err
    found = json.loads((tmp_path / "out/results.json").read_text())
    assert found["input"]["shape"] == [8, 8, 1]
    assert found["accuracy"]["correct"] == 4
    assert found["framework"] == "jax"


# What is refused: one sentence, exit code 2, no traceback, nothing written

REFUSED = {
    "no such file": (["{place}/none.py:net", "{place}/pictures"], "No such file: .*none.py"),
    "no such path": (["{place}/none.pt", "{place}/pictures"], "No such model: .*none.pt"),
    "no such module": (["no_such_module:net", "{place}/pictures"], "could not be imported"),
    "no such name": (["{place}/net.py:nett", "{place}/pictures"], "Unknown name 'nett'.*Nearest: net"),
    "code that fails": (["{place}/net.py:failing", "{place}/pictures"], "no weights here"),
    "not a model": (["{place}/net.py:shape", "{place}/pictures"], "No backend takes a builtins.tuple"),
    "no such name in an object": (["{place}/net.py:number.foo", "{place}/pictures"], "Nearest|value"),
    "code that leaves": (["{place}/net.py:leaving", "{place}/pictures"], "SystemExit: gone"),
    "preparation that fails": (
        ["{net}", "{place}/pictures", "--preprocess", "{place}/net.py:unprepared"],
        "unprepared raised KeyError",
    ),
    "no finite outputs": (
        ["{place}/net.py:broken", "{place}/pictures"],
        r"example 0 \(left/a.png\) are not all finite",
    ),
    "one array": (["{net}", "{place}/single.npz"], "one array without a name"),
    "compressed and damaged": (["{net}", "{place}/damaged.npz"], "could not be read"),
    "classes that are no list": (["{net}", "{place}/scalar.npz"], "must be a list of names"),
    "a size for arrays": (["{net}", "{place}/data.npz", "--size", "8x8"], "--size can be said for"),
    "colours for code": (
        ["{net}", "{place}/net.py:number", "--colour", "grey"],
        "--colour can be said for",
    ),
    "code without a name": (["{place}/net.py", "{place}/pictures"], "net.py:name"),
    "no such data": (["{net}", "{place}/nowhere"], "No such data: .*nowhere"),
    "no class folders": (["{net}", "{place}/pictures/left"], "has no class folders"),
    "unknown format": (["{net}", "{place}/net.py"], "No installed plugin reads"),
    "data that is none": (["{net}", "{place}/net.py:shape"], "must be backlight.Examples"),
    "wrong channels": (["{place}/net.py:colour_net", "{place}/pictures"], r"shape \(1, 1, 8, 8\)"),
    "wrong size": (["{net}", "{place}/pictures", "--size", "9x9"], r"\(1, 1, 9, 9\).*--size"),
    "size in words": (["{net}", "{place}/pictures", "--size", "big"], "--size takes .* got 'big'"),
    "numbers in words": (["{net}", "{place}/pictures", "--mean", "x"], "--mean takes numbers"),
    "unknown technique": (["{net}", "{place}/pictures", "-m", "grad_kam"], "Nearest: grad_cam"),
    "bad hyper-parameter": (
        ["{net}", "{place}/pictures", "-m", "integrated_gradients:steps=0"],
        "steps must be at least 1, got 0",
    ),
    "unknown class": (["{net}", "{place}/pictures", "--true", "lefft"], "Nearest: left"),
    "several outputs": (["{place}/net.py:pair", "{place}/pictures"], "several outputs"),
    "no classifier": (["{place}/net.py:heat_map", "{place}/pictures"], r"gives \(1, 2, 8, 8\)"),
    "labels outside": (["{net}", "{place}/labels.npz"], "Labels must be 0 to 1; example 1 has 5"),
    "other classes": (["{net}", "{place}/three.npz"], "3 classes .* 2 outputs"),
    "no labels": (["{net}", "{place}/unlabelled.npz"], "it holds x"),
    "broken arrays": (["{net}", "{place}/broken.npz"], "could not be read"),
    "rows of features": (["{net}", "{place}/rows.npz"], r"about pictures.*\(4, 3\)"),
    "a file for the report": (["{net}", "{place}/pictures", "-o", "{place}/net.py"], "is a file"),
    "someone's folder": (["{net}", "{place}/pictures", "-o", "{place}/pictures"], "left alone"),
    "unknown framework": (
        ["{net}", "{place}/pictures", "--framework", "caffe"],
        "framework='caffe'",
    ),
    "a site that is not there": (
        ["{net}", "{place}/pictures", "-m", "grad_cam:at=conw"],
        "Unknown site 'conw'.*Nearest: conv",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_refused(
    what: str, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    x, y = np.stack([picture(9, 99)] * 2), np.array([0, 5])
    np.savez(place / "labels.npz", x=x, y=y, classes=np.array(["left", "right"]))
    np.savez(place / "three.npz", x=x, y=y * 0, classes=np.array(["a", "b", "c"]))
    np.savez(place / "unlabelled.npz", x=x)
    np.savez(place / "rows.npz", x=np.zeros((4, 3)), y=np.zeros(4, dtype=int))
    (place / "broken.npz").write_bytes(b"PK\x03\x04 no archive")
    np.savez(place / "scalar.npz", x=x, y=y * 0, classes=np.array("left"))
    with (place / "single.npz").open("wb") as file:
        np.save(file, x)
    np.savez_compressed(place / "damaged.npz", x=np.arange(4096), y=y)
    content = bytearray((place / "damaged.npz").read_bytes())
    content[60:600] = bytes(540)
    (place / "damaged.npz").write_bytes(content)
    arguments, message = REFUSED[what]
    filled = [text.format(place=place, net=f"{place}/net.py:net") for text in arguments]
    output = [] if "-o" in filled else ["-o", str(tmp_path / "out")]
    before = sorted(place.rglob("*"))
    code, out, err = run(capsys, "report", *filled, *output)
    assert code == 2
    assert re.search(message, err), err
    assert err.startswith("Error: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    assert out == ""
    assert list(tmp_path.iterdir()) == []
    assert [file for file in sorted(place.rglob("*")) if "__pycache__" not in file.parts] == [
        file for file in before if "__pycache__" not in file.parts
    ]


def test_files_of_one_name_are_different_modules(tmp_path: Path) -> None:
    from backlight_loading.references import load_reference

    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "beside.py").write_text("")
        (tmp_path / folder / "json.py").write_text(f"name = {folder!r}\nloaded = []")
    for folder in ("one", "other"):
        file = f"{tmp_path}/{folder}/json.py"
        assert load_reference(f"{file}:name") == folder
        assert load_reference(f"{file}:loaded") is load_reference(f"{file}:loaded")
    assert json.loads("[]") == []


def test_pictures_of_several_sizes(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    Image.new("L", (4, 5)).save(tmp_path / "a" / "1.png")
    Image.new("L", (6, 7)).save(tmp_path / "a" / "2.png")
    with pytest.raises(InputError, match=r"a/1\.png is 5x4, a/2\.png 7x6 .*--size HxW"):
        read_folder(tmp_path, None, None)
    assert read_folder(tmp_path, (4, 4), None).x.shape == (2, 4, 4, 1)


def test_pictures_that_are_programs_are_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cat").mkdir()
    Image.new("L", (2, 2)).save(tmp_path / "cat" / "a.png")
    Image.new("L", (2, 2)).save(tmp_path / "cat" / "b.png", format="EPS")
    ran = []
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *given, **_: ran.append(given))
    found = read_folder(tmp_path, None, None)
    assert found.names == ["cat/a.png"]
    assert [one.partition(":")[0] for one in found.skipped] == ["cat/b.png"]
    assert ran == []


def test_no_picture_at_all(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(InputError, match="No picture could be read"):
        read_folder(tmp_path, None, None)
    (tmp_path / "a" / "x.txt").write_text("x")
    with pytest.raises(InputError, match=r"the first of 1 files: a/x\.txt"):
        read_folder(tmp_path, None, None)


def test_labels_are_held_against_the_model(net: object, tmp_path: Path) -> None:
    unnamed = Examples(np.stack([picture(9, 99)] * 2), np.array([0, 2]))
    with pytest.raises(InputError, match="Labels must be 0 to 1; example 1 has 2"):
        report(net, unnamed, directory=tmp_path / "out")


# What happens when something stops


@dataclass(frozen=True, kw_only=True)
class Stopping(Method):
    """Raises what it is told to, at the second call."""

    error: BaseException
    calls: list[int]

    def attribute(self, objective: Objective) -> Result:
        self.calls.append(1)
        if len(self.calls) > 1:
            raise self.error
        return Result(objective.gradient().gradient)


def test_stopping_leaves_the_old_report(net: object, examples: Examples, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    report(net, examples, directory=folder, methods=["gradient"])
    before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    stopping = Stopping(error=KeyboardInterrupt(), calls=[])
    with pytest.raises(KeyboardInterrupt):
        report(net, examples, directory=folder, methods=[stopping])
    after = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    assert before == after
    assert list(tmp_path.iterdir()) == [folder]


def test_stopping_leaves_nothing_where_nothing_was(
    net: object, examples: Examples, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        report(
            net,
            examples,
            directory=tmp_path / "some" / "where" / "out",
            methods=[Stopping(error=KeyboardInterrupt(), calls=[])],
        )
    assert list(tmp_path.iterdir()) == []


def test_stopping_in_the_middle_of_the_exchange_brings_the_old_report_back(
    net: object, examples: Examples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out"
    report(net, examples, directory=folder, methods=["gradient"])
    before = (folder / "results.json").read_bytes()
    rename = Path.rename

    def stopped(self: Path, target: Path) -> Path:
        if self.suffix == ".partial":
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", stopped)
    with pytest.raises(KeyboardInterrupt):
        report(net, examples, directory=folder, methods=["saliency"])
    assert (folder / "results.json").read_bytes() == before
    assert list(tmp_path.iterdir()) == [folder]


def test_a_new_report_replaces_all_of_the_old_one(
    net: object, examples: Examples, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    report(net, examples, directory=folder, methods=["gradient", "saliency"])
    report(net, examples, directory=folder, methods=["gradient"])
    assert not list((folder / "pictures").glob("*saliency*"))
    assert list(tmp_path.iterdir()) == [folder]


def test_a_technique_that_fails_is_named_and_the_others_go_on(
    net: object, examples: Examples, tmp_path: Path
) -> None:
    refusing = Stopping(error=InputError("not with these pictures"), calls=[1])
    made = report(net, examples, directory=tmp_path / "out", methods=[refusing, "gradient"])
    assert made.errors == ("Stopping: not with these pictures",)
    page = made.page.read_text()
    parsed(page)
    assert page.count("No maps: not with these pictures") == 3
    (case, *_) = json.loads((made.directory / "results.json").read_text())["cases"]
    assert [one["error"] for one in case["explanations"]] == ["not with these pictures", None]
    with pytest.raises(BacklightError, match=r"No technique could explain .* not with these"):
        report(net, examples, directory=tmp_path / "none", methods=[refusing])
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("error", [ZeroDivisionError("by\nnothing"), SystemExit("by\nnothing")])
def test_any_error_of_a_technique_loses_its_row_only(
    error: BaseException, net: object, examples: Examples, tmp_path: Path
) -> None:
    failing = Stopping(error=error, calls=[1])
    made = report(net, examples, directory=tmp_path / "out", methods=[failing, "gradient"])
    assert made.errors == (f"Stopping: {type(error).__name__}: by nothing",)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("results.json", "[1, 2]"),
        ("results.json", '{"versions": {"other": "1"}, "cases": []}'),
        ("thesis.txt", "years of work"),
        ("pictures/own.png", "mine"),
    ],
)
def test_foreign_files_are_never_replaced(
    file: str, content: str, net: object, examples: Examples, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    report(net, examples, directory=folder, methods=["gradient"])
    check_directory(folder)
    (folder / file).write_text(content)
    with pytest.raises(InputError, match=rf"not a report's \({file}\), and is left alone"):
        report(net, examples, directory=folder, methods=["gradient"])
    assert (folder / file).read_text() == content


def test_a_folder_that_may_not_be_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").mkdir()
    Image.new("L", (4, 4)).save(tmp_path / "a" / "1.png")
    (tmp_path / "b").mkdir()
    iterdir = Path.iterdir

    def forbidden(self: Path) -> Iterator[Path]:
        if self.name == "b":
            raise PermissionError(13, "Permission denied", str(self))
        return iter(list(iterdir(self)))

    monkeypatch.setattr(Path, "iterdir", forbidden)
    with pytest.raises(InputError, match="cannot be looked into"):
        check_directory(tmp_path / "b")
    assert list(read_folder(tmp_path, None, None).skipped) == ["b: Permission denied"]


def test_finite_outputs() -> None:
    x, labels = np.array([[0.0], [np.nan]]), np.zeros(2, dtype=int)
    named = Examples(x, labels, names=["a", "b"])
    for kind in ("logits", "log_probabilities"):
        check_finite(np.array([[0, -np.inf], [0, 1]]), kind, x, named, 0)
    for kind, row in (("logits", [0, np.nan]), ("log_probabilities", [-np.inf, -np.inf])):
        with pytest.raises(InputError, match=r"example 1 \(b\) .* input, .* not finite already"):
            check_finite(np.array([[0.0, 1.0], row]), kind, x, named, 0)


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
    (case, *_) = json.loads((made.directory / "results.json").read_text())["cases"]
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
    assert told[-1] == ("Explaining", 6, 6)
