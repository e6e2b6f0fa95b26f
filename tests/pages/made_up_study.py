"""Studies that no model made: records as of `study.json` with pictures, seeded, of any size."""

from typing import Any

import numpy as np

from backlight_pictures.layers import map_file
from backlight_pictures.png import png
from backlight_pictures.scale import Scale, scale_of
from tests.pages.made_up_pictures import Shape, picture, values

Record = dict[str, Any]

TECHNIQUES = [
    (
        "integrated_gradients",
        "IntegratedGradients(steps=64)",
        None,
        True,
        "Gradients along the way from a baseline to the picture, added up.",
        "Which pixels account for the difference between this score and that of the baseline.",
        "What would happen if pixels changed together: they are taken one small step at a time.",
    ),
    (
        "grad_cam",
        "GradCAM()",
        "features.7",
        True,
        "Feature maps weighted by the mean gradient of the score.",
        "Where in the picture the last feature maps that speak for the class are active.",
        "Anything finer than the feature maps; it does not add up to the score.",
    ),
    (
        "occlusion",
        "Occlusion(size=16, stride=8)",
        None,
        True,
        "How far the score falls when a window is covered.",
        "What the score loses without a window.",
        "What matters through several windows at once; covered pictures may look like none seen.",
    ),
    (
        "guided_backprop",
        "GuidedBackprop()",
        None,
        False,
        "Gradients of which only what is positive passes each rectifier.",
        "Which edges the net responds to.",
        "Which class they speak for: maps of different classes look nearly alike.",
    ),
]

METRICS = [
    ("srg", "higher", [None, None], "How much more the map's top carries than its end."),
    ("decision_flip", "lower", [0, 1], "Which share of the picture must go until the answer turns."),
    ("infidelity", "lower", [0, None], "How far the map is from foretelling what small changes do."),
    ("max_sensitivity", "lower", [0, None], "How far the map moves when the picture hardly does."),
    ("complexity", None, [0, 1], "How evenly the map is spread: 1 is everywhere alike."),
]  # fmt: skip

CONTROLS = ("random", "uniform", "centre", "edges")


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
        "input": {"shape": [1, shape.side, shape.side], "dtype": "float32"},
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
    }  # fmt: skip
    return study, pictures


def confusions(rng: np.random.Generator, classes: int) -> list[Record]:
    if classes <= 30:
        counts = rng.poisson(3, (classes, classes)) * (rng.random((classes, classes)) < 0.5)
        counts += np.diag(rng.integers(850, 990, classes))
        counts[0, -1] += 60
        counts[-1, 0] += 45
        found = [(int(i), int(k), int(counts[i, k])) for i, k in np.argwhere(counts)]
    else:
        found = [(k, k, int(rng.integers(2, 12))) for k in range(classes)]
        pairs = {tuple(rng.choice(classes, 2, replace=False).tolist()) for _ in range(40)}
        found += [(i, k, 1 + (place < 3)) for place, (i, k) in enumerate(sorted(pairs))]
    return [{"true": i, "predicted": k, "count": count} for i, k, count in found]


def estimate(value: float, spread: float) -> Record:
    return {"value": value, "low": max(0.0, value - spread), "high": min(1.0, value + spread)}


