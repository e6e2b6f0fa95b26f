"""An objective cut, repeated and moved: which rows, which baseline's, which site's value."""

import array_api_strict as strict
import numpy as np
import pytest

from backlight import Class, Several
from backlight.explaining.objective import Objective
from backlight.explaining.spatial import by_shapes
from backlight.values.layout import Layout
from tests.reference import ReferenceModel, polynomial

X = np.arange(12.0).reshape(6, 2) / 10
MODEL = ReferenceModel(("mix", polynomial(np.eye(2))), ("head", polynomial(2 * np.eye(2))))
EACH = 100.0 + np.arange(12.0).reshape(6, 2)
"""A baseline for each of the six examples."""


def objective(at: str | None = None, whole: bool = False) -> Objective:
    inputs = MODEL.prepare(X)
    score = Class(np.array([0, 1, 0, 1, 1, 0])).bind(MODEL.outputs(inputs), 6)
    return Objective(MODEL, inputs, score, at, 64, np.arange(6), 6, whole=whole)


def test_rows_of_rows_are_those_of_the_users_batch() -> None:
    part = objective().take(np.array([5, 1, 3])).take(np.array([2, 0]))
    assert part.rows.tolist() == [3, 5]
    assert part.target.classes is not None
    assert part.target.classes.tolist() == [1, 0]
    np.testing.assert_array_equal(part.value, X[[3, 5]])
    (reference,) = part.references(EACH)
    np.testing.assert_array_equal(reference, EACH[[3, 5]])


def test_repeated_rows_have_their_own_baselines_and_classes() -> None:
    part = objective().take(np.array([4, 0])).repeated(2)
    assert part.rows.tolist() == [4, 0, 4, 0]
    assert part.target.classes is not None
    assert part.target.classes.tolist() == [1, 0, 1, 0]
    np.testing.assert_array_equal(part.references(EACH)[0], EACH[[4, 0, 4, 0]])


def test_a_baseline_for_all_has_one_row_unless_rows_look_at_each_other() -> None:
    shared = np.array([7.0, 8.0])
    assert objective().references(shared)[0].shape == (1, 2)
    np.testing.assert_array_equal(objective().references(shared)[0], [shared])
    np.testing.assert_array_equal(objective(whole=True).references(shared)[0], [shared] * 6)


def test_baselines_for_all_and_for_each_go_together() -> None:
    references = objective().references(Several([np.array([7.0, 8.0]), EACH]))
    together = np.asarray(objective().stacked(references))
    np.testing.assert_array_equal(together, np.stack([np.tile([7.0, 8.0], (6, 1)), EACH]))


def test_rows_that_look_at_each_other_take_one_point_at_a_time() -> None:
    assert [*objective(whole=True).chunks(3)] == [range(1), range(1, 2), range(2, 3)]
    assert [*objective().chunks(3)] == [range(3)]


def test_a_moved_value_is_cut_with_its_rows_and_left_behind_at_another_site() -> None:
    moved = strict.asarray(EACH)
    there = objective("mix").at_points(moved[None, ...])
    part = there.take(np.array([2, 5]))
    np.testing.assert_array_equal(part.value, EACH[[2, 5]])
    # The head is a polynomial of the site's value: by its own row and class.
    expected = np.asarray(MODEL.stages[1][1](strict.asarray(EACH[[2, 5]])))[:, 0]
    np.testing.assert_array_equal(part.score(), expected)
    np.testing.assert_array_equal(there.at_site("head").value, MODEL.predict(X))


def test_cells_by_shapes_lie_in_the_middle_of_what_they_cover() -> None:
    grid = by_shapes(Layout(1, (2, 4)), Layout(1, (8, 8)), (3, 5, 2, 4))
    assert [(line.axis, line.length, line.stride) for line in grid.lines] == [(2, 2, 4), (3, 4, 2)]
    assert [line.offset for line in grid.lines] == [1.5, 0.5]  # of pixels 0 to 3, and of 0 and 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_thousands_of_chunks_lose_no_more_digits_than_one(dtype: str) -> None:
    alone = Objective(
        MODEL,
        MODEL.prepare(X[:1]),
        objective().target.take(np.zeros(1, int)),
        None,
        1,
        np.arange(1),
        1,
    )
    each = strict.asarray(np.full((1, 2), 0.1), dtype=getattr(strict, dtype))
    total = np.asarray(alone.summed(5000, lambda chunk: each * len(chunk)), dtype=np.float64)
    exact = 5000 * float(np.asarray(each)[0, 0])
    assert np.abs(total - exact).max() <= exact * np.finfo(dtype).eps
