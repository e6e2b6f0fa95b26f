"""Shuffles of a one-hot sequence that keep how often each letter follows each: DNA's usual baseline.

Altschul, Erickson, "Significance of Nucleotide Sequence Alignments: A Method for Random Sequence
Permutation That Preserves Dinucleotide and Codon Usage" (1985): a sequence is a path along all edges of
the graph whose edges are its pairs, and so is each shuffle. The last edges out of the letters are a
tree, here drawn as by Wilson, "Generating Random Spanning Trees More Quickly than the Cover Time" (1996).
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from backlight.errors import is_whole, require
from backlight.values.layout import Layout
from backlight.values.made_baselines import Host, MadeBaseline
from backlight.values.noise import shuffling
from backlight.values.one_hot import letters_axis

PADDING = -1


@final
@dataclass(frozen=True)
class DinucleotideShuffles(MadeBaseline):
    """Each one-hot sequence shuffled, again and again; what is found for the shuffles is averaged.

    The value is (N, L, letters) or (N, letters, L), of any number of letters; which it is shapes tell, or
    `backlight.wrap(net, channels=...)`. Rows of zeros, padding, stay where they are, and what lies
    between them is shuffled by itself.

    Args:
        samples: how many shuffles of each example, at least 1.
        seed: of the shuffles, which are the same on every framework; equal examples have equal ones.

    Law: a shuffle has the first and the last letter of its sequence and as many of each pair of
        neighbours; all such sequences are equally likely.
    Cost: that of `samples` baselines with a row for each example; a millisecond for 1,000 letters.
    """

    samples: int = 20
    seed: int = 0

    def __post_init__(self) -> None:
        require(is_whole(self.samples) and self.samples >= 1, self, "samples", "at least 1")
        require(is_whole(self.seed) and self.seed >= 0, self, "seed", "at least 0")

    def of(self, value: Host, layout: Layout | None, rows: NDArray[np.int64]) -> tuple[Host, ...]:
        axis = letters_axis(value, layout, "DinucleotideShuffles")
        letters = np.where(value.any(axis=axis), value.argmax(axis=axis), PADDING)
        one_hot = np.arange(value.shape[axis])
        found = []
        for sample in range(self.samples):
            shuffled = [shuffled_stretches(one, shuffling(self.seed, sample)) for one in letters]
            places = np.expand_dims(np.stack(shuffled), axis)
            found.append((places == one_hot.reshape(-1, *(1,) * (2 - axis))).astype(value.dtype))
        return tuple(found)


def shuffled_stretches(
    letters: NDArray[np.int64], generator: np.random.Generator
) -> NDArray[np.int64]:
    """A sequence (L,) with each stretch between padding shuffled."""
    ends = np.flatnonzero(np.diff(letters == PADDING)) + 1
    stretches = np.split(letters, ends)
    return np.concatenate(
        [one if one[0] == PADDING else shuffled(one, generator) for one in stretches if len(one)]
    )


def shuffled(letters: NDArray[np.int64], generator: np.random.Generator) -> NDArray[np.int64]:
    """A random sequence of the same pairs of neighbours, from the same first letter to the same last."""
    pairs = zip(letters[:-1].tolist(), letters[1:].tolist(), strict=True)
    followers: dict[int, list[int]] = {}
    for letter, follower in pairs:
        followers.setdefault(letter, []).append(follower)
    last = last_followers(followers, int(letters[-1]), generator)
    ways = {}
    for letter, those in followers.items():
        order = generator.permutation(len(those)).tolist()
        if letter in last:
            order.remove(last[letter])
            order.append(last[letter])
        ways[letter] = iter([those[number] for number in order])
    walk = [int(letters[0])]
    for _ in range(len(letters) - 1):
        walk.append(next(ways[walk[-1]]))
    return np.array(walk)


def last_followers(
    followers: dict[int, list[int]], root: int, generator: np.random.Generator
) -> dict[int, int]:
    """Which follower is the last of each letter but the root, by its number: a tree whose branches lead
    to the root, all such trees equally likely."""
    found: dict[int, int] = {}
    for start in followers:
        wandering, letter = dict[int, int](), start
        while letter != root and letter not in found:
            wandering[letter] = int(generator.integers(len(followers[letter])))
            letter = followers[letter][wandering[letter]]
        letter = start
        while letter != root and letter not in found:  # the walk without its loops
            found[letter] = wandering[letter]
            letter = followers[letter][wandering[letter]]
    return found
