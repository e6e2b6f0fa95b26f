"""What techniques share that hide features."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from backlight import JointMethod, Objective, Result, Score
from backlight.explaining.estimate import explained_by_features
from backlight.explaining.game import Game
from backlight.features.labelling import FeaturesOf
from backlight.features.registry import require_features
from backlight.values.baselines import Baseline, require_baseline
from backlight_methods.keeping import Keep, require_keep


@dataclass(frozen=True, kw_only=True)
class FeatureMethod(JointMethod):
    """A technique that asks what a score is with some features only. Implementations are final.

    Args:
        features: what is there or absent together.
        baseline: what an absent feature is.
        keep: whether the values for each of several baselines are kept as well.
    """

    features: FeaturesOf | None = None
    baseline: Baseline = 0.0
    keep: Keep = "mean"

    def __post_init__(self) -> None:
        require_features(self)
        require_baseline(self, hides=True)
        require_keep(self)

    @property
    def differentiates(self) -> bool:
        return False

    @abstractmethod
    def answer(self, game: Game) -> list[Result]:
        """What the technique finds of a game, for each target."""

    def attribute_each(self, objective: Objective, targets: Sequence[Score]) -> list[Result]:
        each = self.keep == "each"
        return explained_by_features(
            objective, targets, self.features, self.baseline, self.answer, each
        )
