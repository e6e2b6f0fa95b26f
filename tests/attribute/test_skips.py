"""Examples that cannot be read, or for which the model fails, are written down with the reason, cost no
other anything, and count against a limit."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import backlight
from backlight import Examples
from backlight.errors import InputError
from backlight_attribute import Attributions, attribute_dataset
from backlight_attribute.terminal import show_status
from backlight_datasets import SequenceSource
from tests.study.nets import CLASSES, Net, examples

COUNT, LENGTH = 40, 8
DATA = examples(COUNT)
PICTURES = (DATA.x / 255).astype(np.float32)[:, None]


class Unreadable(list[NDArray[Any]]):
    """Number 3 cannot be read."""

    def __getitem__(self, at: Any) -> Any:
        if at == 3:
            raise OSError("a broken file")
        return super().__getitem__(at)


class Choosy(Net):
    """It raises for an example that begins with 0.5, alone or among others."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if (x[:, 0, 0, 0] == 0.5).any():
            raise RuntimeError("this one is not for me")
        return super().forward(x)


def run(source: Any, folder: Path, net: Any = None, **options: Any) -> Attributions:
    options = {"methods": ["gradient"], "dtype": "float32", **options}
    return attribute_dataset(
        net or Net().eval(), source, store=folder, block_length=LENGTH, **options
    )


def check_others(found: Attributions, skipped: list[int]) -> None:
    """All others have the values that they have without these."""
    rows = np.setdiff1d(np.arange(COUNT), skipped)
    ids, values = found.values("gradient", "predicted")
    np.testing.assert_array_equal(ids, rows)
    alone = backlight.explain(Net().eval(), PICTURES[rows], method="gradient")
    np.testing.assert_allclose(values, np.asarray(alone.values), atol=1e-6)


def test_one_that_cannot_be_read(tmp_path: Path) -> None:
    found = run(SequenceSource(Unreadable(PICTURES), DATA.labels, CLASSES, DATA.names), tmp_path)
    (skipped,) = found.status().skipped
    assert str(skipped) == "picture-003.png: OSError: a broken file"
    check_others(found, [3])
    with pytest.raises(InputError, match="a broken file"):
        found.attribution(3, "gradient", "predicted")


def test_names_and_reasons_do_nothing_to_a_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"{one}\n\x1b[2J\u202e" for one in DATA.names]
    show_status(run(SequenceSource(Unreadable(PICTURES), DATA.labels, CLASSES, names), tmp_path))
    told = capsys.readouterr().err
    assert told == "Skipped picture-003.png \\x1b[2J\\u202e: OSError: a broken file\n"


def test_one_for_which_the_model_raises(tmp_path: Path) -> None:
    x = PICTURES.copy()
    x[11, 0, 0, 0] = 0.5
    found = run(Examples(x, DATA.labels, CLASSES, DATA.names), tmp_path, Choosy().eval())
    (skipped,) = found.status().skipped
    assert skipped.id == 11 and "this one is not for me" in skipped.reason
    check_others(found, [11])


def test_numbers_that_are_not_finite(tmp_path: Path) -> None:
    x = PICTURES.copy()
    x[20, 0, 4, 4] = np.nan
    x[39] = np.inf
    found = run(Examples(x, DATA.labels, CLASSES, DATA.names), tmp_path)
    first, last = found.status().skipped
    assert (first.id, last.id) == (20, 39)
    assert "not all finite" in first.reason and "its input" in first.reason
    check_others(found, [20, 39])


def test_a_block_of_which_nothing_is_left(tmp_path: Path) -> None:
    x = PICTURES.copy()
    x[8:16] = np.nan
    found = run(Examples(x, DATA.labels, CLASSES, DATA.names), tmp_path)
    assert [one.id for one in found.status().skipped] == list(range(8, 16))
    assert found.status().complete
    check_others(found, list(range(8, 16)))


