"""Attributions of each kind of input, made up and complete up to a gap that is known."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlight import Attribution
from backlight.attribution.described import NO_WORD, DescribedInput
from backlight.values.layout import Layout
from backlight.values.tree import leaves

GAP = 0.25


def numbers_of(*shape: int) -> NDArray[np.float64]:
    return np.random.default_rng(0).normal(size=shape)


def attribution(values: Any, **changes: Any) -> Attribution[Any]:
    """Of values (N, ...), which lack `GAP` of the difference of the scores."""
    arrays = leaves(values)
    count = len(arrays[0])
    before = np.linspace(-1.0, 1.0, count)
    sums = [array.reshape(count, -1).sum(axis=1) for array in arrays]
    known: dict[str, Any] = {
        "values": values,
        "score": before + np.sum(sums, axis=0) - GAP,
        "baseline_score": before,
        "gap": np.full(count, GAP),
        "method": "Made()",
        "target": "each class",
        "classes": np.arange(count) % 2,
        "predicted": False,
        "at": None,
        "seed": None,
        "framework": "torch",
        "framework_version": "2",
        "class_names": ("cat", "dog"),
        "unit": "logit",
    }
    return Attribution(**{**known, **changes})


def picture() -> Attribution[Any]:
    values, given = numbers_of(2, 2, 3, 6, 8)
    return attribution(
        values,
        layouts=(Layout(1, (6, 8)),),
        inputs=(DescribedInput("picture", given=given),),
    )


TOKENS = ("[CLS]", "A", "surpris", "ing", "$5", "film", "[SEP]", *("[PAD]",) * 4)
WORDS = (NO_WORD, 0, 1, 1, 2, 3, *(NO_WORD,) * 5)


def text(repeated: int = 1) -> Attribution[Any]:
    """Of two texts of the same words, each so many times."""
    middle, apart = slice(1, 6), slice(6, None)
    tokens = (TOKENS[0], *TOKENS[middle] * repeated, *TOKENS[apart])
    words = [word + 4 * turn for turn in range(repeated) for word in WORDS[middle]]
    numbers = (NO_WORD, *words, *WORDS[apart])
    values = numbers_of(2, len(tokens))
    return attribution(values, inputs=(DescribedInput("text", (), (tokens,) * 2, (numbers,) * 2),))


NAMES = tuple(f"feature {place}" for place in range(7))


def table(count: int = 20) -> Attribution[Any]:
    x = numbers_of(count, len(NAMES))
    return attribution(x * np.arange(1.0, 8.0), inputs=(DescribedInput("table", NAMES, given=x),))


def series(length: int = 50, first: bool = True) -> Attribution[Any]:
    values, given = numbers_of(2, 1, 3, length)
    layout = Layout(1, (length,))
    if not first:
        values, given, layout = values.swapaxes(1, 2), given.swapaxes(1, 2), Layout(2, (length,))
    return attribution(
        values,
        layouts=(layout,),
        inputs=(DescribedInput("series", ("pulse", "heat", "breath"), given=given),),
    )


def volume() -> Attribution[Any]:
    values, given = numbers_of(2, 1, 2, 5, 4, 3)
    return attribution(
        values,
        layouts=(Layout(1, (5, 4, 3)),),
        inputs=(DescribedInput("volume", given=given),),
    )


def several() -> Attribution[Any]:
    """Of a table and a picture."""
    of_table, of_picture = table(2), picture()
    return replace(
        attribution({"row": of_table.values, "photo": of_picture.values}),
        layouts=(None, *of_picture.layouts),
        inputs=(*of_table.inputs, *of_picture.inputs),
    )


def numbers(found: Attribution[Any]) -> list[NDArray[Any]]:
    """Every array of an attribution."""
    kept = [one.given for one in found.inputs if one.given is not None]
    columns = [getattr(found, name) for name in ("score", "baseline_score", "gap", "classes")]
    return [*leaves(found.values), *kept, *columns]
