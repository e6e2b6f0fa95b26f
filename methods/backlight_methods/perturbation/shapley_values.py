"""Shapley values: what a feature adds, on average over all orders in which features may appear.

    value of i = sum over coalitions S without i of |S|! (M - |S| - 1)! / M! * (v(S and i) - v(S))

Shapley, "A Value for n-Person Games" (1953). Sampled orders: Castro, Gomez, Tejada, "Polynomial
calculation of the Shapley value based on sampling" (2009); pairs of an order and its reverse:
Mitchell, Cooper, Frank, Holmes, "Sampling Permutations for Shapley Value Estimation" (2022), section 3.2.
"""

from dataclasses import dataclass
from math import comb
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from backlight.errors import is_whole, require
from backlight.explaining.estimate import Estimate
from backlight.explaining.game import Game
from backlight.values.noise import order
from backlight_methods.perturbation.sampled_feature_method import SampledFeatureMethod

Numbers = NDArray[np.float64]

MOST_EXACT = 20
FLAGS = 2**22
"""How many truth values of coalitions are made at a time: 4 MB."""


@final
@dataclass(frozen=True, kw_only=True)
class ShapleyValues(SampledFeatureMethod):
    """The mean change of the score where a feature appears, over orders of appearance: over all of
    them where there are few features, else over orders that are drawn.

    The numbers of a feature share its value equally.

    Args:
        features: what appears together, such as `Grid(16, 16)`; see `backlight.features`. By default
            about 64 cells of places, the tokens of a sequence, the columns of a table.
        baseline: what an absent feature is: a number, an array, "blur", "neighbours", `Drawn(data)` ...;
            the mean over `Several`. See docs/baselines.md.
        samples: orders that are drawn, an even number of at least 4: each second one is the one before
            it, reversed. Tutorials draw 5 to 25; `standard_error` tells how far that goes.
        exact: up to how many features all coalitions are asked, 0 to 20.
        tolerance: draws more orders until the largest standard error of an example is at most this
            share of the score's change; None for no more.
        floor: what the tolerance is a share of at least, in the score's units.
        maximum_samples: where the tolerance gives up, with a warning.
        seed: of the orders, which are the same on every framework and for every example.
        keep: "each" keeps the values for each of several baselines as well, as `Attribution.each`.

    Law: the values of an example sum to score - baseline score, exactly, also where orders are drawn
        (efficiency); features that add the same everywhere have the same value (symmetry), where all
        coalitions are asked; a feature that adds nothing has 0 (dummy); values are linear in the score.
    Cost: 2 ** M forward passes of M features, or (M - 1) samples + 1, whatever the number of targets;
        as many for each of several baselines.
    """

    least: ClassVar[int] = 4

    samples: int = 20
    exact: int = 12
    maximum_samples: int = 2000

    def __post_init__(self) -> None:
        super().__post_init__()
        for field in ("samples", "maximum_samples"):
            require(getattr(self, field) % 2 == 0, self, field, "an even number")
        known = is_whole(self.exact) and 0 <= self.exact <= MOST_EXACT
        require(known, self, "exact", f"from 0 to {MOST_EXACT}")

    def estimate(self, game: Game, samples: int) -> Estimate:
        """The mean over pairs of orders, and its standard error: pairs are independent of each other."""
        if game.count <= max(self.exact, 1):
            return exact_values(game)
        pairs, mean, spread = samples // 2, np.zeros(()), np.zeros(())
        together = max(1, FLAGS // (2 * game.count**2))
        for start in range(0, pairs, together):
            numbers = range(start, min(start + together, pairs))
            orders = np.stack([order(self.seed, number, game.count) for number in numbers])
            both = np.stack([orders, orders[:, ::-1]], axis=1).reshape(-1, game.count)
            added = appearances(game, both)
            for seen, pair in enumerate(
                added.reshape(len(numbers), 2, *added.shape[1:]).mean(axis=1)
            ):
                step = pair - mean
                mean = mean + step / (start + seen + 1)
                spread = spread + step * (pair - mean)
        errors = np.sqrt(spread / (pairs * (pairs - 1)))
        return Estimate(mean, errors, complete=True)


def appearances(game: Game, orders: NDArray[np.int64]) -> Numbers:
    """What each feature adds in each order, (orders, targets, n, features)."""
    count = game.count
    ranks = np.argsort(orders, axis=1)
    there = ranks[:, None, :] < np.arange(count + 1)[None, :, None]  # (orders, how many, features)
    scores = game(there.reshape(-1, count)).reshape(len(orders), count + 1, *game.full.shape)
    steps = np.moveaxis(np.diff(scores, axis=1), 1, -1)
    return np.take_along_axis(steps, ranks[:, None, None, :], axis=-1)


def exact_values(game: Game) -> Estimate:
    """The values by all coalitions."""
    count = game.count
    codes = np.arange(2**count)
    there = (codes[:, None] >> np.arange(count)) & 1 == 1
    scores, sizes = game(there), there.sum(axis=1)
    weights = np.array([1 / (count * comb(count - 1, size)) for size in range(count)])
    values = np.empty((*game.full.shape, count))
    for feature in range(count):
        without = codes[~there[:, feature]]
        added = scores[without | 1 << feature] - scores[without]
        values[..., feature] = np.tensordot(weights[sizes[without]], added, axes=1)
    return Estimate(values, complete=True)
