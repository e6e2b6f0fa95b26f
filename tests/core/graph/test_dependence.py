"""Who reads a value, and what lies between two, on graphs by hand."""

import pytest

from backlight.graph.dependence.dependence import Dependence
from tests.core.graph.building import Building


def test_the_only_user_of_a_value_that_nothing_else_looks_at() -> None:
    build = Building()
    x = build.input(4, 6)
    alone, twice, kept = (build.do(name, x) for name in ("tanh", "exp", "sin"))
    ends = [build.do("cos", value) for value in (alone, twice, twice, kept)]
    graph = build.between([x], ends)
    graph.kept = frozenset({kept})
    flow = Dependence(graph)
    found = [flow.sole_user(value) for value in (alone, twice, kept, ends[0])]
    assert found == [flow.producers[ends[0]], None, None, None]


@pytest.mark.parametrize("extra", [0, 1])
def test_a_region_of_at_most_so_many_nodes(extra: int) -> None:
    """The product reads its first node twice, which counts once."""
    build = Building()
    x = build.input(4, 6)
    end = build.do("tanh", x)
    inside = build.do("mul", end, end)
    for _ in range(extra):
        inside = build.do("exp", inside)
    flow = Dependence(build.between([x], [inside]))
    assert flow.region(x, inside, 2 + extra) == list(range(2 + extra))
    assert flow.region(x, inside, 1 + extra) is None
