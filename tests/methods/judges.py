"""Which techniques have a test that judges them by algebra or by a loop that follows the definition."""

from collections.abc import Callable

import pytest

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
