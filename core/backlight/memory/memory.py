"""What was found out about a net, for as long as it is the net that it was found out about."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import wraps
from itertools import count
from threading import Lock, RLock, local
from typing import Any, ParamSpec, TypeVar, cast, final

from backlight.memory.identity import forget_records, identity_of, note_records
from backlight.memory.recent import Recent

P = ParamSpec("P")
T = TypeVar("T")

KEPT = 32
"""How many answers to each question are remembered: one per shape of inputs, say."""
FUNCTIONS = 64
"""Of how many functions it is remembered what they were made of."""
STATES = 3
"""Of how many states of one thing answers are remembered: of what is toggled between a few."""
LATELY = 16
"""For how many looks a state that is not come back to is remembered, and its weights with it."""

_versions = count(1)


@final
class _Call(local):
    """Of each thread: what the public call under way has looked at, and which versions it saw."""

    looked: "dict[Memory, int] | None" = None


@final
@dataclass(eq=False)
class State:
    """What something was made of at some time.

    Attributes:
        version: a number of its own.
        identity: what it was made of.
        looked: at which look it was last seen.
        kept: the answers about it, by question and key.
    """

    version: int
    identity: Hashable
    looked: int
    kept: dict[str, OrderedDict[Hashable, Any]] = field(default_factory=dict)


@final
class Memory:
    """Answers about something that may be edited between calls. Those about what it is now are given, and
    those about what it was a few edits ago are kept for a while.

    It is looked at once in a call. What a call itself changes, a counter say, is no edit.

    Args:
        read: gives what the thing is made of at the moment.
    """

    def __init__(self, read: Callable[[], Hashable]) -> None:
        self._read = read
        self._states: list[State] = []
        """The latest first."""
        self._looks = 0
        self._lock, self._making = Lock(), RLock()

    def version(self) -> int:
        """A number that no other thing has, nor this one while it was another."""
        looked = _call.looked
        if looked is not None and self in looked:
            return looked[self]
        now = self._read()
        with self._lock:
            version = self._state(now).version
        if looked is not None:
            looked[self] = version
        return version

    def _state(self, now: Hashable) -> State:
        self._looks += 1
        known = next((state for state in self._states if state.identity == now), None)
        found = known or State(next(_versions), now, self._looks)
        found.looked = self._looks
        others = [
            state
            for state in self._states
            if state is not found and self._looks - state.looked <= LATELY
        ]
        self._states = [found, *others[: STATES - 1]]
        return found

    def recall(self, what: str, key: Hashable, make: Callable[[], T]) -> T:
        """The answer to a question, made once where it is not remembered."""
        version = self.version()
        with self._lock:
            # A call that began long before, in another thread, remembers nothing.
            kept = next((one.kept for one in self._states if one.version == version), {})
            answers = kept.setdefault(what, OrderedDict())
            if key in answers:
                answers.move_to_end(key)
                return cast(T, answers[key])
        with self._making:
            if key not in answers:
                answers[key] = make()
                while len(answers) > KEPT:
                    answers.popitem(last=False)
            return cast(T, answers[key])

    def answers(self, what: str) -> list[Any]:
        """All that is remembered of one kind, whether the thing has been edited since or not."""
        return [answer for state in self._states for answer in state.kept.get(what, {}).values()]

    def settle(self, version: int) -> None:
        """Take what the thing is now for what it was, at the end of a call that saw this version."""
        with self._lock:
            state = next((one for one in self._states if one.version == version), None)
        now = self._read()
        if state is None or now == state.identity:
            return
        if note_records(state.identity, now):
            now = self._read()
        with self._lock:
            if state is self._states[0]:
                state.identity = now


_call = _Call()


def one_call(function: Callable[P, T]) -> Callable[P, T]:
    """The function as a public call: within it nothing counts as edited."""

    @wraps(function)
    def called(*args: P.args, **kwargs: P.kwargs) -> T:
        if _call.looked is not None:
            return function(*args, **kwargs)
        try:
            looked = _call.looked = {}
            found = function(*args, **kwargs)
            for memory, version in looked.items():
                memory.settle(version)
            return found
        finally:
            _call.looked = None

    return called


_functions: Recent[Memory] = Recent(FUNCTIONS)


def version_of(function: Callable[..., object]) -> int:
    """A number that is a new one where what the function computes may have changed."""
    hashes = type(function).__hash__ is not None
    key: Hashable = function if hashes else id(function)  # it is kept, so no other gets its id
    return _functions.recall(key, lambda: Memory(lambda: identity_of(function))).version()


def forget_functions() -> None:
    _functions.clear()
    forget_records()
