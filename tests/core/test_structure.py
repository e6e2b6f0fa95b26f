"""A net that cannot be captured: what that may be, and what is said."""

from typing import Any

import numpy as np
import pytest

from backlight import BacklightWarning, Class, Output
from backlight.errors import ModelError
from backlight.explaining.structure import NetStructure, UnknownStructure, net_structure
from backlight.values.outputs import OutputSpec
from backlight_methods import GradCAM, Gradient
from tests.core.graph.building import Building
from tests.reference import ReferenceModel

PICTURES = np.random.default_rng(0).normal(size=(4, 2, 3, 3))


class Captured(ReferenceModel):
    """Gives a graph as it is told: `takes` has the numbers of examples for which it can be made."""

    takes: tuple[int, ...] = ()
    fails: type[Exception] = ModelError

    def graph(self, inputs: Any, score: Any = None) -> Any:
        self.looked_at = np.asarray(self.prepare(inputs).attributed)
        count = self.prepare(inputs).count
        if count not in self.takes:
            raise self.fails(f"not for {count}")
        build = Building()
        x = build.input(count, 2, 3, 3)
        return build.between([x], [build.do("sum", x, axes=(1, 2, 3))])


def captured(takes: tuple[int, ...], fails: type[Exception] = ModelError) -> Captured:
    model = Captured(("maps", lambda x: x * 2.0), ("out", lambda x: x[:, :, 0, 0]))
    model.takes, model.fails = takes, fails
    return model


def looked(model: Captured, count: int) -> NetStructure | UnknownStructure:
    return net_structure(model, model.prepare(PICTURES[:count]), None)


def test_two_examples_are_captured() -> None:
    for count in (1, 2, 4):
        found = looked(captured((2,)), count)
        assert isinstance(found, NetStructure)
        assert found.axes.count == 2


def test_two_different_examples_are_captured_where_there_are_two() -> None:
    model = captured((2,))
    looked(model, 4)
    # looked at once more, for numbers that depend on how many rows there are
    np.testing.assert_array_equal(model.looked_at, PICTURES)
    model.takes = (2, 3)
    rows: list[np.ndarray] = []
    model.graph = lambda inputs, score=None: rows.append(np.asarray(inputs.attributed))  # type: ignore[method-assign]
    net_structure(model, model.prepare(PICTURES[:2, :, :2]), None)
    np.testing.assert_array_equal(rows[0], PICTURES[:2, :, :2])


def test_all_examples_are_captured_where_the_net_takes_no_other_number() -> None:
    found = looked(captured((4,)), 4)
    assert isinstance(found, NetStructure)
    assert found.axes.count == 4


def test_of_a_net_that_takes_one_example_nothing_is_seen() -> None:
    found = looked(captured((1,)), 1)
    assert isinstance(found, UnknownStructure)
    assert "one example at a time" in found.note()


def test_a_net_that_cannot_be_captured_at_all_is_refused() -> None:
    for count in (1, 4):
        with pytest.raises(ModelError, match=f"not for {count}"):
            looked(captured(()), count)


@pytest.mark.parametrize("count", [1, 4])
def test_a_fault_of_the_capture_is_raised(count: int) -> None:
    model = captured((1, 4), KeyError)
    with pytest.raises(KeyError, match="not for 2"):
        looked(model, count)
    with pytest.raises(KeyError, match="not for 2"):
        Gradient()(model, PICTURES[:count], 0)


def test_the_grids_of_values_that_have_all_places() -> None:
    build = Building()
    x = build.input(2, 3, 8, 8)
    patches = build.do("reshape", x, shape=(2, 3, 64))
    mixed = build.do("dot", patches, build.weight(3, 5), equation="acp,cd->apd")
    mean = build.do("mean", mixed, axes=(1,))
    graph = build.between([x], [build.do("index", build.dense(mean, 4), axis=1, at=0)])
    graph.sites.update(mixed=mixed, mean=mean)
    grids = NetStructure(graph).grids
    assert {name: grid.shape for name, grid in grids.items()} == {"mixed": (8, 8)}


