"""The report: data."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from backlight.errors import InputError, UnknownNameError
from backlight_loading import Preprocessing
from backlight_loading.examples import load_examples, read_classes
from backlight_loading.picture_folders import read_folder
from backlight_report import report
from tests.report.shared import picture, run


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
    (tmp_path / "b" / ".hidden").write_text("")
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
    inner, hidden, skipped = found.skipped
    assert hidden == "b/.hidden: hidden"
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
    found = json.loads((made.directory / "study.json").read_text())
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
        json.loads((tmp_path / name / "study.json").read_text()) for name in ("options", "function")
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
    assert "1 left out in all" in err
    assert "1 file or folder is left out" in (tmp_path / "out/report.html").read_text()


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
    found = json.loads((tmp_path / "out/study.json").read_text())
    assert found["input"] == {
        "shape": [8, 8, 1],
        "dtype": "float32",
        "kind": "picture",
        "names": [],
    }
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
    found = json.loads((tmp_path / "out/study.json").read_text())
    assert found["input"]["shape"] == [8, 8, 1]
    assert found["performance"]["accuracy"]["correct"] == 4
    assert found["framework"] == "jax"
