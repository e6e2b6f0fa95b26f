"""What examples are: pictures, texts, rows of a table or series; other arrays are in no study."""

from collections.abc import Mapping
from typing import Final

from backlight.errors import InputError
from backlight.values.layout import MOST_COLOURS, InputKind, input_layout
from backlight_datasets import Source

STUDIED: Final[tuple[InputKind, ...]] = ("picture", "text", "table", "series")

CALLED: Final[Mapping[InputKind, tuple[str, str]]] = {
    "picture": ("picture", "pictures"),
    "text": ("text", "texts"),
    "table": ("row", "rows"),
    "series": ("series", "series"),
    "volume": ("volume", "volumes"),
    "other": ("array", "arrays"),
}
"""What one and several examples of a kind are called."""


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
        InputError: examples of this shape are no such thing.
    """
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
    axes, form = FORMS.get(kind, ((), ""))
    if axes and len(shape) not in axes:
        raise InputError(f"{form}; got {shape}.")
    return kind


FORMS: Final[Mapping[InputKind, tuple[tuple[int, ...], str]]] = {
    "picture": ((3, 4), "Pictures are (N, H, W), (N, C, H, W) or (N, H, W, C)"),
    "text": ((1, 2), "Texts are (N,), or their ids (N, tokens)"),
    "table": ((2,), "A table is (N, columns)"),
    "series": ((2, 3), "Series are (N, moments), (N, C, moments) or (N, moments, C)"),
}
"""How many axes examples have, and which."""


def by_shape(shape: tuple[int, ...]) -> InputKind:
    if len(shape) == 2:
        return "table"
    if len(shape) == 3 and min(shape[1:]) <= MOST_COLOURS:
        return "series"
    return "picture" if len(shape) in (3, 4) else "other"


def check_studied(kind: InputKind, shape: tuple[int, ...]) -> None:
    """Raise InputError for examples (N, ...) that no study is of, or that a page cannot draw."""
    if kind == "other":
        raise InputError(
            "A report is about pictures, x of shape (N, H, W), (N, C, H, W) or (N, H, W, C); about texts,"
            " with a tokenizer; about a table (N, columns); or about series (N, C, moments), (N, moments,"
            f" C), or (N, moments) where the kind is said; got {shape}. backlight.explain explains inputs"
            " of any shape."
        )
    check_kind(kind)
    if kind == "picture":
        check_places(shape)


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


def features_of(source: Source, shape: tuple[int, ...]) -> tuple[str, ...]:
    """The names of a table's columns or of channels, if the data has one for each.

    Raises:
        InputError: it has another number of names.
    """
    found = source.features
    if found and len(found) not in shape[1:]:
        raise InputError(f"There are {len(found)} names of features for examples of {shape[1:]}.")
    return found
