"""Which techniques have a test that judges them by algebra or by a loop that follows the definition."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from backlight import Attribution

JUDGED: set[str] = set()

any_numbers = [
    pytest.mark.filterwarnings("ignore:Every value is exactly 0:backlight.BacklightWarning"),
    pytest.mark.filterwarnings(
        "ignore:.* sum to the change of the score:backlight.BacklightWarning"
    ),
    pytest.mark.filterwarnings("ignore:.* hardly differs from:backlight.BacklightWarning"),
]
"""For tests that give techniques whatever numbers: behind a rectifier that is off there is nothing, and
a rule of one step is coarse. When that is said is tested apart."""


def closed_form(*names: str) -> Callable:
    """Marks a test as the judge of these techniques."""

    def mark(test: Callable) -> Callable:
        JUDGED.update(names)
        return test

    return mark


def check_intervals(found: Sequence[Attribution], expected: np.ndarray) -> None:
    """95 % intervals of the first example, of independent runs, cover what is true as often as they say,
    and standard errors are as large as the errors seen."""
    means = np.stack([np.asarray(one.values)[0] for one in found])
    errors = np.stack([np.asarray(one.standard_error)[0] for one in found])
    covered = (np.abs(means - expected) <= 1.96 * errors).mean()
    assert 0.90 <= covered <= 0.98
    told, seen = np.sqrt((errors**2).mean(axis=0)), np.sqrt(((means - expected) ** 2).mean(axis=0))
    np.testing.assert_allclose(told, seen, rtol=0.25)
