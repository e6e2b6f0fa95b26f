"""Factors of axes against the coordinates that they stand for."""

from itertools import pairwise

import numpy as np
import pytest

from backlight.graph.axes.atoms import (
    Atom,
    Axis,
    Joined,
    Role,
    fused,
    joined,
    length_of,
    lost,
    other,
    regrouped,
)


def row(length: int, stride: float = 1.0, offset: float = 0.0, axis: int = 1) -> Atom:
    return Atom(Role.PLACES, length, (0, axis), stride, offset)


def coordinates(axis: Axis) -> np.ndarray:
    """Of each place along an axis: where it lies, NaN where it lies nowhere."""
    found = np.zeros(1)
    for factor in axis:
        if isinstance(factor, Joined):
            steps = np.concatenate([coordinates(part) for part in factor.parts])
        else:
            places = factor.role is Role.PLACES
            steps = factor.offset + factor.stride * np.arange(factor.length)
            steps = steps if places else np.full(factor.length, np.nan)
        found = (found[:, None] + steps).ravel()
    return found


@pytest.mark.parametrize(
    ("axis", "right"),
    [
        ((row(3, 4.0, 2.0), row(4, 1.0, 0.5)), (row(12, 1.0, 2.5),)),
        ((row(3, 8.0), row(4, 2.0)), (row(12, 2.0),)),
        ((row(3, -4.0), row(4, -1.0, 3.0)), (row(12, -1.0, 3.0),)),
        ((*other(2), row(3, 4.0), row(4)), (*other(2), row(12))),
        ((row(3, 4.0), row(4), *other(2)), (row(12), *other(2))),
        ((*other(2), *other(3)), other(6)),
        ((*lost(2), *lost(3)), lost(6)),
    ],
)
def test_neighbours_that_are_a_row_are_one(axis: Axis, right: Axis) -> None:
    assert fused(axis) == right
    np.testing.assert_array_equal(coordinates(axis), coordinates(right))


@pytest.mark.parametrize(
    "axis",
    [
        (row(3, 5.0), row(4)),
        (row(4), row(3, 4.0)),
        (row(3, 4.0), row(4, axis=2)),
        (row(3, 4.0), *other(4)),
        (*other(3), *lost(4)),
        (*lost(3), *other(4)),
        (Atom(Role.EXAMPLES, 2), *other(3)),
    ],
)
def test_others_stay_apart(axis: Axis) -> None:
    assert fused(axis) == axis


@pytest.mark.parametrize(
    ("parts", "right"),
    [
        ([(row(3),), (row(4, offset=3.0),)], (row(7),)),
        ([(row(3, 2.0, 1.0),), (row(1, 2.0, 7.0),), (row(2, 2.0, 9.0),)], (row(6, 2.0, 1.0),)),
        ([other(2), other(3)], other(5)),
        ([lost(2), lost(3)], lost(5)),
        ([other(2), (row(3),)], (Joined((other(2), (row(3),))),)),
        ([(row(3),), (row(4, offset=4.0),)], (Joined(((row(3),), (row(4, offset=4.0),))),)),
        ([(row(3),), (row(4, 2.0, 3.0),)], (Joined(((row(3),), (row(4, 2.0, 3.0),))),)),
        (
            [(Joined((other(2), (row(3),))),), (row(4, offset=3.0),), other(1)],
            (Joined((other(2), (row(7),), ())),),
        ),
        ([(row(4, offset=3.0),), (row(3),)], (row(7, offset=3.0),)),  # as `roll` leaves it
    ],
)
def test_parts_one_after_the_other(parts: list[Axis], right: Axis) -> None:
    assert joined(parts) == right
    assert length_of(right) == sum(map(length_of, parts))


def test_places_keep_their_coordinates_however_they_are_laid_out() -> None:
    shapes = [(24,), (4, 6), (2, 2, 6), (2, 12), (8, 3), (1, 24, 1)]
    for before, after in pairwise([*shapes, *reversed(shapes)]):
        axes = regrouped(((row(24, 2.0, 1.0),),), before)
        laid = regrouped(axes, after)
        assert tuple(map(length_of, laid)) == after
        whole = [factor for axis in laid for factor in axis]
        np.testing.assert_array_equal(coordinates(tuple(whole)), 1.0 + 2.0 * np.arange(24))


def test_channels_that_do_not_go_into_the_new_axes_are_lost() -> None:
    assert regrouped(((row(4),), (row(6, axis=2),)), (3, 8)) == (lost(3), lost(8))
    assert regrouped(((row(4),), other(0)), (0, 2)) == (lost(0), lost(2))
