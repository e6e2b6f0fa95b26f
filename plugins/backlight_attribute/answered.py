"""A store of attributions as what a study need not ask again."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from backlight.values.examples import Labels
from backlight_attribute.results import Attributions, text
from backlight_datasets import StoreError
from backlight_loading.techniques import Technique
from backlight_study.answered import Answered
from backlight_study.answers import COLUMNS, Answer, Answers, technique_text
from backlight_study.baselines import PictureBaseline
from backlight_study.questions import Question


@final
@dataclass(frozen=True)
class StoredAnswers(Answered):
    """What `backlight attribute` has written.

    Attributes:
        found: the store.
    """

    found: Attributions

    @property
    def digest(self) -> str:
        return self.found.store.plan.digest

    @property
    def methods(self) -> tuple[str, ...]:
        return self.found.origin.methods

    def check(self, data: str, model: str) -> None:
        plan = self.found.store.plan
        for what, there, here in (("data", plan.data, data), ("model", plan.model, model)):
            if there != here:
                raise StoreError(
                    f"The store in {self.found.store.folder} is of another {what}: {there[:24]} there, "
                    f"{here[:24]} now. Give what it was made with."
                )

    def outputs(self) -> tuple[NDArray[np.int64], NDArray[np.float64], Labels, tuple[str, ...]]:
        status = self.found.status()
        if not status.complete:
            raise StoreError(
                f"{len(status.missing)} of {status.blocks} blocks are missing in "
                f"{self.found.store.folder}: run `backlight attribute` again, which goes on with them."
            )
        ids, outputs = self.found.column("outputs")
        _, labels = self.found.column("labels")
        return ids, outputs, labels, tuple(map(str, status.skipped))

    def answers(
        self,
        ids: NDArray[np.int64],
        technique: Technique,
        baseline: PictureBaseline | None,
        asked: Collection[Question],
    ) -> Answers[Question] | None:
        name = self._names.get(technique_text(technique, baseline))
        if name is None or not set(asked) <= set(self.found.targets):
            return None
        rows = self._rows(ids)
        if "true" in asked and any(row["predicted"] == row["labels"] for row in rows):
            return None  # of right examples a study asks for the class that comes second
        if any(f"{name}/{question}/values" not in row for row in rows for question in asked):
            return None
        errors = tuple(text(row[f"{name}/error"]) for row in rows)
        return Answers({question: self._answer(name, question, rows) for question in asked}, errors)

    def _answer(
        self, name: str, question: Question, rows: list[Mapping[str, NDArray[Any]]]
    ) -> Answer:
        key, form = f"{name}/{question}", self.found.form(name, question)
        nothing = np.array(np.nan)
        numbers = {
            column: np.array([row.get(f"{key}/{column}", nothing) for row in rows], np.float64)
            for column in COLUMNS
        }
        return Answer(
            np.stack([row[f"{key}/values"] for row in rows]),
            numbers,
            str(form["at"]),
            tuple(self.found.warnings(text(row[f"{key}/warnings"])) for row in rows),
            self.found.layout(name, question),
        )

    @cached_property
    def _names(self) -> Mapping[str, str]:
        """The techniques' names by what tells them from others."""
        return dict(zip(self.found.store.plan.techniques, self.found.techniques, strict=True))

    def _rows(self, ids: NDArray[np.int64]) -> list[Mapping[str, NDArray[Any]]]:
        """All that is stored of these examples, read once for the techniques that are asked about them
        one after the other."""
        if self._read.keys() != set(ids.tolist()):
            self._read.clear()
            store = self.found.store
            numbers = ids // store.plan.block_length
            for number in np.unique(numbers).tolist():
                block = store.read(number)
                for id in ids[numbers == number].tolist():
                    row = int(np.searchsorted(block.ids, id))
                    # Copies: a view would hold the whole block.
                    self._read[id] = {name: one[row].copy() for name, one in block.arrays.items()}
        return [self._read[id] for id in ids.tolist()]

    @cached_property
    def _read(self) -> dict[int, Mapping[str, NDArray[Any]]]:
        return {}
