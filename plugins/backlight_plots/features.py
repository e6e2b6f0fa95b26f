"""Values of features with names: columns of a table, words of one text, or parts of anything."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from backlight import Attribution
from backlight.errors import InputError
from backlight.features.labelling import FeaturesOf
from backlight.values.tree import leaves
from backlight_plots.input_values import InputValues, checked_example, checked_most, values_of
from backlight_plots.labels import own_number, shortened
from backlight_plots.word_values import words_of

MOST_FEATURES = 10


@final
@dataclass(frozen=True, eq=False)
class FeatureValues:
    """Values of features of N examples.

    Attributes:
        names: of the M features.
        values: float64, (N, M).
        rest: what the values of each example sum to that are of none of them, (N,): those of other
            inputs, or outside of the features.
        given: the features' own numbers, (N, M); NaN where there are none.
        standard_error: of the values, (N, M); NaN where no samples were drawn.
    """

    names: tuple[str, ...]
    values: NDArray[np.float64]
    rest: NDArray[np.float64]
    given: NDArray[np.float64]
    standard_error: NDArray[np.float64]

    def of(self, rows: NDArray[np.int64]) -> "FeatureValues":
        """Of some of the examples."""
        arrays = (self.values, self.rest, self.given, self.standard_error)
        return FeatureValues(self.names, *(array[rows] for array in arrays))

    def largest(self, max_display: int) -> "FeatureValues":
        """The features with the largest mean of |value|, these in order; then the others, if there are
        any, as one: their sum. Names that are long are cut.

        Args:
            max_display: how many features are left, at least 2.
        """
        checked_most(max_display, least=2)
        order = np.argsort(-np.abs(self.values).mean(axis=0), kind="stable")
        if len(order) <= max_display:
            first, others = order, order[:0]
        else:
            first, others = order[: max_display - 1], order[max_display - 1 :]
        names = tuple(shortened(self.names[one]) for one in first)
        if not len(others):
            arrays = (self.given[:, first], self.standard_error[:, first])
            return FeatureValues(names, self.values[:, first], self.rest, *arrays)
        summed = self.values[:, others].sum(axis=1, keepdims=True)
        missing = np.full(summed.shape, np.nan)
        return FeatureValues(
            (*names, f"sum of {len(others)} others"),
            np.hstack([self.values[:, first], summed]),
            self.rest,
            np.hstack([self.given[:, first], missing]),
            np.hstack([self.standard_error[:, first], missing]),
        )

    def named(self, row: int) -> list[str]:
        """The names with the features' own numbers in one example."""
        return [
            name if np.isnan(own) else f"{name} = {own_number(float(own))}"
            for name, own in zip(self.names, self.given[row], strict=True)
        ]


def features_of_many(
    attribution: Attribution[Any], input: str | None, features: FeaturesOf | None
) -> FeatureValues:
    """Features that all examples share.

    Args:
        input: whose columns, by name; None for the only one.
        features: to which the values of all inputs are pooled; None for the input's columns.

    Raises:
        BacklightError: there is no such input, or it has neither columns nor such features.
    """
    if features is None:
        return columns(attribution, values_of(attribution, input))
    pooled = attribution.by(features)
    return completed(attribution, pooled.names, pooled.values, None, pooled.standard_error)


def features_of_one(
    attribution: Attribution[Any], example: int, input: str | None, features: FeaturesOf | None
) -> FeatureValues:
    """Features of one example, N = 1; see `features_of_many`. A text's are its words."""
    row = np.array([checked_example(example, len(attribution.score))])
    one = values_of(attribution, input) if features is None else None
    if one is None or one.input.kind != "text":
        return features_of_many(attribution, input, features).of(row)
    words = words_of(one, int(row[0]))
    values = np.array([[word.value for word in words]])
    rest = all_together(attribution)[row] - values.sum(axis=1)
    missing = np.full(values.shape, np.nan)
    return FeatureValues(tuple(word.text for word in words), values, rest, missing, missing)


def columns(attribution: Attribution[Any], one: InputValues) -> FeatureValues:
    if one.input.kind == "text":
        raise InputError(
            "Texts have words of their own: plots.words draws those of many examples, or pool the "
            "tokens, features=Words(ids)."
        )
    if one.values.ndim != 2:
        raise InputError(
            f"Values of shape {one.values.shape} are not of columns with names. Pool them to features "
            "first, such as features='grid:4x4'."
        )
    count = one.values.shape[1]
    names = one.input.names or tuple(f"column {place}" for place in range(count))
    given = one.input.given
    numbers = given is not None and given.shape[1:] == (count,) and given.dtype.kind in "fiub"
    return completed(attribution, names, one.values, given if numbers else None, one.standard_error)


def completed(
    attribution: Attribution[Any],
    names: tuple[str, ...],
    values: NDArray[np.float64],
    given: NDArray[Any] | None,
    standard_error: NDArray[np.float64] | None,
) -> FeatureValues:
    """With NaN for what is not known, and the rest of all values.

    Args:
        given: (n, M), of the first n examples.
    """
    own = np.full(values.shape, np.nan)
    if given is not None:
        own[: len(given)] = given
    error = np.full(values.shape, np.nan) if standard_error is None else standard_error
    rest = all_together(attribution) - values.sum(axis=1)
    return FeatureValues(names, values, rest, own, error)


def all_together(attribution: Attribution[Any]) -> NDArray[np.float64]:
    """The sum of all values of each example, (N,)."""
    arrays = (np.asarray(leaf, dtype=np.float64) for leaf in leaves(attribution.numpy()))
    sums = [array.reshape(len(array), -1).sum(axis=1) for array in arrays]
    return np.asarray(np.sum(sums, axis=0))
