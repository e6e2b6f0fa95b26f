"""`report.html`: one file that needs no other, made of the results and the picture files alone."""

from collections import Counter
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined, Template

from backlight_pictures.colour_bar import ticks
from backlight_pictures.colours import ramp
from backlight_pictures.png import data_uri, png
from backlight_pictures.scale import PERCENTILE, Scale, number
from backlight_report.order_record import order_examples, order_finding
from backlight_report.results import Record

SHOWN_CLASSES = 24
"""How many classes the confusion matrix shows; a page has no room for a thousand."""

WORRYING = 0.1
"""The relative gap from which on it is marked."""

KINDS = {
    "logits": "the model gives class scores; their softmax is shown",
    "probabilities": "as the model gives them",
    "log_probabilities": "the model gives their logarithms",
    "sigmoid": "independent ones, one per class, as the model gives them; they need not add up to 1",
}

KINDS_OF_ONE = {
    "logits": "the model gives one number, whose sigmoid is shown as that of {}",
    "log_probabilities": "the model gives the logarithm of that of {}",
}
"""The same for models with one output; otherwise it is the probability itself."""


def page(results: Record, pictures: Mapping[str, bytes], about: Mapping[str, str]) -> str:
    """The page of these results.

    Args:
        results: what `results.json` holds.
        pictures: the picture files by the paths that the results give them.
        about: a sentence on each technique, by name.
    """
    cases = [
        case_view(case, place, pictures, results["one_output"])
        for place, case in enumerate(results["cases"], 1)
    ]
    accuracy = results["accuracy"]
    return template().render(
        results=results,
        cases=cases,
        matrix=matrix(results),
        often=often(results),
        linked=bool(cases),
        worrying=WORRYING,
        percentile=f"{PERCENTILE:g}",
        wrong=accuracy["count"] - accuracy["correct"],
        selection=selection_sentence(results),
        kind=kind_sentence(results),
        finding=order_finding(results) if results["order"] else "",
        moved=order_examples(results["order"]) if results["order"] else "",
        methods=[{**one, "about": about[one["name"]]} for one in results["methods"]],
    )


def kind_sentence(results: Record) -> str:
    """Where the probabilities come from."""
    if not results["one_output"]:
        return KINDS[results["outputs"]]
    said = KINDS_OF_ONE.get(results["outputs"], "the model gives that of {}")
    return said.format(short(results["classes"][1]))


@cache
def template() -> Template:
    environment = Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    )
    environment.filters |= {"percent": percent, "number": number, "short": short}
    text = (files("backlight_report") / "page.html.j2").read_text(encoding="utf-8")
    return environment.from_string(text)


def percent(share: float) -> str:
    """A share in per cent, with as many digits as matter: 98.2 %, < 0.1 %, 412 %."""
    if 0 < share < 0.001:
        return "< 0.1\N{NO-BREAK SPACE}%"
    if 0.999 < share < 1:
        return "> 99.9\N{NO-BREAK SPACE}%"
    return f"{100 * share:.{0 if share >= 10 else 1}f}\N{NO-BREAK SPACE}%"


def short(name: str) -> str:
    """The first of a class's synonyms."""
    return name.partition(",")[0].strip() or name


def case_id(place: int) -> str:
    return f"case-{place}"


def case_view(case: Record, place: int, pictures: Mapping[str, bytes], one_output: bool) -> Record:
    """What the template shows of a case."""
    return {
        **case,
        "id": case_id(place),
        "wrong": case["true"]["class"] != case["predicted"]["class"],
        "picture": data_uri(pictures[case["input"]]),
        "rows": [row_view(row, titles(case, one_output), pictures) for row in case["explanations"]],
    }


def titles(case: Record, one_output: bool) -> dict[str, str]:
    """What stands below the map of each question."""
    predicted, true, rival = (short(case[key]["name"]) for key in ("predicted", "true", "rival"))
    if one_output:
        return {
            "predicted": f"why {predicted} rather than {rival}",
            "true": f"why {true} rather than {predicted}",
        }
    return {
        "predicted": f"why {predicted}",
        "true": f"why {true}",
        "contrast": f"why {predicted} rather than {rival}",
    }


