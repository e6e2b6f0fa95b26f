"""How an order that fits the model better is told: in the results, on the page, at the terminal."""

from pathlib import Path

import numpy as np

from backlight_loading.names import legible
from backlight_study.format import StudyRecord
from backlight_study.order import Order
from backlight_study.predictions import Predictions

CLASSES = "classes.txt"
"""The file of the class names in the order that fits the model, where the given one does not."""

FEW = 10
"""Fewer examples of a class than this say little about what it is called."""

SHOWN = 12
"""How many classes are named in words."""


def order_record(
    order: Order, predictions: Predictions, classes: list[str], named: bool
) -> StudyRecord:
    """What `study.json` holds of it.

    Args:
        order: the order.
        predictions: of all examples.
        classes: the classes' names, or their numbers in words.
        named: whether they are names: then a file of them puts things right.
    """
    labels, called = predictions.labels, predictions.classes
    moved = [k for k in order.moved if (labels == k).any()]
    sizes = [int((labels == k).sum()) for k in moved]
    return {
        "correct": order.correct,
        "share": order.correct / len(labels),
        "file": CLASSES if named else None,
        "names": order.names(classes),
        "fewest": min(sizes),
        "moved": [
            {
                "class": k,
                "name": classes[k],
                "called": order.called[k],
                "called_name": classes[order.called[k]],
                "share": float(np.mean(called[labels == k] == order.called[k])),
            }
            for k in moved
        ],
    }


def order_sentences(results: StudyRecord, directory: Path | None = None) -> tuple[str, ...]:
    """What is said of it; nothing where the given order is as good as any.

    Args:
        directory: of the file of classes; None where it lies beside what is read.
    """
    order = results["order"]
    if order is None:
        return ()
    said = [f"{order_finding(results)} {order_examples(order)}"]
    if order["file"]:
        file = order["file"] if directory is None else legible(str(directory / order["file"]))
        said.append(f"The order that fits is in {file}: run again with --classes {file}")
    if order["fewest"] < FEW:
        said.append(
            "Some of these classes have few examples: look the order over before you use it."
        )
    return tuple(said)


def order_finding(results: StudyRecord) -> str:
    order, accuracy = results["order"], results["performance"]["accuracy"]
    needed = (
        "class names must be in the model's order"
        if order["file"]
        else "a label must be the number of the model's output for its class"
    )
    return (
        "The classes seem to be in another order than the model's outputs: "
        f"{accuracy['value']:.1%} are right as they are, {order['share']:.1%} would be in an order that "
        f"fits the model. Most mistakes are hardly its own: {needed}."
    )


def order_examples(order: StudyRecord) -> str:
    """Which classes trade places: `Coat is called Bag (92%)`."""
    told = [
        f"{one['name']} is called {one['called_name']} ({one['share']:.0%})"
        for one in order["moved"][:SHOWN]
    ]
    left = len(order["moved"]) - len(told)
    return "; ".join(told) + (f"; and {left} more." if left else ".")
