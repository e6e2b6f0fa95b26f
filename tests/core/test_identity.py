"""What counts as a change of a net or function, and what does not."""

import functools
import gc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from backlight.memory.identity import identity_of
from backlight.memory.memory import (
    KEPT,
    LATELY,
    STATES,
    Memory,
    forget_functions,
    one_call,
    version_of,
)

SCALE = {"value": 1.0}


class Inner:
    __slots__ = ("factor",)

    def __init__(self) -> None:
        self.factor = 1.0


class Net:
    shared = 1.0

    def __init__(self) -> None:
        self.scale, self.calls = 1.0, 0
        self.weights, self.table = np.ones(2000), np.array([1.0, None], object)
        self.kept: dict[str, Any] = {"deep": [{"scale": 1.0}]}
        self.inner, self.log = Inner(), [1]
        self.act: Callable[[float], float] = abs

    @property
    def factor(self) -> float:
        return self.shared * SCALE["value"]

    def __call__(self, x: float) -> float:
        self.calls += 1
        self.log.append(self.calls)
        return x * self.factor


EDITS: dict[str, Callable[[Any], object]] = {
    "attribute": lambda net: setattr(net, "scale", 2.0),
    "type of a number": lambda net: setattr(net, "scale", 1),
    "sign of zero": lambda net: net.kept.update(deep=-0.0),
    "array in place": lambda net: net.weights.__setitem__(7, 2.0),
    "object in an array": lambda net: net.table.__setitem__(0, 2.0),
    "deep in containers": lambda net: net.kept["deep"][0].update(scale=2.0),
    "slot": lambda net: setattr(net.inner, "factor", 2.0),
    "function": lambda net: setattr(net, "act", lambda x: x),
    "class attribute": lambda net: setattr(Net, "shared", 2.0),
    "global behind a property": lambda net: SCALE.update(value=2.0),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_is_seen(edit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Net, "shared", 1.0)
    monkeypatch.setitem(SCALE, "value", 1.0)
    net = Net()
    called = functools.partial(lambda held, x: held(x), net)
    before = identity_of(called)
    assert identity_of(called) == before
    EDITS[edit](net)
    assert identity_of(called) != before


def test_arguments_count_by_their_kind() -> None:
    net = Net()
    before = identity_of(net, arguments=(np.ndarray,))
    net.weights[0] = 5.0
    assert identity_of(net, arguments=(np.ndarray,)) == before
    net.scale = 3.0
    assert identity_of(net, arguments=(np.ndarray,)) != before


def test_what_a_call_records_of_itself_is_no_edit() -> None:
    net = Net()
    memory = Memory(lambda: identity_of(net))
    versions = []
    explain = one_call(lambda: (versions.append(memory.version()), net(1.0)))
    for _ in range(3):
        explain()
    net(1.0)  # the user's own call
    explain()
    assert len(set(versions)) == 1
    net.scale = 2.0
    explain()
    assert len(set(versions)) == 2


def test_what_later_calls_record_of_themselves_is_no_edit() -> None:
    net = Net()
    memory = Memory(lambda: identity_of(net))
    versions = []

    def explain(late: bool) -> None:
        versions.append(memory.version())
        net(1.0)
        net.late += late

    net.late = 0
    for late in (False, True, False, True):
        one_call(explain)(late)
    assert len(set(versions)) == 1


def test_answers_are_made_once_and_forgotten_after_an_edit() -> None:
    net, made = Net(), []
    memory = Memory(lambda: identity_of(net))
    for scale in (1.0, 1.0, 2.0, 2.0):
        net.scale = scale
        memory.recall("what", "key", lambda: made.append(net.scale) or net.scale)
    assert made == [1.0, 2.0]


def test_what_is_toggled_is_found_out_once_for_each_state() -> None:
    net, made = Net(), []
    memory = Memory(lambda: identity_of(net))
    versions = []
    for scale in (1.0, 2.0, 1.0, 2.0, 3.0, 1.0, 2.0):
        net.scale = scale
        versions.append(memory.version())
        assert memory.recall("what", "key", lambda: made.append(net.scale) or net.scale) == scale
    assert made == [1.0, 2.0, 3.0]
    assert len(set(versions)) == 3
    assert versions[0] == versions[2] == versions[5]


def test_only_the_last_few_states_are_remembered_and_not_for_long() -> None:
    """What is assigned anew in each step of a training, say, goes."""
    net = Net()
    memory = Memory(lambda: identity_of(net))
    held = []
    for step in range(STATES + 2):
        net.weights = np.full(2000, float(step))
        held.append(weakref.ref(net.weights))
        memory.recall("what", "key", lambda: net.weights)
    gc.collect()
    assert [one() is not None for one in held] == [False] * 2 + [True] * STATES
    for _ in range(LATELY + 1):
        memory.version()
    gc.collect()
    assert [one() is not None for one in held] == [False] * (STATES + 1) + [True]
    assert len(memory.answers("what")) == 1


def test_a_state_that_is_come_back_to_in_time_stays() -> None:
    now = ["one"]
    memory = Memory(lambda: now[0])
    memory.recall("what", "key", lambda: "of one")
    for state, looks in (("two", LATELY - 1), ("one", 1), ("two", LATELY - 1), ("one", 1)):
        now[0] = state
        for _ in range(looks):
            memory.version()
    assert memory.recall("what", "key", lambda: "made anew") == "of one"
    now[0] = "two"
    for _ in range(LATELY):  # as many as it is remembered for
        memory.version()
    now[0] = "one"
    assert memory.recall("what", "key", lambda: "made anew") == "of one"


def test_the_answers_asked_for_last_are_kept() -> None:
    memory = Memory(lambda: 0)
    for key in range(KEPT):
        memory.recall("what", key, lambda key=key: key)
    memory.recall("what", 0, lambda: "lost")
    memory.recall("what", KEPT, lambda: KEPT)  # one more than are kept
    assert memory.recall("what", 0, lambda: "lost") == 0
    assert memory.recall("what", 1, lambda: "lost") == "lost"


def test_what_is_edited_in_another_call_meanwhile_is_not_taken_for_what_it_was() -> None:
    """Of two calls that overlap, the one that began before the edit ends after it."""
    now = ["before"]
    memory = Memory(lambda: now[0])
    version = memory.version()
    now[0] = "after"
    edited = memory.version()
    memory.settle(version)
    assert edited != version
    now[0] = "before"
    assert memory.version() == version
    now[0] = "after"
    assert memory.version() == edited


def test_a_call_within_a_call_ends_nothing() -> None:
    now, versions = [0], []
    memory = Memory(lambda: now[0])

    def inner() -> None:
        versions.append(memory.version())

    def outer() -> None:
        for _ in range(2):
            one_call(inner)()
            now[0] += 1  # a counter, say

    one_call(outer)()
    assert versions[0] == versions[1]


def test_a_call_that_fails_is_over() -> None:
    now = [0]
    memory = Memory(lambda: now[0])

    def failing() -> None:
        memory.version()
        raise ValueError

    with pytest.raises(ValueError):
        one_call(failing)()
    before = memory.version()
    now[0] = 1
    assert memory.version() != before


def test_a_thing_is_looked_at_once_in_a_call() -> None:
    looks: list[int] = []
    memory = Memory(lambda: looks.append(1) or len(looks))
    one_call(lambda: [memory.version() for _ in range(3)])()
    assert len(looks) == 2  # at the first question, and at the end


def test_functions_are_let_go_of_where_all_is_forgotten() -> None:
    weights = np.ones(3)

    def function(x: float) -> float:
        return float(weights.sum()) * x

    first = version_of(function)
    assert version_of(function) == first
    held = weakref.ref(function)
    del function
    gc.collect()
    assert held() is not None
    forget_functions()
    gc.collect()
    assert held() is None


class Layered:
    """A net with an attribute that is called as a global of its module is."""

    def __init__(self) -> None:
        self.number = 2

    def __call__(self, x: int) -> int:
        return x * self.number + SHIFT


number = 0
SHIFT = 1


def by_text(x: int) -> int:
    return x + int(globals()["number"])


def test_a_global_that_is_called_as_an_attribute_is_none_of_the_nets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    net = Layered()
    before = identity_of(net), identity_of(by_text)
    monkeypatch.setitem(globals(), "number", 1)
    assert identity_of(net) == before[0]
    assert identity_of(by_text) != before[1]
    monkeypatch.setitem(globals(), "SHIFT", 2)
    assert identity_of(net) != before[0]
