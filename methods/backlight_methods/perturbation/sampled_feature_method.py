"""What techniques share that hide features and draw samples."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from backlight import Result
from backlight.errors import HyperParameterError
from backlight.explaining.estimate import Estimate, GameDraws
from backlight.explaining.game import Game
from backlight_methods.perturbation.feature_method import FeatureMethod
from backlight_methods.sampling import SampledMethod


@dataclass(frozen=True, kw_only=True)
class SampledFeatureMethod(FeatureMethod, SampledMethod):
    """A technique that asks about games by samples. Implementations are final."""

    def __post_init__(self) -> None:
        FeatureMethod.__post_init__(self)
        SampledMethod.__post_init__(self)

    @abstractmethod
    def estimate(self, game: Game, samples: int) -> Estimate:
        """What so many samples say; all that there is to know, without standard errors, where it takes
        no samples. The first ones are the same, however many there are."""

    def first_samples(self, game: Game) -> int:
        """How many samples there are at first."""
        assert self.samples is not None
        return self.samples

    def answer(self, game: Game) -> list[Result]:
        return self.stopping.results(GameDraws(game, self.estimate, self.first_samples(game)))


@dataclass(frozen=True, kw_only=True)
class Regression(SampledFeatureMethod):
    """A technique that fits a number for each feature to the scores of coalitions. Implementations are
    final.

    Args:
        samples: coalitions, at least 4 for each feature; None for 4 each and 1024 more.
    """

    least: ClassVar[int] = 6

    samples: int | None = None
    maximum_samples: int = 100_000

    def _are_samples(self, least: int) -> bool:
        return self.samples is None or super()._are_samples(least)

    def first_samples(self, game: Game) -> int:
        """
        Raises:
            HyperParameterError: too few for so many features.
        """
        least = 4 * game.count if game.count > 3 else self.least
        if self.samples is not None and self.samples < least:
            raise HyperParameterError(
                f"{type(self).__name__}.samples must be at least {least} for {game.count} features, "
                f"got {self.samples}; or use fewer features."
            )
        return self.samples or 4 * game.count + 1024
