"""What a study found: what a classifier gets wrong, and what it looked at."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any, final
from weakref import finalize

import numpy as np
from numpy.typing import NDArray

from backlight.errors import InputError, UnknownNameError
from backlight_datasets import BlockStore
from backlight_pictures.maps import reduction_of, resized, to_maps
from backlight_study.answers import Answers
from backlight_study.explaining import Cases, Forecast, stored_answers
from backlight_study.metadata import Columns
from backlight_study.neighbours import Neighbour, log_odds_space, nearest
from backlight_study.passes import Passes
from backlight_study.performance import Performance, performance
from backlight_study.predictions import Predictions
from backlight_study.questions import Question
from backlight_study.selection import Selection, rule_of

if TYPE_CHECKING:
    from pandas import DataFrame


@final
class TemporaryFolder:
    """A folder that is there as long as this object is."""

    def __init__(self) -> None:
        self.path = Path(mkdtemp(prefix="backlight-study-"))
        finalize(self, rmtree, self.path, ignore_errors=True)


@final
@dataclass(frozen=True, eq=False)
class Study:
    """What was found.

    Attributes:
        cases: the examples explained and all that explaining took: model, source, predictions, rows and
            techniques.
        selection: which examples these are, and by which rule.
        classes: the names of the model's classes, in their order.
        store: the answers of the techniques, on disk.
        passes: examples that went through the model to explain, forward and backward, in this run.
        foreseen: what was forecast for all cases.
        seconds: how long the study took.
        metadata: columns of all examples, (N,) each, by name.
    """

    cases: Cases
    selection: Selection
    classes: tuple[str, ...]
    store: BlockStore
    passes: Passes
    foreseen: Forecast
    seconds: float
    metadata: Columns = field(default_factory=dict)
    kept: TemporaryFolder | None = field(default=None, repr=False)

    @property
    def predictions(self) -> Predictions:
        """What the model says of all examples."""
        return self.cases.predictions

    @property
    def rows(self) -> NDArray[np.int64]:
        """The examples explained, by their place among the predictions: those chosen, then the right
        ones beside them."""
        return self.cases.rows

    @property
    def rule(self) -> str:
        """How the examples were chosen, as a sentence."""
        return rule_of(self.selection, self.classes)

    @cached_property
    def performance(self) -> Performance:
        """How well the model does on all examples, with intervals."""
        found = self.predictions
        independent = found.kind == "sigmoid" and not found.single
        return performance(
            found.labels,
            found.probabilities,
            independent=independent,
            seed=self.selection.choice.seed,
        )

    @cached_property
    def neighbours(self) -> list[tuple[Neighbour, ...]]:
        """For each case the right examples whose outputs are nearest."""
        space = log_odds_space(self.predictions.probabilities)
        return nearest(space, self.rows, ~self.predictions.wrong)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What the examples explained are called."""
        ids = self.predictions.ids[self.rows].tolist()
        return tuple(self.cases.source.names(id, id + 1)[0] for id in ids)

    def values(self, technique: str, question: Question = "contrast") -> NDArray[Any]:
        """What a technique says, (cases, ...) as the model's inputs are; NaN where it failed.

        Raises:
            UnknownNameError: no such technique.
            InputError: it explained no case, or no such question was asked.
        """
        number = self.number(technique)
        try:
            places, found = self.store.column(f"{number}/{question}/values")
        except UnknownNameError as error:
            raise InputError(f"{technique} has no values for the question {question!r}.") from error
        values = np.full((len(self.rows), *found.shape[1:]), np.nan, dtype=found.dtype)
        values[places] = found
        return values

    def maps(self, technique: str, question: Question = "contrast") -> NDArray[np.float64]:
        """The same as maps over the pictures, (cases, H, W): channels are summed, or, where each
        holds the same map, taken once."""
        channels = self.cases.model.channels
        values = self.values(technique, question)
        sound = values[np.isfinite(values.reshape(len(values), -1)).all(axis=1)]
        return resized(to_maps(values, channels, reduction_of(sound, channels)), self.grid)

    @cached_property
    def grid(self) -> tuple[int, int]:
        """Height and width of the pictures as the model takes them."""
        like = self.cases.prepared(self.cases.stored(np.arange(1)))
        height, width = to_maps(np.zeros(like.shape), self.cases.model.channels).shape[1:]
        return int(height), int(width)

    def errors(self) -> dict[str, dict[int, str]]:
        """What techniques could not do: by technique and case."""
        found: dict[str, dict[int, str]] = {}
        for number, technique in enumerate(self.cases.techniques if len(self.rows) else ()):
            places, errors = self.store.column(f"{number}/error")
            told = {int(place): str(one) for place, one in zip(places, errors, strict=True) if one}
            if told:
                found[technique.name] = told
        return found

    def each_answer(self) -> Iterator[tuple[int, int, Answers]]:
        """All answers, one by one: a case's place, a technique's number, and what it says of that case
        alone."""
        return stored_answers(self.store, len(self.cases.techniques))

    def to_pandas(self) -> "DataFrame":
        """A row for each case: classes, probabilities, metadata, each technique's score, gap and error
        for the contrast. pandas must be installed."""
        from pandas import DataFrame

        found, rows = self.predictions, self.rows
        odds = found.probabilities[rows]
        true, predicted = found.labels[rows], found.classes[rows]
        columns: dict[str, Any] = {
            "name": self.names,
            "true": [self.classes[k] for k in true],
            "predicted": [self.classes[k] for k in predicted],
            "wrong": found.wrong[rows],
            "p_true": odds[np.arange(len(rows)), true],
            "p_predicted": odds[np.arange(len(rows)), predicted],
            **{name: column[rows] for name, column in self.metadata.items()},
        }
        asked: Question = "predicted" if found.single else "contrast"
        for place, number, answers in self.each_answer():
            if asked in answers.questions:
                numbers = answers.questions[asked].numbers
                for name in ("score", "gap", "error"):
                    column = f"{self.cases.techniques[number].name} {name}"
                    columns.setdefault(column, np.full(len(rows), np.nan))[place] = numbers[name][0]
        return DataFrame(columns, index=rows)

    def number(self, technique: str) -> int:
        names = [one.name for one in self.cases.techniques]
        if technique not in names:
            raise UnknownNameError("technique of the study", technique, names)
        return names.index(technique)

    def _repr_html_(self) -> str:
        """The first cases, as a notebook shows them."""
        # Here and not above: colour maps and Pillow are for those who look.
        from backlight_study.notebook import snippet

        return snippet(self)

    def __repr__(self) -> str:
        found = self.predictions
        share = found.correct / len(found.labels)
        listed = ", ".join(one.name for one in self.cases.techniques)
        return (
            f"Study({found.correct:,} of {len(found.labels):,} right ({share:.1%}); "
            f"{len(self.rows)} cases by {listed})"
        )
