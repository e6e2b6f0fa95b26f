"""When a sum that is off deserves a word: the figures in the sentence, and when there is none."""

import re
from dataclasses import dataclass

import array_api_strict as strict
import numpy as np
import pytest

from backlight import BacklightWarning, Method, Result
from backlight.explaining.completeness import Sums, examples, gap_notes, incomplete, rounding
from backlight.explaining.measured import Measured, joined
from backlight.explaining.zeros import NonZero
from backlight.values.tree import map_leaves
from backlight_methods import LRP, DeepLIFT, IntegratedGradients
from tests.reference import ReferenceModel
from tests.tape import arrays as functions

DOUBLE = 2.0**-52
MODEL = ReferenceModel(("out", lambda x: x))


def sums(
    gap, change, size, precision=DOUBLE, standard_error=None, scores=0.0, operations=1
) -> Sums:
    scores = np.broadcast_to(scores, np.shape(gap))
    given = (gap, change, scores, size)
    columns = [np.atleast_1d(np.asarray(one, dtype=np.float64)) for one in given]
    error = None if standard_error is None else np.atleast_1d(np.float64(standard_error))
    return Sums(*columns, precision, error, operations)


@pytest.mark.parametrize(
    ("gap", "change", "size", "expected"),
    [
        (0.09, 1.0, 2.0, False),
        (0.11, 1.0, 2.0, True),
        (24.0, 1.0, 30.0, True),
        (1e-13, 0.0, 1.0, False),  # of rounding
        (0.0049, 0.001, 1.0, False),  # next to nothing, beside what cancels
        (0.0051, 0.001, 1.0, True),
        (0.0, 0.0, 0.0, False),
    ],
)
def test_a_tenth_of_the_change_is_too_much_and_rounding_is_not(gap, change, size, expected) -> None:
    assert incomplete(sums(gap, change, size)).tolist() == [expected]


def test_rounding_is_that_of_the_values_dtype() -> None:
    assert incomplete(sums(0.5, 1.0, 10.0)).all()
    assert not incomplete(sums(0.5, 1.0, 10.0, precision=2.0**-7)).any()


def test_rounding_of_the_scores_is_no_gap_either() -> None:
    assert incomplete(sums(1e-4, 1e-4, 1e-4, precision=2.0**-23)).all()
    assert not incomplete(sums(1e-4, 1e-4, 1e-4, precision=2.0**-23, scores=600.0)).any()


def test_rounding_grows_like_the_square_root_of_the_operations() -> None:
    """Random errors of half a unit each, added up along a chain, against what is allowed for."""
    random, size = np.random.default_rng(0), 1.0
    for operations in (4, 64, 1024):
        errors = random.uniform(-0.5, 0.5, (1000, operations)).sum(axis=1) * DOUBLE * size
        found = rounding(sums(0.0, 1.0, size, operations=operations))
        assert np.abs(errors).max() < found[0] < 40 * np.abs(errors).max()
    gap = 30 * DOUBLE * 0.05  # of a score of 0.05 that hardly moved, through 168 operations
    given = {"change": 1e-17, "size": 1e-16, "scores": 0.05}
    assert incomplete(sums(gap, **given)).all()
    assert not incomplete(sums(gap, **given, operations=168)).any()


@pytest.mark.parametrize("gap", [np.nan, np.inf])
def test_a_gap_that_cannot_be_measured_is_said(gap: float) -> None:
    (note,) = gap_notes(sums([0.0, gap], [1.0, gap], [2.0, 3.0]), "Do this.")
    assert note.startswith("The score of example 1 is not finite at the baseline")


@pytest.mark.parametrize(("gap", "expected"), [(0.29, False), (0.31, True)])
def test_samples_may_be_off_by_three_standard_errors(gap: float, expected: bool) -> None:
    measured = sums(gap, 1.0, 2.0, standard_error=0.1)
    assert incomplete(measured).tolist() == [expected]
    notes = gap_notes(measured, "Take more.")
    assert len(notes) == expected
    if expected:
        assert notes[0].endswith("the gap, in standard errors, is 3.1. Take more.")


