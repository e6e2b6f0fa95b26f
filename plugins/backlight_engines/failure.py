"""What goes wrong in work: said with the block, and brought from a worker to the driver."""

import pickle
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self, TypeVar, final

from backlight.errors import BacklightError, reason
from backlight_engines.errors import EngineError

T = TypeVar("T")


def attempt(step: Callable[[], T], where: str) -> T:
    """What a step of the work gives.

    Args:
        where: what the step is, for the error: "at its start", "in block 7".

    Raises:
        BacklightError: what the step raised, with a note of where; an EngineError in the place of any
            other error.
    """
    try:
        return step()
    except KeyboardInterrupt:
        raise
    except BacklightError as error:
        error.add_note(f"(The work failed {where}.)")
        raise
    except BaseException as error:  # whatever a user's model raises
        raise EngineError(f"The work failed {where}: {reason(error)}.") from error


@final
@dataclass(frozen=True)
class Failure:
    """An error of a worker, as it travels.

    Attributes:
        pickled: the error; empty where it cannot be pickled.
        said: what it says, in one line.
        trace: where it was raised.
    """

    pickled: bytes
    said: str
    trace: str

    @classmethod
    def of(cls, error: BacklightError) -> Self:
        try:
            pickled = pickle.dumps(error)
        except Exception:  # an attribute of a foreign error
            pickled = b""
        return cls(pickled, reason(error), "".join(traceback.format_exception(error)))

    @property
    def error(self) -> BacklightError:
        """The same error in this process, with the worker's traceback as its cause."""
        try:
            found = pickle.loads(self.pickled)
        except Exception:  # of a class that only the worker knows, say
            found = None
        error = found if isinstance(found, BacklightError) else EngineError(f"{self.said}.")
        error.__cause__ = RemoteError(f"\n{self.trace.rstrip()}")
        return error


class RemoteError(Exception):
    """Where a worker raised an error, as text."""
