"""Mistakes whose maps are alike: within a cell of the confusion matrix, and over all mistakes.

A map is made comparable: sums of the sizes of its values over the cells of a grid of at most 16 x 16,
divided by their Euclidean norm. `clustering` then says whether there are clusters. A cluster is reported
only if its maps are alike: their mean distance (1 - cosine) is at most `ALIKE` of that of all the
mistakes looked at.

Whether it explains anything is judged beside right examples of the same true classes. An example has the
cluster's reason if most of its nearest mistakes (at most 10, not itself) are of the cluster, and it is as
near to the cluster as its farthest member. The shares with the reason among mistakes and among
right examples are compared by Fisher's exact test for one side, corrected (Holm) over all clusters: a
reason that is as common among right examples explains nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from numpy.typing import NDArray

from backlight_findings.clustering import NEIGHBOURS, neighbours_of, structure
from backlight_findings.finding import Finding, Json, Severity, Studied
from backlight_findings.maps import Usable, downsized, mean_map, place_in_words, usable
from backlight_findings.statistics import SIGNIFICANT, corrected, interval, more_often, percent

SIDE = 16
MOST = 1000
"""Of more mistakes, so many are drawn to find the clusters; the others are then put where they belong."""
ALIKE = 0.8
SAME = 0.8
"""Two clusters are one where they share so much of their union."""

CAVEAT = (
    "Maps that are alike are not yet a cause: look at the pictures for what they share at the place, "
    "remove it, and see whether the decisions turn. Sizes of values were compared, on a coarse grid and "
    "place by place; the same cue at another place of the picture is not seen."
)


@final
@dataclass(frozen=True, eq=False)
class Cluster:
    """A cluster of one group of mistakes.

    Attributes:
        cell: the true and the predicted class of its mistakes; None over all mistakes.
        members: the mistakes, places among the usable maps, the most typical first.
        looked_at, with_reason: how many mistakes of the group, and how many of them have the reason.
        right, right_with_reason: likewise for right examples of the same true classes.
        chance: p of the exact test; None where there is no right example.
        stability, silhouette: of the clustering.
    """

    cell: tuple[int, int] | None
    members: NDArray[np.int64]
    looked_at: int
    with_reason: int
    right: int
    right_with_reason: int
    chance: float | None
    stability: float
    silhouette: float


@final
@dataclass(frozen=True)
class Clusters:
    """Finds clusters of maps among mistakes.

    Args:
        technique: whose maps; the first one's if None.
    """

    technique: str | None = None

    def __call__(self, studied: Studied) -> Sequence[Finding]:
        maps = usable(studied, self.technique)
        if maps is None:
            return []
        vectors = downsized(maps.maps, SIDE, size=True)[maps.places]
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        found = [
            cluster
            for cell, wrong, right in groups(studied, maps)
            for cluster in clusters(vectors, wrong, right, cell, studied.seed)
        ]
        tested = [cluster.chance for cluster in found if cluster.chance is not None]
        chances = iter(corrected(tested))
        found = [
            cluster if cluster.chance is None else replace(cluster, chance=next(chances))
            for cluster in found
        ]
        return [told(cluster, studied, maps) for cluster in apart(found)]


def groups(
    studied: Studied, maps: Usable
) -> Iterator[tuple[tuple[int, int] | None, NDArray[np.int64], NDArray[np.int64]]]:
    """Mistakes that are looked at together, with right examples of their true classes: each cell of the
    confusion matrix, then all if there are several."""
    labels, predicted = studied.labels[maps.rows], studied.predicted[maps.rows]
    wrong, right = labels != predicted, labels == predicted
    cells = np.unique(np.stack([labels[wrong], predicted[wrong]], axis=1), axis=0)
    for true, said in cells:
        here = np.flatnonzero((labels == true) & (predicted == said))
        yield (int(true), int(said)), here, np.flatnonzero(right & (labels == true))
    if len(cells) > 1:
        same = np.isin(labels, labels[wrong])
        yield None, np.flatnonzero(wrong), np.flatnonzero(right & same)


def clusters(
    vectors: NDArray[np.float64],
    wrong: NDArray[np.int64],
    right: NDArray[np.int64],
    cell: tuple[int, int] | None,
    seed: int,
) -> Iterator[Cluster]:
    """The clusters of some mistakes whose maps are alike."""
    drawn = wrong
    if len(wrong) > MOST:
        drawn = np.sort(np.random.default_rng(seed).choice(wrong, MOST, replace=False))
    found = structure(vectors[drawn], seed)
    if found is None:
        return
    for one in range(found.clusters.max() + 1):
        inside = found.clusters == one
        if distance(vectors[drawn[inside]]) > ALIKE * distance(vectors[drawn]):
            continue
        reason = Reason(vectors, drawn, inside)
        here, there = reason.of(wrong), reason.of(right)
        rows = np.concatenate([np.ones(len(wrong), bool), np.zeros(len(right), bool)])
        chance = more_often(np.concatenate([here, there]), rows) if len(right) else None
        members = wrong[here]
        typical = np.argsort(-reason.nearness(members), kind="stable")
        yield Cluster(
            cell,
            members[typical],
            len(wrong),
            int(here.sum()),
            len(right),
            int(there.sum()),
            chance,
            found.stability,
            found.silhouette,
        )


def distance(vectors: NDArray[np.float64]) -> float:
    """Mean of 1 - cosine over pairs of vectors of length one."""
    count = len(vectors)
    total = float((vectors.sum(axis=0) ** 2).sum())
    return 1 - (total - count) / max(count * (count - 1), 1)


@final
@dataclass(frozen=True, eq=False)
class Reason:
    """What tells whether an example belongs to a cluster.

    Attributes:
        vectors: of all examples.
        drawn: the mistakes that were clustered.
        inside: which of these are the cluster.
    """

    vectors: NDArray[np.float64]
    drawn: NDArray[np.int64]
    inside: NDArray[np.bool_]

    def of(self, places: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether examples have the cluster's reason."""
        if len(places) == 0:
            return np.zeros(0, dtype=bool)
        near = self.cosines(places, self.drawn)
        neighbours = neighbours_of(len(self.drawn))
        nearest = np.argpartition(-near, neighbours - 1, axis=1)[:, :neighbours]
        most = self.inside[nearest].mean(axis=1) > 0.5
        farthest = self.nearness(self.drawn[self.inside]).min()
        return np.asarray(most & (self.nearness(places) >= farthest - 1e-12))

    def nearness(self, places: NDArray[np.int64]) -> NDArray[np.float64]:
        """The mean cosine with the nearest members."""
        near = self.cosines(places, self.drawn[self.inside])
        neighbours = min(NEIGHBOURS, max(near.shape[1] - 1, 1))
        return np.asarray(-np.partition(-near, neighbours - 1, axis=1)[:, :neighbours].mean(axis=1))

    def cosines(self, places: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.float64]:
        """Of each with each; that with itself does not count."""
        near = self.vectors[places] @ self.vectors[others].T
        return np.asarray(np.where(places[:, None] == others, -1.0, near))


