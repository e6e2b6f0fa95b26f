"""Feature ablation: how much the score falls when one feature alone is absent.

Zeiler, Fergus, "Visualizing and Understanding Convolutional Networks" (2013), section 4.1, for
windows; for features of any kind, "leave one covariate out": Lei, G'Sell, Rinaldo, Tibshirani,
Wasserman, "Distribution-Free Predictive Inference For Regression" (2018), section 6.2.
"""

from dataclasses import dataclass
from typing import final

import numpy as np

from backlight import Result
from backlight.explaining.estimate import Estimate
from backlight.explaining.game import Game
from backlight_methods.perturbation.feature_method import FeatureMethod


@final
@dataclass(frozen=True, kw_only=True)
class FeatureAblation(FeatureMethod):
    """score(x) - score(x without the feature), for each feature alone.

    The numbers of a feature share its fall equally. With `Several` examples of the data as baseline,
    the mean over explained examples is permutation importance, of any score. At an inner value,
    `Channels()` asks what each unit is worth.

    Args:
        features: what is absent together, such as `Grid(16, 16)`; see `backlight.features`. By default
            about 64 cells of places, the tokens of a sequence, the columns of a table.
        baseline: what an absent feature is: a number, an array, "blur", "neighbours", `Drawn(data)` ...;
            the mean over `Several`. See docs/baselines.md.
        keep: "each" keeps the values for each of several baselines as well, as `Attribution.each`.

    Law: for a model linear in x, the values of a feature sum to weight * (x - baseline) summed over it. A
        feature that the score does not depend on has 0.
    Cost: a forward pass for each feature and baseline, whatever the number of targets.
    """

    @property
    def linear(self) -> bool:
        return True

    def answer(self, game: Game) -> list[Result]:
        left = game(~np.eye(game.count, dtype=np.bool_))
        return Estimate(game.full[..., None] - np.moveaxis(left, 0, -1)).results(game)