@pytest.mark.parametrize("primitive", ["argmax", "argmin", "sort", "top_k"])
@pytest.mark.parametrize("of_the_input", [True, False])
def test_what_an_input_chooses_is_told(primitive: str, of_the_input: bool) -> None:
    build = Building()
    x, weight = build.input(2, 6), build.weight(2, 6)
    found = build.graph.value((2,))
    operands = (x if of_the_input else weight,)
    build.graph.node(primitive, operands, (found,), {"axis": 1}, place="choice")
    summed = build.do("sum", x, axes=(1,))
    end = build.graph.value((2,))
    build.graph.node("mul", (summed, found), (end,), {})
    seen = NetStructure(build.between([x], [end]))
    assert seen.choices == ((f"{primitive} (choice)",) if of_the_input else ())
    assert len(seen.choice_notes()) == of_the_input


def test_what_is_guessed_of_such_a_net_is_said() -> None:
    with pytest.warns(BacklightWarning, match="'maps', and where .* shapes alone: .* one example"):
        GradCAM()(captured((1,)), PICTURES[:1], 0)
    with pytest.warns(BacklightWarning, match="^Where its places are in the input, was told from"):
        GradCAM()(captured((1,)), PICTURES[:1], 0, at="maps")
    assert Gradient()(captured((1,)), PICTURES[:1], 0).warnings == ()


def mixed_and_read(b: Building, x: int, everything: bool) -> NetStructure:
    """The rows meet in a mean, and Python reads a number of them, of all rows if asked for."""
    mean = b.do("mean", x, axes=(0,))
    read = b.graph.value(())
    given = x if everything else b.do("index", b.do("index", x, axis=0, at=0), axis=0, at=0)
    b.graph.node("read_out", (given,), (read,), place="item")
    end = b.do("sub", x, mean) if everything else b.do("sum", x, axes=(1,))
    return NetStructure(b.between([x], [end]))


def test_rows_may_look_at_each_other_where_only_python_reads_them() -> None:
    for everything in (False, True):
        b = Building()
        found = mixed_and_read(b, b.input(2, 3), everything)
        notes = found.notes(2)
        assert len(notes) == 2
        assert ("batch may look" in notes[0]) is not everything
        assert "Python reads" in notes[1]
        (alone,) = found.notes(1)  # an example by itself has no mates
        assert "Python reads" in alone


class Asked(ReferenceModel):
    """Gives a graph of the score it is asked for: the sum over places, or over channels."""

    asked = 0

    def graph(self, inputs: Any, score: Any = None) -> Any:
        self.asked += 1
        inputs = self.prepare(inputs)
        build = Building()
        x = build.input(*inputs.attributed.shape)
        end = build.do("sum", x, axes=tuple(range(1, len(inputs.attributed.shape))))
        return build.between([x], [end])


def test_a_structure_is_found_anew_for_other_shapes_and_scores_only() -> None:
    model = Asked(("maps", lambda x: x * 2.0), ("out", lambda x: x[:, :, 0, 0]))
    whole, half = model.prepare(PICTURES), model.prepare(PICTURES[:, :, :2])

    def found(inputs: Any, score: Any) -> NetStructure | UnknownStructure:
        return net_structure(model, inputs, score.bind(OutputSpec((inputs.count, 2)), inputs.count))

    one = found(whole, Output(index=0))
    assert found(whole, Output(index=1)) is one  # another class
    others = [found(half, Output(index=0)), found(whole, Output()), found(whole, Class(0))]
    assert len({id(other) for other in (one, *others)}) == 4
    assert isinstance(others[0], NetStructure)
    assert others[0].graph.shape(others[0].graph.sources[0]) == (2, 2, 2, 3)