def test_a_technique_that_fails_for_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its outputs are there, and those of other techniques."""

    class Fragile(Net):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if x.requires_grad and (x[:, 0, 0, 0] == 0.5).any():
                raise RuntimeError("no gradient for this one")
            return super().forward(x)

    x = PICTURES.copy()
    x[11, 0, 0, 0] = 0.5
    found = run(
        Examples(x, DATA.labels, CLASSES, DATA.names),
        tmp_path,
        Fragile().eval(),
        methods=["gradient", "occlusion:window=4,stride=4"],
    )
    assert not found.status().skipped
    with pytest.raises(InputError, match=r"gradient found nothing of example 11: .*no gradient"):
        found.attribution(11, "gradient", "predicted")
    assert np.isfinite(found.attribution(11, "occlusion", "predicted").values).all()
    _, values = found.values("gradient", "predicted")
    assert np.isnan(values[11]).all() and np.isfinite(np.delete(values, 11, axis=0)).all()
    ((technique, (count, why)),) = found.failures().items()
    assert (technique, count) == ("gradient", 1) and "no gradient for this one" in why
    show_status(found)
    told = capsys.readouterr().err
    assert told.startswith("gradient found nothing of 1 of 40 examples; the first reason: ")


def test_more_than_are_allowed(tmp_path: Path) -> None:
    x = PICTURES.copy()
    x[[3, 12, 13, 30]] = np.nan
    data = Examples(x, DATA.labels, CLASSES, DATA.names)
    with pytest.raises(InputError, match=r"3 candidates could not .* at most 2") as told:
        run(data, tmp_path, most_skipped=2)
    assert "picture-003.png" in str(told.value)
    found = run(data, tmp_path, most_skipped=4)  # it goes on where it was
    assert [one.id for one in found.status().skipped] == [3, 12, 13, 30]


def test_a_model_that_fails_for_all_ends_the_run_at_once(tmp_path: Path) -> None:
    class Broken(Net):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("a layer is missing")

    with pytest.raises(backlight.BacklightError, match="a layer is missing"):
        run(DATA, tmp_path / "store", Broken().eval())
    assert not (tmp_path / "store").exists()


def test_labels_that_are_needed(tmp_path: Path) -> None:
    numbers = Examples(DATA.x, np.linspace(0, 1, COUNT), (), DATA.names)
    with pytest.raises(InputError, match=re.escape("'true' needs a class for each example")):
        run(numbers, tmp_path, targets=["true"])


@pytest.mark.parametrize("target", ["melat", "7", 3, -1])
def test_classes_that_are_not_there(target: Any, tmp_path: Path) -> None:
    with pytest.raises(backlight.BacklightError, match=r"melat.*metal|classes 0 to 2"):
        run(DATA, tmp_path, targets=[target])


def test_labels_that_are_missing(tmp_path: Path) -> None:
    """What needs no label is there for all; what needs one is NaN, and said, where there is none."""
    labels = np.asarray(DATA.labels).copy()
    labels[[2, 17]] = -1, 7
    source = Examples(PICTURES, labels, CLASSES, DATA.names)
    found = run(source, tmp_path, targets=["true", "contrast"])
    _, values = found.values("gradient", "true")
    rest = np.setdiff1d(np.arange(COUNT), [2, 17])
    assert np.isnan(values[[2, 17]]).all() and np.isfinite(values[rest]).all()
    assert np.isfinite(found.values("gradient", "contrast")[1]).all()
    told = found.attribution(17, "gradient", "true").warnings
    assert told == ("There is no label for this one, or none that is a class of the model.",)
    assert found.attribution(16, "gradient", "true").warnings == ()


def test_examples_without_labels(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", x=DATA.x)
    found = run(tmp_path / "data.npz", tmp_path / "store")
    assert found.status().complete
    check_others(found, [])
    with pytest.raises(InputError, match="'contrast' needs a class for each example"):
        run(tmp_path / "data.npz", tmp_path / "other", targets=["contrast"])
