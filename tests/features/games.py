"""Games of which everything is known: models that look only at which features are there."""

from collections.abc import Callable
from itertools import permutations

import array_api_strict as strict
import numpy as np

from tests.reference import ReferenceModel

Numbers = np.ndarray


def coalitions(count: int) -> Numbers:
    """All of them, (2 ** count, count), the code of each being its row."""
    return (np.arange(2**count)[:, None] >> np.arange(count)) & 1 == 1


def game_model(table: Numbers) -> ReferenceModel:
    """A model of inputs (N, M), of 1 where a feature is there and 0 where it is not, that looks its
    scores up in a table (2 ** M, classes)."""
    rows, count = strict.asarray(table), int(np.log2(len(table)))
    powers = strict.asarray(2 ** np.arange(count))

    def scores(x):
        there = strict.astype(x > 0.5, strict.int64)
        return strict.take(rows, strict.sum(there * powers[None, :], axis=1), axis=0)

    return ReferenceModel(("head", scores))


def table(count: int, seed: int) -> Numbers:
    """What two games give to all coalitions: mostly sums, some pairs, some of every order."""
    rng, there = np.random.default_rng(seed), coalitions(count).astype(float)
    pairs = np.einsum("si,ijk,sj->sk", there, rng.normal(size=(count, count, 2)), there)
    sums = there @ rng.normal(size=(count, 2))
    return sums + 0.5 * pairs + 0.3 * rng.normal(size=(2**count, 2))


def by_orders(game: Callable[[frozenset[int]], Numbers], count: int) -> Numbers:
    """Shapley values as they are defined, by all orders: shape (features, ...)."""
    total = [np.zeros(np.shape(game(frozenset()))) for _ in range(count)]
    orders = list(permutations(range(count)))
    for order in orders:
        for place, feature in enumerate(order):
            before = frozenset(order[:place])
            total[feature] = total[feature] + game(before | {feature}) - game(before)
    return np.array(total) / len(orders)


def of_table(table: Numbers) -> Callable[[frozenset[int]], Numbers]:
    return lambda coalition: table[sum(2**feature for feature in coalition)]
