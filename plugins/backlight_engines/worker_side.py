"""What runs in a worker, whatever brings it there."""

import os
import pickle
from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeVar, cast, final

from backlight.errors import BacklightError, reason
from backlight_engines.errors import EngineError
from backlight_engines.failure import Failure, attempt
from backlight_engines.work import Receipt, Work
from backlight_engines.workers import Ready

T = TypeVar("T")


@final
class WorkerSide:
    """Starts the work, then does blocks. An error is an answer too.

    Args:
        variables: of the environment, which frameworks read as the work loads them.
    """

    def __init__(self, variables: Mapping[str, str]) -> None:
        os.environ.update(variables)

    def start(self, pickled: bytes) -> Ready | Failure:
        def started() -> Ready:
            self._do = unpickled(pickled).start()
            return Ready()

        return answer(started, "at its start")

    def do(self, block: int) -> Receipt | Failure:
        return answer(partial(self._do, block), f"in block {block}")


def answer(step: Callable[[], T], where: str) -> T | Failure:
    """What `attempt` gives or raises."""
    try:
        return attempt(step, where)
    except BacklightError as error:
        return Failure.of(error)


def pickled(work: Work, dumps: Callable[[Work], bytes] = pickle.dumps) -> bytes:
    """The work as it is sent to workers.

    Args:
        dumps: makes bytes that `pickle.loads` takes.

    Raises:
        EngineError: it cannot be pickled.
    """
    try:
        return dumps(work)
    except Exception as error:  # whatever is in it
        raise EngineError(
            f"The work cannot be sent to other processes: {reason(error)}. Give the model as "
            "module:function, which every worker calls, and data by their path; or use in_process."
        ) from error


def unpickled(sent: bytes) -> Work:
    """
    Raises:
        EngineError: it names what this process does not have.
    """
    try:
        return cast(Work, pickle.loads(sent))
    except Exception as error:  # whatever is in it
        raise EngineError(
            f"A worker cannot load what it is to do: {reason(error)}. Workers import what the work "
            "names: put it into a module, and that where Python finds it in each worker."
        ) from error
