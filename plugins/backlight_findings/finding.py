"""What is found, and what finders see."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from backlight.errors import InputError

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"

Severity: TypeAlias = Literal["high", "medium", "low"]


@final
@dataclass(frozen=True, eq=False)
class Finding:
    """Something that mistakes have in common, or that speaks against them or their maps.

    Attributes:
        kind: the finder's name.
        title: one plain sentence, with the numbers that matter.
        severity: how much of the mistakes it may account for.
        rows: the examples concerned, positions in the data, the clearest first.
        evidence: the numbers behind it, as JSON has them.
        caveat: what it does not show.
        pictures: maps (H, W) by caption: a cluster's mean map, say.
    """

    kind: str
    title: str
    severity: Severity
    rows: tuple[int, ...]
    evidence: Mapping[str, Json]
    caveat: str
    pictures: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)


@final
@dataclass(frozen=True, eq=False)
class Studied:
    """What a finder sees of N examples, those of them that have maps, and their maps.

    Attributes:
        labels: the true classes, (N,).
        probabilities: (N, classes).
        predicted: the classes that the model says, (N,).
        classes: their names.
        names: of the examples; may be file names.
        metadata: columns (N,) of numbers or texts by name; may be empty.
        read: gives the stored pictures of these rows, (n, H, W, C) or (n, H, W); None where the examples
            are no pictures.
        explained: rows that have maps: wrong ones, and right ones for comparison.
        maps: by technique and question, "predicted", "true" or "contrast" (predicted minus rival):
            (len(explained), H, W), signed. A row is NaN where there is no map.
        masks: where the object is, (N, H, W) of truths, if the user said so.
        seed: for all that is drawn.

    Raises:
        InputError: arrays whose lengths do not fit each other.
    """

    labels: NDArray[np.int64]
    probabilities: NDArray[np.floating[Any]]
    predicted: NDArray[np.int64]
    classes: Sequence[str]
    names: Sequence[str]
    metadata: Mapping[str, NDArray[Any]]
    read: Callable[[Sequence[int]], NDArray[Any]] | None
    explained: Sequence[int]
    maps: Mapping[tuple[str, str], NDArray[np.float64]]
    masks: NDArray[np.bool_] | None
    seed: int

    def __post_init__(self) -> None:
        count = len(self.labels)
        lengths = {
            "probabilities": len(self.probabilities),
            "predicted": len(self.predicted),
            "names": len(self.names),
            **{f"the column {name!r}": len(column) for name, column in self.metadata.items()},
            **({} if self.masks is None else {"masks": len(self.masks)}),
        }
        for what, length in lengths.items():
            if length != count:
                raise InputError(f"There are {count} labels; {what} must be as many, got {length}.")
        for (technique, question), maps in self.maps.items():
            if maps.ndim != 3 or len(maps) != len(self.explained):
                raise InputError(
                    f"Maps are (explained, H, W) with {len(self.explained)} explained; those of "
                    f"{technique} for {question} are {maps.shape}."
                )

    @property
    def wrong(self) -> NDArray[np.bool_]:
        """Which examples are mistakes, (N,)."""
        return np.asarray(self.labels != self.predicted)


Finder: TypeAlias = Callable[[Studied], Sequence[Finding]]
"""Looks for one kind of finding. None found is a valid answer."""
