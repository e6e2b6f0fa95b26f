"""Ctrl-C beside altered state: an interrupt waits for the few lines that set up or put back.

Python runs a signal's handler between any two steps: also between a context manager's last step and
the `with` block that would undo it, or in the midst of undoing. So inside of a model's verbs
another handler stands before the user's own. It looks at what is running: an interrupt that comes
while something is set up or put back comes again a millisecond later, every other one at once.
"""

import _signal  # type: ignore[import-not-found]
import ast
import contextlib
import gc
import linecache
import os
import signal
import sys
import threading
import time
from _thread import interrupt_main, start_new_thread
from collections.abc import Callable
from functools import cache, partial, wraps
from importlib.util import find_spec
from pathlib import Path
from types import CodeType, FrameType
from typing import ParamSpec, TypeVar, final

P = ParamSpec("P")
T = TypeVar("T")
Function = TypeVar("Function", bound=Callable[..., object])

INTERRUPT = int(signal.SIGINT)

NAMES = {"__enter__", "__exit__", "remove", "_remove", "__del__"}
"""Functions that set up or put back. What is raised as objects and weak references die is lost."""

UNBROKEN: set[CodeType] = set()
PACKAGES: set[str] = set()
"""The folders of packages whose functions are not broken off."""
LIBRARY = str(Path(contextlib.__file__).parent) + os.sep
"""The folder of the standard library."""

LATER = 0.001
"""Seconds until an interrupt is tried again."""

# What `signal` wraps in conversions to enumerations, which take most of a call's time.
get_handler = _signal.getsignal
set_handler = _signal.signal

_current: "Handler | None" = None
"""The handler that is installed. Signals are the main thread's alone."""


def interruptible(function: Callable[P, T]) -> Callable[P, T]:
    """The function, in which interrupts from the keyboard leave nothing altered behind.

    What alters state in it does so in context managers, in `finally` blocks, or in `unbroken`
    functions. Those that are running already when it is called do not hold interrupts back, so that
    what may take long, a call of the user's net say, is interruptible inside of them.
    """

    @wraps(function)
    def called(*args: P.args, **kwargs: P.kwargs) -> T:
        if _current is not None or threading.get_ident() != threading.main_thread().ident:
            return function(*args, **kwargs)
        before = get_handler(INTERRUPT)
        if not callable(before):  # ignored, or the end of the process
            return function(*args, **kwargs)
        with Handler(before):
            return function(*args, **kwargs)

    return called


def unbroken(function: Function) -> Function:
    """The same function, noted as one that is not broken off: an interrupt comes after it."""
    UNBROKEN.add(function.__code__)
    return function


def unbroken_package(name: str) -> None:
    """Note that an installed package's own functions are not broken off; what they call of others' may
    be. It is not imported for that."""
    found = find_spec(name)
    if found is not None and found.origin is not None:
        PACKAGES.add(str(Path(found.origin).parent) + os.sep)


@final
class Handler:
    """Stands before the user's own handler of interrupts while the block runs."""

    def __init__(self, before: Callable[[int, FrameType | None], object]) -> None:
        self._before = before
        self._waiting = False
        self._looking = False
        self._delivered = False

    def __enter__(self) -> None:
        global _current
        self._otherwise = sys.unraisablehook
        sys.unraisablehook = self._lost
        set_handler(INTERRUPT, self)
        _current = self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        global _current
        _current = None
        self._leave()
        if sys.unraisablehook == self._lost:
            sys.unraisablehook = self._otherwise
        # A framework may make another error of an interrupt, or none.
        swallowed = self._delivered and not issubclass(kind or object, KeyboardInterrupt)
        if self._waiting or swallowed:
            self._deliver(sys._getframe())

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if _current is not self:  # the block is over, but for putting the user's handler back
            self._leave()
            self._deliver(frame)
        elif not self._looking:
            self._looking = True  # which takes longer than the time between two tries
            try:
                altering = is_altering(frame)
            finally:
                self._looking = False
            self._wait() if altering else self._deliver(frame)

    def _lost(self, found: "sys.UnraisableHookArgs") -> None:
        """What is raised in a callback that Python calls on its own, as objects die say, is ignored: an
        interrupt comes again."""
        if isinstance(found.exc_value, KeyboardInterrupt) and _current is self:
            self._wait()
        else:
            self._otherwise(found)

    def _wait(self) -> None:
        if not self._waiting:
            self._waiting = True
            with contextlib.suppress(RuntimeError):  # no thread to be had: at the block's end
                start_new_thread(self._try_again, ())

    def _deliver(self, frame: FrameType | None) -> None:
        self._waiting = False
        try:
            self._before(signal.SIGINT, frame)
        except KeyboardInterrupt:
            self._delivered = True
            raise

    def _leave(self) -> None:
        if get_handler(INTERRUPT) is self:  # the user's code may have installed another
            set_handler(INTERRUPT, self._before)

    def _try_again(self) -> None:
        press: Callable[[], None] = interrupt_main
        if hasattr(signal, "pthread_kill"):  # which also wakes what sleeps
            press = partial(signal.pthread_kill, threading.main_thread().ident or 0, INTERRUPT)
        while True:
            time.sleep(LATER)
            # Nothing is called in between, so that no other thread can deliver it meanwhile.
            if not (self._waiting and _current is self):
                return
            press()


DOOR = interruptible(len).__code__


def is_altering(frame: FrameType | None) -> bool:
    """Whether something is being set up or put back, up to the nearest interruptible function."""
    file, packages = caller(frame), tuple(PACKAGES)
    if file.startswith(packages):
        return True
    own = Path(file).parent.name.partition("_")[0] == "backlight"
    while frame is not None and frame.f_code is not DOOR:
        # What such a package calls of ours, to build a graph of it, is soon done.
        if alters(frame) or (own and frame.f_code.co_filename.startswith(packages)):
            return True
        frame = frame.f_back
    return False


def caller(frame: FrameType | None) -> str:
    """The file of the function that runs, or that has called what runs of the standard library."""
    while frame is not None:
        file = frame.f_code.co_filename
        if not file.startswith(LIBRARY) or "site-packages" in file:
            return file
        frame = frame.f_back
    return ""


def alters(frame: FrameType) -> bool:
    """Whether an interrupt here would leave something altered or half made, or be lost."""
    code = frame.f_code
    if code in UNBROKEN or code.co_name in NAMES:
        return True
    if code.co_filename == contextlib.__file__:
        return code.co_name != "inner"  # which runs a function that a context manager decorates
    if code.co_filename.startswith("<frozen importlib"):
        return True  # not every module can be imported a second time after half a first
    if any(getattr(one, "__code__", None) is code for one in gc.callbacks):
        return True
    return bool(code.co_exceptiontable) and frame.f_lineno in lines_of_finally(code.co_filename)


@cache
def lines_of_finally(file: str) -> frozenset[int]:
    """The lines of a source file that are in `finally` blocks."""
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError):  # not Python's
        return frozenset()
    return frozenset(
        line
        for node in ast.walk(tree)
        if isinstance(node, ast.Try | ast.TryStar)
        for statement in node.finalbody
        for line in range(statement.lineno, (statement.end_lineno or statement.lineno) + 1)
    )
