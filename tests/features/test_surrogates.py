"""What KernelSHAP's surrogates say of a game, and what they leave to the draw."""

import numpy as np
import pytest

from backlight_methods import KernelSHAP
from backlight_methods.perturbation import kernel_shap
from backlight_methods.perturbation.coalition_pairs import Pairs, dealt
from backlight_methods.perturbation.kernel_shap import estimated
from backlight_methods.perturbation.surrogates import (
    NUGGET,
    TREND,
    Surrogate,
    linear,
    owen,
    products,
)
from tests.features.games import by_orders, coalitions, game_model
from tests.methods.judges import any_numbers, check_intervals

pytestmark = any_numbers
EXACT = {"rtol": 1e-9, "atol": 1e-9}
COUNT = 5
DRAWN = np.random.default_rng(0)
SIGNS = np.where(coalitions(COUNT)[1::2], 1.0, -1.0)  # one of each pair
SCORES = DRAWN.normal(size=(len(SIGNS), 1))
SIZES = np.array([3.0, 0.2, 1.0, 0.0, 2.0])
FOLDS = [np.array([3, 5, 11]), np.array([8, 2]), np.array([5])]
ALL, SOME = np.arange(len(SIGNS)), np.arange(0, len(SIGNS), 2)


def signs_of(members: frozenset[int]) -> np.ndarray:
    return np.where(np.isin(np.arange(COUNT), list(members)), 1.0, -1.0)[None]


def test_owens_values_are_those_by_all_orders() -> None:
    slopes, factors = DRAWN.uniform(-0.9, 0.9, size=(3, COUNT)), DRAWN.normal(size=(3, 2))
    expected = by_orders(
        lambda members: (1 + slopes * signs_of(members)).prod(axis=1) @ factors, COUNT
    )
    np.testing.assert_allclose(owen(slopes, factors), expected, **EXACT)


def covariance(signs: np.ndarray, others: np.ndarray) -> np.ndarray:
    each = np.round(np.minimum(5 * SIZES / SIZES.sum(), 0.9), 3) * signs[:, None] * others[None]
    return ((1 + each).prod(axis=-1) - (1 - each).prod(axis=-1)) / 2


@pytest.mark.parametrize("centres", [None, ALL, SOME])  # None: of the sum
def test_folds_are_judged_by_fits_without_them(centres: np.ndarray | None) -> None:
    """Against as many fits, of which each has seen none of a fold; the values are their mean's."""

    def fit(left_out: np.ndarray):
        seen = np.setdiff1d(ALL if centres is None else centres, left_out)
        x, y = SIGNS[seen], SCORES[seen]
        if centres is None:
            slopes = np.linalg.lstsq(x, y, rcond=None)[0]
            return lambda signs: signs @ slopes
        variance = covariance(SIGNS[centres], SIGNS[centres]).diagonal().mean()

        def whole(signs: np.ndarray) -> np.ndarray:
            return covariance(signs, x) + TREND * variance / COUNT * (signs @ x.T)

        factors = np.linalg.solve(whole(x) + NUGGET * variance * np.eye(len(x)), y)
        return lambda signs: whole(signs) @ factors

    fits = [fit(rows) for rows in FOLDS]

    def mean(signs: np.ndarray) -> np.ndarray:
        return sum(len(rows) * one(signs) for rows, one in zip(FOLDS, fits, strict=True)) / 6

    found = (
        linear(SIGNS, SCORES, FOLDS)
        if centres is None
        else products(SIGNS, SCORES, FOLDS, SIZES, centres)
    )
    apart = [SCORES[rows] - one(SIGNS[rows]) for rows, one in zip(FOLDS, fits, strict=True)]
    np.testing.assert_allclose(found.apart, np.concatenate(apart), **EXACT)
    np.testing.assert_allclose(found.rest, SCORES - mean(SIGNS), **EXACT)
    values = by_orders(lambda members: mean(signs_of(members))[0], COUNT)
    np.testing.assert_allclose(found.values, values, **EXACT)


def interacting(count: int) -> np.ndarray:
    """A maximum and a product, of which much is explained by products of a few features."""
    there, sizes = coalitions(count), np.arange(1.0, count + 1)
    return ((there * sizes).max(axis=1) + 5 * np.where(there, 1, 0.8).prod(axis=1))[:, None]


def shapley(game: np.ndarray, count: int) -> np.ndarray:
    return np.asarray(
        KernelSHAP(samples=2**count)(game_model(game), np.ones((1, count)), 0).values
    )[0]


def test_intervals_are_honest_where_products_explain_much() -> None:
    game = interacting(9)
    model, x = game_model(game), np.ones((1, 9))
    found = [KernelSHAP(samples=240, seed=seed)(model, x, 0) for seed in range(60)]
    check_intervals(found, shapley(game, 9))


def test_products_leave_less_to_the_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    game, errors = interacting(9), []
    model, x, expected = game_model(game), np.ones((1, 9)), shapley(game, 9)
    for most in (0, 9):
        monkeypatch.setattr(kernel_shap, "MOST_PRODUCTS", most)
        found = [KernelSHAP(samples=200, seed=seed)(model, x, 0).values[0] for seed in range(8)]
        errors.append(((np.asarray(found) - expected) ** 2).mean())
    assert errors[1] < errors[0] / 4


def test_a_wrong_surrogate_costs_no_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it says of the game comes off again, however far it is off."""
    count, rng = 8, np.random.default_rng(4)
    game = interacting(count)
    expected, model, x = shapley(game, count), game_model(game), np.ones((1, count))

    def wrong(known: np.ndarray, scores: np.ndarray, folds: list[np.ndarray], *_: object):
        slopes = rng.normal(size=(count, 1))
        rest = scores - known @ slopes
        return [Surrogate(2 * slopes, rest, rest[np.concatenate(folds)])]

    monkeypatch.setattr(kernel_shap, "surrogates", wrong)
    found = [KernelSHAP(samples=120, seed=seed)(model, x, 0) for seed in range(60)]
    check_intervals(found, expected)


def test_the_error_of_pairs_is_that_of_independent_decks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all coalitions of a deck are off by one number, decks count and not coalitions."""

    def nothing(known: np.ndarray, scores: np.ndarray, folds: list[np.ndarray], *_: object):
        return [Surrogate(np.zeros((23, 1)), scores, scores[np.concatenate(folds)])]

    monkeypatch.setattr(kernel_shap, "surrogates", nothing)
    told, seen, rng = [], [], np.random.default_rng(3)
    for seed in range(60):
        members, decks = dealt(np.full(200, 8), 23, seed)
        off = rng.normal(size=decks.max() + 1)[decks][:, None]
        found, errors = estimated(
            Pairs(members, np.full(200, 1 / 200), decks), off, np.zeros(1), True
        )
        told.append((errors**2).mean())
        seen.append((found**2).mean())
    assert np.sqrt(np.mean(told) / np.mean(seen)) == pytest.approx(1.0, abs=0.1)
