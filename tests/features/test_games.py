"""Techniques that hide features, on games of which everything is known."""

from dataclasses import replace
from math import comb

import array_api_strict as strict
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backlight import Class, Method, Several
from backlight.errors import HyperParameterError, InputError
from backlight.values.noise import order, shares
from backlight_methods import (
    LIME,
    RISE,
    FeatureAblation,
    KernelSHAP,
    ShapleyValues,
    SobolIndices,
)
from backlight_methods.perturbation.coalition_pairs import dealt, drawn_pairs
from tests.features.games import by_orders, coalitions, game_model, of_table, table
from tests.methods.judges import any_numbers, check_intervals, closed_form
from tests.reference import ReferenceModel, places_by_shapes, polynomial

pytestmark = [*any_numbers, places_by_shapes]
few = settings(max_examples=8, deadline=None, derandomize=True)
EXACT = {"rtol": 1e-10, "atol": 1e-10}

EVERY_COALITION: dict[str, Method] = {
    "shapley_values": ShapleyValues(),
    "kernel_shap": KernelSHAP(),
}
DRAWN: dict[str, Method] = {
    "orders": ShapleyValues(exact=0, samples=20),
    "pairs": KernelSHAP(samples=46),
}


def values(method: Method, game: np.ndarray, target: int = 0) -> np.ndarray:
    count = int(np.log2(len(game)))
    return np.asarray(method(game_model(game), np.ones((1, count)), target).values)[0]


@closed_form("shapley_values", "kernel_shap")
@pytest.mark.parametrize("name", EVERY_COALITION)
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6])
def test_shapley_values_are_those_of_all_orders(name: str, count: int) -> None:
    game = table(count, seed=count)
    expected = by_orders(of_table(game), count)
    for target in (0, 1):
        found = values(EVERY_COALITION[name], game, target)
        np.testing.assert_allclose(found, expected[:, target], **EXACT)


@pytest.mark.parametrize("method", [*EVERY_COALITION.values(), *DRAWN.values()])
def test_of_a_sum_each_feature_gets_its_own_term(method: Method) -> None:
    weight = np.random.default_rng(0).normal(size=10)
    found = values(method, coalitions(10) @ weight[:, None])
    np.testing.assert_allclose(found, weight, **EXACT)


@pytest.mark.parametrize("name", EVERY_COALITION)
def test_of_a_product_each_feature_gets_as_much(name: str) -> None:
    game = coalitions(7).all(axis=1)[:, None] * 3.0
    np.testing.assert_allclose(values(EVERY_COALITION[name], game), 3 / 7, **EXACT)


@pytest.mark.parametrize("name", EVERY_COALITION)
def test_the_costs_of_a_runway_are_shared_by_those_who_need_each_piece(name: str) -> None:
    # Littlechild, Owen, "A Simple Expression for the Shapley Value in a Special Case" (1973): of the
    # maximum of sizes, each piece between two sizes is shared by all who are at least as large.
    sizes = np.array([5.0, 1.0, 3.0, 3.0, 8.0, 2.0])
    game = (coalitions(6) * sizes).max(axis=1)[:, None]
    ranks = np.argsort(sizes)
    pieces = np.diff(sizes[ranks], prepend=0) / np.arange(6, 0, -1)
    expected = np.empty(6)
    expected[ranks] = np.cumsum(pieces)
    np.testing.assert_allclose(values(EVERY_COALITION[name], game), expected, **EXACT)


# The laws

every = pytest.mark.parametrize("name", [*EVERY_COALITION, *DRAWN])
METHODS = {**EVERY_COALITION, **DRAWN}


@every
@few
@given(count=st.integers(5, 9), seed=st.integers(0, 999))
def test_values_sum_to_the_change_of_the_score(name: str, count: int, seed: int) -> None:
    game = table(count, seed)
    found = METHODS[name](game_model(game), np.ones((1, count)), 1)
    np.testing.assert_allclose(np.sum(found.values), game[-1, 1] - game[0, 1], **EXACT)
    assert found.baseline_score is not None and found.gap is not None and found.gap.max() < 1e-10


