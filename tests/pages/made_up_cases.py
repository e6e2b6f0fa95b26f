"""Cases and their maps that no model made, seeded."""

from typing import Any

import numpy as np

from backlight_pictures.layers import map_file
from backlight_pictures.scale import scale_of
from tests.pages.made_up_pictures import Shape, values

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
            "target": f"Class({case['predicted']['class']})",
            "score": float(rng.normal(6, 2)),
            "baseline_score": 0.31,
            "gap": 0.01,
            "relative_gap": float(rng.exponential(0.05))
            if name == "integrated_gradients"
            else None,
            "error": 0.02 if name == "integrated_gradients" else None,
            "standard_error_of_sum": None,
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
