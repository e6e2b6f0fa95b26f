"""Columns beside the examples: read, placed by name, and chosen by."""

from pathlib import Path

import numpy as np
import pytest

from backlight.errors import InputError, UnknownNameError
from backlight_study.metadata import columns_of, fitting
from backlight_study.run import study
from tests.study.nets import examples, torch_net

NAMES = ["cat/1.png", "cat/2.png", "dog/1.png"]


def written(folder: Path, text: str) -> Path:
    (folder / "columns.csv").write_text(text, encoding="utf-8")
    return folder / "columns.csv"


def test_a_file_names_examples_whole_or_by_their_last_part(tmp_path: Path) -> None:
    path = written(tmp_path, "light,Name,year\ndark,cat/1.png,1999\nday,2.png,\n")
    found = columns_of(path, NAMES)
    assert found["light"].tolist() == ["dark", "day", ""]
    np.testing.assert_array_equal(found["year"], [1999, np.nan, np.nan])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name,light\n1.png,dark\n", "Line 2 of .* names more than one example: '1.png'"),
        ("name,light\n9.png,dark\n", "Line 2 of .* names no example: '9.png'"),
        ("name\n2.png\n", "at least one more; it has name"),
        ("", "it has none"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=said):
        columns_of(written(tmp_path, text), NAMES)


def test_a_file_that_is_not_there_and_a_column_of_another_length() -> None:
    with pytest.raises(InputError, match="could not be read"):
        columns_of("nowhere.csv", NAMES)
    with pytest.raises(InputError, match=r"each of 3 examples, got shape \(2,\)"):
        columns_of({"light": [1, 2]}, NAMES)


def test_conditions_of_one_column_are_joined_and_of_several_hold_together() -> None:
    columns = {"light": np.array(["dark", "day", "dusk"]), "year": np.array([1.0, 2.0, 2.0])}

    def fits(*where: str) -> list[bool]:
        found = fitting(columns, where)
        assert found is not None
        return found.tolist()

    assert fits("light=dark", "light=dusk") == [True, False, True]
    assert fits("light=dark", "light=dusk", "year=2") == [False, False, True]
    assert fitting(columns, ()) is None
    with pytest.raises(UnknownNameError, match="lihgt"):
        fits("lihgt=dark")
    with pytest.raises(InputError, match="No example has light=night"):
        fits("light=night")
    with pytest.raises(InputError, match="COLUMN=VALUE"):
        fits("light")


def test_a_study_of_a_slice() -> None:
    light = np.array(["dark", "day"])[np.arange(90) % 2]
    made = study(
        torch_net(), examples(), methods=["saliency"], metadata={"light": light},
        where=["light=dark"], limit=6,
    )  # fmt: skip
    assert (made.rows % 2 == 0).all()
    assert made.predictions.wrong[made.rows].all()
    assert made.rule.startswith("Misclassified examples with light=dark, the most confident first")
    assert len(made.metadata["light"]) == 90
