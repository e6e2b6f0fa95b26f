"""Answers that are dear to make, of which the latest used are remembered."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar, final

T = TypeVar("T")


@final
class Recent(Generic[T]):
    """The answers used last, by key. Threads may ask at once: who comes first with an answer sets it."""

    def __init__(self, most: int) -> None:
        """`most`: how many are remembered, at least 1."""
        self._most = most
        self._answers: OrderedDict[Hashable, T] = OrderedDict()
        self._lock = Lock()

    def recall(self, key: Hashable, make: Callable[[], T]) -> T:
        """The answer for a key, made where it is not remembered."""
        with self._lock:
            if key in self._answers:
                self._answers.move_to_end(key)
                return self._answers[key]
        made = make()  # outside of the lock: it may take long, or ask for others
        with self._lock:
            answer = self._answers.setdefault(key, made)
            while len(self._answers) > self._most:
                self._answers.popitem(last=False)
        return answer

    def clear(self) -> None:
        with self._lock:
            self._answers.clear()

    def answers(self) -> list[T]:
        """All that is remembered, the latest used last."""
        with self._lock:
            return list(self._answers.values())
