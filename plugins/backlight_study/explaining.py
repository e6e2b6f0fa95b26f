"""Cases explained block by block, written down as they come, so that a killed study goes on."""

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from time import perf_counter
from typing import Any, cast, final

import numpy as np
from numpy.typing import NDArray

from backlight import BacklightWarning, Score
from backlight.attribution.saving import layouts_of
from backlight.errors import InputError
from backlight.explaining.preparing import prepare
from backlight.progress import Progress
from backlight.values.layout import InputKind, Layout
from backlight_datasets import BlockStore, Source, Subset
from backlight_loading.encoding import Encoding
from backlight_loading.preparation import ModelInput, Prepared, PreparedInput
from backlight_loading.techniques import Technique
from backlight_study.answered import Answered
from backlight_study.answers import COLUMNS, Answer, Answers, ask, by_column, first_of
from backlight_study.baselines import PictureBaseline, picture_baseline
from backlight_study.passes import CountedModel, Passes
from backlight_study.questions import QUESTIONS, Question
from backlight_study.tasks.task import Task

CASES = 8
"""How many cases are explained together, at most: what a kill may cost."""


def block_length(count: int) -> int:
    """How many of so many cases are explained together, so that all blocks are nearly full."""
    return max(1, -(-count // max(1, -(-count // CASES))))


@final
@dataclass(frozen=True, eq=False)
class Cases:
    """What is explained, and how examples become inputs.

    Attributes:
        model: whose passes are counted.
        source: that the examples come from.
        prepared: brings stored examples into the model's form.
        task: what the model is asked to do, and what it says of all examples.
        rows: the examples explained, by their place among those that could be read.
        parts: which part of its answer each is about, (cases,); 0 for a classifier.
        techniques: that explain them.
        ends: the stored numbers that are black and white, of pictures.
        shape, dtype: of one example as it is stored.
        baseline: for techniques that have one and were not told another, in the picture's own terms.
        batch_size: most rows in one pass.
        answered: what another run has found, which is not asked again.
        kind: what an example is.
        features: names of a table's columns, see `Encoding` where these are encoded; or of a series'
            channels.
    """

    model: CountedModel
    source: Source
    prepared: PreparedInput
    task: Task
    rows: NDArray[np.int64]
    parts: NDArray[np.int64]
    techniques: Sequence[Technique]
    ends: tuple[float, float]
    shape: tuple[int, ...]
    dtype: str
    baseline: PictureBaseline | None = None
    batch_size: int | None = None
    answered: Answered | None = None
    kind: InputKind = "picture"
    features: tuple[str, ...] = ()

    def stored(self, places: NDArray[np.int64]) -> NDArray[Any]:
        """The examples at these places among the cases, as they are stored."""
        return read_ids(self.source, self.task.ids[self.rows[places]])

    def questions(self, places: NDArray[np.int64]) -> dict[Question, Score]:
        """What is asked about the cases at these places."""
        return self.task.questions(self.rows[places], self.parts[places])

    def look(self) -> None:
        """Find out once what there is to know of the net, for which it may have to run."""
        first = np.arange(1)
        x = self.prepared(self.stored(first))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", BacklightWarning)
            prepare(self.model, x, [*self.questions(first).values()])

    def block(self, places: NDArray[np.int64], length: int) -> "Block":
        """The cases at these places, read and brought to the model once for all techniques.

        Args:
            length: how many are explained together: the last case is repeated where there are fewer, so
                that the net sees one size of batch.
        """
        full = np.pad(places, (0, length - len(places)), mode="edge")
        stored, baseline = self.stored(full), None
        if self.baseline is not None:
            pictures = cast(Prepared, self.prepared)
            baseline = picture_baseline(self.baseline, stored, self.ends, pictures)
        return Block(self.prepared(stored), self.questions(full), baseline, places)

    def answers(self, block: "Block", technique: Technique) -> Answers[Question]:
        """What a technique says of a block."""
        started = perf_counter()
        if self.answered is not None:
            ids = self.task.ids[self.rows[block.places]]
            known = self.answered.answers(ids, technique, self.baseline, block.questions)
            if known is not None:
                return known
        answers = ask(
            self.model, block.x, block.questions, technique, self.batch_size, block.baseline
        )
        if isinstance(self.prepared, Encoding):
            answers = by_column(answers, self.prepared)
        return first_of(answers, len(block.places), perf_counter() - started)


@final
@dataclass(frozen=True, eq=False)
class Block:
    """Cases that are explained together.

    Attributes:
        x: as the model takes them.
        questions: what is asked about them.
        baseline: of each, where one is said in the picture's own terms.
        places: of those that are cases; the others repeat the last one.
    """

    x: ModelInput
    questions: Mapping[Question, Score]
    baseline: NDArray[Any] | None
    places: NDArray[np.int64]


@final
@dataclass(frozen=True)
class Forecast:
    """What explaining takes, as seen from the first block; or what metrics take.

    Attributes:
        passes: examples that go through the model. Those for metrics are known before any goes.
        seconds: at the speed of that block, compilation included.
        unknown: metrics that take more than that, and do not say how much, by name.
    """

    passes: Passes = field(default_factory=Passes)
    seconds: float = 0.0
    unknown: tuple[str, ...] = ()


def explain_cases(cases: Cases, store: BlockStore, progress: Progress) -> tuple[Passes, Forecast]:
    """Explain what the store lacks; how many passes that took, and how many were foreseen.

    Raises:
        StoreError: a block could not be written.
    """
    missing, plan = store.missing(), store.plan
    if missing:
        cases.look()
    begun, seconds = cases.model.passes.copy(), perf_counter()
    each = len(cases.techniques)
    total = len(cases.rows) * each
    done = total - each * sum(stop - start for start, stop in map(plan.rows, missing))
    foreseen = Forecast()
    for turn, block in enumerate(missing):
        places = np.arange(*plan.rows(block), dtype=np.int64)
        together = cases.block(places, plan.block_length)
        columns: dict[str, NDArray[Any]] = {}
        for number, technique in enumerate(cases.techniques):
            progress("Explaining", done, total)
            answers = cases.answers(together, technique)
            columns |= columns_of(number, answers, len(places))
            done += len(places)
        store.write(block, places, columns)
        if turn == 0:
            spent = cases.model.passes - begun
            took = perf_counter() - seconds
            foreseen = Forecast(spent.times(len(missing)), took * len(missing))
    progress("Explaining", total, total)
    return cases.model.passes - begun, foreseen


def columns_of(number: int, answers: Answers[Question], count: int) -> dict[str, NDArray[Any]]:
    """A technique's answers as arrays of the store."""
    found: dict[str, NDArray[Any]] = {
        f"{number}/error": np.array(answers.errors, dtype=str),
        f"{number}/seconds": np.full(count, answers.seconds / count),
    }
    for question, answer in answers.questions.items():
        name = f"{number}/{question}"
        found[f"{name}/values"] = answer.values
        found |= {f"{name}/{column}": answer.numbers[column] for column in COLUMNS}
        found[f"{name}/at"] = np.array([answer.at] * count, dtype=str)
        found[f"{name}/layout"] = np.array([layout_text(answer.layout)] * count, dtype=str)
        found[f"{name}/warnings"] = np.array(["\n".join(one) for one in answer.warnings], dtype=str)
    return found


def stored_answers(
    store: BlockStore, techniques: int
) -> Iterator[tuple[int, int, Answers[Question]]]:
    """What each technique says of each case, one by one: its place, the technique's number, and the
    answers about it alone. One block is in memory at a time."""
    for block in range(store.plan.blocks):
        found = store.read(block)
        for row, place in enumerate(found.ids.tolist()):
            for number in range(techniques):
                yield place, number, of_row(found.arrays, number, row)


def of_row(arrays: Mapping[str, NDArray[Any]], number: int, row: int) -> Answers[Question]:
    error = str(arrays[f"{number}/error"][row])
    seconds = float(arrays[f"{number}/seconds"][row])
    questions: dict[Question, Answer] = {}
    for question in QUESTIONS:
        name = f"{number}/{question}"
        if not error and f"{name}/values" in arrays:
            told = str(arrays[f"{name}/warnings"][row])
            questions[question] = Answer(
                arrays[f"{name}/values"][row : row + 1],
                {column: arrays[f"{name}/{column}"][row : row + 1] for column in COLUMNS},
                str(arrays[f"{name}/at"][row]),
                (tuple(told.split("\n")) if told else (),),
                layout_of(str(arrays[f"{name}/layout"][row])),
            )
    return Answers(questions, (error,), seconds)


def layout_text(layout: Layout | None) -> str:
    """A layout as a store has it."""
    return "" if layout is None else json.dumps(asdict(layout))


def layout_of(text: str) -> Layout | None:
    """The layout that a store has."""
    return layouts_of([json.loads(text) if text else None])[0]


def read_ids(source: Source, ids: NDArray[np.int64]) -> NDArray[Any]:
    """Examples by their ids, in that order, (n, ...); an id may come twice.

    Raises:
        InputError: one that was read before cannot be read now.
    """
    rising, places = np.unique(ids, return_inverse=True)
    batch = Subset(source, rising).read(0, len(rising))
    if batch.skipped:
        raise InputError(f"What could be read before cannot be read now. {batch.skipped[0]}")
    return batch.x[places]
