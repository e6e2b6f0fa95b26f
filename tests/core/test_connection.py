"""What is said where an attribution is 0: nothing reaches, a part is cut off, or nothing is there."""

from dataclasses import dataclass

import array_api_strict as strict
import numpy as np
import pytest

from backlight import (
    Attribution,
    BacklightWarning,
    Class,
    Connection,
    Cut,
    Gradient,
    Method,
    Result,
)
from backlight.errors import NoGradientError
from backlight.explaining.objective import Objective
from backlight.explaining.zeros import NonZero, differs, zero_examples
from backlight.values.arrays import shape_of
from backlight.values.tree import leaves, rebuild
from backlight_methods import (
    GradCAM,
    InputXGradient,
    IntegratedGradients,
    Occlusion,
    Saliency,
    Smooth,
)
from tests.reference import ReferenceModel, linear
from tests.tape import arrays as functions

CAST = Cut("embed", "cast to int64")


class CutModel(ReferenceModel):
    """A model whose gradients are 0 at some numbers of its inputs, and that says why."""

    def __init__(self, outputs, connection: Connection, *masks: np.ndarray) -> None:
        super().__init__(("out", outputs))
        self.found = connection
        self.masks = masks
        self.asked = 0

    def connection(self, inputs, score, *, at=None):
        self.asked += 1
        return self.found

    def gradient(self, inputs, score, **place):
        found = super().gradient(inputs, score, **place)
        kept = [
            leaf * strict.asarray(np.broadcast_to(mask, shape_of(leaf)))
            for leaf, mask in zip(leaves(found.gradient), self.masks, strict=True)
        ]
        return Gradient(found.score, found.value, rebuild(found.gradient, kept))


def explained(method, model, x, target=0) -> Attribution:
    """A result with warnings."""
    with pytest.warns(BacklightWarning):
        return method(model, x, target)


WEIGHT = np.array([[1.0], [2.0], [3.0]])
X = np.array([[0.5, 1.0, -1.0], [2.0, 3.0, 0.25]])
GRADIENTS = [Saliency(), InputXGradient(), IntegratedGradients(steps=3), Smooth(samples=2)]
by_gradients = pytest.mark.parametrize("method", GRADIENTS, ids=lambda one: type(one).__name__)


@by_gradients
def test_where_nothing_is_reached_the_error_names_the_cut(method) -> None:
    model = CutModel(linear(WEIGHT), Connection((False,), (True,), (CAST,)), np.zeros(3))
    with pytest.raises(NoGradientError, match=r"reaches the input.*at cast to int64 \(embed\)"):
        method(model, X, 0)


def test_a_score_that_does_not_depend_on_the_input_is_refused() -> None:
    model = CutModel(linear(np.zeros((3, 1))), Connection((False,), (False,)), np.ones(3))
    with pytest.raises(NoGradientError, match="does not depend on the input"):
        Saliency()(model, X, 0)


@by_gradients
def test_an_input_of_several_that_is_not_reached_is_named(method) -> None:
    connection = Connection((True, False), (True, True), (CAST,))
    model = CutModel(
        lambda a, b: (a + b) @ strict.asarray(WEIGHT), connection, np.ones(3), np.zeros(3)
    )
    found = explained(method, model, {"a": X, "b": X[::-1].copy()})
    note, *more = found.warnings
    assert note.startswith("No gradient reaches input 'b', though the score depends on it")
    assert "cast to int64 (embed)" in note
    assert len(more) == isinstance(method, IntegratedGradients)  # whose sum is off for that reason


def test_an_input_of_several_that_the_score_does_not_depend_on_is_named() -> None:
    connection = Connection((True, False), (True, False))
    model = CutModel(lambda a, b: a @ strict.asarray(WEIGHT), connection, np.ones(3), np.ones(3))
    (note,) = explained(Saliency(), model, (X, X)).warnings
    assert note == "The score does not depend on input '1': its values are all 0."


