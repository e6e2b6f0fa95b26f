"""The order of the classes: found where it is wrong, and left alone where a model is merely bad."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from backlight import Examples
from backlight_demo.fashion import CLASSES, examples
from backlight_loading.examples import load_examples, read_classes
from backlight_report import report
from backlight_study.order import better_order
from backlight_study.predictions import Predictions
from tests.report.shared import parsed, run

Labels = NDArray[np.int64]


def predictions(labels: Labels, called: Labels, count: int) -> Predictions:
    odds = np.zeros((len(labels), count))
    odds[np.arange(len(labels)), called] = 1
    return Predictions(odds, labels, np.arange(len(labels)), "probabilities")


def called(own: Labels, count: int, accuracy: float, seed: int) -> Labels:
    """What a model of this accuracy calls examples whose own output is known."""
    random = np.random.default_rng(seed + 1000)  # not the numbers that made the labels
    others = (own + random.integers(1, count, len(own))) % count
    return np.where(random.random(len(own)) < accuracy, own, others)


@pytest.mark.parametrize(
    ("count", "size", "accuracy"),
    [(2, 100, 0.9), (2, 1000, 0.7), (10, 300, 0.85), (100, 3000, 0.7), (1000, 20_000, 0.75)],
)
def test_a_wrong_order_is_found(count: int, size: int, accuracy: float) -> None:
    random = np.random.default_rng(count)
    labels = random.integers(0, count, size)
    own = np.roll(np.arange(count), 1) if count == 2 else random.permutation(count)
    says = called(own[labels], count, accuracy, 1)
    found = better_order(predictions(labels, says, count))
    assert found is not None
    assert np.mean(np.array(found.called) == own) > 0.99
    assert found.correct == pytest.approx((says == own[labels]).sum(), rel=0.01)


def test_two_classes_that_trade_places_are_found_among_many() -> None:
    labels = np.random.default_rng(0).integers(0, 100, 5000)
    own = np.arange(100)
    own[[3, 70]] = 70, 3
    found = better_order(predictions(labels, called(own[labels], 100, 0.7, 0), 100))
    assert found is not None
    assert found.moved == (3, 70)
    names = found.names([str(k) for k in range(100)])
    assert (names[3], names[70], names[50]) == ("70", "3", "50")


def test_the_data_may_show_few_of_the_models_classes() -> None:
    """A folder of ten classes without the list of the model's thousand."""
    random = np.random.default_rng(0)
    labels, own = random.integers(0, 10, 200), random.choice(1000, 10, replace=False)
    found = better_order(predictions(labels, called(own[labels], 1000, 0.75, 0), 1000))
    assert found is not None
    assert found.called[:10] == tuple(own)
    assert sorted(found.called) == list(range(1000))


@pytest.mark.parametrize("count", [2, 3, 10, 100, 1000])
@pytest.mark.parametrize("per_class", [1, 3, 30])
def test_random_labels_and_weak_models_are_no_wrong_order(count: int, per_class: int) -> None:
    for seed in range(20 if count < 1000 else 2):
        random = np.random.default_rng(seed)
        labels = random.integers(0, count, count * per_class)
        for accuracy in {1 / count, max(1 / count, 0.3), 0.6}:
            says = called(labels, count, accuracy, seed)
            assert better_order(predictions(labels, says, count)) is None
        says = random.integers(0, count, len(labels))
        assert better_order(predictions(labels, says, count)) is None


@pytest.mark.parametrize("count", [2, 10, 100])
def test_neither_is_a_model_that_says_one_thing(count: int) -> None:
    """Also of a class that is rare, or not there at all."""
    for seed in range(50):
        random = np.random.default_rng(seed)
        labels = random.choice(count, 1000, p=random.dirichlet(np.full(count, 0.3)))
        says = np.full(1000, random.integers(count))
        assert better_order(predictions(labels, says, count)) is None


