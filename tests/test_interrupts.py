"""An interrupt at any moment leaves nothing altered, and what runs long is interrupted at once."""

import contextlib
import signal
import sys
from collections.abc import Callable
from types import FrameType

FOLDERS = ("backlight", "contextlib.py")


class Press:
    """Presses Ctrl-C at the n-th moment, in the library's functions, when Python looks for signals:
    as a function begins, and as one written in C ends."""

    def __init__(self, moment: int) -> None:
        self.moment, self.seen = moment, 0

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        if event in ("call", "c_return") and "backlight" in frame.f_code.co_filename:
            self.seen += 1
            if self.seen == self.moment:
                signal.raise_signal(signal.SIGINT)

    def __enter__(self) -> "Press":
        sys.setprofile(self)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)


def interrupted(call: Callable[[], object], moment: int) -> int:
    """How many moments there were until it ended or was interrupted."""
    with Press(moment) as press, contextlib.suppress(KeyboardInterrupt):
        call()
    return press.seen