@every
@few
@given(seed=st.integers(0, 999), dummy=st.integers(0, 5))
def test_a_feature_that_adds_nothing_has_0(name: str, seed: int, dummy: int) -> None:
    there = coalitions(6)
    game = table(6, seed)[np.where(there[:, dummy], np.arange(64) - 2**dummy, np.arange(64))]
    found = METHODS[name](game_model(game), np.ones((1, 6)), 0)
    slack = 1e-10
    if name == "pairs":  # a fit to coalitions that are drawn knows it only up to its error
        slack += 4 * float(np.asarray(found.standard_error)[0, dummy])
    assert abs(float(np.asarray(found.values)[0, dummy])) <= slack


@pytest.mark.parametrize("name", EVERY_COALITION)
@few
@given(seed=st.integers(0, 999))
def test_features_that_add_the_same_have_the_same(name: str, seed: int) -> None:
    there = coalitions(5)
    swapped = there[:, [3, 1, 2, 0, 4]] @ 2 ** np.arange(5)
    game = table(5, seed)
    found = values(EVERY_COALITION[name], game + game[swapped])
    np.testing.assert_allclose(found[0], found[3], **EXACT)


LINEAR = [one for name, one in METHODS.items() if name != "pairs"]  # whose surrogate sees the score


@pytest.mark.parametrize("method", [*LINEAR, FeatureAblation(), LIME(samples=40)])
@few
@given(seed=st.integers(0, 999), a=st.floats(-2, 2), b=st.floats(-2, 2))
def test_values_are_linear_in_the_game(method: Method, seed: int, a: float, b: float) -> None:
    game = table(6, seed)
    one, other = values(method, game, 0), values(method, game, 1)
    together = values(method, a * game[:, :1] + b * game[:, 1:])
    np.testing.assert_allclose(together, a * one + b * other, rtol=1e-8, atol=1e-8)


# Samples and their errors

SAMPLED = {
    "orders": lambda seed: ShapleyValues(exact=0, samples=40, seed=seed),
    "pairs": lambda seed: KernelSHAP(samples=120, seed=seed),
    "lime": lambda seed: LIME(samples=200, penalty=0.0, seed=seed),
    "sobol": lambda seed: SobolIndices(samples=100, seed=seed),
}


def limit(name: str, game: np.ndarray) -> np.ndarray:
    """What the samples are of, by all coalitions."""
    count = int(np.log2(len(game)))
    if name in ("orders", "pairs"):
        return by_orders(of_table(game[:, 0]), count)
    there = coalitions(count).astype(float)
    if name == "lime":
        weight = np.exp(-(((1 - np.sqrt(there.mean(axis=1))) / 0.25) ** 2))
        design = np.concatenate([there, np.ones((len(there), 1))], axis=1)
        scaled = design * np.sqrt(weight)[:, None]
        return np.linalg.lstsq(scaled, game[:, 0] * np.sqrt(weight), rcond=None)[0][:-1]
    codes = np.arange(len(game))  # a share above a half is there, one below is not: fair coins
    falls = np.stack([game[codes ^ 2**one, 0] - game[:, 0] for one in range(count)], axis=1)
    # Jansen: the other share is on the same side half of the time.
    return (falls**2).mean(axis=0) / 4 / game[:, 0].var()


@closed_form("lime", "sobol_indices")
@pytest.mark.parametrize("name", SAMPLED)
def test_the_intervals_cover_what_is_true_as_often_as_they_say(name: str) -> None:
    game = table(7, seed=3)
    expected, model, x = limit(name, game), game_model(game), np.ones((1, 7))
    found = [SAMPLED[name](seed)(model, x, 0) for seed in range(200)]
    check_intervals(found, expected)


