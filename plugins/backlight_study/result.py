"""What a study found: what a model gets wrong, and what it looked at."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, final

import numpy as np
from numpy.typing import NDArray

from backlight.errors import InputError, UnknownNameError
from backlight.values.layout import Layout
from backlight.values.tree import leaves
from backlight_datasets import BlockStore
from backlight_loading.encoding import Encoding
from backlight_pictures.maps import reduction_of, resized, to_maps
from backlight_study.answers import Answers
from backlight_study.explaining import Cases, Forecast, layout_of, stored_answers
from backlight_study.metadata import Columns
from backlight_study.neighbours import Neighbour, nearest
from backlight_study.passes import Passes
from backlight_study.performance import Performance
from backlight_study.predictions import Predictions
from backlight_study.questions import Question
from backlight_study.selection import Selection
from backlight_study.site_space import SiteSpace
from backlight_study.stores import TemporaryFolder
from backlight_study.tasks.classification import Classification
from backlight_study.tasks.task import Task

if TYPE_CHECKING:
    from pandas import DataFrame


def with_places(layout: Layout | None) -> Layout:
    """The layout of values that are to be a map.

    Raises:
        InputError: it is none.
    """
    if layout is None:
        raise InputError(
            "The values lie at no places of the picture, as behind a dense layer: they are no map."
        )
    return layout


@final
@dataclass(frozen=True, eq=False)
class Study:
    """What was found.

    Attributes:
        cases: the examples explained and all that explaining took: model, source, task, rows and
            techniques.
        selection: which examples these are, and by which rule.
        classes: the names of the model's classes, or of the labels or numbers that it gives, in their
            order.
        store: the answers of the techniques, on disk.
        passes: examples that went through the model to explain, forward and backward, in this run.
        foreseen: what was forecast for all cases.
        seconds: how long the study took.
        metadata: columns of all examples, (N,) each, by name.
        space: in which right examples are near or far from a case; the outputs where there is none.
        kept: where the store is, if the user named no folder for it.
    """

    cases: Cases
    selection: Selection
    classes: tuple[str, ...]
    store: BlockStore
    passes: Passes
    foreseen: Forecast
    seconds: float
    metadata: Columns = field(default_factory=dict)
    space: SiteSpace | None = None
    kept: TemporaryFolder | None = field(default=None, repr=False)

    @property
    def task(self) -> Task:
        """What the model is asked to do, what it says of all examples, and how well it does."""
        return self.cases.task

    @property
    def classification(self) -> Classification:
        """The task of a classifier.

        Raises:
            InputError: the model is none.
        """
        if not isinstance(self.task, Classification):
            raise InputError(
                f"This is a study of {self.task.name}, not of a classifier: what the model says is in "
                "study.task, and how well it does in study.task.performance."
            )
        return self.task

    @property
    def predictions(self) -> Predictions:
        """What a classifier says of all examples; of other tasks see `task`."""
        return self.classification.predictions

    @property
    def rows(self) -> NDArray[np.int64]:
        """The examples explained, by their place among those that could be read: those chosen, then the
        right ones beside them."""
        return self.cases.rows

    @property
    def wrong(self) -> NDArray[np.bool_]:
        """Which cases are mistakes, (cases,)."""
        return self.task.wrong(self.rows, self.cases.parts)

    @property
    def rule(self) -> str:
        """How the examples were chosen, as a sentence."""
        return self.task.rule(self.selection)

    @property
    def performance(self) -> Performance:
        """How well a classifier does on all examples, with intervals; of other tasks see
        `task.performance`."""
        return self.classification.performance

    @cached_property
    def neighbours(self) -> list[tuple[Neighbour, ...]]:
        """For each case the right examples that are nearest, by the outputs or by a site."""
        found: list[tuple[Neighbour, ...]] = [()] * len(self.rows)
        for part in np.unique(self.cases.parts).tolist():
            places = np.flatnonzero(self.cases.parts == part)
            rows, right = self.rows[places], self.task.right(part)
            if self.space is None:
                near = nearest(self.task.space, rows, right)
            else:
                near = self.space.nearest(rows, right)
            for place, one in zip(places.tolist(), near, strict=True):
                found[place] = one
        return found

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What the examples explained are called."""
        ids = self.task.ids[self.rows].tolist()
        return tuple(self.cases.source.names(id, id + 1)[0] for id in ids)

    def values(self, technique: str, question: Question | None = None) -> NDArray[Any]:
        """What a technique says, (cases, ...) as the model's inputs are, or (cases, features) of a table
        that was encoded; NaN where it failed.

        Args:
            question: of a classifier "contrast", where nothing is said, "predicted" or "true", of which
                one output for two classes has the last two; of other tasks there is one.

        Raises:
            UnknownNameError: no such technique.
            InputError: it explained no case, or no such question was asked.
        """
        number = self.number(technique)
        question = question or self.question
        try:
            places, found = self.store.column(f"{number}/{question}/values")
        except UnknownNameError as error:
            raise InputError(f"{technique} has no values for the question {question!r}.") from error
        values = np.full((len(self.rows), *found.shape[1:]), np.nan, dtype=found.dtype)
        values[places] = found
        return values

    @property
    def notes(self) -> tuple[str, ...]:
        """What should be known before anything is believed."""
        prepared = self.cases.prepared
        return prepared.notes if isinstance(prepared, Encoding) else ()

    @property
    def question(self) -> Question:
        """The one that is meant where nothing is said."""
        return self.task.question

    def maps(self, technique: str, question: Question | None = None) -> NDArray[np.float64]:
        """The same as maps over the pictures, (cases, H, W): channels are summed, or, where each
        holds the same map, taken once.

        Raises:
            InputError: the examples are no pictures, or the values lie at no places of the picture.
        """
        if self.cases.kind != "picture":
            raise InputError(
                f"The examples are no pictures, but of the kind {self.cases.kind}: their values are in "
                "study.values(technique)."
            )
        values, layout = (
            self.values(technique, question),
            with_places(self.layout(technique, question)),
        )
        sound = values[np.isfinite(values.reshape(len(values), -1)).all(axis=1)]
        return resized(to_maps(values, layout, reduction_of(sound, layout)), self.grid)

    def layout(self, technique: str, question: Question | None = None) -> Layout | None:
        """Where a technique's values have their channels and places; None where they have no places, as
        behind a dense layer."""
        _, told = self.store.column(f"{self.number(technique)}/{question or self.question}/layout")
        return layout_of(str(told[0]))

    @cached_property
    def grid(self) -> tuple[int, int]:
        """Height and width of the pictures as the model takes them."""
        (like,) = leaves(self.cases.prepared(self.cases.stored(np.arange(1))))
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

    def each_answer(self) -> Iterator[tuple[int, int, Answers[Question]]]:
        """All answers, one by one: a case's place, a technique's number, and what it says of that case
        alone."""
        return stored_answers(self.store, len(self.cases.techniques))

    def to_pandas(self) -> "DataFrame":
        """A row for each case: what is true and what the model says, metadata, each technique's score,
        gap and error for the question that a mistake asks. pandas must be installed."""
        from pandas import DataFrame

        rows, asked = self.rows, self.task.question
        columns: dict[str, Any] = {
            "name": self.names,
            **self.task.columns(rows, self.cases.parts),
            **{name: column[rows] for name, column in self.metadata.items()},
        }
        for place, number, answers in self.each_answer():
            if asked in answers.questions:
                numbers = answers.questions[asked].numbers
                for name in ("score", "gap", "error"):
                    column = f"{self.cases.techniques[number].name} {name}"
                    columns.setdefault(column, np.full(len(rows), np.nan))[place] = numbers[name][0]
        return DataFrame(columns, index=rows)

    def number(self, technique: str) -> int:
        """A technique's place among those of the study.

        Raises:
            UnknownNameError: there is none of this name.
        """
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
        listed = ", ".join(one.name for one in self.cases.techniques)
        return f"Study({self.task.summary()}; {len(self.rows)} cases by {listed})"
