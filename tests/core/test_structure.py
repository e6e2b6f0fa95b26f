"""A net that cannot be captured: what that may be, and what is said."""

from typing import Any

import numpy as np
import pytest

from backlight import BacklightWarning
from backlight.errors import ModelError
from backlight.explaining.structure import NetStructure, UnknownStructure, net_structure
from backlight_methods import GradCAM, Gradient
from tests.core.graph.building import Building
from tests.reference import ReferenceModel

PICTURES = np.random.default_rng(0).normal(size=(4, 2, 3, 3))


class Captured(ReferenceModel):
    """Gives a graph as it is told: `takes` has the numbers of examples for which it can be made."""

    takes: tuple[int, ...] = ()
    fails: type[Exception] = ModelError

    def graph(self, inputs: Any, score: Any = None) -> Any:
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
