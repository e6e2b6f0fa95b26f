"""A study without the names of its files, its folders, and without paths: to be shown to strangers."""

import re
from collections.abc import Iterator
from pathlib import PurePath, PureWindowsPath
from typing import Any

from backlight_report.study_page.record import StudyRecord, kind_of

LEFT_OUT = "(left out)"

HIDDEN = "\N{BLACK SQUARE}"
"""What stands for a token."""

PATH = re.compile(
    r"(?:~|\.{1,2}|[A-Za-z]:)?(?:[\\/][^\s\\/'\",;]+){2,}|(?:~|\.{1,2}|[A-Za-z]:)[\\/]\S+"
    r"|\S+\.(?:png|jpe?g|gif|webp|tiff?|bmp|npz|npy|zarr|h5|hdf5|keras|onnx|pt|pth|ckpt|py|json|csv)\b",
    re.IGNORECASE,
)
"""What looks like a path or the name of a file in a sentence."""


def private_study(study: StudyRecord) -> StudyRecord:
    """The study with every name of an example, a file or a folder left out, and the examples.

    Numbers, class names, techniques and fingerprints stay. Texts of findings, notes and reasons stay
    without what looks like a path and without any name of an example.
    """
    names = sorted(set(private_names(study)), key=len, reverse=True)
    keep = set(study["classes"])

    def said(value: Any) -> Any:
        if isinstance(value, str):
            return value if value in keep else without(value, names)
        if isinstance(value, dict):
            return {key: said(one) for key, one in value.items()}
        return [said(one) for one in value] if isinstance(value, list) else value

    skipped = len(study["data"].get("skipped", []))
    cases = [without_input({**case, "name": ""}) for case in study["cases"]]
    for case in cases:
        near = ({**one, "name": ""} for one in case.get("neighbours", []))
        case["neighbours"] = [without_input(one) for one in near]
    return {
        **said({key: value for key, value in study.items() if key not in ("cases", "data")}),
        "cases": said(cases),
        **({"features": None} if kind_of(study) == "text" else {}),
        "data": {
            **study["data"],
            "name": "the data",
            "reading": "",
            "skipped": [LEFT_OUT] * skipped,
        },
        "model": "the model",
        "call": "",
    }


def without_input(one: StudyRecord) -> StudyRecord:
    """A case or neighbour without its numbers; in place of the tokens of a text stand signs."""
    given = one.get("given")
    if given is None:
        return one
    if "tokens" in given:
        return {**one, "given": {**given, "tokens": [HIDDEN] * len(given["tokens"])}}
    return {**one, "given": {"values": None}}


def private_names(study: StudyRecord) -> Iterator[str]:
    """Every name of an example, of the data and of the model, as it is and as a file's."""
    whole = [study["model"], study["data"]["name"]]
    for case in study["cases"]:
        whole += [case["name"], *(one["name"] for one in case.get("neighbours", []))]
    for name in whole:
        for one in (name, PurePath(name).name, PureWindowsPath(name).name, PurePath(name).stem):
            if len(one) > 2:  # shorter ones are found in any word
                yield one


def without(text: str, names: list[str]) -> str:
    for name in names:
        if name in text:
            text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", LEFT_OUT, text)
    return PATH.sub(LEFT_OUT, text)