def test_the_error_of_orders_is_that_of_the_mean_of_their_pairs() -> None:
    game = table(6, seed=16)
    method = ShapleyValues(exact=0, samples=6, seed=5)
    pairs = []
    for number in range(3):
        drawn = order(5, number, 6).tolist()
        added = np.zeros((2, 6))
        for row, one in enumerate((drawn, drawn[::-1])):
            for place, feature in enumerate(one):
                code = sum(2**other for other in one[:place])
                added[row, feature] = game[code + 2**feature, 0] - game[code, 0]
        pairs.append(added.mean(axis=0))
    found = method(game_model(game), np.ones((1, 6)), 0)
    np.testing.assert_allclose(np.asarray(found.values)[0], np.mean(pairs, axis=0), **EXACT)
    errors = np.std(pairs, axis=0, ddof=1) / np.sqrt(3)
    np.testing.assert_allclose(np.asarray(found.standard_error)[0], errors, **EXACT)


@pytest.mark.parametrize("name", SAMPLED)
def test_two_seeds_agree_within_their_errors(name: str) -> None:
    model, x = game_model(table(8, seed=4)), np.ones((1, 8))
    one, other = (SAMPLED[name](seed)(model, x, 0) for seed in (1, 2))
    off = np.abs(np.asarray(one.values) - np.asarray(other.values))
    spread = np.hypot(np.asarray(one.standard_error), np.asarray(other.standard_error))
    assert off.max() > 0
    assert (off <= 4 * spread).all()


@pytest.mark.parametrize(
    ("method", "rises"),
    [
        (ShapleyValues(exact=0, samples=4, tolerance=0.02, seed=1), True),
        (KernelSHAP(samples=48, tolerance=0.02, seed=1), True),
        (LIME(samples=48, tolerance=0.05, seed=1), True),
        (SobolIndices(samples=4, tolerance=0.05), True),
    ],
)
def test_a_tolerance_draws_until_the_errors_are_small(method: Method, rises: bool) -> None:
    game = table(12, seed=5)
    model, x = game_model(game), np.ones((1, 12))
    found = method(model, x, 0)
    change = abs(game[-1, 0] - game[0, 0])
    floor = method.floor  # type: ignore[attr-defined]
    allowed = method.tolerance * max(change, floor)  # type: ignore[attr-defined]
    assert np.asarray(found.standard_error).max() <= allowed
    assert not found.warnings
    few = replace(method, tolerance=None)(model, x, 0)  # type: ignore[type-var]
    assert np.asarray(few.standard_error).max() > allowed


def test_where_the_tolerance_is_not_met_that_is_said() -> None:
    method = ShapleyValues(exact=0, samples=4, maximum_samples=8, tolerance=1e-4)
    with pytest.warns(match="8 samples did not bring the standard error of examples 0, 1 to"):
        method(game_model(table(9, seed=6)), np.ones((2, 9)), 0)


def test_the_floor_is_for_scores_that_hardly_change() -> None:
    game = table(8, seed=7)
    game[-1] = game[0]  # no change at all
    method = ShapleyValues(exact=0, samples=4, tolerance=0.1, floor=1.0)
    found = method(game_model(game), np.ones((1, 8)), 0)
    assert 0 < np.asarray(found.standard_error).max() <= 0.1
    assert not found.warnings


def test_with_a_tolerance_examples_and_targets_do_not_depend_on_each_other() -> None:
    model = ReferenceModel(("head", polynomial(*np.random.default_rng(8).normal(size=(3, 9, 2)))))
    x = np.random.default_rng(9).normal(size=(4, 9)) * np.array([[0.1], [1.0], [2.0], [0.5]])
    bent, straight = strict.asarray([[1.0, 0.005]]), strict.asarray([[0.0, 1.0]])

    def scores(v):
        out = model.stages[0][1](v)
        return out**3 * bent + out * straight  # the second takes far fewer samples

    cubed = ReferenceModel(("head", scores))
    method = ShapleyValues(exact=0, samples=4, tolerance=0.05)
    together = method(cubed, x, [Class(0), Class(1)])
    for found, target in zip(together, (0, 1), strict=True):
        for row in range(4):
            alone = method(cubed, x[row : row + 1], target)
            np.testing.assert_allclose(found.values[row], alone.values[0], **EXACT)
            np.testing.assert_allclose(found.standard_error[row], alone.standard_error[0], **EXACT)