def test_neither_are_classes_that_are_easily_confused() -> None:
    """Half of one is called the other, and half of the other the one."""
    for seed in range(20):
        random = np.random.default_rng(seed)
        labels = random.integers(0, 10, 2000)
        says = called(labels, 10, 0.8, seed)
        swapped = (labels < 2) & (random.random(2000) < 0.55)
        says = np.where(swapped, 1 - labels, says)
        assert better_order(predictions(labels, says, 10)) is None


def test_a_handful_of_mistakes_says_nothing() -> None:
    labels = np.array([0, 1] * 5)
    assert better_order(predictions(labels, 1 - labels, 2)) is None


def test_nets_that_are_not_trained_have_no_order() -> None:
    """What they say goes with the class all the same."""
    images, labels = examples()
    x = torch.tensor(images[:, None] / 255, dtype=torch.float32)
    for seed in range(40):
        torch.manual_seed(seed)
        net = torch.nn.Sequential(
            torch.nn.Conv2d(1, 4, 5, 2),
            torch.nn.ReLU(),
            torch.nn.Flatten(),
            torch.nn.Linear(576, 10),
        )
        with torch.no_grad():
            odds = net(x).softmax(1).double().numpy()
        assert better_order(Predictions(odds, labels, np.arange(len(labels)), "logits")) is None


def test_a_folder_in_sorted_order_and_the_demo_net(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The report says so at the terminal and on the page, and the file that it writes puts it right."""
    images, labels = examples()
    for k, name in enumerate(CLASSES):
        (tmp_path / "clothes" / name.replace("/", " or ")).mkdir(parents=True)
        for row in np.flatnonzero(labels == k)[:40]:
            file = tmp_path / "clothes" / name.replace("/", " or ") / f"{row:04}.png"
            Image.fromarray(images[row]).save(file)
    common = ("report", "backlight_demo.fashion_torch:net", tmp_path / "clothes", "-m", "gradient",
              "--limit", 1, "-o", tmp_path / "out")  # fmt: skip
    code, out, err = run(capsys, *common)
    assert code == 0
    assert share_right(out) < 0.45
    assert "Note: The classes seem to be in another order" in err
    file = tmp_path / "out" / "classes.txt"
    assert f"--classes {file}" in err
    page = (tmp_path / "out" / "report.html").read_text()
    parsed(page)
    assert "The classes seem to be in another order" in page
    results = json.loads((tmp_path / "out" / "study.json").read_text())
    assert results["order"]["share"] > 0.85
    assert read_classes(file) == tuple(name.replace("/", " or ") for name in CLASSES)
    code, out, err = run(capsys, *common, "--classes", file)
    assert code == 0
    assert share_right(out) == pytest.approx(results["order"]["share"], abs=0.0006)
    assert "order" not in err
    assert not file.exists()


def share_right(out: str) -> float:
    return float(out.partition("(")[2].partition("%")[0]) / 100


def test_labels_without_names_are_told_by_number(tmp_path: Path) -> None:
    images, labels = examples()
    order = np.roll(np.arange(10), 1)
    data = Examples(images[:300], order[labels[:300]])
    from backlight_demo.fashion_torch import net

    made = report(net(), data, directory=tmp_path / "out", methods=["gradient"], limit=1)
    (note,) = made.notes
    assert "a label must be the number of the model's output" in note
    assert "class 0 is called class 1" in note
    assert not (tmp_path / "out" / "classes.txt").exists()


def test_labels_of_arrays_go_with_their_names(tmp_path: Path) -> None:
    """The same classes in another order: the labels are other numbers then."""
    x = np.zeros((3, 4, 4), np.uint8)
    np.savez(tmp_path / "data.npz", x=x, y=[0, 1, 2], classes=["cat", "dog", "fish"])
    moved = load_examples(str(tmp_path / "data.npz"), classes=("fish", "bird", "cat", "dog"))
    assert moved.labels.tolist() == [2, 3, 0]
    assert [moved.classes[k] for k in moved.labels] == ["cat", "dog", "fish"]
    others = load_examples(str(tmp_path / "data.npz"), classes=("Katze", "Hund", "Fisch"))
    assert others.labels.tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match=r"class 'fish' of .* has no line"):
        load_examples(str(tmp_path / "data.npz"), classes=("cat", "dog", "Fisch"))
