"""KernelSHAP: Shapley values from coalitions that are drawn by a kernel.

    value of i = change / M + 2 H * sum over coalitions S of  weight(S) ([i in S] - |S| / M) v(S)
    where        weight(S) is in proportion to 1 / (C(M, |S|) |S| (M - |S|)), and 1 in all,
                 change = v(all) - v(),  H = 1 + 1/2 + ... + 1 / (M - 1)

which is the least-squares fit of Lundberg, Lee, "A Unified Approach to Interpreting Model Predictions"
(2017), theorem 2, solved: Covert, Lee, "Improving KernelSHAP: Practical Shapley Value Estimation via
Linear Regression" (2021), section 3.2. What a surrogate explains is not left to the draw: Witter, Liu,
Musco, "Regression-adjusted Monte Carlo Estimators for Shapley Values and Probabilistic Values" (2025).
"""

from dataclasses import dataclass
from typing import final

import numpy as np

from backlight.explaining.estimate import Estimate
from backlight.explaining.game import Game
from backlight_methods.perturbation.coalition_pairs import Pairs, drawn_pairs
from backlight_methods.perturbation.sampled_feature_method import Regression
from backlight_methods.perturbation.surrogates import Numbers, Rows, Surrogate, linear, products

FOLDS = 5
"""How many parts the decks come in, each of which is judged by a surrogate that has not seen it."""
CENTRES = 256
"""To how many pairs products are fitted at most: the time is that of their cube, 0.01 s per score."""
MOST_PRODUCTS = 256
"""Up to how many features products are tried."""


@final
@dataclass(frozen=True, kw_only=True)
class KernelSHAP(Regression):
    """Shapley values by the scores of coalitions that are drawn in pairs, each with its complement.

    The smallest and largest coalitions, which weigh most, are asked one and all as far as `samples`
    goes: for few features those are all coalitions, and the values are exact. Else a surrogate is fitted
    to the scores, linear or with interactions, whichever is closer to scores that it has not seen; its
    own Shapley values are known, and what it leaves is estimated, so that it may be wrong. The numbers
    of a feature share its value equally.

    Args:
        features: what appears together, such as `Grid(16, 16)`; see `backlight.features`. By default
            about 64 cells of places, the tokens of a sequence, the columns of a table.
        baseline: what an absent feature is: a number, an array, "blur", "neighbours", `Drawn(data)` ...;
            the mean over `Several`. See docs/baselines.md.
        samples: coalitions, at least 4 for each feature; None for 4 each and 1024 more.
        tolerance: draws more coalitions until the largest standard error of an example is at most this
            share of the score's change; None for no more.
        floor: what the tolerance is a share of at least, in the score's units.
        maximum_samples: where the tolerance gives up, with a warning.
        seed: of the coalitions, which are the same on every framework and for every example.
        keep: "each" keeps the values for each of several baselines as well, as `Attribution.each`; all
            by linear surrogates, so that the values are their mean.

    Law: the values of an example sum to score - baseline score, exactly (efficiency); they are Shapley
        values where `samples` is 2 ** M - 2 for M features, and of any number of samples where the
        score is a sum of functions of one feature each, or of two.
    Cost: `samples` + 1 forward passes, fewer where a coalition is drawn twice, whatever the number of
        targets; as many for each of several baselines.
    """

    @property
    def linear(self) -> bool:
        return False  # the surrogate depends on the score

    def estimate(self, game: Game, samples: int) -> Estimate:
        if game.count == 1:
            return Estimate(game.change[..., None], np.zeros((*game.full.shape, 1)), complete=True)
        pairs = drawn_pairs(game.count, samples // 2, self.seed)
        with_, without = np.split(game(np.concatenate([pairs.coalitions, ~pairs.coalitions])), 2)
        half = ((with_ - without) / 2).reshape(len(with_), -1)
        interact = self.keep == "mean"
        values, errors = estimated(pairs, half, game.change.reshape(-1), interact)
        shape = (*game.full.shape, game.count)
        return Estimate(values.T.reshape(shape), errors.T.reshape(shape), complete=True)


def estimated(
    pairs: Pairs, half: Numbers, change: Numbers, interact: bool
) -> tuple[Numbers, Numbers]:
    """Values that sum to the change, shape (features, K), and their standard errors, by the spread of
    what decks add, which are independent of each other.

    Args:
        half: half of v(coalition) - v(complement), shape (pairs, K).
        change: v(all) - v(), shape (K,).
        interact: whether surrogates with interactions are tried. Without them values are linear in the
            scores.
    """
    count, whole = pairs.coalitions.shape[1], len(pairs.coalitions) - pairs.drawn
    signs = np.where(pairs.coalitions, 1.0, -1.0)
    pulls = (1 / np.arange(1, count)).sum() * (signs - signs.mean(axis=1, keepdims=True))
    pulls *= pairs.weights[:, None]
    values, errors = np.empty((2, count, len(change)))
    if not pairs.drawn:
        return change / count + pulls.T @ half, np.zeros_like(errors)
    ends = np.flatnonzero(np.diff(pairs.decks, append=-1)) + 1
    # A pair is the same by whichever of its coalitions it is called; here, by the one with feature 0.
    side = signs[:, :1]
    _, first, place = np.unique(
        np.packbits(signs == side, axis=1), axis=0, return_index=True, return_inverse=True
    )
    known = np.concatenate([(signs * side)[first], np.ones((1, count))])
    scores = np.concatenate([(half * side)[first], change[None] / 2])
    bounds = np.searchsorted(pairs.decks, len(ends) * np.arange(1, FOLDS) // FOLDS)
    folds = np.split(place[whole:], bounds)
    pull = (pulls[whole:] ** 2).sum(axis=1)
    for column, best in enumerate(surrogates(known, scores, folds, pull, interact)):
        left = np.concatenate([best.rest[place[:whole]], best.apart]) * side
        added = pulls * left
        even = (change[column] - best.values.sum()) / count
        values[:, column] = best.values[:, 0] + even + added.sum(axis=0)
        of_decks = np.add.reduceat(added[whole:], [0, *ends[:-1]], axis=0)
        enough = len(ends) > 1  # one tells nothing of others
        spread = of_decks.std(axis=0, ddof=1) if enough else np.inf
        errors[:, column] = spread * np.sqrt(len(ends))
    return values, errors


def surrogates(
    known: Numbers, scores: Numbers, folds: list[Rows], pull: Numbers, interact: bool
) -> list[Surrogate]:
    """For each of the K scores the surrogate that leaves the least to the draw.

    Args:
        known, scores, folds: as of `linear`.
        pull: the weight of the square of what is left of each row of the folds.
        interact: as of `estimated`.
    """
    simple, count = linear(known, scores, folds), known.shape[1]
    centres = np.linspace(0, len(known) - 1, min(len(known), CENTRES)).astype(np.int64)
    found = []
    for column in range(scores.shape[1]):
        tried = [simple.take(column)]
        sizes = np.abs(tried[0].values[:, 0])
        if interact and count <= MOST_PRODUCTS and sizes.any():
            tried.append(products(known, scores[:, [column]], folds, sizes, centres))
        found.append(min(tried, key=lambda one: float(pull @ one.apart[:, 0] ** 2)))
    return found
