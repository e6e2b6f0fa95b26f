"""A report that is ended in the midst, and made again. `benchmarks.report_kills` ends many."""

import os
import signal
from collections.abc import Iterator

import pytest

from tests.kills import Forks, Place, place, stopped

pytestmark = pytest.mark.skipif(os.name != "posix", reason="processes are forked and killed")


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    made = place(tmp_path_factory.mktemp("place"), "torch", Forks)
    yield made
    assert isinstance(made.runs, Forks)
    made.runs.close()


@pytest.mark.parametrize(
    ("number", "share", "before"),
    [(signal.SIGKILL, 0.5, True), (signal.SIGKILL, 0.9, False), (signal.SIGINT, 0.7, True)],
)
def test_it_goes_on_with_the_same_numbers_and_leaves_nothing(
    there: Place, number: signal.Signals, share: float, before: bool
) -> None:
    stopped(there, number, share * there.seconds, before)