def test_of_samples_only_chance_counts_however_large_the_change() -> None:
    assert incomplete(sums(0.09, 1.0, 2.0, standard_error=0.01)).all()  # below a tenth, 9 errors


def test_the_sentence_names_examples_and_figures() -> None:
    (note,) = gap_notes(sums([0.5, 0.0, 2.2], [1.0, 1.0, 2.0], [3.0, 3.0, 3.0]), "Do this.")
    assert note == (
        "The values of examples 0, 2 do not sum to the change of the score from the baseline: the "
        "gap, relative to that change, is 0.5, 1.1. Do this."
    )


def test_next_to_no_change_is_said_without_a_percentage() -> None:
    (note,) = gap_notes(sums(0.04, 0.001, 2.0), "Do this.")
    assert "The score of example 0 hardly differs from the baseline's (by 0.001)" in note
    assert "of the absolute sum 2, are off by 0.04 in all. Do this." in note


def test_no_advice_no_fault() -> None:
    assert gap_notes(sums(5.0, 1.0, 2.0), None) == ()


def test_long_lists_are_cut() -> None:
    assert examples([3]) == "example 3"
    assert examples(list(range(5))) == "examples 0, 1, 2, 3, 4"
    assert examples(list(range(12))) == "examples 0, 1, 2, 3, 4 and 7 more"


def measured(**changes: object) -> Measured:
    one = np.ones(2)
    fields = {
        "values": (
            strict.asarray([[1.0], [1.0]]),
            strict.asarray([[0.0], [0.0]], dtype=strict.float32),
        ),
        "score": one,
        "nonzero": NonZero(np.ones((2, 2), bool), (np.ones(1, bool), np.ones(1, bool))),
        "baseline_score": 0 * one,
        "gap": 0 * one,
        "size": one,
        "error": None,
        "standard_error": None,
        "standard_error_of_sum": None,
        "standard_error_of_gap": None,
        "each": None,
        "r_squared": None,
        "advice": "Do this.",
        "warnings": (),
        "operations": 1,
        "precision": DOUBLE,
    }
    return Measured(**{**fields, **changes})  # type: ignore[arg-type]


def test_a_column_of_the_batch_is_whole_or_not_there() -> None:
    both = joined([measured(error=np.ones(2)), measured(error=2 * np.ones(2))], MODEL)
    assert both.error is not None
    assert both.error.tolist() == [1, 1, 2, 2]
    assert joined([measured(error=np.ones(2)), measured()], MODEL).error is None


def cubed(x):
    return functions.sum(functions.reshape(x, (x.shape[0], -1)) ** 3, axis=1, keepdims=True)


def test_a_coarse_integral_is_warned_of_and_a_fine_one_is_not() -> None:
    x = np.array([[1.0, 2.0]])
    model = ReferenceModel(("out", cubed))
    # By one left point: 0 of 9.
    with pytest.warns(BacklightWarning, match=r"example 0 .* relative to that change, is 1\."):
        IntegratedGradients(steps=1, rule="left")(model, x, 0)
    assert IntegratedGradients(steps=2)(model, x, 0).warnings == ()


def test_relevance_that_biases_keep_is_no_fault() -> None:
    def biased(x):
        return x @ strict.asarray([[1.0], [2.0]]) + 100.0

    found = LRP(composite="epsilon")(ReferenceModel(("out", biased)), np.array([[1.0, 1.0]]), 0)
    np.testing.assert_allclose(found.gap, 100.0, rtol=1e-6)
    assert found.warnings == ()


@dataclass(frozen=True, kw_only=True)
class Doubled(Method):
    """DeepLIFT with a planted fault: each value twice."""

    def attribute(self, objective):
        found = DeepLIFT().attribute(objective)
        twice = map_leaves(lambda leaf: 2 * leaf, found.values)
        return Result(twice, found.score, found.baseline_score)


def test_a_technique_of_someone_else_is_held_to_its_sum() -> None:
    x = np.array([[1.0, 2.0], [0.5, 0.1]])
    with pytest.warns(BacklightWarning, match=re.escape("is 1, 1. Another baseline may help")):
        found = Doubled()(ReferenceModel(("out", cubed)), x, 0)
    np.testing.assert_allclose(found.relative_gap, 1.0)
