"""Which examples are explained, in an order that is always the same."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, final, get_args

import numpy as np
from numpy.typing import NDArray

from backlight.errors import HyperParameterError, InputError, is_whole
from backlight_study.cells import Cell, PartCell
from backlight_study.predictions import Predictions

Only: TypeAlias = Literal["misclassified", "correct", "all"]
Order: TypeAlias = Literal[
    "confidence", "loss", "margin", "borderline", "random", "error", "over", "under"
]
Rows: TypeAlias = NDArray[np.int64]

ORDERS: Mapping[Order, str] = {
    "confidence": "wrong before right, and the most confident first",
    "loss": "those first whose true class has the lowest probability",
    "margin": "those first whose predicted class is furthest ahead of the true one",
    "borderline": "those first whose two most probable classes are closest",
    "random": "in an order drawn at random",
}
"""In which order a classifier's examples are taken, in words."""


@final
@dataclass(frozen=True, kw_only=True)
class Choice:
    """What is asked for; conditions of different kinds hold together.

    Args:
        only: which examples; misclassified ones, unless cells are asked for that lie on the diagonal, or
            true and predicted classes, or rows.
        cells: of one of these cells of the confusion matrix.
        part_cells: of one of these: labels that are missed, numbers that are too high.
        true, predicted: of one of these true and of one of these predicted classes, by number.
        rows: these alone, by number.
        where: how these were chosen, in words, where it was not by number or name.
        order: which come first.
        limit: at most so many, at least 1.
        right: so many examples beside them that the model gets right, of the classes concerned, drawn
            at random, for comparison.
        seed: of what is drawn.
    """

    only: Only | None = None
    cells: tuple[Cell, ...] = ()
    part_cells: tuple[PartCell, ...] = ()
    true: tuple[int, ...] = ()
    predicted: tuple[int, ...] = ()
    rows: tuple[int, ...] | None = None
    where: tuple[str, ...] = ()
    order: Order = "confidence"
    limit: int = 24
    right: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        if not is_whole(self.limit) or self.limit < 1:
            raise HyperParameterError(f"limit must be at least 1, got {self.limit}.")
        if not is_whole(self.right) or self.right < 0:
            raise HyperParameterError(f"right must be at least 0, got {self.right}.")
        if self.only not in (None, *get_args(Only)):
            raise HyperParameterError(
                f"only must be misclassified, correct or all, got {self.only!r}."
            )
        if self.order not in get_args(Order):
            raise HyperParameterError(
                f"order must be one of {', '.join(get_args(Order))}; got {self.order!r}."
            )
        if self.cells and (self.true or self.predicted):
            raise InputError(
                "Cells of the confusion matrix say true and predicted classes together: leave out true "
                "and predicted, or the cells."
            )

    @property
    def asked(self) -> Only:
        """Which examples, where the user may not have said it."""
        exact = (self.true and self.predicted) or self.cells or self.part_cells or self.exact
        return self.only or ("all" if exact else "misclassified")

    @property
    def exact(self) -> bool:
        """Whether examples were named."""
        return bool(self.rows and not self.where)

    def among(self, wrong: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which cases are asked for, by which of them are mistakes."""
        kinds = {"misclassified": wrong, "correct": ~wrong, "all": np.ones_like(wrong)}
        return kinds[self.asked]


@final
@dataclass(frozen=True)
class Selection:
    """The examples that are explained.

    Attributes:
        choice: what was asked for.
        rows: the examples' numbers, in the order asked for.
        right: those beside them that the model gets right.
        found: how many fit, before the limit.
        parts: which part of its answer each of `rows`, then each of `right`, is about; none for a
            classifier.
    """

    choice: Choice
    rows: tuple[int, ...]
    right: tuple[int, ...]
    found: int
    parts: tuple[int, ...] = ()

    @property
    def left_out(self) -> int:
        """How many fit and are not among them."""
        return self.found - len(self.rows)


def rows_fit(choice: Choice, count: int) -> NDArray[np.bool_]:
    """Which examples are among the rows that a choice says, (N,).

    Raises:
        InputError: there are no such rows.
    """
    if choice.rows is None:
        return np.ones(count, dtype=bool)
    outside = [row for row in choice.rows if not 0 <= row < count]
    if outside:
        raise InputError(f"There are {count} examples, numbered from 0; got {outside[0]}.")
    return np.isin(np.arange(count), choice.rows)


def random_ranks(choice: Choice, count: int) -> NDArray[np.float64]:
    """So many places in an order drawn at random, (count,)."""
    return np.random.default_rng(choice.seed).permutation(count).astype(np.float64)


def select(predictions: Predictions, choice: Choice) -> Selection:
    """Choose examples.

    Raises:
        InputError: rows are asked for that are not there.
    """
    fits = choice.among(predictions.wrong) & rows_fit(choice, len(predictions.labels))
    if choice.cells:
        among = [cell.holds(predictions.labels, predictions.classes) for cell in choice.cells]
        fits = fits & np.logical_or.reduce(among)
    if choice.true:
        fits = fits & np.isin(predictions.labels, choice.true)
    if choice.predicted:
        fits = fits & np.isin(predictions.classes, choice.predicted)
    rows = np.flatnonzero(fits)
    ordered = rows[np.lexsort((rows, *reversed(ranks(predictions, rows, choice))))]
    chosen = ordered[: choice.limit]
    return Selection(
        choice, tuple(chosen.tolist()), right_ones(predictions, chosen, choice), len(rows)
    )


def ranks(predictions: Predictions, rows: Rows, choice: Choice) -> list[NDArray[np.float64]]:
    """What rows are sorted by, the first key first, the lowest first."""
    odds = predictions.probabilities[rows]
    said = odds[np.arange(len(rows)), predictions.classes[rows]]
    true = odds[np.arange(len(rows)), predictions.labels[rows]]
    match choice.order:
        case "confidence":
            return [(~predictions.wrong[rows]).astype(np.float64), -said]
        case "loss":
            return [true]
        case "margin":
            return [true - said]
        case "borderline":
            best = np.partition(odds, -2, axis=1)[:, -2:]
            return [best[:, 1] - best[:, 0]]
        case "random":
            return [random_ranks(choice, len(predictions.labels))[rows]]
        case _:
            raise HyperParameterError(f"A classifier has no order {choice.order!r}.")


def right_ones(predictions: Predictions, chosen: Rows, choice: Choice) -> tuple[int, ...]:
    """Examples that the model gets right, of the true and predicted classes of those chosen: as many of
    each class as can be, drawn at random."""
    concerned = np.union1d(predictions.labels[chosen], predictions.classes[chosen])
    rng = np.random.default_rng(choice.seed)
    free = ~predictions.wrong & ~np.isin(np.arange(len(predictions.labels)), chosen)
    turns: list[tuple[int, int, int]] = []
    for k in concerned.tolist():
        own = np.flatnonzero(free & (predictions.labels == k))
        turns += [(turn, k, int(row)) for turn, row in enumerate(rng.permutation(own))]
    return tuple(row for _, _, row in sorted(turns)[: choice.right])


def rule_of(selection: Selection, classes: Sequence[str], named: str = "examples") -> str:
    """The choice as a sentence.

    Args:
        named: what examples are called: pictures, say.
    """
    choice = selection.choice
    kinds = {"misclassified": "misclassified", "correct": "rightly classified", "all": "all"}
    parts = [f"{kinds[choice.asked]} {named}"]
    if choice.cells:
        parts.append(" or ".join(cell.described(classes) for cell in choice.cells))
    for word, numbers in (("of", choice.true), ("called", choice.predicted)):
        if numbers:
            parts.append(f"{word} {' or '.join(classes[k] for k in numbers)}")
    if choice.where:
        parts.append(f"with {', '.join(choice.where)}")
    elif choice.rows is not None:
        parts.append("that were named")
    text = " ".join(parts)
    order = order_in_words(choice, ORDERS)
    if choice.order == "confidence" and choice.asked != "all":
        order = "the most confident first"
    return f"{text[0].upper()}{text[1:]}, {order}: {counted(selection)}."


def order_in_words(choice: Choice, orders: Mapping[Order, str]) -> str:
    """In which order cases are taken, with the seed where it is drawn."""
    seed = f" (seed {choice.seed})" if choice.order == "random" else ""
    return orders[choice.order] + seed


def counted(selection: Selection) -> str:
    """How many cases there are, of how many, and beside how many right ones."""
    found, chosen = selection.found, len(selection.rows)
    said = f"{chosen:,} of {found:,}" if selection.left_out else f"{found:,}"
    if selection.right:
        said += f", and {len(selection.right):,} beside them that are right"
    return said
