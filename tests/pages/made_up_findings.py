"""Metrics and findings that no model made, seeded."""

from typing import Any

import numpy as np

from backlight_pictures.layers import map_file
from backlight_pictures.scale import Scale
from tests.pages.made_up_cases import TECHNIQUES
from tests.pages.made_up_pictures import Shape, values

Record = dict[str, Any]

METRICS = [
    ("srg", "higher", [None, None], "How much more the map's top carries than its end."),
    ("decision_flip", "lower", [0, 1], "Which share of the picture must go until the answer turns."),
    ("infidelity", "lower", [0, None], "How far the map is from foretelling what small changes do."),
    ("max_sensitivity", "lower", [0, None], "How far the map moves when the picture hardly does."),
    ("complexity", None, [0, 1], "How evenly the map is spread: 1 is everywhere alike."),
]  # fmt: skip

CONTROLS = ("random", "uniform", "centre", "edges")


def metrics(rng: np.random.Generator, shape: Shape) -> Record:
    rows = []
    for name in [one[0] for one in TECHNIQUES[: shape.techniques]] + list(CONTROLS):
        control = name in CONTROLS
        measured = {}
        for metric, direction, _, _ in METRICS:
            mean = float(rng.uniform(0.1, 0.4) if control else rng.uniform(0.2, 0.9))
            judged = None if control or direction is None else bool(mean > 0.4)
            mean = 1 - mean if direction == "lower" else mean
            measured[metric] = {
                "mean": mean, "low": mean - 0.05, "high": mean + 0.05, "n": shape.cases,
                "nan": 0, "beats_controls": judged, "error": None,
                "counts": {"turned": 3} if metric == "decision_flip" else {},
            }  # fmt: skip
        if name == "uniform":
            measured["infidelity"] = {
                "mean": None, "low": None, "high": None, "n": 0, "nan": shape.cases,
                "beats_controls": None,
            }  # fmt: skip
        rows.append({"name": name, "control": control, "values": measured})
    return {
        "columns": [
            {"name": name, "direction": direction, "range": extent, "sentence": sentence}
            for name, direction, extent, sentence in METRICS
        ],
        "rows": rows,
        "note": "Measured for the question of the mistake, with the mean colour for what is removed.",
    }


def found(
    rng: np.random.Generator, shape: Shape, cases: list[Record], pictures: dict[str, bytes]
) -> list[Record]:
    if not cases:
        return []
    wrong = [case for case in cases if case["wrong"]]
    mean = values(rng, shape, "occlusion")
    scale = Scale(float(np.abs(mean).max()), True)
    pictures["pictures/finding-0-mean.png"] = map_file(mean, scale)
    pictures["pictures/finding-0-right.png"] = map_file(mean[::-1], scale)
    return [
        {
            "kind": "clusters", "severity": "high",
            "title": f"{len(wrong) // 2} of {len(wrong)} mistakes look at the lower left corner, "
            "where right ones do not.",
            "cases": [case["id"] for case in wrong[::2]],
            "rows": [case["row"] for case in wrong[::2]] + [90_001, 90_002],
            "evidence": {"stability": 0.94, "share_of_right_examples": 0.03, "p": 0.0002, "clusters": 2},
            "caveat": "That they look there does not show that the corner is the reason.",
            "pictures": [
                {"caption": "Mean map of these mistakes", "file": "pictures/finding-0-mean.png"},
                {"caption": "Mean map of right ones", "file": "pictures/finding-0-right.png"},
            ],
        },
        {
            "kind": "suspect_labels", "severity": "medium",
            "title": "3 mistakes are probably the labels': the model has hardly any doubt.",
            "cases": [case["id"] for case in wrong[:3]],
            "rows": [case["row"] for case in wrong[:3]],
            "evidence": {"labels": [
                {"row": case["row"], "label": case["true"]["name"], "self_confidence": 0.01}
                for case in wrong[:3]
            ], "suggested": {"case-0000": "Coat"}},
            "caveat": "Sound only where the model was not trained on these pictures.",
            "pictures": [],
        },
        {
            "kind": "brightness", "severity": "low",
            "title": "Dark pictures are wrong 1.4 times as often as others.",
            "cases": [], "rows": [5, 9],
            "evidence": {"rate": 0.14, "low": 0.11, "high": 0.18, "confirmed": True},
            "caveat": "Darkness may come with a class.",
            "pictures": [],
        },
    ]  # fmt: skip