def performance(rng: np.random.Generator, names: list[str], confusion: list[Record]) -> Record:
    count = sum(one["count"] for one in confusion)
    correct = sum(one["count"] for one in confusion if one["true"] == one["predicted"])
    classes = []
    for k in range(len(names)):
        value = float(rng.uniform(0.7, 0.99))
        classes.append(
            {
                "class": k,
                **{
                    key: estimate(min(1.0, value + shift), 0.02)
                    for key, shift in (("precision", 0.01), ("recall", -0.02), ("f1", 0.0))
                },
                "auc": None if k % 7 == 6 else estimate(0.995, 0.002),
                "support": sum(one["count"] for one in confusion if one["true"] == k),
            }
        )
    bins = [
        {
            "low": k / 10, "high": (k + 1) / 10, "count": int(20 * 2 ** max(0, k - 3)),
            "confidence": k / 10 + 0.05, "accuracy": max(0.0, k / 10 + 0.05 - 0.012 * k),
        }
        for k in range(3, 10)
    ]  # fmt: skip
    return {
        "accuracy": {**estimate(correct / count, 0.005), "correct": correct, "count": count},
        "macro": {
            key: estimate(value, 0.006)
            for key, value in (
                ("precision", 0.91),
                ("recall", 0.905),
                ("f1", 0.907),
                ("auc", 0.993),
            )
        },
        "classes": classes,
        "calibration": {"error": estimate(0.061, 0.006), "bins": bins},
        "log_loss": {"value": 0.312, "low": 0.29, "high": 0.34},
        "undefined": [
            {
                "figure": "auc",
                "reason": "no other class has examples",
                "classes": [one["class"] for one in classes if one["auc"] is None],
            },
        ],
    }


def case_record(
    rng: np.random.Generator, shape: Shape, place: int, true: int, said: int, right: bool
) -> Record:
    names = shape.classes
    predicted = true if right else said
    rival = said if right else true
    top = float(rng.uniform(0.5, 0.995))
    odds = {predicted: top, rival: (1 - top) * 0.7}
    others = [k for k in range(len(names)) if k not in odds][:3]
    odds |= {k: (1 - top) * 0.3 / 2 ** (n + 1) for n, k in enumerate(others)}

    def named(k: int) -> Record:
        return {"class": k, "name": names[k], "probability": odds[k]}

    return {
        "id": f"case-{place:04}",
        "row": 17 * place,
        "name": f"{names[true].partition('/')[0]}/{place:04}.png",
        "wrong": not right,
        "true": named(true),
        "predicted": named(predicted),
        "rival": named(rival),
        "probabilities": [named(k) for k in sorted(odds, key=lambda k: -odds[k])],
        "confidence": top,
        "margin": top - odds[rival],
        "loss": float(-np.log(odds[true])),
        "findings": [],
        "input": f"pictures/case-{place:04}-input.png",
        "neighbours": [
            {"row": 5000 + place + n, "name": f"near-{place}-{n}.png", "class": true,
             "distance": 1.5 + n, "file": f"pictures/case-{place:04}-near-{n}.png"}
            for n in range(3)
        ],
    }  # fmt: skip


def row_record(
    rng: np.random.Generator,
    shape: Shape,
    case: Record,
    technique: tuple[Any, ...],
    pictures: dict[str, bytes],
) -> Record:
    name, method, at = technique[:3]
    questions = (
        ["predicted", "contrast"] if not case["wrong"] else ["predicted", "true", "contrast"]
    )
    if shape.one_output:
        questions = questions[:-1]
    if name == "grad_cam" and case["id"].endswith("3"):
        return {
            "name": name, "method": method, "at": at, "limit": 0.0, "signed": True,
            "reduction": "sum", "scale": None, "targets": {},
            "error": "GradCAM needs a site with places, got 'classifier' of shape (1, 10).",
        }  # fmt: skip
    maps = {question: values(rng, shape, name) for question in questions}
    scale = scale_of(maps.values())
    targets = {}
    for question, one in maps.items():
        file = f"pictures/{case['id']}-{name}-{question}.png"
        pictures[file] = map_file(one, scale, {"method": method})
        targets[question] = {
            "target": str(case["predicted"]["class"]),
            "score": float(rng.normal(6, 2)),
            "baseline_score": 0.31,
            "gap": 0.01,
            "relative_gap": float(rng.exponential(0.05))
            if name == "integrated_gradients"
            else None,
            "error": 0.02 if name == "integrated_gradients" else None,
            "standard_error": None,
            "warnings": ["The map's sum is 24 % from the score."] if rng.random() < 0.05 else [],
            "seed": None,
            "seconds": 0.213,
            "file": file,
        }
    return {
        "name": name,
        "method": method,
        "at": at,
        "limit": scale.limit,
        "signed": scale.signed,
        "reduction": "sum",
        "scale": None,
        "error": None,
        "targets": targets,
    }


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
