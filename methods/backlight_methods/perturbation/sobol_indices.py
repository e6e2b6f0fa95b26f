"""Total Sobol indices: the share of the score's variance that a feature has a part in.

    index of i = E[(v(a) - v(a with b_i in place of a_i))^2] / (2 Var v)

where a and b are drawn evenly from [0, 1]^M, and v(a) is the score of baseline + a (x - baseline),
feature by feature. Jansen, "Analysis of variance designs for model output" (1999); for pictures: Fel,
Cadene, Chalvidal, Cord, Vigouroux, Serre, "Look at the Variance! Efficient Black-box Explanations with
Sobol-based Sensitivity Analysis" (2021), section 3.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from backlight.errors import require
from backlight.explaining.estimate import Estimate
from backlight.explaining.game import Game
from backlight.values.baselines import require_baseline
from backlight.values.noise import shares
from backlight_methods.perturbation.sampled_feature_method import SampledFeatureMethod

Numbers = NDArray[np.float64]

SHARES = 2**21
"""How many numbers of coalitions are made at a time: 16 MB."""


@final
@dataclass(frozen=True, kw_only=True)
class SobolIndices(SampledFeatureMethod):
    """The share of the score's variance that would be left if all features but one were known, where each
    feature is faded towards the baseline by a random share of its own.

    It has no sign: a feature that speaks against the score has as large an index. Draws are
    independent, not of a low-discrepancy sequence as the paper's, so that the standard error is known.
    The numbers of a feature share its index equally.

    Args:
        features: what is faded together, such as `Grid(16, 16)`; see `backlight.features`. By default
            about 64 cells of places, the tokens of a sequence, the columns of a table.
        baseline: what a feature is faded to: a number, an array, "blur", "mean" ...; the mean over
            `Several`.
        samples: pairs a, b that are drawn, at least 2; the paper draws 32.
        tolerance: draws more until the largest standard error of an example's indices is at most this
            share of the change of the score, or of `floor`; None for no more. As indices are shares,
            with a floor of 1 and a score of probabilities it is the error itself.
        floor: what the tolerance is a share of at least.
        maximum_samples: where the tolerance gives up, with a warning.
        seed: of the draws, which are the same on every framework and for every example.
        keep: "mean" alone: the index of a mean score is not the mean of indices.

    Law: for a model linear in x, the index of a feature is (weight * (x - baseline))^2, summed over the
        feature before it is squared, divided by the sum of these over features; a feature that the
        score does not depend on has 0. Indices sum to 1 or more.
    Cost: `samples` * (M + 2) forward passes of M features, whatever the number of targets; as many for
        each of several baselines.
    """

    samples: int = 32
    floor: float = 1.0
    maximum_samples: int = 2000

    def __post_init__(self) -> None:
        super().__post_init__()
        require_baseline(self)  # features fade
        require(
            self.keep == "mean", self, "keep", "'mean', as indices are not means over baselines"
        )

    @property
    def linear(self) -> bool:
        return False

    def estimate(self, game: Game, samples: int) -> Estimate:
        parts = []
        together = max(1, SHARES // (game.count + 2) // game.count)
        for start in range(0, samples, together):
            numbers = range(start, min(start + together, samples))
            parts.append(game(np.concatenate([self._design(game, one) for one in numbers])))
        found = np.concatenate(parts).reshape(samples, game.count + 2, *game.full.shape)
        first, second, changed = found[:, 0], found[:, 1], found[:, 2:]
        numerator = np.moveaxis((changed - first[:, None]) ** 2 / 2, 1, -1)
        mean = (first + second).mean(axis=0) / 2
        variance = ((first - mean) ** 2 + (second - mean) ** 2)[..., None] / 2
        total = variance.mean(axis=0)
        some = np.where(total > 0, total, 1.0)
        values = numerator.mean(axis=0) / some
        errors = ((numerator - values * variance) / some).std(axis=0, ddof=1) / np.sqrt(samples)
        return Estimate(values, errors)

    def _design(self, game: Game, sample: int) -> Numbers:
        """a, b, and a with each share in turn from b: shape (features + 2, features)."""
        first, second = shares(self.seed, sample, 2 * game.count).reshape(2, -1)
        changed = np.where(np.eye(game.count, dtype=np.bool_), second, first)
        return np.concatenate([first[None], second[None], changed])
