"""Confusions and figures that no model made, seeded."""

from typing import Any

import numpy as np

Record = dict[str, Any]


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
