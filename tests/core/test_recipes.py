"""Scores: recipes."""

import array_api_strict as strict
import numpy as np
import pytest

from backlight import (
    Class,
    Function,
    LogProbability,
    Margin,
    Neuron,
    Output,
    Probability,
    Score,
)
from backlight.values.arrays import log_softmax, shape_of
from backlight.values.outputs import OutputSpec
from backlight.values.tree import map_nested
from backlight_methods import Gradient
from tests.core.score_nets import EACH, EXACT, KINDS, LAST, LOGITS, MASKS, Nested, X, logits, model
from tests.tape import arrays as functions


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (Class(1), Class(2), True),
        (Class(1), Class(1, path="a"), False),
        (Class(1), Probability(1), False),
        (Probability(1), LogProbability(1), False),
        (Margin(1, 2), Margin(2, 1), True),
        (Margin(1, 2), Class(1), False),
        (Output(index=1), Output(index=3), True),
        (Output(index=1), Output(index=[3, 1]), True),
        (Output(index=(1, 2)), Output(index=[(3, 0), (1, 1)]), True),
        (Output(index=(1, ...)), Output(index=(..., 1)), False),
        (Output(index=(slice(0, 2),)), Output(index=(slice(0, 3),)), False),
        (Output(index=1), Neuron("a", index=1), False),
        (Neuron("a", 1), Neuron("b", 1), False),
        (Neuron("a", 1), Neuron("a", 2), True),
        (Function(abs), Function(abs), True),
        (Function(abs), Function(min), False),
        (Function(abs), Function(abs, at="a"), False),
        (Function(abs, [1, 2]), Function(abs, [3, 4]), True),
        (Function(abs, [1, 2, 3]), Function(abs, [3, 4]), True),
        (Function(abs, [1, 2]), Function(abs, [1.0, 2.0]), False),
        (Function(abs, [[1], [2]]), Function(abs, [1, 2]), False),
        (Function(abs, [1, 2]), Function(abs), False),
    ],
)
def test_a_recipe_is_all_but_the_classes(one: Score, other: Score, equal: bool) -> None:
    assert (one.recipe == other.recipe) == equal
    assert not equal or hash(one.recipe) == hash(other.recipe)


@KINDS
def test_a_recipe_depends_on_the_kind_of_the_outputs(kind: str) -> None:
    bound = Probability(1).bind(model(kind).outputs(X), 5)
    others = {Probability(1).bind(model(other).outputs(X), 5).recipe for other in LAST} - {
        bound.recipe
    }
    assert len(others) == 2


def test_a_bound_score_computes_for_any_operands() -> None:
    """Backends compile one and feed it other classes."""
    spec = model().outputs(X)
    outputs = strict.asarray(LOGITS)
    for one, other in [
        (Class(1), Class(EACH)),
        (Margin(1, 2), Margin(EACH, 1)),
        (Output(index=1), Output(index=3)),
        (Output(index=1), Output(index=[3, 0, 1, 2, 0])),
    ]:
        one, other = one.bind(spec, 5), other.bind(spec, 5)
        operands = [strict.asarray(row) for row in other.operands()]
        assert all(row.shape[0] == 5 for row in operands)
        np.testing.assert_array_equal(
            one.evaluate(outputs, operands, strict), other.evaluate(outputs, operands, strict)
        )


@pytest.mark.parametrize(
    "target",
    [
        Class(EACH),
        Margin(EACH, 1),
        Output(index=2),
        Output(index=[3, 0, 1, 2, 0]),
        Function(abs),
        Function(abs, EACH, MASKS, MASKS > 0),
    ],
)
def test_a_bound_score_can_be_cut_and_repeated(target: Score) -> None:
    bound = target.bind(model().outputs(X), 5)
    rows = np.array([4, 0, 0])
    for whole, part in zip(bound.operands(), bound.take(rows).operands(), strict=True):
        assert whole.dtype == part.dtype
        np.testing.assert_array_equal(part, whole[rows])
    assert bound.take(rows).recipe == bound.recipe


def test_a_recipe_depends_on_how_many_outputs_there_are() -> None:
    one, two = (Margin(1, 0).bind(OutputSpec((5, width)), 5) for width in (1, 2))
    assert one.recipe != two.recipe


class ByKind(Nested):
    """Its outputs have kinds of their own that its last operations do not tell."""

    def outputs(self, inputs):
        return map_nested(lambda leaf: OutputSpec(shape_of(leaf)), self.predict(inputs))


def test_what_each_of_several_outputs_holds_is_looked_at() -> None:
    net = ByKind(
        lambda out: {"raw": out, "shares": functions.exp(log_softmax(out, functions))},
        ("head", logits),
    )
    raw = Gradient()(net, X, Probability(1, path="raw")).score
    shares = Gradient()(net, X, Probability(1, path="shares")).score
    np.testing.assert_allclose(shares, raw, **EXACT)
    again = Gradient()(net, X, Probability(1, path="raw")).score
    np.testing.assert_array_equal(again, raw)


def test_the_predicted_class_is_that_of_the_one_output_there_is() -> None:
    """Among what is no array, and under another name than `None` leads to."""
    net = Nested(lambda out: {"none": None, "logits": out}, ("head", logits))
    found = Gradient()(net, X)
    np.testing.assert_array_equal(found.classes, LOGITS.argmax(1))
    np.testing.assert_allclose(found.score, LOGITS.max(1), **EXACT)
