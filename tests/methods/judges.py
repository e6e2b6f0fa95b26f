"""Which techniques have a test that judges them by algebra or by a loop that follows the definition."""

from collections.abc import Callable

JUDGED: set[str] = set()


def closed_form(*names: str) -> Callable:
    """Marks a test as the judge of these techniques."""

    def mark(test: Callable) -> Callable:
        JUDGED.update(names)
        return test

    return mark
