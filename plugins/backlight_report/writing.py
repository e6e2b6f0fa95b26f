"""A report in one call: a study of a classifier, written down as a page, its numbers and its pictures."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from backlight import Examples, Method, Metric
from backlight.errors import InputError
from backlight.evaluating.evaluate import DEFAULT_METRICS
from backlight.values.outputs import Path as OutputPath
from backlight_datasets import SequenceSource, Source
from backlight_datasets.folder import FolderSource
from backlight_loading.examples import reading_of
from backlight_loading.preparation import Colour, Size
from backlight_loading.preprocessing import Preprocessing
from backlight_report.directory import MARK, PAGE
from backlight_study.baselines import PictureBaseline
from backlight_study.cells import Said
from backlight_study.judging import Judgement, judge
from backlight_study.metadata import MetadataGiven
from backlight_study.order_record import CLASSES, order_sentences
from backlight_study.predictions import Progress
from backlight_study.result import Study
from backlight_study.run import study
from backlight_study.selection import Only, Order


@final
@dataclass(frozen=True)
class Report:
    """What was written where.

    Attributes:
        directory: it holds report.html, study.json and the folder pictures.
        study: what was found.
        errors: what techniques could not do, each once.
        notes: what should be known before anything is believed: that the classes seem to be in another
            order than the model's, for example.
        warnings: of techniques, each once.
        estimates: how far techniques say that their values may be off.
    """

    directory: Path
    study: Study
    errors: tuple[str, ...]
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    estimates: tuple[str, ...] = ()

    @property
    def page(self) -> Path:
        """The file to open."""
        return self.directory / PAGE

    @property
    def count(self) -> int:
        """How many examples the model was judged on."""
        return len(self.study.predictions.labels)

    @property
    def correct(self) -> int:
        """How many of them it got right."""
        return self.study.predictions.correct

    @property
    def explained(self) -> int:
        """How many are in the report."""
        return len(self.study.rows)


def report(
    model: object,
    data: str | os.PathLike[str] | Examples | Source,
    *,
    directory: str | os.PathLike[str],
    methods: Sequence[str | Method] = (),
    cell: str | Sequence[str] = (),
    only: Only | None = None,
    true: Said = None,
    predicted: Said = None,
    ids: Sequence[str | int] | None = None,
    order: Order = "confidence",
    limit: int = 24,
    right: int = 0,
    metadata: MetadataGiven | None = None,
    where: Sequence[str] = (),
    masks: NDArray[np.bool_] | None = None,
    baseline: PictureBaseline | None = None,
    store: str | os.PathLike[str] | None = None,
    framework: str | None = None,
    scores: OutputPath = None,
    preprocessing: Preprocessing | None = None,
    size: Size | None = None,
    colour: Colour | None = None,
    classes: Sequence[str] = (),
    seed: int | None = None,
    batch_size: int | None = None,
    embed: bool = True,
    private: bool = False,
    model_name: str = "",
    data_name: str = "the examples",
    reading: str = "",
    call: str = "",
    notes: Sequence[str] = (),
    metrics: Sequence[str | Metric] = DEFAULT_METRICS,
    progress: Progress = lambda what, done, total: None,
) -> Report:
    """Study a classifier, and write a folder with a page to open, pictures, and all the numbers.

    Args:
        directory: where to; a report that is there already is replaced when the new one is complete.
        embed: whether the page holds its pictures; else it refers to the files beside it.
        private: leave out pictures, names of files, and paths.
        model_name, data_name, reading, call: what the page calls the model and the data, how it was read,
            and what made the report.
        notes: what the page says first.
        masks: where the object is, (N, H, W) of truths at the places of the model's input, for metrics
            and findings that ask for it.
        metrics: what techniques are judged by, beside controls; none leaves that out.

    All others are those of `backlight_study.study`.

    Raises:
        BacklightError: what is wrong with the model, the examples or the arguments.
    """
    # Here and not above: what it needs is the page's alone.
    from backlight_report.replacing import claim

    target = Path(directory)
    claim(target)
    made = study(
        model,
        data,
        methods=methods,
        cell=cell,
        only=only,
        true=true,
        predicted=predicted,
        ids=ids,
        order=order,
        limit=limit,
        right=right,
        metadata=metadata,
        where=where,
        baseline=baseline,
        store=store,
        framework=framework,
        scores=scores,
        preprocessing=preprocessing,
        size=size,
        colour=colour,
        classes=classes,
        seed=seed,
        batch_size=batch_size,
        progress=progress,
    )
    about = {
        "model": model_name or type(model).__name__,
        "data": {
            "name": data_name,
            "reading": reading or reading_in_words(made, size),
        },
        "call": call or "backlight_report.report(model, examples, directory=...)",
        "notes": list(notes),
    }
    progress("Judging", 0, 1)
    judgement = judge(made, metrics, masks)
    progress("Judging", 1, 1)
    return write(made, judgement, target, about, embed=embed, private=private)


def reading_in_words(made: Study, size: Size | None) -> str:
    """How the examples were read."""
    cases = made.cases
    folder = isinstance(cases.source, FolderSource)
    count = len(made.predictions.labels)
    if isinstance(cases.source, SequenceSource):
        return f"{count:,} examples as they were given"
    return reading_of(count, cases.shape, cases.dtype, folder, size)


def write(
    made: Study,
    judgement: Judgement,
    directory: str | os.PathLike[str],
    about: Mapping[str, Any],
    *,
    embed: bool = True,
    private: bool = False,
) -> Report:
    """Write the folder of a study: all of it, or nothing.

    Args:
        made: the study.
        judgement: what was made of its cases.
        directory: where to.
        about: what the study does not know, see `study_record`.
        embed, private: see `report`.

    Raises:
        InputError: the folder holds something else, or cannot be written; or no technique could explain
            any case.
    """
    from backlight_report.pictures import PictureFiles
    from backlight_report.replacing import replacing
    from backlight_report.study_page.page import study_page
    from backlight_report.study_page.private import private_study
    from backlight_study.record import study_record, written

    target = Path(directory)
    with replacing(target) as folder:
        files = PictureFiles(folder, made.cases.model.channels, made.cases.ends)
        record = study_record(made, judgement, files, about)
        rows = [row for case in record["cases"] for row in case["explanations"]]
        if rows and all(row["error"] for row in rows):
            raise InputError(f"No technique could explain any picture: {rows[0]['error']}")
        if private:
            files.remove()
        page = study_page(record, files.files, embed=embed, private=private)
        (folder / PAGE).write_text(page, encoding="utf-8")
        (folder / MARK).write_text(
            written(private_study(record) if private else record), encoding="utf-8"
        )
        if record["order"] and record["order"]["file"]:
            lines = record["order"]["names"]
            (folder / CLASSES).write_text("\n".join(lines) + "\n", encoding="utf-8")
    given = tuple(record["notes"][: len(about.get("notes", ()))])
    return Report(
        target,
        made,
        once(f"{row['name']}: {row['error']}" for row in rows if row["error"]),
        (*given, *order_sentences(record, target)),
        once(
            f"{row['name']}: {warning}"
            for row in rows
            for one in row["targets"].values()
            for warning in one["warnings"]
        ),
        estimates(record["cases"]),
    )


def estimates(cases: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """A sentence for each technique that says how far its values may be off."""
    worst: dict[str, dict[str, float]] = {}
    for row in (row for case in cases for row in case["explanations"]):
        for one in row["targets"].values():
            for kind in ("error", "standard_error_of_sum"):
                if one[kind] is not None:
                    known = worst.setdefault(row["name"], {})
                    known[kind] = max(known.get(kind, 0.0), one[kind])
    said = []
    for name, known in worst.items():
        parts = [f"estimated error of a map up to {known['error']:.1%}"] if "error" in known else []
        if "standard_error_of_sum" in known:
            parts.append(
                f"standard error of a map's sum up to {known['standard_error_of_sum']:.3g}"
            )
        said.append(f"{name}: {', '.join(parts)}")
    return tuple(said)


def once(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))
