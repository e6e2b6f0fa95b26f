"""An interrupt at any moment leaves nothing altered, and what runs long is interrupted at once."""

import contextlib
import gc
import signal
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import backlight
from backlight import interrupts
from backlight.interrupts import interruptible, unbroken
from backlight_methods import DeepLIFT, Gradient
from tests.interruption import FRAMEWORKS, subject

MOMENTS = 12
"""How many moments of a call are tried; `benchmarks.interrupts` tries many more."""


class Press:
    """Presses Ctrl-C at the n-th moment in the library's functions at which Python looks for signals:
    as a function begins, and as one written in C ends."""

    def __init__(self, moment: float) -> None:
        self.moment, self.seen = moment, 0

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        if event in ("call", "c_return") and "backlight" in frame.f_code.co_filename:
            self.seen += 1
            if self.seen == self.moment:
                press()

    def __enter__(self) -> "Press":
        sys.setprofile(self)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)


def press() -> None:
    signal.raise_signal(signal.SIGINT)


def moments(call: Callable[[], object], moment: float = np.inf) -> int:
    """How many moments there were until the call ended or was interrupted."""
    with Press(moment) as pressing, contextlib.suppress(KeyboardInterrupt):
        call()
    with contextlib.suppress(KeyboardInterrupt):
        time.sleep(3 * interrupts.LATER)
    return pressing.seen


NAMES = ["gradient", "grad_cam", "deep_lift", "gradient at a site"]
CALLS = [(framework, name) for framework in FRAMEWORKS for name in NAMES]
CALLS += [("torch", name) for name in ("unlisted deep_lift", "attention", "attention lrp")]


