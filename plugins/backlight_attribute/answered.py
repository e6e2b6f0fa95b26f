"""A store of attributions as what a study need not ask again."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast, final

import numpy as np
from numpy.typing import NDArray

from backlight.attribution.saving import layouts_of
from backlight.values.examples import Labels
from backlight_attribute.results import Attributions, text
from backlight_datasets import Block, StoreError
from backlight_loading.techniques import Technique
from backlight_study.answered import Answered
from backlight_study.answers import COLUMNS, Answer, Answers, method_text
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
        name = self._names.get(f"{method_text(technique.method, baseline)} at {technique.at}")
        if name is None or not set(asked) <= set(self.found.targets):
            return None
        rows = [self._row(int(id)) for id in ids]
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
            layouts_of([cast(dict[str, Any] | None, form["layout"])])[0],
        )

    @cached_property
    def _names(self) -> Mapping[str, str]:
        """The techniques' names by what tells them from others."""
        return dict(zip(self.found.store.plan.techniques, self.found.techniques, strict=True))

    def _row(self, id: int) -> Mapping[str, NDArray[Any]]:
        """All of one example, its block read once for those that are asked for together."""
        store = self.found.store
        number = id // store.plan.block_length
        block = self._read.get(number)
        if block is None:
            self._read.clear()
            block = self._read[number] = store.read(number)
        row = int(np.searchsorted(block.ids, id))
        return {name: array[row] for name, array in block.arrays.items()}

    @cached_property
    def _read(self) -> dict[int, Block]:
        return {}
