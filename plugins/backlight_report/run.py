"""A report in one call: a study of a model, written down as a page, its numbers and its pictures."""

import os
from collections.abc import Sequence
from pathlib import Path

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
from backlight_report.result import Report
from backlight_report.writing import write
from backlight_study.answered import Answered
from backlight_study.baselines import PictureBaseline
from backlight_study.cells import Said
from backlight_study.judging import judge
from backlight_study.metadata import MetadataGiven
from backlight_study.questions import QUESTIONS, Question
from backlight_study.result import Study
from backlight_study.run import study
from backlight_study.selection import Only, Order
from backlight_study.tasks.task import TaskName


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
