"""Clusters: planted ones are found, with what they explain; where there are none, none are found."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.cluster import SpectralClustering
from sklearn.metrics import adjusted_rand_score

from backlight_findings import Clusters, Studied
from backlight_findings.clustering import structure
from backlight_findings.clusters import distance
from backlight_findings.maps import downsized, mean_map
from tests.findings.planted import cell, marked, noisy, spots, studied

Maps = NDArray[np.float64]


def agreement(rows: tuple[int, ...], truth: NDArray[np.bool_]) -> float:
    return float(adjusted_rand_score(truth, np.isin(np.arange(len(truth)), rows)))


@pytest.mark.parametrize("count", [40, 200])
@pytest.mark.parametrize("seed", range(3))
def test_a_watermark_is_found(count: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    wrong, right = marked(random, count, count // 5), noisy(random, 100)
    (finding,) = Clusters()(cell(wrong, right, seed))
    assert agreement(finding.rows, np.arange(count + 100) < count // 5) > 0.9
    assert finding.severity == "high"
    assert finding.evidence["right_with_reason"] == 0
    assert finding.evidence["p"] < 0.01
    assert finding.title == (
        f"{count // 5} of {count} class 0 taken for class 1 (20 %) were decided at the same place, "
        "at the upper left, but only 0 % of right class 0."
    )
    mean = finding.pictures["mean map"]
    assert mean[2:8, 2:8].min() > mean[10:, 10:].max()


def test_among_objects_that_are_anywhere_a_watermark_is_found() -> None:
    random = np.random.default_rng(0)
    wrong = spots(random, 200)
    wrong[:40, 2:8, 2:8] += 2
    (finding,) = Clusters()(cell(wrong, spots(random, 100)))
    assert agreement(finding.rows, np.arange(300) < 40) > 0.9


@pytest.mark.parametrize("seed", range(10))
def test_a_reason_as_common_among_right_examples_explains_nothing(seed: int) -> None:
    random = np.random.default_rng(seed)
    (finding,) = Clusters()(cell(marked(random, 100, 20), marked(random, 100, 20), seed))
    assert finding.severity == "low"
    assert finding.title.endswith("of right class 0: that does not tell mistakes apart.")
    assert finding.evidence["right_share"] == pytest.approx(0.2, abs=0.03)


def test_without_right_examples_nothing_is_compared() -> None:
    random = np.random.default_rng(0)
    (finding,) = Clusters()(cell(marked(random, 100, 20), noisy(random, 0)))
    assert finding.severity == "low"
    assert finding.evidence["p"] is None
    assert "no right class 0 to compare them with" in finding.title


def test_a_few_right_examples_are_too_few() -> None:
    random = np.random.default_rng(0)
    (finding,) = Clusters()(cell(marked(random, 100, 20), noisy(random, 6)))
    assert finding.severity == "low"
    assert finding.evidence["right_with_reason"] == 0
    assert "and 0 % of 6 right class 0: too few of these to say whether" in finding.title


def shuffled_places(random: np.random.Generator, count: int) -> Maps:
    maps = marked(random, count, count // 5).reshape(count, -1)
    return random.permuted(maps, axis=1).reshape(count, 32, 32)


def shuffled_maps(random: np.random.Generator, count: int) -> Maps:
    maps = marked(random, count, count // 5).reshape(count, -1)
    return random.permuted(maps, axis=0).reshape(count, 32, 32)


def objects(random: np.random.Generator, count: int) -> Maps:
    """In the middle, as photographers put them."""
    return noisy(random, count) * 0.3 + np.exp(-((np.mgrid[:32, :32] - 16) ** 2).sum(axis=0) / 99)


NULLS = [noisy, shuffled_places, shuffled_maps, objects]


@pytest.mark.parametrize("maps", NULLS, ids=lambda one: one.__name__)
@pytest.mark.parametrize("count", [30, 100])
def test_where_there_is_no_structure_none_is_found(
    maps: Callable[[np.random.Generator, int], Maps], count: int
) -> None:
    found = 0
    for seed in range(5):
        random = np.random.default_rng(seed)
        found += bool(Clusters()(cell(maps(random, count), maps(random, 20), seed)))
    assert found == 0


def test_a_continuum_has_no_clusters() -> None:
    random = np.random.default_rng(0)
    assert Clusters()(cell(spots(random, 200), spots(random, 20))) == []


def test_maps_that_are_all_the_same_have_no_clusters() -> None:
    same = np.repeat(noisy(np.random.default_rng(0), 1), 40, axis=0)
    assert Clusters()(cell(same, same[:5])) == []
    assert Clusters()(cell(same * np.linspace(1, 9, 40)[:, None, None], same[:5])) == []


def test_a_cluster_within_a_cell_is_not_told_again_over_all() -> None:
    random = np.random.default_rng(0)
    labels = np.repeat([0, 2, 0], [100, 60, 60])
    predicted = np.repeat([1, 1, 0], [100, 60, 60])
    maps = marked(random, 220, 20)
    (finding,) = Clusters()(studied(labels, predicted, maps={("a", "contrast"): maps}))
    assert (finding.evidence["true"], finding.evidence["predicted"]) == ("class 0", "class 1")


def test_a_cluster_over_cells_is_found_over_all() -> None:
    random = np.random.default_rng(0)
    labels = np.tile([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 12)
    predicted = np.where(np.arange(120) < 80, (labels + 1) % 10, labels)
    found = Clusters()(
        studied(labels, predicted, maps={("a", "contrast"): marked(random, 120, 20)})
    )
    (finding,) = found
    assert finding.evidence["true"] is None
    assert sorted(finding.rows) == list(range(20))
    assert finding.title.startswith(
        "20 of 80 explained mistakes (25 %) were decided at the same place, at the upper left, but only"
    )


def test_maps_that_are_missing_are_left_out_and_counted() -> None:
    random = np.random.default_rng(0)
    wrong = marked(random, 100, 20)
    wrong[3], wrong[50, 0, 0], wrong[60] = np.nan, np.inf, 0
    (finding,) = Clusters()(cell(wrong, noisy(random, 50)))
    assert finding.evidence["left_out"] == 3
    assert finding.evidence["mistakes"] == 97
    assert sorted(finding.rows) == [row for row in range(20) if row != 3]
    everything = {("a", "contrast"): np.full((4, 5, 5), np.nan)}
    ones = np.ones(4, dtype=np.int64)
    assert Clusters()(studied(ones, 0 * ones, maps=everything)) == []
    assert Clusters()(studied(ones, 0 * ones)) == []


def test_the_same_seed_finds_the_same() -> None:
    def numbers(study: Studied) -> list[tuple[object, ...]]:
        return [(one.title, one.rows, one.evidence) for one in Clusters()(study)]

    random = np.random.default_rng(0)
    wrong, right = marked(random, 60, 15), marked(random, 40, 2)
    assert numbers(cell(wrong, right, 5)) == numbers(cell(wrong, right, 5))


def test_of_many_mistakes_some_are_drawn_and_all_are_told_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("backlight_findings.clusters.MOST", 60)
    random = np.random.default_rng(0)
    (finding,) = Clusters()(cell(marked(random, 300, 90), noisy(random, 50)))
    assert agreement(finding.rows, np.arange(350) < 90) > 0.9


def test_a_technique_is_chosen_by_name() -> None:
    random = np.random.default_rng(0)
    both = cell(noisy(random, 50), noisy(random, 20)).maps["gradient", "contrast"]
    marks = both.copy()
    marks[:10, 2:8, 2:8] += 3
    labels, predicted = np.zeros(70, dtype=np.int64), np.repeat([1, 0], [50, 20])
    study = studied(
        labels, predicted, maps={("plain", "contrast"): both, ("marks", "contrast"): marks}
    )
    assert Clusters()(study) == []
    (finding,) = Clusters("marks")(study)
    assert finding.evidence["technique"] == "marks"
    with pytest.raises(ValueError, match="no maps by 'other'; there are some by plain, marks"):
        Clusters("other")(study)


def vectors_of(maps: Maps) -> NDArray[np.float64]:
    vectors = downsized(maps, 16, size=True)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_the_number_of_clusters_is_the_stablest() -> None:
    random = np.random.default_rng(6)
    maps = noisy(random, 90)
    for k in range(3):
        maps[30 * k : 30 * k + 30, 9 * k : 9 * k + 6, 2:8] += 3
    found = structure(vectors_of(maps), 0)
    assert found is not None
    assert found.stability == 1
    assert adjusted_rand_score(found.clusters, np.repeat([0, 1, 2], 30)) == 1


def test_of_clusters_within_clusters_the_smaller_are_told() -> None:
    random = np.random.default_rng(0)
    maps = noisy(random, 90)
    maps[:50, 2:8, 2:8] += 2
    maps[:25, 14:18, 2:8] += 2
    maps[50:, 20:28, 20:28] += 3
    maps[50:70, 20:28, 2:8] += 2
    found = structure(vectors_of(maps), 0)
    assert found is not None
    assert adjusted_rand_score(found.clusters, np.repeat([0, 1, 2, 3], [25, 25, 20, 20])) > 0.95


def test_clusters_that_lie_apart_but_are_not_stable_are_none() -> None:
    maps = spots(np.random.default_rng(5), 30)
    assert structure(vectors_of(maps), 0) is None


def test_a_right_example_that_is_like_no_mistake_does_not_have_the_reason() -> None:
    """Its nearest mistakes are those with the watermark, but its own mark is not at their place."""
    random = np.random.default_rng(0)
    right = noisy(random, 50)
    right[:, 2:8, 4:10] += 3
    (finding,) = Clusters()(cell(marked(random, 100, 20), right))
    assert finding.evidence["right_with_reason"] == 0


def test_clusters_are_those_of_spectral_clustering() -> None:
    """Judged by scikit-learn's own, of the same graph."""
    random = np.random.default_rng(0)
    maps = noisy(random, 90)
    for k in range(3):
        maps[30 * k : 30 * k + 30, 9 * k : 9 * k + 6, 2:8] += 3
    vectors = vectors_of(maps)
    found = structure(vectors, 0)
    assert found is not None
    theirs = SpectralClustering(3, affinity="rbf", random_state=0).fit_predict(vectors)
    assert adjusted_rand_score(found.clusters, theirs) == 1
    assert adjusted_rand_score(found.clusters, np.repeat([0, 1, 2], 30)) == 1


def test_downsizing_adds_up_what_lies_in_a_cell() -> None:
    maps = np.arange(-70, 70, dtype=float).reshape(2, 7, 10)
    found = downsized(maps, 3, size=False).reshape(2, 3, 3)
    assert found[1, 1, 2] == maps[1, 2:4, 6:].sum()
    assert downsized(maps, 3, size=True).sum() == np.abs(maps).sum()
    assert (downsized(maps, 16, size=False) == maps.reshape(2, -1)).all()


def test_distances_and_means_by_hand() -> None:
    vectors = np.array([[1, 0], [0, 1], [0.6, 0.8]])
    assert distance(vectors) == pytest.approx(1 - (0 + 0.6 + 0.8) / 3)
    maps = np.array([[[1.0, -3]], [[10, 10]], [[5, 5]]])
    assert mean_map(maps, np.array([0, 1])).tolist() == [[0.375, -0.125]]
