"""A study without the names of its files, its folders, and without paths: to be shown to strangers."""

import re
from collections.abc import Iterator
from pathlib import PurePath, PureWindowsPath
from typing import Any

from backlight_report.study_page.record import StudyRecord

LEFT_OUT = "(left out)"

PATH = re.compile(
    r"(?:~|\.{1,2}|[A-Za-z]:)?(?:[\\/][^\s\\/'\",;]+){2,}|(?:~|\.{1,2}|[A-Za-z]:)[\\/]\S+"
    r"|\S+\.(?:png|jpe?g|gif|webp|tiff?|bmp|npz|npy|zarr|h5|hdf5|keras|onnx|pt|pth|ckpt|py|json|csv)\b",
    re.IGNORECASE,
)
"""What looks like a path or the name of a file in a sentence."""


def private_study(study: StudyRecord) -> StudyRecord:
    """The study with every name of an example, a file or a folder left out.

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
    cases = [{**case, "name": ""} for case in study["cases"]]
    for case in cases:
        case["neighbours"] = [{**one, "name": ""} for one in case.get("neighbours", [])]
    return {
        **said({key: value for key, value in study.items() if key not in ("cases", "data")}),
        "cases": said(cases),
        "data": {
            **study["data"],
            "name": "the data",
            "reading": "",
            "skipped": [LEFT_OUT] * skipped,
        },
        "model": "the model",
        "call": "",
    }


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
