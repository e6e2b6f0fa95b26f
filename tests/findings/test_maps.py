"""Masks, mean maps, and techniques that disagree."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from backlight_findings import Disagreement, MeanMaps, OutsideMasks, agreement
from backlight_findings.maps import PLACES, place_in_words
from backlight_findings.mean_maps import area_of_half
from tests.findings.planted import noisy, spots, studied

CELLS = np.repeat([0, 0], 40), np.repeat([1, 0], 40)


def masks(count: int = 80) -> np.ndarray:
    found = np.zeros((count, 20, 20), dtype=bool)
    found[:, 5:15, 5:15] = True
    return found


def test_mistakes_that_look_outside_of_the_object_are_found() -> None:
    maps = np.full((80, 20, 20), 0.01)
    maps[:40, :4] = -1
    maps[40:, 8:12, 8:12] = 1
    maps[30:40, :4], maps[30:40, 8:12, 8:12] = 0.01, 1
    given = masks()
    given[3], given[4] = False, True
    maps[50, 0, 0] = np.nan
    (finding,) = OutsideMasks()(studied(*CELLS, maps={("a", "contrast"): maps}, masks=given))
    assert sorted(finding.rows) == [row for row in range(30) if row not in (3, 4)]
    assert finding.severity == "high"
    assert finding.evidence["left_out"] == 3
    assert (finding.evidence["mistakes"], finding.evidence["right"]) == (38, 39)
    assert finding.evidence["median_inside"] == pytest.approx(1 / (80 + 3.2))
    assert finding.evidence["median_inside_right"] == pytest.approx(16.84 / (16 + 3.84))
    assert finding.title.startswith("In 28 of 38 mistakes most of the attribution lies outside of")


@pytest.mark.parametrize("seed", range(10))
def test_maps_that_know_nothing_of_masks_are_no_finding(seed: int) -> None:
    maps = noisy(np.random.default_rng(seed), 80, 20)
    assert OutsideMasks()(studied(*CELLS, maps={("a", "contrast"): maps}, masks=masks())) == []


def test_without_right_examples_the_area_is_compared_with() -> None:
    outside, even = np.full((40, 20, 20), 0.01), np.ones((40, 20, 20))
    outside[:, :4] = 1
    labels, predicted = CELLS[0][:40], CELLS[1][:40]
    for maps, count in ((outside, 1), (even, 0)):
        study = studied(labels, predicted, maps={("a", "contrast"): maps}, masks=masks(40))
        assert len(OutsideMasks()(study)) == count


def test_masks_of_another_size_are_refused_and_none_is_no_finding() -> None:
    maps = {("a", "contrast"): noisy(np.random.default_rng(0), 80, 10)}
    with pytest.raises(ValueError, match=r"the maps' size, \(10, 10\); got \(20, 20\)"):
        OutsideMasks()(studied(*CELLS, maps=maps, masks=masks()))
    assert OutsideMasks()(studied(*CELLS, maps=maps)) == []


def test_mistakes_decided_at_the_same_places_have_a_mean_map() -> None:
    maps = noisy(np.random.default_rng(0), 80)
    maps[:40, 4:12, 20:28] += 2
    (finding,) = MeanMaps()(studied(*CELLS, maps={("a", "contrast"): maps}))
    expected = (maps[:40] / np.abs(maps[:40]).sum(axis=(1, 2), keepdims=True)).mean(axis=0)
    assert np.allclose(finding.pictures["mean map"], expected)
    assert set(finding.pictures) == {"mean map", "mean map of right class 0"}
    assert finding.evidence["agreement_of_halves"] > 0.9
    assert sorted(finding.rows) == list(range(40))
    assert finding.title.startswith("The 40 class 0 taken for class 1 are decided at much the same")


@pytest.mark.parametrize("seed", range(10))
def test_maps_that_are_not_aligned_have_none(seed: int) -> None:
    maps = noisy(np.random.default_rng(seed), 80)
    assert MeanMaps()(studied(*CELLS, maps={("a", "contrast"): maps})) == []


def test_few_mistakes_have_none() -> None:
    maps = spots(np.random.default_rng(0), 80)
    maps[:, 2:8, 2:8] += 9
    labels, predicted = CELLS[0], np.where(np.arange(80) < 7, 1, 0)
    assert MeanMaps()(studied(labels, predicted, maps={("a", "contrast"): maps})) == []


def test_half_of_the_attribution_lies_on_the_largest_places() -> None:
    assert area_of_half(np.ones((4, 4))) == 0.5
    assert area_of_half(np.array([[0, 0, -9, 1.0]])) == 0.25


def test_agreement_by_hand() -> None:
    random = np.random.default_rng(0)
    first = random.normal(size=(6, 10, 10))
    second = random.normal(size=(6, 10, 10))
    second[0], second[1], second[2] = first[0] ** 3, -first[1], np.nan
    second[3] = np.maximum(second[3], 0)
    first[4] = 5
    labels = np.zeros(8, dtype=np.int64)
    maps = {("a", "contrast"): first, ("b", "contrast"): second, ("b", "true"): second}
    found = agreement(studied(labels, labels + 1, maps=maps, explained=[7, 1, 2, 3, 4, 5]))
    assert found is not None
    assert found.pairs == (("a", "b"),)
    assert found.rows.tolist() == [7, 1, 2, 3, 4, 5]
    assert found.correlation[0, :2] == pytest.approx([1, -1])
    assert np.isnan(found.correlation[0, [2, 4]]).all()
    for row in (3, 5):
        expected = spearmanr(first[row].reshape(-1), second[row].reshape(-1)).statistic
        assert found.correlation[0, row] == pytest.approx(expected)
    assert found.overlap[0, :2] == pytest.approx([1, 0])
    tops = [set(np.argsort(-one[5].reshape(-1))[:10]) for one in (first, second)]
    assert found.overlap[0, 5] == pytest.approx(len(tops[0] & tops[1]) / 10)


def test_a_tie_at_the_limit_counts_by_its_share() -> None:
    """Of 100 places, 40 share the second value: nine of them are among the highest ten."""
    first = np.zeros((1, 10, 10))
    first[0, :4] = 1
    first[0, 0, 0] = 2
    second = np.zeros((1, 10, 10))
    second[0, 0] = np.arange(10, 0, -1)
    maps = {("a", "contrast"): first, ("b", "contrast"): second}
    found = agreement(studied(np.array([0]), np.array([1]), maps=maps))
    assert found is not None
    assert found.overlap[0, 0] == pytest.approx((1 + 9 * 9 / 39) / 10)


def test_the_examples_that_techniques_disagree_on_come_first() -> None:
    random = np.random.default_rng(0)
    first = random.normal(size=(10, 16, 16))
    noise = np.linspace(0, 1, 10)[:, None, None]
    second = first * (1 - noise) + noise * random.normal(size=(10, 16, 16))
    second[4] = -first[4]
    labels = np.zeros(10, dtype=np.int64)
    maps = {("a", "contrast"): first, ("b", "contrast"): second, ("c", "contrast"): first}
    one = studied(labels, labels + 1, maps=maps)
    (finding,) = Disagreement()(one)
    found = agreement(one)
    assert found is not None
    order = np.argsort(found.mean)
    assert order[0] == 4
    assert finding.rows == (4,)
    assert [entry["row"] for entry in finding.evidence["agreement"]] == order.tolist()
    assert [pair["techniques"] for pair in finding.evidence["pairs"]] == [
        ["a", "b"], ["a", "c"], ["b", "c"],
    ]  # fmt: skip
    assert finding.title.startswith(
        "For 1 of 10 examples (10 %) techniques agree no better than chance"
    )


def test_one_technique_or_agreement_is_no_finding() -> None:
    maps = noisy(np.random.default_rng(0), 5)
    labels = np.zeros(5, dtype=np.int64)
    assert Disagreement()(studied(labels, labels, maps={("a", "contrast"): maps})) == []
    both = {("a", "contrast"): maps, ("b", "contrast"): 2 * maps}
    assert Disagreement()(studied(labels, labels, maps=both)) == []


@pytest.mark.parametrize("place", range(9))
def test_a_place_is_told_where_one_ninth_stands_out(place: int) -> None:
    map = noisy(np.random.default_rng(0), 1, 27)[0] / 9
    row, column = divmod(place, 3)
    map[9 * row + 4, 9 * column + 2 : 9 * column + 7] = -3
    assert place_in_words(map) == f", {PLACES[place]}"


def test_no_place_is_told_of_a_map_that_is_even_or_tiny() -> None:
    assert place_in_words(np.ones((27, 27))) == ""
    assert place_in_words(np.eye(2)) == ""
