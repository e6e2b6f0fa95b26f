"""What a run over a data set has written, to be read with NumPy alone: no framework, no model."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self, cast, final

import numpy as np
from numpy.typing import NDArray

from backlight import Attribution
from backlight.attribution.described import DescribedInput, InputKind
from backlight.attribution.saving import layouts_of
from backlight.errors import InputError, UnknownNameError
from backlight.values.layout import Layout
from backlight_attribute.origin import Origin
from backlight_datasets import BlockStore, Skipped
from backlight_datasets.plan import NAME as PLAN
from backlight_datasets.storage.local import LocalFolder
from backlight_datasets.storage.opening import open_folder


@final
@dataclass(frozen=True)
class Status:
    """How far a run is.

    Attributes:
        blocks: how many files there are to be.
        missing: the numbers of those that are not there, or damaged.
        examples: how many candidates there are.
        explained: how many have results.
        skipped: those that could not be read, or for which the model failed.
    """

    blocks: int
    missing: tuple[int, ...]
    examples: int
    explained: int
    skipped: tuple[Skipped, ...]

    @property
    def complete(self) -> bool:
        return not self.missing


@final
@dataclass(frozen=True)
class Attributions:
    """The results of `attribute_dataset`, complete or not.

    Attributes:
        store: where they are.
    """

    store: BlockStore

    @classmethod
    def open(cls, folder: str | os.PathLike[str]) -> Self:
        """
        Raises:
            StoreError: there is no store, or one of another kind.
        """
        return cls(BlockStore.open(folder))

    @classmethod
    def within(cls, folder: str | os.PathLike[str] | None) -> Self | None:
        """The results in this folder, if it is one that `attribute_dataset` has written.

        Raises:
            StoreError: it is a URL, and no store is there.
        """
        if folder is None:
            return None
        place = open_folder(folder)
        if isinstance(place, LocalFolder) and not place.exists(PLAN):
            return None
        found = cls.open(folder)
        return found if "keep" in found.store.plan.options else None

    @property
    def techniques(self) -> tuple[str, ...]:
        """Names of the techniques."""
        return tuple(cast(list[str], self.store.plan.options["names"]))

    @cached_property
    def origin(self) -> Origin:
        """How the run was asked for."""
        return Origin.read(self.store.folder)

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of what was asked."""
        return self.store.plan.targets

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the model's classes, where they are known."""
        return tuple(cast(list[str], self.store.plan.options["classes"]))

    def status(self, quick: bool = True) -> Status:
        """How far the run is.

        Args:
            quick: look at the files' headers alone; else at every byte.
        """
        missing = self.store.missing(quick)
        skipped = self.store.skipped()
        rows = map(self.store.plan.rows, missing)
        waiting = sum(stop - start for start, stop in rows)
        count = self.store.plan.count
        return Status(
            self.store.plan.blocks,
            tuple(missing),
            count,
            count - waiting - len(skipped),
            skipped,
        )

    def failures(self) -> dict[str, tuple[int, str]]:
        """The techniques that found nothing of some examples: of how many, and why of the first."""
        columns, found = self.store.columns(), dict[str, tuple[int, str]]()
        for technique in self.techniques:
            name = f"{technique}/error"
            reasons = [one for one in self.column(name)[1] if one] if name in columns else []
            if reasons:
                found[technique] = len(reasons), text(reasons[0])
        return found

    def column(self, name: str) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """`predicted`, `labels`, `outputs` or `names` of the examples, and their ids; of texts `tokens`,
        as JSON, and `words`, the number of each one's word; or, as `TECHNIQUE/TARGET/COLUMN`, `score`,
        `gap`, `values` ... of all that are done; see `BlockStore.column`."""
        return self.store.column(name)

    def values(self, technique: str, target: str) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """Ids (n,) and values (n, ...) of all examples that are done. They are in memory at once;
        `attribution` reads one."""
        return self.column(f"{self.checked(technique, target)}/values")

    def id_of(self, name: str) -> int:
        """The number of the example of this name.

        Raises:
            UnknownNameError: there is none among those that are done.
        """
        if name not in self._ids:
            raise UnknownNameError("example of the store", name, self._ids)
        return self._ids[name]

    def warnings(self, codes: str) -> tuple[str, ...]:
        """What the codes in a column of warnings mean, numbers left out."""
        return tuple(self._notes[f"warning {code}"] for code in codes.split())

    def attribution(self, id: int, technique: str, target: str) -> Attribution[NDArray[Any]]:
        """What a technique found of one example, read without the rest of its block.

        Raises:
            InputError: the example was skipped, the technique failed for it, or its values were not
                kept; the reason is said.
            StoreError: its block is not done, or damaged.
        """
        name, plan = self.checked(technique, target), self.store.plan
        row = self.store.read_row(id)
        failed = text(row[f"{technique}/error"])
        if failed:
            raise InputError(f"{technique} found nothing of example {id}: {failed}")
        if f"{name}/values" not in row:
            raise InputError(f"The store keeps {plan.options['keep']} of values, not all of them.")
        form = self.form(technique, target)
        others = (one for one in plan.versions if one not in ("backlight", "numpy"))
        framework = next(others, "numpy")

        def number(column: str) -> NDArray[np.float64] | None:
            found = row.get(f"{name}/{column}", np.array(np.nan))
            return None if np.isnan(found) else found.reshape(1)

        return Attribution(
            values=row[f"{name}/values"][None],
            score=row[f"{name}/score"].reshape(1),
            baseline_score=number("baseline_score"),
            gap=number("gap"),
            error=number("error"),
            standard_error_of_sum=number("standard_error_of_sum"),
            method=plan.techniques[self.techniques.index(technique)].rpartition(" at ")[0],
            target=target,
            classes=None,
            predicted=target == "predicted",
            at=str(form["at"]) or None,
            seed=None,
            framework=framework,
            framework_version=plan.versions[framework],
            version=plan.versions["backlight"],
            warnings=self.warnings(text(row[f"{name}/warnings"])),
            layouts=(self.layout(technique, target),),
            class_names=self.classes or None,
            inputs=self._inputs(row, str(form["at"])),
        )

    def _inputs(self, row: Mapping[str, NDArray[Any]], at: str) -> tuple[DescribedInput, ...]:
        """What the values at this site are of, as far as the store has it: tokens, or names of columns
        or channels; nothing of an inner site's."""
        if "tokens" in row:  # whose values are those of their vectors
            tokens, words = json.loads(text(row["tokens"])), row["words"].tolist()
            return (DescribedInput("text", tokens=(tuple(tokens),), words=(tuple(words),)),)
        options = self.store.plan.options
        if at or "kind" not in options:
            return ()
        names = cast(list[str], options["features"])
        return (DescribedInput(cast(InputKind, options["kind"]), tuple(names)),)

    def form(self, technique: str, target: str) -> Mapping[str, object]:
        """What is the same for all examples: `at` (the inner site, or ""), `shape` and `layout` of the
        values, `names` of the features that are kept."""
        name = self.checked(technique, target)
        if name not in self._notes:
            raise InputError(f"{technique} has found nothing yet for the target {target!r}.")
        return cast(dict[str, object], json.loads(self._notes[name]))

    def layout(self, technique: str, target: str) -> Layout | None:
        """Where the values have their channels and places; None where they have no places."""
        said = cast(dict[str, Any] | None, self.form(technique, target)["layout"])
        return layouts_of([said])[0]

    @cached_property
    def _notes(self) -> Mapping[str, str]:
        return self.store.notes()

    @cached_property
    def _ids(self) -> Mapping[str, int]:
        ids, names = self.column("names")
        return {text(name): id for name, id in zip(names, ids.tolist(), strict=True)}

    def checked(self, technique: str, target: str) -> str:
        """What the columns of a technique and target begin with.

        Raises:
            UnknownNameError: no such technique or target.
        """
        if technique not in self.techniques:
            raise UnknownNameError("technique of the store", technique, self.techniques)
        if target not in self.targets:
            raise UnknownNameError("target of the store", target, self.targets)
        return f"{technique}/{target}"

    def __repr__(self) -> str:
        listed = ", ".join(self.techniques)
        return f"Attributions({self.store.plan.count:,} examples by {listed}, {self.store.folder})"


def text(stored: NDArray[Any] | np.bytes_) -> str:
    """One text, stored as UTF-8."""
    return bytes(np.asarray(stored)[()]).decode(errors="surrogateescape")
