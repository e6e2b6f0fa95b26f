"""Where derivatives pass and where they are cut, on graphs by hand."""

from typing import Any

from backlight.graph.dependence.connection import connection
from backlight.graph.dependence.cuts import Connection, Cut
from backlight.graph.graph import DType, Graph
from tests.core.graph.building import Building


def test_a_rounded_way_is_cut() -> None:
    build = Building()
    x, other = build.input(4, 6), build.input(4, 6)
    rounded = build.do("round", x, place="quantise")
    graph = build.between([x, other], [build.do("add", rounded, other)])
    assert connection(graph) == Connection((False, True), (True, True), (Cut("quantise", "round"),))


def test_a_source_that_leads_nowhere() -> None:
    build = Building()
    x, other = build.input(4, 6), build.input(4, 6)
    build.do("exp", other)
    assert connection(build.between([x, other], [build.do("tanh", x)])) == Connection(
        (True, False), (True, False)
    )


def test_comparisons_are_told_only_where_they_are_the_only_way() -> None:
    build = Building()
    x = build.input(4, 6)
    gate = build.do("gt", x, 0.0, place="gate")
    graph = build.between([x], [build.do("select", gate, x, 0.0)])
    assert connection(graph) == Connection((True,), (True,))
    build = Building()
    x = build.input(4, 6)
    gate = build.do("gt", x, 0.0, place="gate")
    graph = build.between([x], [build.do("select", gate, 1.0, 0.0)])
    assert connection(graph) == Connection((False,), (True,), (Cut("gate", "gt"),))


def test_what_a_softmax_takes_away_and_straight_through_is_no_cut() -> None:
    build = Building()
    x = build.input(4, 6)
    highest = build.do("stop_gradient", build.do("max", x, axes=(1,), keepdims=True))
    e = build.do("exp", build.do("sub", x, highest))
    y = build.do("div", e, build.do("sum", e, axes=(1,), keepdims=True))
    rest = build.do("stop_gradient", build.do("sub", build.do("round", y), y))
    assert connection(build.between([x], [build.do("add", y, rest)])) == Connection(
        (True,), (True,)
    )


def looping(form: str) -> Graph:
    """x goes in carried, and comes out rounded, after a loop whose body rounds."""
    body = Building()
    carried = body.input(4)
    inside = body.between([carried], [body.do("round", carried, place="inside")])
    graph = Graph()
    x, y = graph.value((4,)), graph.value((4,))
    operands: tuple[int, ...] = (x,)
    attributes: dict[str, Any] = {"form": form, "body": inside, "constants": 0, "carried": 1}
    if form == "while":
        asked = Building()
        asked.graph.sources = (asked.input(4),)
        test = asked.between(asked.graph.sources, [asked.do("all", 0, axes=(0,))])
        attributes = {"form": form, "test": test, "body": inside, "constants": (0, 0)}
    if form == "cond":
        which = graph.value((), DType.INTEGER)
        operands, attributes = (which, x), {"form": form, "branches": (inside, inside)}
    graph.node("loop", operands, (y,), attributes, place="loop")
    graph.sources, graph.targets = (x,), (y,)
    return graph


def test_ways_lead_through_loops_and_choices() -> None:
    for form in ("scan", "cond", "while"):
        assert connection(looping(form)) == Connection((False,), (True,), (Cut("loop", "round"),))


def test_a_derivative_of_its_own_may_be_none() -> None:
    body = Building()
    inner = body.input(4)
    inside = body.between([inner], [body.do("tanh", inner)])
    graph = Graph()
    x, y = graph.value((4,)), graph.value((4,))
    graph.node(
        "call", (x,), (y,), {"body": inside, "derivatives": (frozenset(),)}, type="mine", place="f"
    )
    graph.sources, graph.targets = (x,), (y,)
    assert connection(graph) == Connection((False,), (True,), (Cut("f", "mine"),))


def taken_away(build: Building, x: int, twice: bool = False, along: int = 1) -> tuple[int, int]:
    """What a softmax divides, by what, the largest along an axis stopped and taken away."""

    def terms() -> int:
        highest = build.do("max", x, axes=(along,), keepdims=True)
        return build.do("exp", build.do("sub", x, build.do("stop_gradient", highest)))

    e = terms()
    return e, build.do("sum", terms() if twice else e, axes=(1,), keepdims=True)


def test_what_is_taken_away_goes_again_however_the_quotient_is_put() -> None:
    for twice in (False, True):
        build = Building()
        x = build.input(4, 6)
        e, total = taken_away(build, x, twice)
        tenfold = build.do("mul", build.do("mul", e, 10.0), build.do("pow", total, -1.0))
        assert connection(build.between([x], [tenfold])) == Connection((True,), (True,))


def test_what_is_taken_away_and_stays_is_cut() -> None:
    cut = Connection((True,), (True,), (Cut("stop_gradient", "stop_gradient"),))
    build = Building()
    x = build.input(6, 6)
    e, total = taken_away(build, x)
    squared = build.do("div", build.do("mul", e, e), total)  # one factor is left
    assert connection(build.between([x], [squared])) == cut
    build = Building()
    x = build.input(6, 6)
    e, total = taken_away(build, x, along=0)  # the terms of a sum have factors of their own
    assert connection(build.between([x], [build.do("div", e, total)])) == cut
    build = Building()
    x = build.input(6, 6)
    e, total = taken_away(build, x)
    turned = build.do("transpose", total, permutation=(1, 0))  # by the sums of other rows
    assert connection(build.between([x], [build.do("div", e, turned)])) == cut


def test_what_is_taken_away_from_all_but_one_class_is_cut() -> None:
    """A softmax over what was shifted, and a class of its own that was not."""
    build = Building()
    x = build.input(4, 6)
    highest = build.do("stop_gradient", build.do("max", x, axes=(1,), keepdims=True))
    classes = build.do("concat", build.do("sub", x, highest), build.weight(4, 1), axis=1)
    graph = build.between([x], [build.do("softmax", classes, axes=(1,))])
    cut = Cut("stop_gradient", "stop_gradient")
    assert connection(graph) == Connection((True,), (True,), (cut,))


def test_the_derivative_of_a_rounded_value_may_be_put_in_by_a_sum() -> None:
    build = Building()
    x = build.input(4, 6)
    soft = build.do("tanh", x)
    hard = build.do("round", soft)
    sums = build.do("sub", hard, build.do("stop_gradient", soft))
    graph = build.between([x], [build.do("add", sums, soft)])
    assert connection(graph) == Connection((True,), (True,))


def test_what_is_chosen_where_numbers_equal_one_alone_does_not_count() -> None:
    for primitive, order in (("eq", (0, 1)), ("ne", (1, 0))):
        build = Building()
        x = build.input(4, 6)
        ways = build.do("round", x), build.do("tanh", x)
        first, second = (ways[at] for at in order)
        graph = build.between([x], [build.do("select", build.do(primitive, x, 0.0), first, second)])
        assert connection(graph) == Connection((True,), (True,))
        second, first = first, second
        graph = build.between([x], [build.do("select", build.do(primitive, x, 0.0), first, second)])
        assert connection(graph) == Connection((True,), (True,), (Cut("round", "round"),))


def test_what_is_rounded_before_a_derivative_is_put_in_stays_cut() -> None:
    build = Building()
    x = build.input(4, 6)
    soft = build.do("tanh", build.do("round", x, place="before"))
    rest = build.do("stop_gradient", build.do("sub", build.do("round", soft), soft))
    graph = build.between([x], [build.do("add", soft, rest)])
    assert connection(graph) == Connection((False,), (True,), (Cut("before", "round"),))
