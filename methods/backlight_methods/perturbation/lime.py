"""LIME: a linear surrogate of the score around the example.

    minimise  sum over coalitions z of  weight(z) * (v(z) - b - sum_i z_i value_i)^2 + penalty
    where     weight(z) = exp(-d(z)^2 / width^2),   d(z) = 1 - sqrt(share of features in z)

d is the cosine distance from the whole example. Ribeiro, Singh, Guestrin, "Why Should I Trust You?
Explaining the Predictions of Any Classifier" (2016), equations 1 and 2.
"""

from dataclasses import dataclass
from typing import Literal, final

import numpy as np
from numpy.typing import NDArray

from backlight.errors import is_one_of, is_real, require
from backlight.explaining.estimate import Estimate
from backlight.explaining.game import Game
from backlight.values.noise import shares
from backlight_methods.perturbation.sampled_feature_method import Regression

Numbers = NDArray[np.float64]

GROUPS = 20
"""Of samples, each left out once, to see how much a lasso's values change."""


@final
@dataclass(frozen=True, kw_only=True)
class LIME(Regression):
    """The weights of a linear model that is fitted to the scores of the example with some features
    only, those that lack little weighing most.

    `r_squared` says how much of the scores' variation, so weighted, the linear model explains: where
    that is little, its weights mean little. The numbers of a feature share its weight equally.

    Args:
        features: what appears together, such as `Grid(16, 16)`; see `backlight.features`. By default
            about 64 cells of places, the tokens of a sequence, the columns of a table.
        baseline: what an absent feature is: a number, an array, "blur", "neighbours", `Drawn(data)` ...;
            the mean over `Several`. See docs/baselines.md.
        samples: coalitions, at least 4 for each feature; None for 4 each and 1024 more. The first is
            the example itself; each feature is in half of the others.
        width: of the kernel, greater than 0; the authors' code has 0.25 for pictures and text.
        regression: "ridge", as in the authors' code, or "lasso", which leaves most weights 0.
        penalty: at least 0: alpha |weights|^2 of the ridge beside a sum of weighted squares, or alpha
            |weights| of the lasso beside half of a weighted mean of squares; the intercept is not
            penalised.
        tolerance: draws more coalitions until the largest standard error of an example is at most this
            share of the score's change; None for no more.
        floor: what the tolerance is a share of at least, in the score's units.
        maximum_samples: where the tolerance gives up, with a warning.
        seed: of the coalitions, which are the same on every framework and for every example.
        keep: "each" keeps the values for each of several baselines as well, as `Attribution.each`. Of
            a ridge alone: of a lasso the mean is another.

    Law: without penalty, where the score is a sum of functions of one feature each, a feature's value
        is what it adds, and r_squared is 1. The values need not sum to anything.
    Cost: `samples` forward passes, whatever the number of targets; as many for each of several baselines.
    """

    width: float = 0.25
    regression: Literal["ridge", "lasso"] = "ridge"
    penalty: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require(is_real(self.width) and self.width > 0, self, "width", "greater than 0")
        known = is_one_of(self.regression, ("ridge", "lasso"))
        require(known, self, "regression", "'ridge' or 'lasso'")
        require(is_real(self.penalty) and self.penalty >= 0, self, "penalty", "at least 0")
        additive = self.keep == "mean" or self.regression == "ridge"
        require(additive, self, "keep", "'mean' with a lasso, which is not the mean over baselines")

    @property
    def linear(self) -> bool:
        return super().linear and self.regression == "ridge"

    def estimate(self, game: Game, samples: int) -> Estimate:
        drawn = [shares(self.seed, sample, game.count) < 0.5 for sample in range(1, samples)]
        there = np.stack([np.ones(game.count, dtype=np.bool_), *drawn])
        distance = 1 - np.sqrt(there.mean(axis=1))
        weights = np.exp(-((distance / self.width) ** 2))
        scores = game(there).reshape(samples, -1)
        z = there.astype(np.float64)
        if self.regression == "ridge":
            values, errors = ridge(z, scores, weights, self.penalty)
        else:
            values, errors = lasso(z, scores, weights, self.penalty)
        shape = (*game.full.shape, game.count)
        fit = r_squared(z, scores, weights, values).reshape(game.full.shape)
        return Estimate(values.T.reshape(shape), errors.T.reshape(shape), fit)


def centred(values: Numbers, weights: Numbers) -> Numbers:
    """Less their weighted mean, which takes the intercept out."""
    return np.asarray(values - np.average(values, axis=0, weights=weights))


def ridge(z: Numbers, scores: Numbers, weights: Numbers, penalty: float) -> tuple[Numbers, Numbers]:
    """Weights (features, K) of the surrogates of K scores, and their standard errors: those of White, "A
    Heteroskedasticity-Consistent Covariance Matrix Estimator" (1980), with MacKinnon and White's
    factor for small samples."""
    x, y = centred(z, weights), centred(scores, weights)
    weighted = x * weights[:, None]
    inverse = np.linalg.pinv(weighted.T @ x + penalty * np.eye(x.shape[1]), hermitian=True)
    values = inverse @ (weighted.T @ y)
    influence = weighted @ inverse
    factor = len(z) / max(len(z) - z.shape[1] - 1, 1)
    return values, np.sqrt(factor * (influence**2).T @ (y - x @ values) ** 2)


def lasso(z: Numbers, scores: Numbers, weights: Numbers, penalty: float) -> tuple[Numbers, Numbers]:
    """The same with a penalty on absolute weights. Standard errors are the jackknife's, over groups of
    samples: Shao, Wu, "A General Theory for Jackknife Variance Estimation" (1989)."""
    from sklearn.linear_model import Lasso  # here: who fits no lasso need not wait for it

    def fitted(kept: NDArray[np.bool_]) -> Numbers:
        x, y, w = z[kept], scores[kept], weights[kept]
        model = Lasso(alpha=penalty, tol=1e-12, max_iter=100_000)
        return np.stack(
            [model.fit(x, one, sample_weight=w).coef_.copy() for one in y.T], axis=1
        ).astype(np.float64)

    group = np.arange(len(z)) % GROUPS
    without = np.stack([fitted(group != one) for one in range(GROUPS)])
    spread = ((without - without.mean(axis=0)) ** 2).sum(axis=0) * (GROUPS - 1) / GROUPS
    return fitted(group >= 0), np.sqrt(spread)


def r_squared(z: Numbers, scores: Numbers, weights: Numbers, values: Numbers) -> Numbers:
    """How much of the weighted variation of K scores their surrogates explain, shape (K,); 1 where
    there is none."""
    y = centred(scores, weights)
    left = weights @ (y - centred(z, weights) @ values) ** 2
    total = weights @ y**2
    return 1 - np.divide(left, total, out=np.zeros_like(left), where=total > 0)
