"""Shuffles that keep dinucleotides, against what they must keep and against all that there are."""

from collections import Counter
from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from backlight import DinucleotideShuffles
from backlight.errors import HyperParameterError, InputError
from backlight.values.layout import Layout

LAST = Layout(2, (0,))
ROWS = np.arange(1)


def one_hot(letters: list[int], count: int = 4) -> np.ndarray:
    """Shape (1, L, count); zeros for -1."""
    return (np.array(letters)[:, None] == np.arange(count)).astype(np.float32)[None]


def shuffles(letters: list[int], samples: int, seed: int = 0, count: int = 4) -> np.ndarray:
    """Shape (samples, L): the letters of each, -1 where there is none."""
    found = DinucleotideShuffles(samples, seed).of(one_hot(letters, count), LAST, ROWS)
    values = np.concatenate(found)
    assert values.dtype == np.float32
    np.testing.assert_array_equal(np.isin(values, (0, 1)), True)
    return np.where(values.any(axis=2), values.argmax(axis=2), -1)


def pairs(letters: np.ndarray) -> Counter:
    return Counter(zip(letters[:-1].tolist(), letters[1:].tolist(), strict=True))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.integers(0, 9))
def test_ends_and_pairs_are_kept(letters: list[int], seed: int) -> None:
    for found in shuffles(letters, 3, seed, count=5):
        assert (found[0], found[-1]) == (letters[0], letters[-1])
        assert pairs(found) == pairs(np.array(letters))


def test_long_sequences_are_changed_and_samples_differ() -> None:
    letters = np.random.default_rng(0).integers(0, 4, 200).tolist()
    found = shuffles(letters, 5)
    assert len({one.tobytes() for one in [*found, np.array(letters)]}) == 6
    np.testing.assert_array_equal(found, shuffles(letters, 5))
    assert (found != shuffles(letters, 5, seed=1)).any()


@pytest.mark.parametrize("letters", [[0, 1, 0, 2, 0, 1, 1, 0], [2, 0, 1, 2, 0, 2, 1, 0, 1]])
def test_all_that_there_are_come_equally_often(letters: list[int]) -> None:
    wanted = pairs(np.array(letters))
    between = set(permutations(letters[1:-1]))
    possible = [
        whole
        for one in between
        if pairs(np.array(whole := (letters[0], *one, letters[-1]))) == wanted
    ]
    assert len(possible) > 4
    samples = 200 * len(possible)
    seen = Counter(map(tuple, shuffles(letters, samples).tolist()))
    assert set(seen) == set(possible)
    assert chisquare([seen[one] for one in possible]).pvalue > 0.01


def test_padding_stays_and_stretches_between_it_are_shuffled_by_themselves() -> None:
    draw = np.random.default_rng(1)
    first, second = draw.integers(0, 4, (2, 40)).tolist()
    found = shuffles([-1, -1, *first, -1, *second, -1], 3)
    for one in found:
        np.testing.assert_array_equal(np.flatnonzero(one == -1), [0, 1, 42, 83])
        for stretch, letters in ((one[2:42], first), (one[43:83], second)):
            assert pairs(stretch) == pairs(np.array(letters))
            assert stretch.tolist() != letters
    np.testing.assert_array_equal(shuffles([-1, -1], 2), -1)


def test_letters_may_be_on_either_axis_and_others_in_the_batch_change_nothing() -> None:
    letters = np.random.default_rng(2).integers(0, 4, (3, 30))
    last = np.concatenate([one_hot(one.tolist()) for one in letters])
    baseline = DinucleotideShuffles(2)
    found = np.stack(baseline.of(last, LAST, np.arange(3)))
    first = np.stack(baseline.of(np.moveaxis(last, 2, 1), Layout(1, (30,)), np.arange(3)))
    np.testing.assert_array_equal(np.moveaxis(first, 2, 3), found)
    np.testing.assert_array_equal(baseline.of(last[2:], LAST, ROWS), found[:, 2:])


@pytest.mark.parametrize(
    ("value", "layout"),
    [
        *product([one_hot([0, 1]) / 2, np.ones((1, 3, 4))], [LAST]),
        *product([one_hot([0, 1])], [None, Layout(None, (2, 4))]),
        (np.eye(4), Layout(1, ())),
    ],
)
def test_what_is_no_one_hot_sequence_is_refused(value: np.ndarray, layout: Layout | None) -> None:
    with pytest.raises(InputError, match="needs one-hot sequences"):
        DinucleotideShuffles().of(value, layout, np.arange(len(value)))


@pytest.mark.parametrize("options", [{"samples": 0}, {"samples": 1.5}, {"seed": -1}])
def test_hyper_parameters_are_checked(options: dict) -> None:
    (field,) = options
    with pytest.raises(HyperParameterError, match=rf"DinucleotideShuffles\.{field} must be"):
        DinucleotideShuffles(**options)
