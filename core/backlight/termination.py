"""SIGTERM, by which the system or another program asks a process to end, and Ctrl-C beside it."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def terminable() -> Iterator[list[int]]:
    """SIGTERM does what Ctrl-C does meanwhile, so that all is put back; the list then has the signal."""
    seen: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield seen  # signals are the main thread's
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        seen.append(number)
        on_interrupt = signal.getsignal(signal.SIGINT)
        if callable(on_interrupt):
            on_interrupt(signal.SIGINT, frame)
        else:  # Ctrl-C is switched off, as in the background of a script
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield seen
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Ctrl-C and SIGTERM come afterwards: for what takes moments and would leave a mess halfway."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    waiting: list[int] = []
    known = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    before = {number: handler for number, handler in known.items() if callable(handler)}
    try:
        for number in before:
            signal.signal(number, lambda number, frame: waiting.append(number))
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for asked in dict.fromkeys(waiting):
            signal.raise_signal(asked)