def row_view(row: Record, titles: Mapping[str, str], pictures: Mapping[str, bytes]) -> Record:
    targets: dict[str, Any] = row["targets"]
    scale = Scale(row["limit"], row["signed"])
    return {
        **row,
        "maps": [
            {**one, "title": titles[question], "picture": data_uri(pictures[one["file"]])}
            for question, one in targets.items()
        ],
        "warnings": list(dict.fromkeys(w for one in targets.values() for w in one["warnings"])),
        "ramp": ramp_uri(scale.signed, scale.limit == 0),
        "ticks": ticks(scale),
    }


@cache
def ramp_uri(signed: bool, empty: bool) -> str:
    return data_uri(png(ramp(Scale(0.0 if empty else 1.0, signed), 256, 1)))


def matrix(results: Record) -> Record:
    """The confusion matrix of the classes that occur, those with the most mistakes if too many."""
    counts = {(one["true"], one["predicted"]): one["count"] for one in results["confusion"]}
    totals: Counter[int] = Counter()  # of a row: what the diagonal's colour is a share of
    mistakes: Counter[int] = Counter()
    for (true, predicted), count in counts.items():
        totals[true] += count
        for k in {true, predicted}:
            mistakes[k] += count if true != predicted else 0
    shown = sorted(sorted(mistakes), key=lambda k: (-mistakes[k], -totals[k]))[:SHOWN_CLASSES]
    shown.sort()
    links = first_cases(results)
    most = max([count for (true, called), count in counts.items() if true != called], default=1)
    names = results["classes"]

    def cell(true: int, predicted: int) -> Record:
        count = counts.get((true, predicted), 0)
        return {
            "name": names[predicted],
            "count": count,
            "right": true == predicted,
            "share": count / max(1, totals[true] if true == predicted else most),
            "link": links.get((true, predicted)),
        }

    return {
        "classes": [names[k] for k in shown],
        "left_out": len(mistakes) - len(shown),
        "rows": [
            {"name": names[true], "cells": [cell(true, predicted) for predicted in shown]}
            for true in shown
        ],
    }


def first_cases(results: Record) -> dict[tuple[int, int], str]:
    """Where the first case of each confusion stands on the page."""
    links: dict[tuple[int, int], str] = {}
    for place, case in enumerate(results["cases"], 1):
        links.setdefault((case["true"]["class"], case["predicted"]["class"]), case_id(place))
    return links


def often(results: Record, most: int = 8) -> list[Record]:
    """The most frequent mistakes."""
    names, links = results["classes"], first_cases(results)
    mistakes = [one for one in results["confusion"] if one["true"] != one["predicted"]]
    mistakes.sort(key=lambda one: (-one["count"], one["true"], one["predicted"]))
    return [
        {
            "count": one["count"],
            "true": names[one["true"]],
            "predicted": names[one["predicted"]],
            "link": links.get((one["true"], one["predicted"])),
        }
        for one in mistakes[:most]
    ]


def selection_sentence(results: Record) -> str:
    """Which pictures are explained, in words."""
    asked, names = results["selection"], results["classes"]
    what = {
        "misclassified": "misclassified pictures",
        "correct": "rightly classified pictures",
        "all": "pictures",
    }[asked["only"]]
    if asked["true"]:
        what += f" of class {' or '.join(short(names[k]) for k in asked['true'])}"
    if asked["predicted"]:
        what += f" called {' or '.join(short(names[k]) for k in asked['predicted'])}"
    found, explained = asked["found"], len(results["cases"])
    if found == 0:
        return f"There are no {what}."
    order = {
        "misclassified": "the most confidently wrong first",
        "correct": "the most confident first",
        "all": asked["order"],
    }[asked["only"]]
    share = f"All {found:,}" if found == explained else f"{explained} of {found:,}"
    return f"{share} {what} are explained below, {order}."
