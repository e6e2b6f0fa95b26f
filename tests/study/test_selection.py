"""Which examples are explained: cells, classes, orders, limits; each against brute force."""

from typing import Any

import numpy as np
import pytest

from backlight.errors import HyperParameterError, InputError, UnknownNameError
from backlight_study.cells import Cell, cell, cells, class_number, class_numbers
from backlight_study.predictions import Predictions
from backlight_study.selection import ORDERS, Choice, rule_of, select

NAMES = ["battery", "metal", "plastic"]


def predictions() -> Predictions:
    odds = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.1, 0.9], [0.6, 0.4], [0.05, 0.95]])
    return Predictions(odds, np.array([1, 1, 1, 0, 0, 1]), np.arange(6), "probabilities")


def many(count: int = 60) -> Predictions:
    rng = np.random.default_rng(4)
    odds = rng.dirichlet(np.ones(3), size=count)
    return Predictions(odds, rng.integers(0, 3, count), np.arange(count), "probabilities")


@pytest.mark.parametrize(
    ("only", "true", "predicted", "limit", "rows", "found"),
    [
        (None, (), (), 9, (0, 3, 2), 3),
        ("misclassified", (), (), 2, (0, 3), 3),
        ("correct", (), (), 9, (5, 1, 4), 3),
        ("all", (), (), 9, (0, 3, 2, 5, 1, 4), 6),
        (None, (1,), (), 9, (0, 2), 2),
        (None, (), (1,), 9, (3,), 1),
        (None, (1, 0), (), 9, (0, 3, 2), 3),
        (None, (1,), (0,), 9, (0, 2), 2),
        (None, (1,), (1,), 9, (5, 1), 2),
        (None, (0, 1), (1,), 9, (3, 5, 1), 3),
        ("misclassified", (1,), (1,), 9, (), 0),
    ],
)
def test_selection(
    only: Any,
    true: tuple[int, ...],
    predicted: tuple[int, ...],
    limit: int,
    rows: tuple[int, ...],
    found: int,
) -> None:
    choice = Choice(only=only, true=true, predicted=predicted, limit=limit)
    chosen = select(predictions(), choice)
    assert chosen.rows == rows
    assert chosen.found == found


def test_classes_by_name_and_number() -> None:
    names = ["tabby, tabby cat", "tiger cat", "7"]
    assert class_number("Tiger Cat", names) == 1
    assert class_number("tabby", names) == 0
    assert class_number("1", names) == 1
    assert class_number("7", names) == 2
    assert class_numbers(None, names) == ()
    assert class_numbers("tabby", names) == (0,)
    assert class_numbers(["tiger cat", 0, "1"], names) == (1, 0)
    with pytest.raises(InputError, match=r"classes 0 and 2 are all called 'Crane'.* number"):
        class_number("Crane", ["crane", "heron", "crane"])
    assert class_number("2", ["crane", "heron", "crane"]) == 2
    with pytest.raises(UnknownNameError, match=r"Nearest: tiger cat\. .* number from 0 to 2"):
        class_number("tigre cat", names)
    with pytest.raises(UnknownNameError):
        class_number("3", names)


def test_a_cell_from_what_users_write() -> None:
    assert cell("battery:metal", NAMES) == Cell(0, 1)
    assert cell("plastic:*", NAMES) == Cell(2, None)
    assert cell("*:1", NAMES) == Cell(None, 1)
    assert cell("*:*", NAMES) == Cell(None, None)
    assert cells(["0:1", "battery:metal"], NAMES) == (Cell(0, 1),)
    assert cell("a:b:c", ["a:b", "c"]) == Cell(0, 1)
    with pytest.raises(InputError, match="several cells"):
        cell("a:b:c", ["a", "b:c", "a:b", "c"])
    with pytest.raises(UnknownNameError, match="plastik"):
        cell("plastik:metal", NAMES)
    with pytest.raises(InputError, match=r"TRUE:PREDICTED"):
        cell("battery", NAMES)


