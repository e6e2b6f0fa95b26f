"""From stored examples to what a model takes: its shape, its size of pictures, its colours."""

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from backlight import Model, wrap
from backlight.errors import InputError
from backlight_loading.models import wanted_shape
from backlight_loading.preprocessing import Preprocessing

Colour: TypeAlias = Literal["grey", "rgb"]
Size: TypeAlias = tuple[int, int]
Tick: TypeAlias = Callable[[int, int], None]

ModelInput: TypeAlias = NDArray[Any] | tuple[NDArray[Any], ...] | dict[str, NDArray[Any]]
"""What a model takes: one array, or several, such as a text's ids and its mask."""

PreparedInput: TypeAlias = Callable[[NDArray[Any]], ModelInput]
"""From stored examples to the model's input, of any kind."""

Prepared: TypeAlias = Callable[[NDArray[Any]], NDArray[Any]]
"""The same, of pictures, tables and series: one array."""

Wanted: TypeAlias = tuple[Size | None, Colour | None]


def preparation(net: object, model: Model, preprocessing: Preprocessing) -> Prepared:
    """What brings stored examples into the form that this model takes."""
    shape = wanted_shape(net)

    def prepared(x: NDArray[Any]) -> NDArray[Any]:
        made = preprocessing(x, model.channels, None if shape is None else len(shape))
        if shape is not None and not fits(made.shape, shape):
            raise InputError(
                f"The model takes inputs of shape {said(shape)}, but the data gives {made.shape} "
                "(examples first). Pictures are read with the size and colours that --size and "
                "--colour say; --preprocess names a function of your own."
            )
        return made

    return prepared


def told_of_pictures(
    model: Model[Any], net: object, framework: str | None, axes: int
) -> Model[Any]:
    """The model, told that inputs of three axes are pictures without channels, (N, H, W).

    Args:
        model: of the net; one that the user wrapped knows better.
        axes: of the model's input, the examples' axis among them.
    """
    if axes != 3 or isinstance(net, Model):
        return model
    return wrap(net, framework, channels="none")


def ends_of(stored: NDArray[Any]) -> tuple[float, float]:
    """The numbers that are black and white: 0 and 255 for bytes, else the lowest and the highest."""
    if stored.dtype == np.uint8:
        return 0.0, 255.0
    return (float(stored.min()), float(stored.max())) if stored.size else (0.0, 1.0)


def fits(shape: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    return len(shape) == len(wanted) and all(
        want in (None, have) for have, want in zip(shape, wanted, strict=True)
    )


def said(shape: tuple[int | None, ...]) -> str:
    return f"({', '.join('any' if n is None else str(n) for n in shape)})"


def wanted_picture(shape: tuple[int | None, ...] | None, channels: str) -> Wanted:
    """The size and the colours for a model that says its input's shape, as Keras models do."""
    if shape is None or len(shape) not in (3, 4):
        return None, None
    depth: int | None
    if len(shape) == 3:
        depth, (height, width) = 1, shape[1:]
    elif channels == "first":
        depth, height, width = shape[1:]
    else:
        height, width, depth = shape[1:]
    size = None if height is None or width is None else (height, width)
    colours: dict[int | None, Colour] = {1: "grey", 3: "rgb"}
    return size, colours.get(depth)
