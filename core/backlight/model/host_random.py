"""Random numbers that a net takes from Python's `random`, or from NumPy, while it runs or is traced."""

import random
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import numpy as np

if TYPE_CHECKING:
    from backlight.model.model import Model

P = ParamSpec("P")
T = TypeVar("T")


def noting_draws(
    verb: Callable[Concatenate["Model", P], T],
) -> Callable[Concatenate["Model", P], T]:
    """A verb of a model after which is remembered whether the net drew such numbers."""

    @wraps(verb)
    def called(model: "Model", /, *args: P.args, **kwargs: P.kwargs) -> T:
        before = states()
        found = verb(model, *args, **kwargs)
        sources = [name for name, state in states().items() if state != before[name]]
        if sources:
            drawn(model).update(dict.fromkeys(sources))
        return found

    return called


def states() -> dict[str, Any]:
    """Where the generators are that everyone shares, by their names."""
    _, numbers, at, *normal = np.random.get_state(legacy=True)
    return {
        "random": random.getstate(),
        "numpy.random": (np.asarray(numbers).tobytes(), at, *normal),
    }


def drawn(model: "Model") -> dict[str, None]:
    """From which of them the net, as it is, was seen to draw."""
    return model.recall("host_random", (), dict[str, None])


def draw_notes(model: "Model") -> tuple[str, ...]:
    """What is to be said about a net that draws from them."""
    sources = " and ".join(drawn(model))
    if not sources:
        return ()
    return (
        f"Python drew random numbers by {sources} as the net ran or was traced: unless the net sets the "
        "seed each time, values are those of one draw, or of several mixed. Give it fixed numbers, or "
        "switch this off.",
    )
