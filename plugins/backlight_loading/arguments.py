"""What the texts on the command line mean: numbers, sizes, functions."""

from backlight.errors import InputError
from backlight.values.outputs import Path as OutputPath
from backlight_loading.preparation import Size
from backlight_loading.preprocessing import Preprocessing
from backlight_loading.references import load_reference

MOST_PIXELS = 2**27
"""More than any picture that a classifier sees; far more do not fit into memory."""


def preprocessing_of(
    divide_by: float | None, mean: str | None, std: str | None, preprocess: str | None
) -> Preprocessing:
    function = load_reference(preprocess) if preprocess else None
    if function is not None and not callable(function):
        raise InputError(f"{preprocess} is a {type(function).__name__}, not a function.")
    return Preprocessing(
        divide_by, numbers(mean, "--mean"), numbers(std, "--std"), function, preprocess or ""
    )


def numbers(text: str | None, option: str) -> tuple[float, ...]:
    """Numbers between commas."""
    try:
        return tuple(float(part) for part in text.split(",")) if text else ()
    except ValueError as error:
        raise InputError(
            f"{option} takes numbers like 0.5 or 0.485,0.456,0.406; got {text!r}."
        ) from error


def size_of(text: str | None) -> Size | None:
    """Height and width from `HxW`, or one number for both."""
    if text is None:
        return None
    parts = text.lower().split("x")
    if len(parts) > 2 or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise InputError(f"--size takes height and width, like 224x224; got {text!r}.")
    height, width = int(parts[0]), int(parts[-1])
    if height * width > MOST_PIXELS:
        raise InputError(
            f"--size takes pictures of at most {MOST_PIXELS:,} pixels, which is 9,000x9,000 and more; "
            f"got {text!r}."
        )
    return height, width


def output_path(text: str | None) -> OutputPath:
    """`logits`, or `1`, or `decoder:logits` of nested outputs. A number is a position."""
    if text is None:
        return None
    return tuple(int(step) if step.isdecimal() else step for step in text.split(":"))