@by_gradients
def test_a_column_that_is_cut_off_is_named(method) -> None:
    model = CutModel(
        linear(WEIGHT), Connection((True,), (True,), (CAST,)), np.array([1.0, 0.0, 1.0])
    )
    notes = [note for note in explained(method, model, X).warnings if "gradient reaches" in note]
    assert len(notes) == 1
    assert notes[0].startswith(
        "No gradient reaches column 1 of the input, though the score depends on it: the way is cut, "
        "at cast to int64 (embed)."
    )


def test_a_column_of_one_example_is_found_too() -> None:
    model = CutModel(
        linear(WEIGHT), Connection((True,), (True,), (CAST,)), np.array([0.0, 1.0, 0.0])
    )
    (note,) = explained(Saliency(), model, X[:1]).warnings
    assert "columns 0, 2 of the input" in note


PARTIAL = (
    "Some ways of the gradient are cut, at cast to int64 (embed): what the score owes to them is not in "
    "the values."
)


def test_a_column_without_a_weight_is_not_cut_off() -> None:
    weight = np.array([[1.0], [0.0], [3.0]])
    model = CutModel(linear(weight), Connection((True,), (True,), (CAST,)), np.ones(3))
    assert explained(Saliency(), model, X).warnings == (PARTIAL,)
    assert model.asked == 1


def test_zeros_of_the_input_are_not_zeros_of_the_gradient() -> None:
    x = X * np.array([1.0, 0.0, 1.0])
    model = CutModel(linear(WEIGHT), Connection((True,), (True,), (CAST,)), np.ones(3))
    assert explained(InputXGradient(), model, x).warnings == (PARTIAL,)


def test_pictures_say_how_many_numbers_are_cut_off() -> None:
    mask = np.ones((1, 2, 3))
    mask[0, 1] = 0.0
    model = CutModel(
        linear(np.ones((6, 1))), Connection((True,), (True,), (Cut("", "round"),)), mask
    )
    x = np.random.default_rng(0).normal(size=(2, 1, 2, 3))
    (note,) = explained(Saliency(), model, x).warnings
    assert "3 of the 6 numbers (the first at index (0, 1, 0)) of the input" in note
    assert "at round." in note


@by_gradients
def test_ways_that_are_cut_beside_others_are_said_where_no_value_is_0(method) -> None:
    model = CutModel(linear(WEIGHT), Connection((True,), (True,), (CAST,)), np.ones(3))
    assert explained(method, model, X).warnings == (PARTIAL,)


def test_what_is_cut_is_asked_once_for_a_model_and_shapes() -> None:
    model = CutModel(linear(WEIGHT), Connection((True,), (True,)), np.ones(3))
    for x in (X, X[:1], -X):
        assert Saliency()(model, x, 0).warnings == ()
    assert model.asked == 1


def squared(x):
    flat = functions.reshape(x, (x.shape[0], -1))
    return functions.sum(flat * flat, axis=1, keepdims=True)


def test_an_example_without_gradient_is_said() -> None:
    x = np.array([[1.0, 2.0], [0.0, 0.0], [3.0, 1.0], [0.0, 0.0]])
    for batch_size in (None, 1):
        with pytest.warns(BacklightWarning):
            found = Saliency()(ReferenceModel(("out", squared)), x, 0, batch_size=batch_size)
        assert found.warnings[0].startswith(
            "Every value is exactly 0 for examples 1, 3: the gradient of the score is 0 there"
        )


def test_an_example_that_is_its_baseline_is_said() -> None:
    x = np.array([[1.0, 2.0], [0.5, 0.5]])
    method = IntegratedGradients(steps=2, baseline=0.5)
    (note,) = explained(method, ReferenceModel(("out", squared)), x).warnings
    assert note.startswith(
        "Every value is exactly 0 for example 1: the gradient of the score is not"
    )


def test_occlusion_says_that_nothing_changes_the_score() -> None:
    model = ReferenceModel(("out", linear(np.zeros((3, 1)))))
    (note,) = explained(Occlusion(), model, X).warnings
    assert note.startswith("Every value is exactly 0 for examples 0, 1: nothing that the technique")


