"""Which words, columns or moments speak most for wrong answers, over the mistakes that were explained."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from backlight.attribution.words import joined
from backlight.values.layout import InputKind
from backlight_study.format import StudyRecord
from backlight_study.questions import Question

MOST_FOR, MOST_AGAINST = 10, 5
"""How many features are told that speak for wrong answers, and against them."""

STRETCHES: Final = 12
"""Into how many stretches a series is cut at most."""

SIGNS: Final[Mapping[str, float]] = {"fn": -1.0, "under": -1.0}
"""Where what speaks for the label, or for a higher number, speaks against the wrong answer."""


def mistaken_features(
    record: StudyRecord, kind: InputKind, question: Question
) -> StudyRecord | None:
    """A row for each feature, by technique: its `share` of all that is said of a mistake, the mean over
    the mistakes, signed; in how many it speaks `for` the wrong answer, `of` how many that have it. Of a
    text a feature is a word, in small letters; of a series a stretch of moments.

    None of pictures, and where no mistake was explained.

    Args:
        record: what `study.json` holds otherwise.
        kind: of the examples.
        question: that mistakes ask.
    """
    wrong = [case for case in record["cases"] if case["wrong"]]
    if kind == "picture" or not wrong:
        return None
    techniques = []
    for place, method in enumerate(record["methods"]):
        shares: dict[str, list[float]] = defaultdict(list)
        count = 0
        for case in wrong:
            target = case["explanations"][place]["targets"].get(question)
            values = np.array([] if target is None else target["values"], dtype=np.float64)
            total = float(np.abs(values).sum())
            if total:
                count += 1
                values *= SIGNS.get(case.get("kind", ""), 1.0) / total
                for feature, share in parts(case, kind, values, record["input"]["names"]):
                    shares[feature].append(share)
        rows: list[StudyRecord] = [
            {
                "feature": feature,
                "share": sum(own) / count,
                "for": sum(one > 0 for one in own),
                "of": len(own),
            }
            for feature, own in shares.items()
        ]
        rows.sort(key=lambda row: (-row["share"], row["feature"]))
        kept = [row for row in rows if row["share"] > 0][:MOST_FOR]
        kept += [row for row in rows if row["share"] < 0][-MOST_AGAINST:]
        left_out = len(rows) - len(kept)
        told = {"name": method["name"], "cases": count, "rows": kept, "left_out": left_out}
        techniques.append(told)
    return {"kind": kind, "question": question, "techniques": techniques}


def parts(
    case: StudyRecord, kind: InputKind, values: NDArray[np.float64], names: list[str]
) -> Iterator[tuple[str, float]]:
    """Each feature of a case once, and the sum of its values."""
    if kind == "text":
        yield from words(case["given"], values)
    elif kind == "table":
        named = names if len(names) == len(values) else [f"column {k}" for k in range(len(values))]
        yield from zip(named, map(float, values), strict=True)
    else:
        length = -(-len(values) // STRETCHES)
        for start in range(0, len(values), length):
            stop = min(start + length, len(values)) - 1
            name = f"moment {start}" if start == stop else f"moments {start} to {stop}"
            yield name, float(values[start : stop + 1].sum())


def words(given: Mapping[str, Any], values: NDArray[np.float64]) -> Iterator[tuple[str, float]]:
    found: dict[str, float] = defaultdict(float)
    for word in joined(values, given["tokens"], given["words"]):
        text = word.text.casefold()
        if not word.apart and any(sign.isalnum() for sign in text):
            found[text] += word.value
    yield from found.items()
