"""What plots say in words: which class, which score, in which unit."""

from collections.abc import Sequence
from typing import Any

from backlight import Attribution
from backlight.values.examples import UNKNOWN
from backlight_pictures.captions import unit_of_values
from backlight_pictures.scale import number

LONGEST = 32
"""Characters of a name."""


def class_name(k: int, names: Sequence[str] | None) -> str:
    """A class by name, or by number where none has a name."""
    if k == UNKNOWN:
        return "not known"
    return names[k] if names else f"class {k}"


def title(attribution: Attribution[Any], example: int) -> str:
    """What was explained of an example, and its score."""
    said = asked(attribution, example)
    return f"{said}: {attribution.unit or 'score'} {number(float(attribution.score[example]))}"


def asked(attribution: Attribution[Any], example: int) -> str:
    if attribution.classes is None:
        return attribution.target
    names = attribution.class_names
    said = class_name(int(attribution.classes[example]), names)
    if attribution.rivals is not None:
        said += f" rather than {class_name(int(attribution.rivals[example]), names)}"
    return f"{said} (predicted)" if attribution.predicted else said


def value_label(attribution: Attribution[Any], what: str = "value") -> str:
    """What values are called on an axis, with the score's unit where they sum to scores."""
    unit = unit_of_values(attribution)
    return f"{what} ({unit})" if unit else what


def own_number(value: float) -> str:
    """A number of the input: six digits, as what is measured has more than values do."""
    return f"{value:.6g}".replace("-", "\N{MINUS SIGN}")


def readable(text: str) -> str:
    """On one line."""
    return text.replace("\n", "\N{RETURN SYMBOL}")


def shortened(name: str) -> str:
    """On one line, cut in the middle where it is long."""
    half, plain = LONGEST // 2, readable(name)
    if len(plain) <= LONGEST:
        return plain
    return f"{plain[:half]} \N{HORIZONTAL ELLIPSIS} {plain[-half:]}"


def summing(attribution: Attribution[Any]) -> bool:
    """Whether values sum to the difference of two scores, up to a gap that is known."""
    return attribution.gap is not None and attribution.baseline_score is not None
