"""`study.html`: one file made of a study and its pictures alone."""

from base64 import b64encode
from collections.abc import Callable, Mapping
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import TypeAlias

from jinja2 import Environment, FunctionLoader, StrictUndefined, Template

from backlight_pictures.fragments.style import STYLE
from backlight_pictures.scale import PERCENTILE
from backlight_report.study_page.cases import WORRYING, case_view, questions_asked
from backlight_report.study_page.colouring import filters, ramps
from backlight_report.study_page.confusion import confusion_view
from backlight_report.study_page.errors import errors_view, numbers_view
from backlight_report.study_page.features import features_view
from backlight_report.study_page.findings import findings_view
from backlight_report.study_page.images import Images
from backlight_report.study_page.labels import labels_view, mistakes_view
from backlight_report.study_page.performance import performance_view
from backlight_report.study_page.private import private_study
from backlight_report.study_page.provenance import method_view, provenance_view, selection_view
from backlight_report.study_page.record import (
    QUESTIONS,
    StudyRecord,
    checked,
    kind_of,
    task_of,
)
from backlight_report.study_page.summary import summary_view
from backlight_report.study_page.task_words import WORDS
from backlight_report.study_page.techniques import techniques_view
from backlight_report.study_page.words import percent, short
from backlight_study.kinds import CALLED

View: TypeAlias = Callable[[StudyRecord], StudyRecord]

PERFORMANCE: Mapping[str, View] = {
    "classification": performance_view,
    "multi-label": labels_view,
    "regression": numbers_view,
}
"""How well it does, by the model's task."""

CONFUSIONS: Mapping[str, View] = {
    "classification": confusion_view,
    "multi-label": mistakes_view,
    "regression": errors_view,
}
"""Where it is wrong."""


def study_page(
    study: StudyRecord,
    pictures: Mapping[str, bytes],
    *,
    embed: bool = True,
    private: bool = False,
) -> str:
    """The page of a study: HTML that needs no network, no other file unless asked to, no scripts.

    Args:
        study: what `study.json` holds, of format 3.
        pictures: picture files by the paths that the study gives them: maps as
            `backlight_pictures.layers.map_file` makes them, which the page colours; any other picture
            is shown as it is. A path without a file is shown as missing.
        embed: hold the pictures inside the page, small ones as they are, large ones as WebP; else
            refer to them by their paths, relative to the page.
        private: leave out pictures, the names of files and folders, and paths.

    Raises:
        InputError: a study of another format.
    """
    study = private_study(checked(study)) if private else checked(study)
    task, kind = task_of(study), kind_of(study)
    images = Images(pictures, map_count(study), embed=embed, private=private)
    script = asset("script.js") + asset("pointer.js")
    return template().render(
        study=study,
        private=private,
        task=task,
        kind=kind,
        called=CALLED[kind],
        features=features_view(study),
        words=WORDS[task],
        summary=summary_view(study),
        performance=PERFORMANCE[task](study),
        confusion=CONFUSIONS[task](study),
        findings=findings_view(study, images),
        techniques=techniques_view(study),
        selection=selection_view(study),
        provenance=provenance_view(study),
        methods=[method_view(one, study) for one in study["methods"]],
        cases=[case_view(case, study, images) for case in study["cases"]],
        questions={one: QUESTIONS.get(one, one) for one in questions_asked(study)},
        filters=filters(),
        ramps=ramps(),
        style=asset("style.css") if kind == "picture" else asset("style.css") + STYLE,
        script=script,
        script_digest=b64encode(sha256(script.encode()).digest()).decode("ascii"),
        percentile=f"{PERCENTILE:g}",
        worrying=f"{100 * WORRYING:g}\N{NO-BREAK SPACE}%",
    )


def map_count(study: StudyRecord) -> int:
    """How many maps share the page's budget."""
    rows = [row for case in study["cases"] for row in case["explanations"]]
    return sum(len(row["targets"]) for row in rows)


@cache
def asset(name: str) -> str:
    """A file of this package, its lines ended as the page's are."""
    text = (files("backlight_report.study_page") / name).read_text(encoding="utf-8")
    return text.replace("\r\n", "\n").strip() + "\n"


@cache
def template() -> Template:
    environment = Environment(
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        loader=FunctionLoader(lambda name: asset(f"templates/{name}")),
    )
    environment.filters |= {"short": short, "percent": percent}
    return environment.get_template("page.html.j2")
