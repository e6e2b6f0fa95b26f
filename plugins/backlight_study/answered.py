"""What another run has found of the same model and data, so that a study need not ask again."""

from abc import ABC, abstractmethod
from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from backlight.values.examples import Labels
from backlight_loading.techniques import Technique
from backlight_study.answers import Answers
from backlight_study.baselines import PictureBaseline
from backlight_study.questions import Question


class Answered(ABC):
    """Predictions of all examples, and what techniques said of them."""

    @property
    @abstractmethod
    def digest(self) -> str:
        """Of all that the numbers depend on."""

    @property
    @abstractmethod
    def methods(self) -> tuple[str, ...]:
        """The techniques that answered, as users write them."""

    @abstractmethod
    def check(self, data: str, model: str) -> None:
        """Raise StoreError where the run was about other data or another model.

        Args:
            data: the fingerprint of the source.
            model: the model's digest.
        """

    @abstractmethod
    def outputs(self) -> tuple[NDArray[np.int64], NDArray[np.float64], Labels, tuple[str, ...]]:
        """Ids (N,), outputs (N, k) and labels of all examples, and which were skipped, with the reason.

        Raises:
            StoreError: it is not complete.
        """

    @abstractmethod
    def answers(
        self,
        ids: NDArray[np.int64],
        technique: Technique,
        baseline: PictureBaseline | None,
        asked: Collection[Question],
    ) -> Answers[Question] | None:
        """What a technique said of these examples; None where it was not asked all of this, or its
        values were not kept."""
