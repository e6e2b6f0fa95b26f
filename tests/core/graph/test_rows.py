"""At which operations rows look at each other, where the net takes rows out of the batch."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from backlight.graph.axes.axes import GraphAxes
from tests.core.graph.building import Building

Net = Callable[[Building, int], int]


def row(b: Building, x: int, at: int) -> int:
    return b.do("tanh", b.do("index", x, axis=0, at=at, place=f"row {at}"))


def slices(b: Building, x: int, ends: tuple[tuple[int, int], ...], step: int = 1) -> list[int]:
    return [
        b.do("slice", x, starts=(start, 0), limits=(end, 3), strides=(step, 1), place="slice")
        for start, end in ends
    ]


def filled(b: Building, x: int, places: tuple[int, ...], also: int | None = None) -> int:
    whole = b.do("broadcast", 0.0, shape=(2, 3), axes=())
    for at, place in enumerate(places):
        (part,) = slices(b, x, ((at, at + 1),))
        part = part if also is None else b.do("add", part, row(b, x, also))
        whole = unrun(b, "update", whole, part, starts=(place, 0))
    return whole


def unrun(b: Building, primitive: str, *operands: int, length: int = 0, **attributes: Any) -> int:
    """What NumPy does not follow."""
    found = b.graph.value((length,) if length else (2, 3))
    b.samples[found] = np.zeros((length,) if length else (2, 3))
    b.graph.node(primitive, operands, (found,), attributes, place=primitive)
    return found


def unrun_number(b: Building, value: int) -> int:
    """What Python makes of numbers that it reads."""
    read = b.graph.value(())
    b.graph.node("read_out", (value,), (read,), place="item")
    return b.number(2.0)


def attended(b: Building, x: int) -> int:
    one = b.do("reshape", x, shape=(1, 2, 3))
    found = b.graph.value((1, 2, 3))
    b.samples[found] = np.zeros((1, 2, 3))
    b.graph.node("attention", (one, one, one), (found,), {}, place="attention")
    return b.do("reshape", found, shape=(2, 3))


def places(b: Building, at: int | list[int]) -> int:
    found = b.graph.array(np.asarray(at))
    b.samples[found] = np.asarray(at)
    return found


def taken(b: Building, x: int, at: int | list[int]) -> int:
    return b.do("take", x, places(b, at), axis=0)


def by_places(b: Building, x: int, primitive: str, at: tuple[int, int]) -> int:
    """Row 0 and then row 1 put where it says."""
    whole = b.do("broadcast", 0.0, shape=(2, 3), axes=())
    for number, place in enumerate(at):
        whole = unrun(b, primitive, whole, places(b, [place]), row(b, x, number), axis=0)
    return whole


def filled_by_one(b: Building, x: int) -> int:
    whole = b.do("broadcast", 0.0, shape=(2, 3), axes=())
    for at in (0, 1):
        before, whole = whole, b.graph.value((2, 3))
        b.samples[whole] = np.zeros((2, 3))
        part = b.do("slice", x, starts=(1, 0), limits=(2, 3), strides=(1, 1))
        b.graph.node("update", (before, part), (whole,), {"starts": (at, 0)}, place="update")
    return whole


def parts(b: Building, x: int) -> list[int]:
    """The rows, as results of one operation."""
    b.do("split", x, axis=0, sizes=(1, 1), place="split")
    return list(b.graph.nodes[-1].results)


APART: dict[str, Net] = {
    "split and joined": lambda b, x: b.do("concat", *parts(b, x), axis=0),
    "by places from the end": lambda b, x: b.do("stack", row(b, x, 0), row(b, x, -1), axis=0),
    "stacked": lambda b, x: b.do("stack", row(b, x, 0), row(b, x, 1), axis=0),
    "stacked last": lambda b, x: b.do(
        "transpose", b.do("stack", row(b, x, 0), row(b, x, 1), axis=1), permutation=(1, 0)
    ),
    "joined": lambda b, x: b.do("concat", *slices(b, x, ((0, 1), (1, 2))), axis=0),
    "written": lambda b, x: filled(b, x, (0, 1)),
    "all of them": lambda b, x: slices(b, x, ((0, 2),))[0],
    "taken one by one": lambda b, x: b.do("stack", taken(b, x, 0), taken(b, x, -1), axis=0),
    "taken in order": lambda b, x: taken(b, x, [0, 1]),
    "set by places": lambda b, x: by_places(b, x, "scatter", (0, 1)),
    "added by places": lambda b, x: by_places(b, x, "scatter_add", (0, -1)),
    "all by places": lambda b, x: unrun(b, "scatter", b.weight(2, 3), places(b, [0, 1]), x, axis=0),
}
MIXED: dict[str, tuple[str, Net]] = {
    "split and joined the other way": (
        "concat",
        lambda b, x: b.do("concat", *parts(b, x)[::-1], axis=0),
    ),
    "python reads one row of all": (
        "item",
        lambda b, x: b.do("mul", x, unrun_number(b, b.do("index", x, axis=0, at=0))),
    ),
    "attention among rows": ("attention", lambda b, x: attended(b, x)),
    "swapped": ("stack", lambda b, x: b.do("stack", row(b, x, 1), row(b, x, 0), axis=0)),
    "one for all": ("stack", lambda b, x: b.do("stack", row(b, x, 0), row(b, x, 0), axis=0)),
    "one alone": ("tanh", lambda b, x: row(b, x, 0)),
    "met": ("add", lambda b, x: b.do("add", row(b, x, 0), row(b, x, 1))),
    "met all": ("sub", lambda b, x: b.do("sub", x, row(b, x, 0))),
    "joined the other way": (
        "concat",
        lambda b, x: b.do("concat", *slices(b, x, ((1, 2), (0, 1))), axis=0),
    ),
    "side by side": (
        "concat",
        lambda b, x: b.do("concat", row(b, x, 0), row(b, x, 1), axis=0),
    ),
    "written the other way": ("update", lambda b, x: filled(b, x, (1, 0))),
    "written by one": ("update", filled_by_one),
    "written, and met": ("add", lambda b, x: filled(b, x, (0, 1), also=0)),
    "stacked, then summed": (
        "sum",
        lambda b, x: b.do(
            "sum", b.do("stack", row(b, x, 0), row(b, x, 1), axis=0), axes=(0,), keepdims=True
        ),
    ),
    "written over another": (
        "update",
        lambda b, x: unrun(b, "update", x, slices(b, x, ((1, 2),))[0], starts=(0, 0)),
    ),
    "taken in another order": ("take", lambda b, x: taken(b, x, [1, 0])),
    "set by other places": ("scatter", lambda b, x: by_places(b, x, "scatter", (1, 0))),
    "added by other places": ("scatter_add", lambda b, x: by_places(b, x, "scatter_add", (0, 0))),
    "all by other places": (
        "scatter",
        lambda b, x: unrun(b, "scatter", b.weight(2, 3), places(b, [1, 0]), x, axis=0),
    ),
    "joined and rolled": (
        "gather",
        lambda b, x: b.do(
            "reshape", unrun(b, "gather", b.do("reshape", x, shape=(6,)), length=6), shape=(2, 3)
        ),
    ),
    "one written over": (
        "update",
        lambda b, x: unrun(b, "update", x, slices(b, x, ((1, 2),))[0], starts=(1, 0)),
    ),
    "written by halves": ("tanh", lambda b, x: b.do("tanh", filled(b, x, (0,)))),
    "side by side, then cut": (
        "slice",
        lambda b, x: b.do(
            "broadcast",
            b.do(
                "slice",
                b.do("reshape", x, shape=(1, 6)),
                starts=(0, 0),
                limits=(1, 3),
                strides=(1, 1),
                place="slice",
            ),
            shape=(2, 3),
            axes=(0, 1),
        ),
    ),
    "backwards": ("slice", lambda b, x: slices(b, x, ((1, -3),), step=-1)[0]),
}


def mixing(net: Net) -> list[str]:
    build = Building()
    x = build.input(2, 3)
    graph = build.between([x], [net(build, x)])
    return [graph.nodes[at].place for at in GraphAxes.of(graph).mixing]


@pytest.mark.parametrize("name", APART)
def test_a_row_that_comes_back_alone_to_its_place_meets_no_other(name: str) -> None:
    assert mixing(APART[name]) == []


@pytest.mark.parametrize("name", MIXED)
def test_where_rows_meet_is_said(name: str) -> None:
    where, net = MIXED[name]
    assert where in mixing(net)