# KernelSHAP's pairs


@few
@given(count=st.integers(2, 9), budget=st.integers(9, 60))
def test_pairs_weigh_in_all_as_the_kernel_does(count: int, budget: int) -> None:
    pairs = drawn_pairs(count, budget, seed=0)
    if not pairs.drawn:
        assert pairs.weights.sum() == pytest.approx(1.0)
    assert len(pairs.coalitions) <= max(budget, count)
    whole = pairs.coalitions[: len(pairs.coalitions) - pairs.drawn]
    codes = {tuple(row) for row in [*whole.tolist(), *(~whole).tolist()]}
    sizes = [sum(row) for row in codes]
    for size in set(sizes):  # all of a size or none
        assert sizes.count(size) == comb(count, size)
    kernel = {size: 1 / (size * (count - size)) for size in range(1, count)}
    total = sum(kernel.values())
    for size in set(sizes):
        if 2 * size <= count:
            own = pairs.weights[: len(whole)][whole.sum(axis=1) == size].sum()
            both = kernel[size] * (1 if 2 * size == count else 2)
            assert own == pytest.approx(both / total)


def test_drawn_pairs_stand_for_all_of_their_sizes() -> None:
    count = 20
    pairs = drawn_pairs(count, 20_000, seed=1)
    drawn, weights = pairs.coalitions[-pairs.drawn :], pairs.weights[-pairs.drawn :]
    assert pairs.drawn > 1000
    sizes = drawn.sum(axis=1)
    among = np.arange(sizes.min(), count // 2 + 1)
    assert among[0] > 1  # smaller ones are there one and all
    mass = {k: (1 if 2 * k == count else 2) / (k * (count - k)) for k in range(1, count // 2 + 1)}
    total = sum(mass.values())
    for size in among.tolist():
        own = weights[sizes == size].sum()
        assert own == pytest.approx(mass[size] / total, rel=0.1)
    assert pairs.weights.sum() == pytest.approx(1.0, rel=0.02)
    often = np.bincount(sizes, minlength=count // 2 + 1)[among] / len(sizes)
    chances = np.array([mass[k] * np.sqrt(k * (count - k)) for k in among.tolist()])
    np.testing.assert_allclose(often, chances / chances.sum(), atol=0.02)
    share = drawn.mean(axis=0)  # features are alike
    assert np.abs(share - share.mean()).max() < 0.02


def test_coalitions_of_a_deck_have_nothing_in_common() -> None:
    """They are of the sizes that were asked for, and the first ones are the same however many follow."""
    sizes = np.random.default_rng(0).integers(2, 7, 60)
    coalitions, decks = dealt(sizes, 13, seed=2)
    np.testing.assert_array_equal(coalitions.sum(axis=1), sizes)
    for deck in range(decks.max() + 1):
        own = coalitions[decks == deck]
        assert own.sum(axis=0).max() == 1
        rest = sizes[decks == deck + 1][:1]
        assert not len(rest) or own.sum() + rest[0] > 13  # a deck is used up
    some, _ = dealt(sizes[:20], 13, seed=2)
    np.testing.assert_array_equal(some, coalitions[:20])
    assert np.diff(decks).max() == 1


# Ablation, LIME, RISE, Sobol indices


@closed_form("feature_ablation")
def test_ablation_is_the_fall_of_the_score() -> None:
    game = table(5, seed=10)
    expected = [game[31, 1] - game[31 - 2**feature, 1] for feature in range(5)]
    np.testing.assert_allclose(values(FeatureAblation(), game, 1), expected, **EXACT)


def test_the_ridge_is_that_of_scikit_learn() -> None:
    from sklearn.linear_model import Ridge

    from backlight_methods.perturbation.lime import r_squared, ridge

    rng = np.random.default_rng(11)
    z, y = (rng.random((60, 5)) < 0.5).astype(float), rng.normal(size=(60, 2))
    weight = rng.random(60)
    found, _ = ridge(z, y, weight, 0.7)
    for column in (0, 1):
        model = Ridge(alpha=0.7).fit(z, y[:, column], sample_weight=weight)
        np.testing.assert_allclose(found[:, column], model.coef_, **EXACT)
        fit = model.score(z, y[:, column], sample_weight=weight)
        np.testing.assert_allclose(r_squared(z, y, weight, found)[column], fit, **EXACT)


def test_the_errors_of_a_lasso_are_the_jackknifes() -> None:
    from sklearn.linear_model import Lasso

    from backlight_methods.perturbation.lime import GROUPS, lasso

    rng = np.random.default_rng(17)
    z, y, weight = (
        (rng.random((80, 3)) < 0.5).astype(float),
        rng.normal(size=(80, 1)),
        rng.random(80),
    )
    values, errors = lasso(z, y, weight, 0.01)
    without = []
    for left_out in range(GROUPS):
        kept = [row for row in range(80) if row % GROUPS != left_out]
        model = Lasso(alpha=0.01, tol=1e-12).fit(z[kept], y[kept, 0], sample_weight=weight[kept])
        without.append(model.coef_)
    pseudo = GROUPS * values[:, 0] - (GROUPS - 1) * np.array(without)
    np.testing.assert_allclose(errors[:, 0], pseudo.std(axis=0, ddof=1) / np.sqrt(GROUPS), **EXACT)
    whole = Lasso(alpha=0.01, tol=1e-12).fit(z, y[:, 0], sample_weight=weight)
    np.testing.assert_allclose(values[:, 0], whole.coef_, **EXACT)


@pytest.mark.parametrize("regression", ["ridge", "lasso"])
def test_the_surrogate_of_a_sum_explains_all_of_it(regression: str) -> None:
    weight = np.array([1.0, -2.0, 0.5, 3.0])
    method = LIME(regression=regression, penalty=1e-9, samples=200)  # type: ignore[arg-type]
    found = method(game_model(coalitions(4) @ weight[:, None]), np.ones((1, 4)), 0)
    np.testing.assert_allclose(np.asarray(found.values)[0], weight, atol=1e-5)
    np.testing.assert_allclose(found.r_squared, 1.0, atol=1e-8)
    product = LIME(samples=200)(
        game_model(coalitions(4).all(axis=1)[:, None] * 1.0), np.ones((1, 4)), 0
    )
    assert product.r_squared is not None and product.r_squared[0] < 0.9


def test_a_lasso_leaves_weights_0() -> None:
    weight = np.array([0.01, -2.0, 0.02, 3.0])
    method = LIME(regression="lasso", penalty=0.1, samples=200)
    found = values(method, coalitions(4) @ weight[:, None])
    assert (found[[0, 2]] == 0).all() and (np.abs(found[[1, 3]]) > 1).all()


@closed_form("rise")
def test_rise_of_a_linear_model_is_what_its_masks_expect() -> None:
    rng = np.random.default_rng(12)
    weight, x, baseline = rng.normal(size=(6, 1)), rng.normal(size=(2, 6)), rng.normal(size=6)
    p = 0.4
    method = RISE(samples=4000, probability=p, baseline=baseline)
    found = method(ReferenceModel(("head", polynomial(weight))), x, 0)
    middle = (p * x + (1 - p) * baseline) @ weight
    expected = middle + (1 - p) * weight[:, 0] * (x - baseline)
    off = np.abs(np.asarray(found.values) - expected)
    assert (off <= 4 * np.asarray(found.standard_error)).all()
    assert np.asarray(found.standard_error).max() < 0.15


def test_the_masks_of_rise_let_through_as_much_everywhere() -> None:
    method = RISE(cells=3, probability=0.3)
    masks = np.stack([method._mask(one, 0, (1, 1, 8, 11), (8, 11)) for one in range(3000)])
    assert masks.min() >= 0 and masks.max() <= 1
    np.testing.assert_allclose(masks.mean(axis=0), 0.3, atol=0.04)
    # Edges are soft, and as they move, everywhere at times.
    assert ((masks > 0.01) & (masks < 0.99)).mean(axis=0).min() > 0.1


def test_sobol_indices_of_a_linear_model_are_shares_of_the_variance() -> None:
    weight, x = np.array([[1.0], [2.0], [-3.0], [0.0]]), np.array([[1.0, 0.5, 1.0, 5.0]])
    model = ReferenceModel(("head", polynomial(weight)))
    found = SobolIndices(samples=3000)(model, x, 0)
    size = (weight[:, 0] * x[0]) ** 2
    off = np.abs(np.asarray(found.values)[0] - size / size.sum())
    assert (off <= 4 * np.asarray(found.standard_error)[0] + 1e-12).all()
    assert np.asarray(found.standard_error).max() < 0.03


def test_the_error_of_an_index_is_the_jackknifes() -> None:
    weight, samples = np.array([3.0, 0.3, 0.3]), 300
    method = SobolIndices(samples=samples, seed=2)
    found = method(ReferenceModel(("head", polynomial(weight[:, None]))), np.ones((1, 3)), 0)
    first, second = np.moveaxis(
        np.stack([shares(2, sample, 6).reshape(2, 3) for sample in range(samples)]), 1, 0
    )
    falls = (weight * (first - second)) ** 2 / 2
    scores = np.stack([first @ weight, second @ weight])

    def indices(kept: np.ndarray) -> np.ndarray:
        return falls[kept].mean(axis=0) / scores[:, kept].var()

    every = np.arange(samples)
    np.testing.assert_allclose(np.asarray(found.values)[0], indices(every), **EXACT)
    without = np.array([indices(np.delete(every, one)) for one in every])
    errors = np.sqrt((samples - 1) * without.var(axis=0))
    np.testing.assert_allclose(np.asarray(found.standard_error)[0], errors, rtol=0.03)


# What is asked, and what is refused


def test_each_coalition_is_asked_once_and_in_few_passes() -> None:
    for method in (ShapleyValues(), ShapleyValues(exact=0, samples=200), KernelSHAP()):
        model = game_model(table(6, seed=13))
        method(model, np.ones((1, 6)), 0, batch_size=4)
        assert model.largest <= 4
        # 64 coalitions, by 4; a look at the outputs, and at the whole example. A pass may not be full.
        assert model.passes <= 64 / 4 + 2 + 3


def test_what_is_known_is_not_asked_again_for_more_samples() -> None:
    model = game_model(table(5, seed=18))
    method = ShapleyValues(exact=0, samples=4, tolerance=1e-9, maximum_samples=64)
    with pytest.warns(match="64 samples did not bring"):
        method(model, np.ones((1, 5)), 0, batch_size=1)
    assert model.passes <= 32 + 3  # coalitions, and looks at the outputs


def test_several_baselines_are_averaged() -> None:
    rng = np.random.default_rng(14)
    model = ReferenceModel(("head", polynomial(*rng.normal(size=(3, 5, 2)))))
    x, background = rng.normal(size=(2, 5)), rng.normal(size=(3, 5))
    for make in (ShapleyValues, KernelSHAP, FeatureAblation):
        whole = make(baseline=Several(background))(model, x, 1)
        each = [np.asarray(make(baseline=one)(model, x, 1).values) for one in background]
        np.testing.assert_allclose(whole.values, np.mean(each, axis=0), **EXACT)


def test_what_fades_needs_numbers_that_can() -> None:
    model = ReferenceModel(("head", lambda x: strict.astype(x, strict.float64)))
    ids = np.array([[3, 4, 5]])
    for method in (RISE(samples=4), SobolIndices(samples=2)):
        with pytest.raises(InputError, match="whole number"):
            method(model, ids, 0)
    found = FeatureAblation(baseline=1)(model, ids, 0)
    np.testing.assert_array_equal(found.values, [[2.0, 0.0, 0.0]])


@pytest.mark.parametrize("make", [KernelSHAP, LIME])
def test_too_few_coalitions_for_so_many_features_are_refused(make: type) -> None:
    with pytest.raises(HyperParameterError, match=r"samples must be at least 36 for 9 features"):
        make(samples=20)(game_model(table(9, seed=15)), np.ones((1, 9)), 0)
