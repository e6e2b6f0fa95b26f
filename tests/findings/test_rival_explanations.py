"""Rival explanations: what is planted is found, and nothing else."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from backlight_findings import RivalExplanations, Studied
from backlight_findings.picture_properties import picture_properties
from backlight_findings.slices import slices
from tests.findings.planted import studied

COUNT = 1000


def columns(random: np.random.Generator, count: int = COUNT) -> dict[str, NDArray]:
    return {
        "camera": random.choice(["north", "south", "west"], count),
        "width": random.integers(200, 900, count),
        "height": random.integers(200, 900, count),
        "format": random.choice(["JPEG", "PNG"], count),
        "bytes": random.lognormal(10, 1, count),
        "name": np.array([f"picture {k}" for k in range(count)]),
        "flash": random.random(count) < 0.3,
    }


def pictures(random: np.random.Generator, count: int = COUNT) -> NDArray[np.uint8]:
    return random.integers(60, 256, (count, 12, 12, 3), dtype=np.uint8)


def study(
    random: np.random.Generator, rate: float | NDArray[np.float64], **planted: NDArray
) -> Studied:
    """Mistakes at this rate, of five classes."""
    labels = random.integers(0, 5, COUNT)
    wrong = random.random(COUNT) < rate
    shown = planted.pop("pictures", pictures(random))
    return studied(
        labels,
        np.where(wrong, (labels + 1) % 5, labels),
        metadata={**columns(random), **planted},
        pictures=shown,
        seed=int(random.integers(100)),
    )


@pytest.mark.parametrize("seed", range(5))
def test_darkness_is_found_and_nothing_else(seed: int) -> None:
    random = np.random.default_rng(seed)
    dark = random.random(COUNT) < 0.2
    shown = np.where(dark[:, None, None, None], pictures(random) // 4, pictures(random))
    found = RivalExplanations()(study(random, np.where(dark, 0.5, 0.1), pictures=shown))
    (finding,) = found
    assert finding.evidence["column"] == "brightness"
    assert finding.evidence["value"].startswith("below")
    assert dark[list(finding.rows)].mean() > 0.95
    assert finding.severity == "high"


@pytest.mark.parametrize("seed", range(3))
def test_blur_is_found_and_nothing_else(seed: int) -> None:
    random = np.random.default_rng(seed)
    blurred = random.random(COUNT) < 0.2
    shown = pictures(random).astype(float)
    shown[blurred] = gaussian_filter(shown[blurred], (0, 1, 1, 0))
    spread, mean = (
        shown.std(axis=(1, 2, 3), keepdims=True),
        shown.mean(axis=(1, 2, 3), keepdims=True),
    )
    shown = 100 + 20 * (shown - mean) / spread  # contrast tells nothing
    found = RivalExplanations()(study(random, np.where(blurred, 0.5, 0.1), pictures=shown))
    (finding,) = found
    assert (finding.evidence["column"], finding.evidence["value"][:5]) == ("sharpness", "below")


def test_a_value_of_a_column_is_found_with_its_rates() -> None:
    random = np.random.default_rng(0)
    lens = random.choice(["old", "new"], COUNT, p=[0.2, 0.8])
    one = study(random, np.where(lens == "old", 0.4, 0.1), lens=lens)
    (finding,) = RivalExplanations()(one)
    old, wrong = lens == "old", one.wrong
    assert finding.title == (
        f"Where lens is old, {100 * wrong[old].mean():.0f} % of {old.sum()} examples are mistakes; "
        f"elsewhere {100 * wrong[~old].mean():.0f} % of {(~old).sum()} are."
    )
    evidence = finding.evidence
    assert evidence["error_rate"] == wrong[old].mean()
    assert evidence["coverage"] == old.mean()
    assert evidence["share_of_mistakes"] == (wrong & old).sum() / wrong.sum()
    low, high = evidence["error_rate_interval"]
    assert low < evidence["error_rate"] < high
    assert evidence["p_on_held_out_half"] < 0.01
    assert finding.rows == tuple(np.flatnonzero(old & wrong))


def test_two_slices_that_say_the_same_are_told_once_and_two_reasons_twice() -> None:
    random = np.random.default_rng(1)
    lens, fog = random.random((2, COUNT)) < 0.25
    rate = np.where(lens | fog, 0.6, 0.05)
    again = np.where(random.random(COUNT) < 0.05, ~lens, lens)
    found = RivalExplanations()(study(random, rate, lens=lens, fog=fog, copied=again))
    assert {finding.evidence["column"] for finding in found} == {"lens", "fog"}


def test_sizes_come_from_the_columns() -> None:
    random = np.random.default_rng(0)
    size = columns(random)
    wide = size["width"] > 2 * size["height"]
    one = study(random, np.where(wide, 0.6, 0.1), width=size["width"], height=size["height"])
    assert RivalExplanations()(one)[0].evidence["column"] == "aspect"


def test_a_class_that_is_hard_is_no_news() -> None:
    """The column says the class, and the class is all that makes mistakes frequent."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 5, COUNT)
    wrong = random.random(COUNT) < np.where(labels == 3, 0.6, 0.05)
    predicted = np.where(wrong, (labels + 1) % 5, labels)
    kind = np.where(labels == 3, "shirt", "other")
    assert RivalExplanations()(studied(labels, predicted, metadata={"kind": kind})) == []


