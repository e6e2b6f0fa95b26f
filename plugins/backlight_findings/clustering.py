"""Spectral clustering that may answer that there are no clusters.

As in SpRAy: the 10 nearest neighbours of each by cosine (fewer among fewer than 100), made symmetric, the
normalised adjacency D^(-1/2) A D^(-1/2), its first eigenvectors with rows of length one, k-means. The
number of clusters is the one that resampling changes least, the larger of two within `EQUAL`: `DRAWS`
times, 80 % are clustered anew and compared with the whole by the adjusted Rand index. There is a
structure only where that agreement is at least `STABLE` on average and the clusters lie apart among the
eigenvectors (mean silhouette at least `APART`): a continuum may be cut at the same place each time, but
has no gap there.

Lapuschkin et al.: Unmasking Clever Hans predictors. Nature Communications 10 (2019). Ng, Jordan, Weiss:
On Spectral Clustering. NeurIPS 2001. Ben-Hur, Elisseeff, Guyon: A Stability Based Method for Discovering
Structure in Clustered Data. PSB 2002.
"""

import warnings
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

NEIGHBOURS = 10
MOST_CLUSTERS = 6
DRAWS = 10
DRAWN = 0.8
STABLE = 0.85
EQUAL = 0.01
APART = 0.8
FEWEST = 30
"""Fewer are not clustered: so few points of a continuum have gaps by chance."""


@final
@dataclass(frozen=True, eq=False)
class Structure:
    """Clusters that are there.

    Attributes:
        clusters: of each vector, from 0, (n,).
        stability: mean adjusted Rand index under resampling, at most 1.
        silhouette: mean over the vectors, at most 1.
    """

    clusters: NDArray[np.int64]
    stability: float
    silhouette: float


def structure(vectors: NDArray[np.float64], seed: int) -> Structure | None:
    """The clusters of vectors of length one, (n, d); None where there are none.

    Time grows as n^3 and memory as n^2: 1,000 vectors take seconds and 40 MB.
    """
    count = len(vectors)
    # Here and not above: they take time to import, and only a study needs them.
    from sklearn.metrics import adjusted_rand_score, silhouette_score

    if count < FEWEST:
        return None
    random = np.random.default_rng(seed)
    whole = eigenvectors(vectors)
    drawn = [np.sort(random.choice(count, int(DRAWN * count), replace=False)) for _ in range(DRAWS)]
    parts = [eigenvectors(vectors[rows]) for rows in drawn]
    best: Structure | None = None
    for k in range(2, MOST_CLUSTERS + 1):
        clusters, places = clustered(whole, k, seed)
        if len(np.unique(clusters)) < k:
            break
        silhouette = float(silhouette_score(places, clusters))
        if silhouette < APART:
            continue
        agreed = [
            adjusted_rand_score(clusters[rows], clustered(part, k, seed)[0])
            for rows, part in zip(drawn, parts, strict=True)
        ]
        stability = float(np.mean(agreed))
        if stability >= STABLE and (best is None or stability >= best.stability - EQUAL):
            best = Structure(clusters, stability, silhouette)
    return best


def eigenvectors(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of the normalised adjacency, for the largest eigenvalues, (n, at most MOST_CLUSTERS)."""
    from scipy.linalg import eigh

    count = len(vectors)
    near = vectors @ vectors.T
    np.fill_diagonal(near, -np.inf)
    neighbours = neighbours_of(count)
    nearest = np.argpartition(-near, neighbours, axis=1)[:, :neighbours]
    adjacency = np.zeros((count, count))
    adjacency[np.arange(count)[:, None], nearest] = 0.5
    adjacency += adjacency.T
    degree = np.sqrt(adjacency.sum(axis=1))
    adjacency /= degree * degree[:, None]
    _, found = eigh(adjacency, subset_by_index=[count - MOST_CLUSTERS, count - 1])
    return np.asarray(found[:, ::-1])


def clustered(
    found: NDArray[np.float64], k: int, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """k clusters (n,), fewer where fewer vectors differ, and where each lies among the eigenvectors."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    places = found[:, :k]
    places = places / np.maximum(np.linalg.norm(places, axis=1, keepdims=True), 1e-12)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer vectors differ
        clusters = KMeans(k, n_init=4, random_state=seed).fit_predict(places)
    return np.asarray(clusters, dtype=np.int64), places


def neighbours_of(count: int) -> int:
    """How many neighbours each of so many vectors has: fewer where clusters must be small."""
    return min(NEIGHBOURS, max(3, count // 10))
