"""A report in one call: a study of a model, written down as a page, its numbers and its pictures."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from backlight import Examples, Method, Metric
from backlight.errors import InputError, UnknownNameError
from backlight.progress import Progress
from backlight.values.layout import InputKind
from backlight.values.outputs import Path as OutputPath
from backlight_datasets import SequenceSource, Source
from backlight_datasets.folder import FolderSource
from backlight_loading.encoders import Encoder
from backlight_loading.encoding import Encoding
from backlight_loading.examples import reading_of
from backlight_loading.masks import MasksGiven, open_masks
from backlight_loading.preparation import Colour, Size
from backlight_loading.preprocessing import Preprocessing
from backlight_loading.tokenizers import Tokenizer
from backlight_report.directory import MARK, PAGE
from backlight_study.answered import Answered
from backlight_study.baselines import PictureBaseline
from backlight_study.cells import Said
from backlight_study.judging import Judgement, judge
from backlight_study.metadata import MetadataGiven
from backlight_study.order_record import CLASSES, order_sentences
from backlight_study.questions import QUESTIONS, Question
from backlight_study.result import Study
from backlight_study.run import study
from backlight_study.selection import Only, Order
from backlight_study.tasks.task import TaskName


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
        return len(self.study.task.ids)

    @property
    def correct(self) -> int:
        """How many of them a classifier got right."""
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
    kind: InputKind | None = None,
    tokenizer: Tokenizer | str | None = None,
    tokens: int | None = None,
    encoder: Encoder | str | None = None,
    task: TaskName | None = None,
    methods: Sequence[str | Method] = (),
    cell: str | Sequence[str] = (),
    only: Only | None = None,
    true: Said = None,
    predicted: Said = None,
    ids: Sequence[str | int] | None = None,
    order: Order | None = None,
    limit: int = 24,
    right: int = 0,
    metadata: MetadataGiven | None = None,
    where: Sequence[str] = (),
    masks: MasksGiven | None = None,
    baseline: PictureBaseline | None = None,
    near: str | None = None,
    store: str | os.PathLike[str] | None = None,
    answered: Answered | None = None,
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
    panels: Sequence[Question] = (),
    model_name: str = "",
    data_name: str = "the examples",
    reading: str = "",
    call: str = "",
    notes: Sequence[str] = (),
    metrics: Sequence[str | Metric] | None = None,
    progress: Progress = lambda what, done, total: None,
) -> Report:
    """Study a model, and write a folder with a page to open, pictures, and all the numbers.

    Args:
        directory: where to; a report that is there already is replaced when the new one is complete.
        embed: whether the page holds its pictures; else it refers to the files beside it.
        private: leave out pictures, names of files, and paths.
        panels: questions for which pictures for a slide are drawn, cases by techniques: "contrast",
            "predicted", "true"; "label" of several labels, "value" of numbers.
        model_name, data_name, reading, call: what the page calls the model and the data, how it was read,
            and what made the report.
        notes: what the page says first.
        masks: where the object is in each of the data's examples, (N, H, W) at the places of the stored
            pictures or of the model's input, or the path of such an array (.npy, .npz) or of a folder
            of pictures named as the data's; for metrics and findings that ask for it.
        metrics: what techniques are judged by, beside controls; an empty list leaves that out.

    All others are those of `backlight_study.study`.

    Raises:
        BacklightError: what is wrong with the model, the examples or the arguments.
    """
    # Here and not above: what it needs is the page's alone.
    from backlight_report.replacing import claim

    target = Path(directory)
    claim(target)
    check_panels(panels, private)
    count = len(data) if isinstance(data, Source) else None
    inside = None if masks is None else open_masks(masks, count)
    studied = study(
        model,
        data,
        kind=kind,
        tokenizer=tokenizer,
        tokens=tokens,
        encoder=encoder,
        task=task,
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
        near=near,
        store=store,
        answered=answered,
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
            "reading": reading or reading_in_words(studied, size),
        },
        "call": call or "backlight_report.report(model, examples, directory=...)",
        "notes": [*notes, *studied.notes],
    }
    judgement = judge(studied, metrics, inside, progress)
    return write(studied, judgement, target, about, embed=embed, private=private, panels=panels)


def check_panels(panels: Sequence[str], private: bool) -> None:
    """Raise an error for panels of no question, or of a report without pictures."""
    for question in panels:
        if question not in QUESTIONS:
            raise UnknownNameError("question for panels", question, QUESTIONS)
    if panels and private:
        raise InputError(
            "Panels are pictures, which a private report leaves out: leave out one of both."
        )


def reading_in_words(studied: Study, size: Size | None) -> str:
    """How the examples were read."""
    cases = studied.cases
    folder = isinstance(cases.source, FolderSource)
    count = len(studied.task.ids)
    if isinstance(cases.source, SequenceSource):
        return f"{count:,} examples as they were given"
    if cases.kind == "text":
        return f"{count:,} texts, {studied.store.plan.options['preprocessing']} each"
    if isinstance(cases.prepared, Encoding):
        return f"{count:,} rows, {studied.store.plan.options['preprocessing']}"
    return reading_of(count, cases.shape, cases.dtype, folder, size)


def write(
    studied: Study,
    judgement: Judgement,
    directory: str | os.PathLike[str],
    about: Mapping[str, Any],
    *,
    embed: bool = True,
    private: bool = False,
    panels: Sequence[Question] = (),
) -> Report:
    """Write the folder of a study: all of it, or nothing.

    Args:
        studied: the study.
        judgement: what was made of its cases.
        directory: where to.
        about: what the study does not know, see `study_record`.
        embed, private, panels: see `report`.

    Raises:
        InputError: the folder holds something else, or cannot be written; or no technique could explain
            any case.
    """
    from backlight_report.panels import panels as drawn
    from backlight_report.pictures import PictureFiles
    from backlight_report.replacing import replacing
    from backlight_report.study_page.page import study_page
    from backlight_report.study_page.private import private_study
    from backlight_study.record import study_record, written

    target = Path(directory)
    with replacing(target) as folder:
        files = PictureFiles(folder, studied.cases.model.channels, studied.cases.ends)
        record = study_record(studied, judgement, files, about)
        rows = [row for case in record["cases"] for row in case["explanations"]]
        if rows and all(row["error"] for row in rows):
            raise InputError(f"No technique could explain any case: {rows[0]['error']}")
        if panels and studied.cases.kind != "picture":
            raise InputError(
                "Panels are drawn of pictures only, and the examples are of the kind "
                f"{studied.cases.kind}: leave them out."
            )
        if panels and rows:
            record["panels"] = [
                files.panel(f"panel-{question}-{place:02}", content)
                for question in panels
                for place, content in enumerate(drawn(record, files.files, question), start=1)
            ]
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
    given = (*about.get("notes", ()), *judgement.notes)
    return Report(
        target,
        studied,
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
