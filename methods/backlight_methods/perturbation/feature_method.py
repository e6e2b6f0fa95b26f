"""What techniques share that hide features."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from backlight import Method, Objective, Result, Score
from backlight.explaining.game import Estimate, Game, explained_by_features
from backlight.features.labelling import FeaturesOf
from backlight.features.registry import require_features
from backlight.values.baselines import Baseline, require_baseline


@dataclass(frozen=True, kw_only=True)
class FeatureMethod(Method):
    """A technique that asks what a score is with some features only. Implementations are final.

    Args:
        features: what is there or absent together.
        baseline: what an absent feature is.
    """

    features: FeaturesOf | None = None
    baseline: Baseline = 0.0

    def __post_init__(self) -> None:
        require_features(self)
        require_baseline(self, hides=True)
        self.require_ranges()

    def require_ranges(self) -> None:
        """Raise `HyperParameterError` unless other hyper-parameters are in their ranges."""

    @abstractmethod
    def estimate(self, game: Game) -> Estimate:
        """What the technique finds of a game."""

    @property
    def differentiates(self) -> bool:
        return False

    def attribute(self, objective: Objective) -> Result:
        (result,) = self.attribute_each(objective, (objective.target,))
        return result

    def attribute_each(self, objective: Objective, targets: Sequence[Score]) -> list[Result]:
        return explained_by_features(
            objective, targets, self.features, self.baseline, self.estimate
        )
