"""What went wrong in the work, with the place, and its way back from a worker."""

import pickle

import pytest

from backlight.errors import BacklightError
from backlight_engines import EngineError
from backlight_engines.failure import Failure, attempt
from tests.engines.works import RefusedError


def failing(error: BaseException) -> None:
    raise error


def failed(error: BaseException) -> BacklightError:
    with pytest.raises(BacklightError) as caught:
        attempt(lambda: failing(error), "in block 7")
    return caught.value


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ZeroDivisionError("by\nnothing"), "ZeroDivisionError: by nothing."),
        (SystemExit(3), "SystemExit: 3."),
        (MemoryError(), "MemoryError."),
    ],
)
def test_a_foreign_error_becomes_one_of_ours(error: BaseException, said: str) -> None:
    found = failed(error)
    assert type(found) is EngineError
    assert str(found) == f"The work failed in block 7: {said}"
    assert found.__cause__ is error


def test_an_error_of_ours_stays_what_it_is() -> None:
    error = RefusedError("no")
    assert failed(error) is error
    assert error.__notes__ == ["(The work failed in block 7.)"]


def test_an_interrupt_passes() -> None:
    with pytest.raises(KeyboardInterrupt):
        attempt(lambda: failing(KeyboardInterrupt()), "in block 7")


def test_an_error_arrives_as_it_was() -> None:
    found = pickle.loads(pickle.dumps(Failure.of(failed(RefusedError("no"))))).error
    assert type(found) is RefusedError
    assert str(found) == "no"
    assert found.__notes__ == ["(The work failed in block 7.)"]
    assert "in failing" in str(found.__cause__)


def test_an_error_that_cannot_travel_arrives_as_what_it_said() -> None:
    error = RefusedError("no")
    error.held = lambda: None  # type: ignore[attr-defined]
    found = Failure.of(failed(error)).error
    assert (type(found), str(found)) == (EngineError, "no.")
    assert "in failing" in str(found.__cause__)


def test_an_error_of_a_class_that_is_not_here_arrives_as_what_it_said() -> None:
    sent = Failure(b"cmissing_module\nOddError\n.", "no", "Traceback: there")
    assert (type(sent.error), str(sent.error)) == (EngineError, "no.")