# A generator that dies early is closed, which Python's profiler takes for a call.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("first", [False, True], ids=["", "first"])
@pytest.mark.parametrize(("framework", "name"), CALLS)
def test_nothing_stays_altered(framework: str, name: str, first: bool) -> None:
    chosen = subject(framework)
    explained = chosen.calls[name]

    def call() -> None:
        if first:
            backlight.forget()
        explained()

    expected = explained()
    before = chosen.state()
    last = moments(call)
    for moment in np.linspace(1, last, MOMENTS // (1 + 2 * first), dtype=int):
        moments(call, int(moment))
        assert chosen.state() == before, f"interrupted at moment {moment} of {last}"
    np.testing.assert_allclose(explained(), expected, rtol=1e-5, atol=1e-6)


class Log:
    """What was done, in order; whatever is altered is put back."""

    def __init__(self) -> None:
        self.said: list[str] = []

    @contextlib.contextmanager
    def altered(self, within: Callable[[], object] = lambda: None) -> Iterator[None]:
        self.said.append("altered")
        within()
        self.said.append("still")
        try:
            yield
        finally:
            within()
            self.said.append("put back")


@interruptible
def ran(log: Log, *, entering: bool) -> None:
    def once() -> None:
        if entering is ("put back" not in log.said and log.said[-1] == "altered"):
            press()

    with log.altered(once):
        if entering:
            time.sleep(30)
        log.said.append("done")


def test_an_interrupt_waits_for_what_is_set_up() -> None:
    log, started = Log(), time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        ran(log, entering=True)
    assert log.said == ["altered", "still", "put back"]
    assert time.perf_counter() - started < 10


def test_an_interrupt_waits_for_what_is_put_back() -> None:
    log = Log()
    with pytest.raises(KeyboardInterrupt):
        ran(log, entering=False)
    assert log.said == ["altered", "still", "done", "put back"]


def in_finally(said: list[str]) -> None:
    try:
        said.append("altered")
    finally:
        press()
        said.append("put back")


@unbroken
def whole(said: list[str]) -> None:
    said.append("altered")
    press()
    said.append("put back")


class Dying:
    def __init__(self, said: list[str]) -> None:
        self.said = said

    def __del__(self) -> None:
        press()
        self.said += ["altered", "put back"]


def collected(said: list[str]) -> None:
    def callback(phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            press()
            said.extend(["altered", "put back"])

    gc.callbacks.append(callback)
    gc.collect()
    gc.callbacks.remove(callback)


@pytest.mark.parametrize("error", [None, ValueError])
def test_an_interrupt_that_became_another_error_or_none_comes_at_the_end(
    error: type[Exception] | None,
) -> None:
    said: list[str] = []

    @interruptible
    def run() -> None:
        try:
            press()
            time.sleep(30)
        except KeyboardInterrupt:
            said.append("swallowed")
        if error is not None:
            raise error

    with pytest.raises(KeyboardInterrupt):
        run()
    assert said == ["swallowed"]


def test_an_interrupt_that_a_callback_swallows_comes_again() -> None:
    said: list[str] = []

    def dies(reference: object) -> None:  # nothing in its name or place tells what calls it
        press()
        said.append("not reached")

    @interruptible
    def run() -> None:
        thing = Log()
        reference = weakref.ref(thing, dies)
        del thing
        said.append("after" if reference() is None else "alive")
        time.sleep(30)

    with pytest.raises(KeyboardInterrupt):
        run()
    assert said in (["after"], ["not reached", "after"])


@pytest.mark.parametrize("alteration", [in_finally, whole, Dying, collected])
def test_an_interrupt_comes_after_what_must_not_be_broken_off(
    alteration: Callable[[list[str]], object],
) -> None:
    said: list[str] = []

    @interruptible
    def run() -> None:
        alteration(said)
        time.sleep(30)

    with pytest.raises(KeyboardInterrupt):
        run()
    assert said == ["altered", "put back"]


def test_an_interruptible_function_is_interrupted_at_once_wherever_it_is_called() -> None:
    said: list[str] = []

    @interruptible
    def long() -> None:
        press()
        said.append("went on")

    log = Log()
    with pytest.raises(KeyboardInterrupt), log.altered(long):
        pass
    assert said == []
    assert log.said == ["altered"]


@pytest.fixture
def handled() -> Iterator[Callable[[Any], None]]:
    """Installs a handler of interrupts for the time of the test."""
    before = signal.getsignal(signal.SIGINT)
    yield lambda handler: signal.signal(signal.SIGINT, handler)
    signal.signal(signal.SIGINT, before)


def test_the_users_handler_is_asked_and_stays(handled: Callable[[Any], None]) -> None:
    seen: list[int] = []

    def users(number: int, frame: FrameType | None) -> None:
        seen.append(number)

    handled(users)

    @interruptible
    def run() -> str:
        for _ in range(3):
            press()
        return "went on"

    assert run() == "went on"
    assert seen == [signal.SIGINT] * 3
    assert signal.getsignal(signal.SIGINT) is users


def test_a_handler_that_the_net_installs_stays(handled: Callable[[Any], None]) -> None:
    handled(signal.default_int_handler)
    others: list[Any] = []

    def users(number: int, frame: FrameType | None) -> None:
        others[0](number, frame)

    @interruptible
    def run() -> None:
        others.append(signal.signal(signal.SIGINT, users))

    run()
    assert signal.getsignal(signal.SIGINT) is users
    with pytest.raises(KeyboardInterrupt):  # it hands on to one whose time is over
        press()


@pytest.mark.parametrize("handler", [signal.SIG_IGN, signal.SIG_DFL])
def test_handlers_that_are_none_stay(handler: Any, handled: Callable[[Any], None]) -> None:
    handled(handler)
    assert interruptible(lambda: signal.getsignal(signal.SIGINT))() is handler


def test_other_threads_install_nothing() -> None:
    before, found = signal.getsignal(signal.SIGINT), []
    look = interruptible(lambda: found.append(signal.getsignal(signal.SIGINT)))
    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found == [before]


class Long(nn.Module):
    """Takes a minute, once it was asked to."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2)
        self.reached = threading.Event()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.reached.set()
        time.sleep(60)
        return self.layer(x)


@pytest.mark.parametrize("method", [Gradient(), DeepLIFT()])
def test_a_long_forward_is_interrupted_at_once(method: Any) -> None:
    net, pressed = Long().train(), []

    def wait() -> None:
        assert net.reached.wait(30)
        time.sleep(0.1)
        pressed.append(time.perf_counter())
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    thread = threading.Thread(target=wait)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        method(net, torch.ones(1, 3), 0)
    assert time.perf_counter() - pressed[0] < 5
    thread.join()
    assert net.training and net.layer.training and not net._forward_hooks