def apart(found: Sequence[Cluster]) -> list[Cluster]:
    """Without those that repeat an earlier one."""
    kept: list[Cluster] = []
    for cluster in found:
        shares = [
            len(np.intersect1d(cluster.members, other.members))
            / len(np.union1d(cluster.members, other.members))
            for other in kept
        ]
        if max(shares, default=0.0) < SAME:
            kept.append(cluster)
    return kept


def told(cluster: Cluster, studied: Studied, maps: Usable) -> Finding:
    """A cluster as a finding."""
    if cluster.cell is None:
        mistakes, same = "explained mistakes", "right examples of the same classes"
    else:
        true, said = (studied.classes[k] for k in cluster.cell)
        mistakes, same = f"{true} taken for {said}", f"right {true}"
    pictures = {"mean map": mean_map(maps.maps, maps.places[cluster.members])}
    share = cluster.with_reason / cluster.looked_at
    start = (
        f"{cluster.with_reason} of {cluster.looked_at} {mistakes} ({percent(share)}) were decided at the "
        f"same place{place_in_words(pictures['mean map'])}"
    )
    beside = cluster.right_with_reason / max(cluster.right, 1)
    severity: Severity = "low"
    if cluster.chance is None:
        title = f"{start}; there are no {same} to compare them with."
    elif cluster.chance < SIGNIFICANT:
        title = f"{start}, but only {percent(beside)} of {same}."
        severity = "high" if share >= 0.2 else "medium"
    elif beside < share / 2:
        title = (
            f"{start}, and {percent(beside)} of {cluster.right} {same}: too few of these to say whether "
            "it tells mistakes apart."
        )
    else:
        title = (
            f"{start}, but so were {percent(beside)} of {same}: that does not tell mistakes apart."
        )
    rows = maps.rows[cluster.members]
    right = (studied.labels == studied.predicted)[maps.rows]
    evidence: dict[str, Json] = {
        "true": None if cluster.cell is None else studied.classes[cluster.cell[0]],
        "predicted": None if cluster.cell is None else studied.classes[cluster.cell[1]],
        "technique": maps.technique,
        "question": maps.question,
        "mistakes": cluster.looked_at,
        "mistakes_with_reason": cluster.with_reason,
        "share": share,
        "share_interval": list(interval(cluster.with_reason, cluster.looked_at)),
        "right": cluster.right,
        "right_with_reason": cluster.right_with_reason,
        "right_share": beside if cluster.right else None,
        "right_share_interval": list(interval(cluster.right_with_reason, cluster.right)),
        "p": cluster.chance,
        "stability": cluster.stability,
        "silhouette": cluster.silhouette,
        "most_typical": [int(row) for row in rows[:3]],
        "least_typical": [int(row) for row in rows[:-4:-1]],
        "left_out": maps.left_out,
    }
    beside_them = np.flatnonzero(right & np.isin(studied.labels[maps.rows], studied.labels[rows]))
    if len(beside_them):
        pictures[f"mean map of {same}"] = mean_map(maps.maps, maps.places[beside_them])
    return Finding("clusters", title, severity, tuple(map(int, rows)), evidence, CAVEAT, pictures)