def test_cells_are_joined_and_leave_the_diagonal_out_unless_it_is_named() -> None:
    found = many()
    pairs = list(zip(found.labels.tolist(), found.classes.tolist(), strict=True))
    for said, wanted in {
        ("battery:metal",): lambda t, p: (t, p) == (0, 1),
        ("plastic:*",): lambda t, p: t == 2 and p != 2,
        ("*:plastic",): lambda t, p: p == 2 and t != 2,
        ("*:*",): lambda t, p: t != p,
        ("metal:metal",): lambda t, p: (t, p) == (1, 1),
        ("battery:metal", "plastic:*"): lambda t, p: (t, p) == (0, 1) or (t == 2 and p != 2),
    }.items():
        chosen = select(found, Choice(cells=cells(said, NAMES), limit=1000))
        assert sorted(chosen.rows) == [row for row, pair in enumerate(pairs) if wanted(*pair)]


def test_cells_and_classes_exclude_each_other() -> None:
    with pytest.raises(InputError, match="leave out true"):
        Choice(cells=(Cell(0, 1),), true=(1,))


def key(found: Predictions, row: int, order: str) -> tuple[float, ...]:
    """The slow definition of each order."""
    odds = sorted(found.probabilities[row], reverse=True)
    true, said = found.probabilities[row, found.labels[row]], odds[0]
    wrong = found.labels[row] != found.classes[row]
    keys = {
        "confidence": (not wrong, -said),
        "loss": (-np.log(1 / true),),
        "margin": (true - said,),
        "borderline": (odds[0] - odds[1],),
    }
    return (*keys[order], row)


@pytest.mark.parametrize("order", [order for order in ORDERS if order != "random"])
@pytest.mark.parametrize("only", ["misclassified", "all"])
def test_each_order_is_as_it_says(only: Any, order: Any) -> None:
    found = many()
    chosen = select(found, Choice(only=only, order=order, limit=7))
    rows = [row for row in range(60) if only == "all" or found.wrong[row]]
    assert list(chosen.rows) == sorted(rows, key=lambda row: key(found, row, order))[:7]
    assert chosen.left_out == len(rows) - 7


def test_a_random_order_is_that_of_its_seed() -> None:
    one, again, other = (
        select(many(), Choice(order="random", seed=seed, limit=8)).rows for seed in (1, 1, 2)
    )
    assert one == again != other
    assert set(one) <= set(np.flatnonzero(many().wrong).tolist())


def test_rows_by_number() -> None:
    found = many()
    assert set(select(found, Choice(rows=(3, 5, 11))).rows) == {3, 5, 11}
    with pytest.raises(InputError, match=r"60 examples.* got 60"):
        select(found, Choice(rows=(60,)))


def test_right_ones_beside_are_of_the_classes_concerned() -> None:
    found = many()
    chosen = select(found, Choice(cells=(Cell(0, 2),), limit=5, right=6, seed=3))
    assert len(set(chosen.right)) == 6
    assert not found.wrong[list(chosen.right)].any()
    counts = np.bincount(found.labels[list(chosen.right)], minlength=3)
    assert counts.tolist() == [3, 0, 3]
    assert (
        chosen.right == select(found, Choice(cells=(Cell(0, 2),), limit=5, right=6, seed=3)).right
    )


@pytest.mark.parametrize(
    ("choice", "sentence"),
    [
        (
            Choice(limit=2),
            "Misclassified pictures, the most confident first: 2",
        ),
        (
            Choice(cells=(Cell(0, 1), Cell(2, None)), limit=99, order="loss"),
            "All pictures of battery called metal or of plastic called something else, those first",
        ),
        (Choice(true=(0,), predicted=(1, 2)), "All pictures of battery called metal or plastic, "),
        (Choice(order="random", seed=7), "drawn at random (seed 7): "),
        (Choice(only="correct", right=4, limit=3), ", and 4 beside them that are right."),
    ],
)
def test_the_rule_is_a_sentence(choice: Choice, sentence: str) -> None:
    assert sentence in rule_of(select(many(), choice), NAMES, "pictures")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"limit": 0}, "limit"),
        ({"right": -1}, "right"),
        ({"only": "wrong"}, "misclassified, correct or all"),
        ({"order": "size"}, "confidence, loss, margin, borderline, random"),
    ],
)
def test_what_is_no_choice_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(HyperParameterError, match=said):
        Choice(**given)
