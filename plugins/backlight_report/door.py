"""A report in one call: judge a model on labelled examples, explain what it got wrong, write it down."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from backlight import Examples, Method, wrap
from backlight.errors import InputError
from backlight_report.judged import Judged, check, class_names, preparation
from backlight_report.predictions import Progress, predict
from backlight_report.preprocessing import Preprocessing
from backlight_report.selection import Only, class_number, select
from backlight_report.techniques import sentence, techniques

BATCH = 64
"""How many examples the model is asked about at a time, where nothing is said."""


@final
@dataclass(frozen=True)
class Report:
    """What was written where.

    Attributes:
        directory: it holds report.html, results.json and the folder pictures.
        count: how many examples the model was judged on.
        correct: how many of them it got right.
        explained: how many are in the report.
        errors: what techniques could not do, each once.
    """

    directory: Path
    count: int
    correct: int
    explained: int
    errors: tuple[str, ...]

    @property
    def page(self) -> Path:
        """The file to open."""
        return self.directory / "report.html"


def report(
    model: object,
    examples: Examples,
    *,
    directory: str | os.PathLike[str],
    methods: Sequence[str | Method] = (),
    only: Only | None = None,
    true: str | int | None = None,
    predicted: str | int | None = None,
    limit: int = 24,
    framework: str | None = None,
    preprocessing: Preprocessing | None = None,
    seed: int | None = None,
    batch_size: int | None = None,
    model_name: str = "",
    data_name: str = "the examples",
    reading: str = "",
    progress: Progress = lambda what, done, total: None,
) -> Report:
    """Explain a classifier's mistakes in a folder with a page to open, pictures, and all the numbers.

    Args:
        model: of any installed framework, from examples to (N, classes).
        examples: pictures with their true classes.
        directory: where to; a report that is there already is replaced when the new one is complete.
        methods: techniques, or their names as `NAME:key=value`; by default integrated gradients,
            Grad-CAM and occlusion.
        only: "misclassified" (default), "correct" or "all".
        true, predicted: only this true or this predicted class, by name or number.
        limit: explain at most so many; wrong ones before right ones, the most confident first.
        framework: of a model that is a plain function.
        preprocessing: from the examples to the model's input; bytes are divided by 255 by default.
        seed: for techniques with noise.
        batch_size: most rows in one pass.
        model_name, data_name, reading: what the page calls the model and the data, and how it was read.
        progress: called with what is being done, how much is done and how much there is.

    Raises:
        BacklightError: what is wrong with the model, the examples or the arguments.
    """
    # Here and not above: programs that make no report need no Pillow, colour maps and templates.
    from backlight_report import directory as directories
    from backlight_report.cases import explain_cases
    from backlight_report.page import page
    from backlight_report.pictures import PictureFiles
    from backlight_report.results import header, written

    target = Path(directory)
    directories.check_directory(target)
    chosen = techniques(methods, seed)
    check(examples)
    wrapped = wrap(model, framework)
    prepared = preparation(model, wrapped, preprocessing or Preprocessing())
    if batch_size is not None and batch_size < 1:
        raise InputError(f"batch_size must be at least 1, got {batch_size}.")
    predictions = predict(wrapped, examples, prepared, batch_size or BATCH, progress)
    classes = class_names(examples, predictions)
    selection = select(
        predictions,
        only,
        class_number(true, classes),
        class_number(predicted, classes),
        limit,
    )
    sample = prepared(examples.x[:1])
    results = header(
        wrapped,
        predictions,
        selection,
        chosen,
        classes,
        {
            "model": model_name or type(model).__name__,
            "data": {
                "name": data_name,
                "reading": reading or f"{len(examples.x):,} examples as they were given",
                "skipped": list(examples.skipped),
            },
            "preprocessing": (preprocessing or Preprocessing()).described(examples.x),
            "input": {"shape": list(sample.shape[1:]), "dtype": str(sample.dtype)},
        },
    )
    with directories.replacing(target) as folder:
        pictures = PictureFiles(folder)
        judged = Judged(wrapped, examples, predictions, classes, prepared)
        results["cases"] = explain_cases(
            judged, selection.rows, chosen, pictures, batch_size, progress
        )
        text = page(results, pictures.files, {one.name: sentence(one.method) for one in chosen})
        (folder / "report.html").write_text(text, encoding="utf-8")
        (folder / directories.MARK).write_text(written(results), encoding="utf-8")
    errors = dict.fromkeys(
        f"{row['name']}: {row['error']}"
        for case in results["cases"]
        for row in case["explanations"]
        if row["error"]
    )
    return Report(target, len(examples.x), predictions.correct, len(selection.rows), tuple(errors))
