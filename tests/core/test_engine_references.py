"""How a net runs over a reference: with one row where all examples share it and the net lets it, else
with a row for each."""

from collections.abc import Callable

import numpy as np
import pytest

from backlight.engine.explained import Explained
from backlight.engine.reference import reference_among, reference_for
from backlight.engine.scored import Scored, by_rules
from backlight.rules.rules import Rules
from backlight.testing.rules import COMPLETE
from backlight.values.arrays import Array
from tests.core.by_differences import CLOSE, ByDifferences
from tests.core.graph.building import Building

ROWS = 3
RULES: Rules = COMPLETE


class Net:
    """A net and its score, made by hand for some rows.

    Args:
        rows: how many examples there are.
        make: from the graph, its sources and a value that differs from example to example to what the
            score reads.
        sources: how many inputs there are.
    """

    def __init__(
        self, rows: int, make: Callable[[Building, list[int], int], int], sources: int = 1
    ) -> None:
        self.b = b = Building()
        x = [b.input(rows, 4) for _ in range(sources)]
        beside = b.input(rows, 4)
        end = make(b, x, beside)
        axes = tuple(range(1, len(b.graph.shape(end))))
        before = len(b.graph.nodes)
        graph = b.between(x, [b.do("sum", end, axes=axes, keepdims=False)])
        graph.rows, graph.kept = frozenset({beside}), frozenset({end})
        made = {value for node in graph.nodes for value in node.results}
        given = [value for value in b.samples if value not in made]
        scored = Scored(graph, tuple(given), (), tuple(x), (end,), before)
        self.found = scored.explained(RULES, {})
        self.runner = ByDifferences({})
        self.values = scored.start(self.runner, [b.samples[value] for value in given], ())


def dense(b: Building, x: list[int], beside: int) -> int:
    return b.do("tanh", b.dense(x[0], 4))


def summed(b: Building, x: list[int], beside: int) -> int:
    return b.do("tanh", b.dense(b.do("add", *x), 4))


def moved_by_rows(b: Building, x: list[int], beside: int) -> int:
    return b.do("tanh", b.do("add", b.dense(x[0], 4), beside))


def other_for_one(b: Building, x: list[int], beside: int) -> int:
    """One row is taken through another function than several."""
    single = b.graph.shape(x[0])[0] == 1
    return b.do("exp" if single else "tanh", b.dense(x[0], 4))


def laid_side_by_side(b: Building, x: list[int], beside: int) -> int:
    """The score reads the rows one beside the other."""
    rows = b.graph.shape(x[0])[0]
    return b.do("reshape", b.do("tanh", b.dense(x[0], 4)), shape=(1, rows * 4))


def starts(*rows: int) -> list[Array]:
    rng = np.random.default_rng(5)
    return [rng.normal(size=(one, 4)) for one in rows]  # type: ignore[misc]


@pytest.mark.parametrize(
    ("rows", "given", "shared"),
    [
        (ROWS, (1,), True),
        (ROWS, (ROWS,), False),
        (1, (1,), False),
        (ROWS, (1, 1), True),
        (ROWS, (1, ROWS), False),
        (ROWS, (ROWS, 1), False),
    ],
)
def test_one_row_is_taken_where_each_array_of_the_reference_has_one(
    rows: int, given: tuple[int, ...], shared: bool
) -> None:
    make = dense if len(given) == 1 else summed
    net, asked = Net(rows, make, len(given)), list[Net]()

    def single() -> tuple[Explained, Net]:
        asked.append(Net(1, make, len(given)))
        return asked[-1].found, asked[-1]

    reference, beside = reference_among(net.found, net, starts(*given), rows, single)
    assert len(asked) == shared
    assert beside is (asked[0] if shared else net)
    assert reference.net is beside.found


@pytest.mark.parametrize(
    "make", [moved_by_rows, other_for_one, laid_side_by_side], ids=lambda make: make.__name__
)
def test_all_rows_run_where_one_does_not_stand_for_them(
    make: Callable[[Building, list[int], int], int],
) -> None:
    net, alone = Net(ROWS, make), Net(1, make)
    assert reference_for(net.found, lambda: alone.found).net is net.found


@pytest.mark.parametrize("given", [1, ROWS])
def test_shares_sum_to_the_difference_to_the_reference_of_each_row(given: int) -> None:
    net, alone = Net(ROWS, dense), Net(1, dense)  # which have the same weights
    (start,) = starts(given)
    (value,), x = net.found.places, net.values[net.found.places[0]]
    weight = next(one for one in net.values.values() if np.shape(one) == (4, 4))
    here, gradients, there = by_rules(
        net.runner, net.found, RULES, net.values, [start], lambda: (alone.found, alone.values)
    )

    def score(x: Array) -> np.ndarray:
        return np.tanh(np.asarray(x) @ np.asarray(weight)).sum(1)

    np.testing.assert_allclose(here, score(x), **CLOSE)
    np.testing.assert_allclose(there, np.broadcast_to(score(start), (ROWS,)), **CLOSE)
    shares = np.asarray(gradients[value] * (x - start)).sum(1)
    np.testing.assert_allclose(shares, score(x) - score(start), **CLOSE)
