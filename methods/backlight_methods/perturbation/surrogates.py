"""Functions of a coalition that are fitted to what some coalitions score, and whose Shapley values are
known: what they explain of a game need not be estimated.

All are odd: of a coalition's complement they say the opposite. Coalitions are rows of signs, 1 where a
feature is there and -1 where it is not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Rows = NDArray[np.int64]

REACH = 5.0
"""The sum of a kernel's weights: interactions of about as many features count most."""
NUGGET, TREND = 0.1, 30.0
"""What a kernel takes for noise, and for linear, as multiples of its own variance."""
NODES = 16
"""Of Gauss and Legendre's rule, which integrate products of factors 1 + p w to all digits where the
weights w sum to `REACH` at most."""


@final
@dataclass(frozen=True)
class Surrogate:
    """A function that was fitted to K scores of coalitions: the mean of those that were fitted without
    one of the folds.

    Attributes:
        values: its Shapley values, shape (features, K).
        rest: what it leaves of each score, shape (coalitions, K).
        apart: fold by fold, what the fit without the fold leaves of its scores, shape (rows, K).
    """

    values: Numbers
    rest: Numbers
    apart: Numbers

    def take(self, column: int) -> "Surrogate":
        """Of one of the K scores."""
        return Surrogate(*(one[:, [column]] for one in (self.values, self.rest, self.apart)))


def linear(signs: Numbers, scores: Numbers, folds: Sequence[Rows]) -> Surrogate:
    """The sum of a number for each feature, by least squares.

    Args:
        signs: of coalitions, each once, shape (coalitions, features).
        scores: half of v(coalition) - v(complement), shape (coalitions, K).
        folds: rows that are judged by a fit without them, in parts.
    """
    solver = np.linalg.inv(signs.T @ signs) @ signs.T
    slopes, rest, apart = fitted(signs, solver, scores, np.arange(len(signs)), folds)
    return Surrogate(2 * slopes, rest, apart)


def products(
    signs: Numbers, scores: Numbers, folds: Sequence[Rows], sizes: Numbers, centres: Rows
) -> Surrogate:
    """A Gaussian process whose covariance is the odd part of a product over features,

        prod_j (1 + w_j s_j t_j),  w_j = sizes_j times a factor,  and a multiple of  sum_j s_j t_j

    in which features interact the more, the more they do alone. A product of functions of a feature each
    has its Shapley values by an integral over the share of features that are there: Owen, "Multilinear
    Extensions of Games" (1972), equation 10.

    Args:
        signs, scores, folds: as of `linear`.
        sizes: of what each feature does alone, shape (features,), not all 0.
        centres: the rows that it is fitted to.
    """
    weights = np.minimum(REACH * sizes / sizes.sum(), 0.9)
    weights = np.round(weights, 3)  # so that the scores' last digits do not change the covariance
    basis = signs[centres]
    scale = np.exp(np.log1p(-(weights**2)).sum() / 2)
    covariance = scale * np.sinh((signs * np.arctanh(weights)) @ basis.T)
    variance = covariance[centres, np.arange(len(centres))].mean()
    trend = TREND * variance / signs.shape[1]
    noise = NUGGET * variance * np.eye(len(centres))
    inverse = np.linalg.inv(covariance[centres] + trend * basis @ basis.T + noise)
    # Slopes by themselves keep digits that a sum of covariances would lose.
    design = np.concatenate([covariance, signs], axis=1)
    solver = np.concatenate([inverse, trend * basis.T @ inverse])
    coefficients, rest, apart = fitted(design, solver, scores, centres, folds)
    factors, slopes = np.split(coefficients, [len(centres)])
    values = 2 * slopes + owen(weights * basis, factors)
    return Surrogate(values, rest, apart)


def fitted(
    design: Numbers, solver: Numbers, scores: Numbers, centres: Rows, folds: Sequence[Rows]
) -> tuple[Numbers, Numbers, Numbers]:
    """The mean coefficients c = solver @ scores[centres] over fits without a fold of rows each, and what
    design @ c leaves: of all rows by this mean, and of each fold by the fit without it.

    A fit without some rows is one in which their scores are what it says itself.
    """
    coefficients = solver @ scores[centres]
    place = np.full(len(design), -1)
    place[centres] = np.arange(len(centres))
    apart, moved = list[Numbers](), np.zeros_like(coefficients)
    for rows in folds:
        there = np.unique(place[rows])
        there = there[there >= 0]
        part, own = solver[:, there], design[centres[there]]
        residual = scores[centres[there]] - own @ coefficients
        change = part @ np.linalg.solve(np.eye(len(there)) - own @ part, residual)
        apart.append(scores[rows] - design[rows] @ (coefficients - change))
        moved += len(rows) * change
    coefficients = coefficients - moved / sum(map(len, folds))
    return coefficients, scores - design @ coefficients, np.concatenate(apart)


def owen(slopes: Numbers, factors: Numbers) -> Numbers:
    """The Shapley values, shape (features, K), of products, one a row, each times its factors, shape
    (rows, K):

    value of i = slopes_i * integral over p in [-1, 1] of prod_{j not i} (1 + p slopes_j) d p
    """
    found = np.zeros((slopes.shape[1], factors.shape[1]))
    for node, weight in zip(*np.polynomial.legendre.leggauss(NODES), strict=True):
        each = 1 + node * slopes
        found += (slopes / each).T @ (weight * each.prod(axis=1, keepdims=True) * factors)
    return found