def test_a_map_of_zeros_is_said() -> None:
    def features(x):
        return functions.reshape(x, (x.shape[0], 1, 2, 2))

    model = ReferenceModel(("features", features), ("out", squared))
    x = np.stack([np.ones((1, 2, 2)), np.zeros((1, 2, 2))])
    (_, note) = explained(GradCAM(), model, x).warnings
    assert note.startswith("Every value is exactly 0 for example 1")


def test_values_are_never_changed_by_the_look() -> None:
    model = CutModel(
        linear(WEIGHT), Connection((True,), (True,), (CAST,)), np.array([1.0, 0.0, 1.0])
    )
    found = explained(Saliency(), model, X)
    np.testing.assert_allclose(found.values, np.tile([1.0, 0.0, 3.0], (2, 1)), rtol=1e-8)


def test_a_number_that_only_another_example_s_value_moves_is_found() -> None:
    """The score is a where |b| is 3: not at 2, 0 or -2, and a is 0 where b is 3."""
    x = np.array([[1.0, 2.0], [0.0, 3.0]])

    def chosen(x):
        three = strict.abs(strict.abs(x[:, 1:]) - 3.0) < 1e-3
        return strict.where(three, x[:, :1], 0.0 * x[:, :1])

    model = CutModel(chosen, Connection((True,), (True,), (CAST,)), np.array([1.0, 0.0]))
    notes = explained(Saliency(), model, x).warnings
    assert any("No gradient reaches column 1 of the input" in note for note in notes)


def test_what_depends_on_the_input_unseen_is_tried() -> None:
    model = CutModel(linear(WEIGHT), Connection((False,), (False,), (CAST,)), np.zeros(3))
    with pytest.raises(NoGradientError, match="reaches the input") as caught:
        Saliency()(model, X, 0)
    assert "does not depend" not in str(caught.value)


@dataclass(frozen=True, kw_only=True)
class Exactly(Method):
    """Input times weight, of a linear score that is 0 at the baseline 0."""

    def attribute(self, objective):
        values = objective.value * strict.asarray(WEIGHT[:, 0])
        return Result(values, baseline_score=0.0 * objective.score())


def test_a_sum_that_is_exact_has_lost_nothing_to_a_cut() -> None:
    x = X * np.array([1.0, 0.0, 1.0])
    model = CutModel(linear(WEIGHT), Connection((True,), (True,), (CAST,)), np.ones(3))
    assert Exactly()(model, x, 0).warnings == ()


def test_a_number_is_not_0_where_it_is_not_in_any_block() -> None:
    one = NonZero(np.array([[True], [False]]), (np.array([True, False, False]),))
    other = NonZero(np.array([[True]]), (np.array([False, True, False]),))
    both = NonZero.joined([one, other])
    assert both.examples.ravel().tolist() == [True, False, True]
    assert both.elements[0].tolist() == [True, True, False]


def test_an_example_of_a_batch_that_runs_whole_is_told_by_its_own_gradient() -> None:
    x = np.array([[1.0, 2.0], [3.0, 1.0], [0.0, 0.0]])
    model = ReferenceModel(("out", squared))
    inputs = model.prepare(x)
    score = Class(0).bind(model.outputs(inputs), 3)
    whole = Objective(model, inputs, score, None, 3, np.arange(3), 3, whole=True)
    (note,) = zero_examples(whole, np.array([2]), 3, ())
    assert "for example 2: the gradient of the score is 0 there" in note


def test_a_score_that_moves_by_more_than_rounding_is_another() -> None:
    model = ReferenceModel(("out", linear(np.ones((1, 1)))))
    inputs = model.prepare(np.ones((2, 1)))
    score = Class(0).bind(model.outputs(inputs), 2)
    here = Objective(model, inputs, score, None, 2, np.arange(2), 2)
    assert differs(np.array([1.0, 1.0 + 1e-11]), here)
    assert not differs(np.array([1.0, 1.0 + 1e-15]), here)