def test_where_nothing_is_planted_nothing_is_found() -> None:
    found = 0
    for seed in range(10):
        found += bool(RivalExplanations()(study(np.random.default_rng(seed), 0.2)))
    assert found == 0


def test_what_only_one_half_shows_is_not_told() -> None:
    """The half that finds is biased by a hand that knows it; the other half does not confirm."""
    from backlight_findings.rival_explanations import halves

    labels = np.arange(COUNT) % 5
    wrong = np.arange(COUNT) % 4 == 0
    plain = studied(labels, np.where(wrong, (labels + 1) % 5, labels))
    first = halves(plain)
    assert abs(int(first.sum()) - COUNT // 2) <= 1
    assert abs(int((first & wrong).sum()) - wrong.sum() // 2) <= 5
    lens = np.where(first, wrong, np.arange(COUNT) % 3 == 0)
    column = {"lens": np.where(lens, "old", "new")}
    assert RivalExplanations()(studied(labels, plain.predicted, metadata=column)) == []
    everywhere = {"lens": np.where(wrong, "old", "new")}
    assert RivalExplanations()(studied(labels, plain.predicted, metadata=everywhere)) != []


def test_values_that_are_missing_are_left_out() -> None:
    random = np.random.default_rng(0)
    bad = random.random(COUNT) < 0.3
    texts = np.where(bad, "old", "new").astype(object)
    texts[::10] = None
    numbers = np.where(bad, 1.0, 5.0) + random.random(COUNT)
    numbers[::10] = np.nan
    for column in (texts, numbers):
        (finding,) = RivalExplanations()(study(random, np.where(bad, 0.5, 0.1), lens=column))
        assert finding.evidence["left_out"] == 100
        assert not set(finding.rows) & set(range(0, COUNT, 10))


def test_of_many_pictures_some_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backlight_findings.rival_explanations.MOST_PICTURES", 600)
    random = np.random.default_rng(0)
    dark = random.random(COUNT) < 0.3
    shown = np.where(dark[:, None, None, None], pictures(random) // 4, pictures(random))
    (finding,) = RivalExplanations()(study(random, np.where(dark, 0.6, 0.1), pictures=shown))
    assert finding.evidence["left_out"] == 400


def test_properties_by_hand() -> None:
    rows, places = np.mgrid[:9, :9]
    board = np.where((rows + places) % 2 == 0, 255, 0).astype(np.uint8)
    shown = np.stack([np.full((9, 9), 51), board, board // 5, np.zeros((9, 9))]).astype(np.uint8)
    found = picture_properties(lambda some: shown[list(some)], range(4))
    assert found["brightness"] == pytest.approx([0.2, 41 / 81, 41 / 405, 0])
    share = 41 / 81
    assert found["contrast"][:3] == pytest.approx(
        [0, np.sqrt(1 / share - 1), np.sqrt(1 / share - 1)]
    )
    # The Laplacian of a board of fields of one place is -4 on white and 4 on black.
    expected = 64 * (25 / 49) * (24 / 49) / (share * (1 - share))
    assert found["sharpness"][1:3] == pytest.approx([expected, expected], rel=1e-5)
    assert np.isnan(found["sharpness"][[0, 3]]).all()
    assert np.isnan(found["contrast"][3])
    coloured = np.repeat(shown[..., None], 3, axis=3)
    again = picture_properties(lambda some: coloured[list(some)], range(4))
    assert again["sharpness"][1] == pytest.approx(expected, rel=1e-5)
    small = picture_properties(lambda some: np.ones((len(some), 1, 1)), range(2))
    assert np.isnan(small["sharpness"]).all()


def test_numbers_are_cut_where_a_fifth_of_them_ends() -> None:
    numbers = np.arange(100.0)
    found = {one.value: one.inside for one in slices("n", numbers, np.ones(100, dtype=bool), 5)}
    assert {value: int(inside.sum()) for value, inside in found.items()} == {
        "below 19.8": 20,
        "from 19.8 to below 39.6": 20,
        "from 39.6 to below 59.4": 20,
        "from 59.4 to below 79.2": 20,
        "at least 79.2": 20,
        "below 39.6": 40,
        "at least 59.4": 40,
    }
    ends = list(slices("n", np.arange(101), np.ones(101, dtype=bool), 5))
    assert [(one.value, one.inside[[19, 20]].tolist()) for one in ends[:2]] == [
        ("below 20", [True, False]),
        ("from 20 to below 40", [False, True]),
    ]
    few = list(slices("n", np.arange(100) % 3, np.ones(100, dtype=bool), 5))
    assert [one.value for one in few] == ["0", "1", "2"]
    assert [one.inside.sum() for one in few] == [34, 33, 33]
    assert list(slices("n", np.full(100, 7), np.ones(100, dtype=bool), 5)) == []
    assert list(slices("n", np.full(100, np.nan), np.ones(100, dtype=bool), 5)) == []
