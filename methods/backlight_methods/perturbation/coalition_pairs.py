"""Coalitions to ask about, each with its complement, by the weights of Shapley's kernel.

    weight(S) = (M - 1) / (C(M, |S|) |S| (M - |S|))

Pairs: Covert, Lee, "Improving KernelSHAP: Practical Shapley Value Estimation via Linear Regression"
(2021), section 4.
"""

from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import final

import numpy as np
from numpy.typing import NDArray

from backlight.values.noise import order, shares

Numbers = NDArray[np.float64]


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
