"""What the examples of a study are: pictures, texts, rows of a table or series."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from backlight import Model
from backlight.errors import InputError
from backlight.values.layout import MOST_COLOURS, InputKind, input_layout
from backlight_datasets import Source
from backlight_loading.preparation import ModelInput, PreparedInput
from backlight_loading.techniques import DEFAULT

STUDIED: Final[tuple[InputKind, ...]] = ("picture", "text", "table", "series")

CALLED: Final[Mapping[InputKind, tuple[str, str]]] = {
    "picture": ("picture", "pictures"),
    "text": ("text", "texts"),
    "table": ("row", "rows"),
    "series": ("series", "series"),
}
"""What one and several examples of a kind are called."""

TECHNIQUES: Final[Mapping[InputKind, Sequence[str]]] = {
    "picture": DEFAULT,
    "text": ("integrated_gradients", "deep_lift", "feature_ablation"),
    "table": ("integrated_gradients", "deep_lift", "shapley_values"),
    "series": DEFAULT,
}
"""The techniques of a study, where none are said."""


def check_kind(said: str | None) -> None:
    """Raise InputError for a kind that no study is of."""
    if said is not None and said not in STUDIED:
        raise InputError(
            f"A study is of {', '.join(STUDIED)}; got the kind {said!r}. backlight.explain explains "
            "inputs of any shape."
        )


def kind_of_examples(
    said: InputKind | None, own: InputKind | None, shape: tuple[int, ...], texts: bool
) -> InputKind:
    """What examples are: what is said, by the user or by the data, or what their shape says.

    Args:
        said: by the user.
        own: what the data says of itself.
        shape: of all examples, (N, ...).
        texts: whether a tokenizer is given.

    Raises:
        InputError: examples of this shape are no such thing, or there is no kind for them.
    """
    check_kind(said or own)
    kind = said or own or ("text" if texts else by_shape(shape))
    if min(shape) == 0:
        raise InputError(f"Examples of shape {shape} hold nothing.")
    if (kind == "text") != texts:
        raise InputError(
            "Texts need a tokenizer, from texts to the model's input: --tokenizer file.py:name, or the "
            "folder of one of Hugging Face's (tokenizer= in Python)."
            if kind == "text"
            else f"A tokenizer is for texts; the examples are {CALLED[kind][1]}."
        )
    axes = {"picture": (3, 4), "text": (1, 2), "table": (2,), "series": (2, 3)}[kind]
    if len(shape) not in axes:
        raise InputError(f"{FORMS[kind]}; got {shape}.")
    if kind == "picture":
        check_places(shape)
    return kind


FORMS: Final[Mapping[InputKind, str]] = {
    "picture": "Pictures are (N, H, W), (N, C, H, W) or (N, H, W, C)",
    "text": "Texts are (N,), or their ids (N, tokens)",
    "table": "A table is (N, columns)",
    "series": "Series are (N, moments), (N, C, moments) or (N, moments, C)",
}


def by_shape(shape: tuple[int, ...]) -> InputKind:
    if len(shape) == 2:
        return "table"
    if len(shape) == 3 and min(shape[1:]) <= MOST_COLOURS:
        return "series"
    if len(shape) in (3, 4):
        return "picture"
    raise InputError(
        "A report is about pictures, x of shape (N, H, W), (N, C, H, W) or (N, H, W, C); about texts, "
        "with a tokenizer; about a table (N, columns); or about series (N, C, moments), (N, moments, C), "
        f"or (N, moments) where the kind is said; got {shape}. backlight.explain explains inputs of any "
        "shape."
    )


def check_places(shape: tuple[int, ...]) -> None:
    """Raise InputError for pictures that would be drawn as thin lines."""
    if len(shape) == 3 and min(shape[1:]) <= MOST_COLOURS:
        raise InputError(
            f"Examples of shape {shape[1:]} are series, not pictures: channels of a picture need an axis "
            "of their own, (N, C, H, W) or (N, H, W, C)."
        )
    layout = input_layout(shape, "last")
    if len(shape) == 4 and layout is not None and min(layout.grid) == 1:
        raise InputError(
            f"Examples of shape {shape[1:]} are pictures of one pixel's height or width, which a report "
            "cannot draw. Series are (N, C, moments) or (N, moments, C)."
        )


def series_preparation(
    prepared: PreparedInput, model: Model[Any], wanted: tuple[int | None, ...] | None
) -> PreparedInput:
    """A preparation of series that gives those of shape (n, moments) an axis for one channel where the
    model has channels: unless it declares two axes, or, without gradients, takes tables.

    Args:
        prepared: all else that is done.
        wanted: the input's shape that the model declares, if it does.
    """
    two = (wanted is not None and len(wanted) == 2) or not model.differentiable
    axis = 1 if model.channels == "first" else 2

    def of_series(x: NDArray[Any]) -> ModelInput:
        numbers = x if x.dtype.kind == "f" else x.astype(np.float32)  # whole ones are no pixels
        return prepared(np.expand_dims(numbers, axis) if x.ndim == 2 and not two else numbers)

    return of_series


def features_of(source: Source, shape: tuple[int, ...]) -> tuple[str, ...]:
    """The names of a table's columns or of channels, if the data has one for each.

    Raises:
        InputError: it has another number of names.
    """
    found = source.features
    if found and len(found) not in shape[1:]:
        raise InputError(f"There are {len(found)} names of features for examples of {shape[1:]}.")
    return found
