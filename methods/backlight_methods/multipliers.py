"""What is made of the multipliers m of a way from a baseline x' to x.

The contribution of a number i is m_i (x_i - x'_i). The hypothetical contribution of letter i at a place
is sum_j m_j (e_ij - x'_j), over the letters j, with e_i the one-hot code of letter i: Shrikumar, Tian,
Avsec, Shcherbina, Banerjee, Sharmin, Nair, Kundaje, "Technical Note on Transcription Factor Motif
Discovery from Importance Scores (TF-MoDISco)" (2018), where these are hypothetical importance scores.
"""

from collections.abc import Callable
from typing import TypeAlias

from backlight import Method, Objective
from backlight.errors import require
from backlight.values.one_hot import letters_axis
from backlight.values.tree import Tree, leaves, map_leaves, rebuild

Terms: TypeAlias = Callable[[Tree, Tree], Tree]
"""What is averaged, from the ways x - x' and the multipliers, shape (samples, N, ...) each."""


def require_multipliers(method: Method) -> None:
    """Raise `HyperParameterError` unless at most one of `multipliers` and `hypothetical` is said."""
    multipliers, hypothetical = getattr(method, "multipliers"), getattr(method, "hypothetical")  # noqa: B009
    require(isinstance(multipliers, bool), method, "multipliers", "True or False")
    require(isinstance(hypothetical, bool), method, "hypothetical", "True or False")
    one = not (multipliers and hypothetical)
    require(one, method, "hypothetical", "False with multipliers=True, which are something else")


def terms_of(objective: Objective, multipliers: bool, hypothetical: bool) -> Terms:
    """What a technique averages over baselines and steps.

    Raises:
        InputError: hypothetical contributions of a value that is not one-hot.
    """
    if multipliers:
        return lambda ways, factors: factors
    if not hypothetical:
        return lambda ways, factors: map_leaves(lambda w, m: w * m, ways, factors)
    values, arrays = leaves(objective.value), objective.arrays
    to_numpy, layout_of = objective.model.to_numpy, objective.layout_of
    axes = [letters_axis(to_numpy(one), layout_of(one), "hypothetical=True") for one in values]

    def hypothetical_terms(ways: Tree, factors: Tree) -> Tree:
        terms = []
        for x, way, factor, axis in zip(values, leaves(ways), leaves(factors), axes, strict=True):
            start = x[None, ...] - way
            terms.append(factor - arrays.sum(factor * start, axis=axis + 1, keepdims=True))
        return rebuild(objective.value, terms)

    return hypothetical_terms
