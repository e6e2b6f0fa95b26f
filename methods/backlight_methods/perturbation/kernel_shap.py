"""KernelSHAP: Shapley values as weighted least squares.

    minimise  sum over coalitions S of  weight(S) * (v(S) - v() - sum_{i in S} value_i)^2
    where     weight(S) = (M - 1) / (C(M, |S|) |S| (M - |S|)),   sum of values = v(all) - v()

Lundberg, Lee, "A Unified Approach to Interpreting Model Predictions" (2017), theorem 2. Each coalition
comes with its complement: Covert, Lee, "Improving KernelSHAP: Practical Shapley Value Estimation via
Linear Regression" (2021), section 4.
"""

from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import final

import numpy as np
from numpy.typing import NDArray

from backlight.explaining.estimate import Estimate
from backlight.explaining.game import Game
from backlight.values.noise import order, shares
from backlight_methods.perturbation.sampled_feature_method import Regression

Numbers = NDArray[np.float64]


@final
@dataclass(frozen=True, kw_only=True)
class KernelSHAP(Regression):
    """Shapley values, fitted to the scores of coalitions that are drawn in pairs, each with its
    complement.

    The smallest and largest coalitions, which weigh most, are asked one and all as far as `samples`
    goes: for few features those are all coalitions, and the values are exact. The numbers of a feature
    share its value equally.

    Args:
        features: what appears together, such as `Grid(16, 16)`; see `backlight.features`. By default
            about 64 cells of places, the tokens of a sequence, the columns of a table.
        baseline: what an absent feature is: a number, an array, "blur", "neighbours", `Drawn(data)` ...;
            the mean over `Several`. See docs/baselines.md.
        samples: coalitions, at least 4 for each feature; None for 4 each and 1024 more.
        tolerance: draws more coalitions until the largest standard error of an example is at most this
            share of the score's change; None for no more.
        floor: what the tolerance is a share of at least, in the score's units.
        maximum_samples: where the tolerance gives up, with a warning.
        seed: of the coalitions, which are the same on every framework and for every example.
        keep: "each" keeps the values for each of several baselines as well, as `Attribution.each`.

    Law: the values of an example sum to score - baseline score, exactly (efficiency); they are Shapley
        values where `samples` is 2 ** M - 2 for M features, and of any number of samples where the
        score is a sum of functions of one feature each.
    Cost: `samples` + 1 forward passes, fewer where a coalition is drawn twice, whatever the number of
        targets; as many for each of several baselines.
    """

    def estimate(self, game: Game, samples: int) -> Estimate:
        if game.count == 1:
            return Estimate(game.change[..., None], np.zeros((*game.full.shape, 1)), complete=True)
        pairs = drawn_pairs(game.count, samples // 2, self.seed)
        with_, without = np.split(game(np.concatenate([pairs.coalitions, ~pairs.coalitions])), 2)
        # The two residuals of a pair are of one size and of opposite sign, but for a constant.
        half = ((with_ - without) / 2).reshape(len(with_), -1)
        values, errors = constrained(pairs, half, game.change.reshape(-1))
        shape = (*game.full.shape, game.count)
        return Estimate(values.T.reshape(shape), errors.T.reshape(shape), complete=True)


@final
@dataclass(frozen=True)
class Pairs:
    """Coalitions that stand for themselves and for their complements.

    Attributes:
        coalitions: shape (pairs, features).
        weights: of each pair, shape (pairs,), 1 in all as far as all are there, and in expectation.
        decks: of those that are drawn, the last ones, the number of the deck that each was dealt from,
            from 0; the others are all that there are of their sizes.
    """

    coalitions: NDArray[np.bool_]
    weights: Numbers
    decks: NDArray[np.int64]

    @property
    def drawn(self) -> int:
        return len(self.decks)


def drawn_pairs(count: int, budget: int, seed: int) -> Pairs:
    """Pairs of coalitions of `count` features, at least 2, weighted so that sums over them are
    estimates of sums over all coalitions with the kernel's weights.

    Sizes are gone through from the smallest: where as many pairs would be drawn of a size as there
    are, and of size 1 in any case, all are taken. The others are drawn in proportion to the kernel's
    weight * sqrt(size (count - size)), which makes the errors of the values least where the fit is as
    far off at each size.
    """
    sizes = np.arange(1, count // 2 + 1)
    mass = np.array([(1 if 2 * size == count else 2) / (size * (count - size)) for size in sizes])
    mass /= mass.sum()
    often = mass * np.sqrt(sizes * (count - sizes))
    there = [comb(count, size) // (2 if 2 * size == count else 1) for size in sizes.tolist()]
    coalitions: list[NDArray[np.bool_]] = []
    weights: list[Numbers] = []
    left, whole = budget, 0
    for size, share, number in zip(sizes.tolist(), mass, there, strict=True):
        expected = left * often[size - 1] / often[size - 1 :].sum()
        if size > 1 and expected < number * (1 - 1e-12):
            break
        members = np.array(list(combinations(range(count), size))[:number])
        chosen = np.zeros((number, count), dtype=np.bool_)
        np.put_along_axis(chosen, members, True, axis=1)
        coalitions.append(chosen)
        weights.append(np.full(number, share / number))
        left, whole = left - number, size
    decks = np.empty(0, dtype=np.int64)
    if whole < len(sizes):
        chances = often[whole:] / often[whole:].sum()
        ends = np.cumsum(chances)
        at = np.searchsorted(ends / ends[-1], shares(seed, 0, left), side="right")
        members, decks = dealt(sizes[whole:][at], count, seed)
        coalitions.append(members)
        weights.append(mass[whole:][at] / chances[at] / left)
    return Pairs(np.concatenate(coalitions), np.concatenate(weights), decks)


def dealt(
    sizes: NDArray[np.int64], count: int, seed: int
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Coalitions of these sizes, dealt like cards from shuffled decks of the features, each until it is
    too small for the next, and the deck of each. Those of one deck have nothing in common, so that
    features appear more evenly than by chance, and the errors are smaller; decks are independent."""
    coalitions = np.zeros((len(sizes), count), dtype=np.bool_)
    decks = np.empty(len(sizes), dtype=np.int64)
    deck, cards = -1, np.empty(0, dtype=np.int64)
    for number, size in enumerate(sizes.tolist()):
        if len(cards) < size:
            deck += 1
            cards = order(seed, deck, count)
        coalitions[number, cards[:size]] = True
        decks[number], cards = deck, cards[size:]
    return coalitions, decks


def constrained(pairs: Pairs, half: Numbers, change: Numbers) -> tuple[Numbers, Numbers]:
    """Values that sum to the change, shape (features, K), and their standard errors: by the residuals
    of the pairs that were drawn, as they would be had the fit not seen them (MacKinnon, White, "Some
    heteroskedasticity-consistent covariance matrix estimators", 1985), summed up deck by deck (Liang,
    Zeger, "Longitudinal Data Analysis Using Generalized Linear Models", 1986).

    Args:
        half: half of v(coalition) - v(complement), shape (pairs, K).
        change: v(all) - v(), shape (K,).
    """
    count = pairs.coalitions.shape[1]
    signs = pairs.coalitions - 0.5
    even = change / count
    basis = np.linalg.qr(np.eye(count)[:, 1:] - 1 / count)[0]  # of all that sums to 0
    inside = signs @ basis
    weighted = inside * pairs.weights[:, None]
    inverse = np.linalg.inv(weighted.T @ inside)
    rest = half - signs.sum(axis=1, keepdims=True) * even
    found = inverse @ (weighted.T @ rest)
    values = even + basis @ found
    if not pairs.drawn:
        return values, np.zeros_like(values)
    drawn = slice(-pairs.drawn, None)
    pulls = (pairs.weights[:, None] * inside)[drawn] @ inverse
    leverage = (pulls * inside[drawn]).sum(axis=1, keepdims=True)
    residual = (rest - inside @ found)[drawn] / np.maximum(1 - leverage, 1e-3)
    influence = pulls @ basis.T  # of a residual of 1, on the values
    total = square = np.zeros_like(values)
    ends = np.flatnonzero(np.diff(pairs.decks, append=-1)) + 1
    for start, end in zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True):
        added = influence[start:end].T @ residual[start:end]
        total, square = total + added, square + added**2
    decks = len(ends)
    if decks == 1:  # which tells nothing of others
        return values, np.full_like(values, np.inf)
    return values, np.sqrt(np.maximum(square - total**2 / decks, 0) * decks / (decks - 1))
