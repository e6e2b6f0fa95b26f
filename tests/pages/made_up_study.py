"""Studies that no model made: records as of `study.json` with pictures, seeded, of any size."""

from typing import Any

import numpy as np

from backlight_pictures.png import png
from backlight_study.summary import summary_record
from tests.pages.made_up_cases import TECHNIQUES, case_record, row_record
from tests.pages.made_up_findings import found, metrics
from tests.pages.made_up_performance import confusions, performance
from tests.pages.made_up_pictures import Shape, picture

Record = dict[str, Any]


def small() -> tuple[Record, dict[str, bytes]]:
    return made_up(Shape())


def thousand_classes() -> tuple[Record, dict[str, bytes]]:
    names = tuple(f"kind {k}, of the genus {k // 7}" for k in range(1000))
    return made_up(Shape(classes=names, cases=27, side=128, colour=True, techniques=3))


def one_output() -> tuple[Record, dict[str, bytes]]:
    shape = Shape(classes=("healthy", "ill"), cases=8, side=64, one_output=True, techniques=2)
    return made_up(shape)


def no_cases() -> tuple[Record, dict[str, bytes]]:
    study, pictures = made_up(Shape(cases=0))
    return {**study, "findings": [], "metrics": None}, pictures


HOSTILE = (
    "<script>document.title='owned'</script>",
    "\"'><img src=x onerror=\"document.title='owned'\">",
    "\u05e9\u05dc\u05d5\u05dd \u202eabc\u202c",
    "n" * 300,
    "two\nlines\tand a tab",
    "{{ 7 * 7 }} {% raw %} &amp; </style></script>",
)


def hostile() -> tuple[Record, dict[str, bytes]]:
    """A study whose every text that may come from a stranger is hostile."""
    study, pictures = made_up(Shape(classes=HOSTILE, cases=12))
    for place, case in enumerate(study["cases"]):
        case["name"] = HOSTILE[place % len(HOSTILE)]
        for one in case["neighbours"]:
            one["name"] = HOSTILE[(place + 1) % len(HOSTILE)]
    study["model"] = "/home/someone/secret/net.py:" + HOSTILE[1]
    study["call"] = "backlight study /home/someone/secret/net.py:model /data/secret " + HOSTILE[0]
    study["data"] |= {
        "name": "/data/secret/" + HOSTILE[0],
        "reading": "/data/secret: " + HOSTILE[5],
        "skipped": [f"/data/secret/{one}: not a picture" for one in HOSTILE],
    }
    study["notes"] = [HOSTILE[5], "Read from C:\\secret\\folder\\a.png and ~/secret/b.txt"]
    study["findings_failed"] = [f"clusters: {HOSTILE[0]} /data/secret/x.png"]
    for finding in study["findings"]:
        finding["title"] = HOSTILE[0] + " /data/secret/file.jpg"
        finding["evidence"] = {HOSTILE[1]: HOSTILE[0], "file": "/data/secret/file.jpg"}
        finding["caveat"] = HOSTILE[3]
    study["cases"][0]["explanations"][0]["error"] = HOSTILE[1]
    study["summary"] = summary_record(study)
    return study, pictures


def private_texts(study: Record) -> list[str]:
    """What a private page may not say of the hostile study."""
    del study
    return ["secret", "someone", "file.jpg", "a.png", "b.txt", "x.png"]


def made_up(shape: Shape, seed: int = 0) -> tuple[Record, dict[str, bytes]]:
    """A record and its picture files, by the paths that the record gives them."""
    rng = np.random.default_rng(seed)
    names, pictures = list(shape.classes), {}
    confusion = confusions(rng, len(names))
    wrong = [one for one in confusion if one["true"] != one["predicted"]]
    cases = []
    for place in range(shape.cases):
        # Every sixth case is a right one, for comparison.
        cell = wrong[place % max(1, len(wrong) // 2)]
        right = place % 6 == 5
        case = case_record(rng, shape, place, cell["true"], cell["predicted"], right)
        case["explanations"] = [
            row_record(rng, shape, case, technique, pictures)
            for technique in TECHNIQUES[: shape.techniques]
        ]
        pictures[case["input"]] = png(picture(rng, shape, case["true"]["class"]))
        for one in case["neighbours"]:
            pictures[one["file"]] = png(picture(rng, shape, one["class"]))
        cases.append(case)
    cases.sort(key=lambda case: -case["confidence"])
    findings = found(rng, shape, cases, pictures)
    for place, finding in enumerate(findings):
        for case in cases:
            if case["id"] in finding["cases"]:
                case["findings"].append(place)
    found_wrong = sum(one["count"] for one in wrong)
    study = {
        "format": 3,
        "created": "2026-11-26T12:00:00+00:00",
        "versions": {"backlight": "0.9.0", "python": "3.11.7", "numpy": "2.4.6", "torch": "2.13.0"},
        "framework": "torch",
        "model": "fashion.py:model",
        "notes": [],
        "data": {
            "name": "made-up clothes",
            "reading": "9,990 pictures of 28 x 28 in class folders",
            "count": sum(one["count"] for one in confusion),
            "skipped": ["broken.png: ends after 12 bytes"],
            "fingerprint": "5f2b1c" * 6,
        },
        "preprocessing": "scaled(0, 1)",
        "baseline": "black, carried through the preprocessing",
        "input": {
            "shape": [1, shape.side, shape.side],
            "dtype": "float32",
            "kind": "picture",
            "names": [],
        },
        "features": None,
        "outputs": "logits",
        "one_output": shape.one_output,
        "quantity": "the model's outputs for the classes, before the softmax",
        "classes": names,
        "fingerprints": {"model": "a91c77" * 6, "data": "5f2b1c" * 6},
        "seed": seed,
        "call": 'backlight study fashion.py:model clothes --cell "Shirt:*" --limit 30',
        "seconds": 41.7,
        "passes": {
            "forward": 12_400, "backward": 5_120,
            "predicted_forward": 12_400, "predicted_backward": 5_120,
        },
        "performance": performance(rng, names, confusion),
        "confusion": confusion,
        "selection": {
            "rule": f"All misclassified, the most confident first: {shape.cases} with right ones.",
            "cells": ["Shirt:*"],
            "order": "confidence",
            "limit": shape.cases,
            "found": found_wrong,
            "left_out": found_wrong - sum(case["wrong"] for case in cases),
            "right": sum(not case["wrong"] for case in cases),
            "seed": seed,
        },
        "methods": [
            {"name": name, "method": method, "at": at, "linear": linear, "about": about,
             "answers": answers, "cannot": cannot}
            for name, method, at, linear, about, answers, cannot in TECHNIQUES[: shape.techniques]
        ],
        "metrics": metrics(rng, shape),
        "findings": findings,
        "findings_failed": [],
        "cases": cases,
        "order": None,
    }  # fmt: skip
    study["summary"] = summary_record(study)
    return study, pictures
