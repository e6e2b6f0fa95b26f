"""A study as a notebook shows it: how good the model is, and the first cases with all techniques side by
side. HTML without scripts, pictures inside."""

from collections.abc import Callable, Mapping
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from backlight_loading.names import short
from backlight_pictures.colours import overlay
from backlight_pictures.fragments.style import STYLE
from backlight_pictures.png import data_uri, enlarged, png
from backlight_pictures.scale import Scale
from backlight_pictures.stored import shown
from backlight_study.case_record import case_records
from backlight_study.format import StudyRecord
from backlight_study.fragments import fragment
from backlight_study.questions import Question
from backlight_study.result import Study

SHOWN = 6
"""How many cases are drawn."""

LARGEST = 3
"""How many classes of a case are named, the most probable first."""

SIDE = 112
"""Pixels of a picture's side."""


class EmbeddedPictures:
    """Pictures as addresses that need no file; maps of one question alone."""

    def __init__(self, study: Study) -> None:
        self.cases, self.question = study.cases, study.task.question
        self.inputs: dict[str, NDArray[np.uint8]] = {}

    def input(self, stem: str, stored: NDArray[Any]) -> str:
        picture = shown(stored, self.cases.model.channels, self.cases.ends)
        self.inputs[stem] = picture
        return data_uri(png(enlarged(picture, SIDE)))

    def map(
        self,
        stem: str,
        technique: str,
        question: Question,
        map: NDArray[np.float64],
        scale: Scale,
        notes: Mapping[str, str],
    ) -> str:
        del technique, notes
        if question != self.question:
            return ""
        size = (map.shape[1], map.shape[0])
        picture = np.asarray(Image.fromarray(self.inputs[stem]).resize(size))
        return data_uri(png(enlarged(overlay(map, scale, picture), SIDE)))

    def scale(self, stem: str, technique: str, scale: Scale) -> str:
        del stem, technique, scale
        return ""


def snippet(study: Study) -> str:
    """The first cases of a study as HTML."""
    pictures, count = EmbeddedPictures(study), len(study.rows)
    names = [escape(one.name.replace("_", " ")) for one in study.cases.techniques]
    head = "".join(f"<th>{name}</th>" for name in ("", "", *names))
    rows = ""
    if count:
        records = case_records(study, pictures, SHOWN)
        input = {"kind": study.cases.kind, "names": list(study.cases.features)}
        rows = "".join(row_of(case, pictures.question, input) for case in records)
    table = f"<table><tr>{head}</tr>{rows}</table>" if count else ""
    first = f"The first {SHOWN} of {count} cases. " if count > SHOWN else ""
    answered = ANSWERED[pictures.question]
    why = f"Maps: {answered}; red is for it, blue against it. Each has a scale of its own."
    style = "" if study.cases.kind == "picture" else f"<style>{STYLE}</style>"
    return (
        f'{style}<div style="font:14px system-ui,sans-serif">'
        f"<div><b>{escape(study.task.summary())}</b></div>"
        f"<div>{escape(study.rule)}</div>{table}<div>{first}{why if count else ''}</div></div>"
    )


def row_of(case: StudyRecord, question: Question, input: StudyRecord) -> str:
    """One case: its picture if it has one, what the model says of it, and a map by each technique."""
    verdict, *more = VERDICTS[question](case)
    told = "".join(f"<div>{line}</div>" for line in (escape(case["name"]), verdict, *more))
    each = (map_of(one, question, case, input) for one in case["explanations"])
    maps = "".join(f"<td>{one}</td>" for one in each)
    picture = "" if case["input"] is None else image(case["input"], case["id"])
    return f'<tr><td>{picture}</td><td style="text-align:left">{told}</td>{maps}</tr>'


def of_class(case: StudyRecord) -> list[str]:
    true, predicted = (escape(short(case[key]["name"])) for key in ("true", "predicted"))
    verdict = f"called <b>{predicted}</b>, but it is <b>{true}</b>"
    if not case["wrong"]:
        verdict = f"rightly called <b>{true}</b>"
    return [verdict, *map(probability, case["probabilities"][:LARGEST])]


def of_label(case: StudyRecord) -> list[str]:
    label = case["label"]
    said = case["kind"] in ("fp", "tp")
    is_right = "rightly" if not case["wrong"] else "wrongly"
    return [
        f"{is_right} said {'to have' if said else 'not to have'} <b>{escape(short(label['name']))}</b>",
        probability(label),
    ]


def of_number(case: StudyRecord) -> list[str]:
    name = escape(short(case["number"]["name"]))
    return [f"{name}: said <b>{case['value']:.4g}</b>, is <b>{case['target']:.4g}</b>"]


def probability(one: StudyRecord) -> str:
    return f"{escape(short(one['name']))} {one['probability']:.1%}"


VERDICTS: Mapping[Question, Callable[[StudyRecord], list[str]]] = {
    "contrast": of_class,
    "predicted": of_class,
    "label": of_label,
    "value": of_number,
}

ANSWERED: Mapping[Question, str] = {
    "contrast": "why the predicted class rather than the other",
    "predicted": "why the predicted class",
    "label": "why the label",
    "value": "why the number",
}
"""What maps answer, by the question that mistakes ask."""


def map_of(row: StudyRecord, question: Question, case: StudyRecord, input: StudyRecord) -> str:
    target = row["targets"].get(question)
    if target is None:
        return escape(row["error"] or "no map")
    drawn = fragment(target, row, case, input)
    if drawn is not None:
        return f'<div class="backlight" style="text-align:left;min-width:220px">{drawn}</div>'
    return image(target["file"], f"Map of {row['name']}")


def image(address: str, said: str) -> str:
    return (
        f'<img src="{address}" alt="{escape(said)}" '
        f'style="height:{SIDE}px;max-width:none;image-rendering:pixelated">'
    )
