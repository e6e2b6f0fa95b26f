"""Encoders: from the columns of a table, some of them words, to what a model takes."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, cast, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from backlight.errors import BacklightError, InputError, reason
from backlight.plugins.extras import extra
from backlight.values.frame_columns import FrameColumns
from backlight.values.tree import leaves, map_leaves
from backlight_loading.known_values import chosen
from backlight_loading.preparation import ModelInput
from backlight_loading.references import is_reference, load_reference, made

if TYPE_CHECKING:
    from pandas import DataFrame


@runtime_checkable
class Transformer(Protocol):
    """A fitted transformer, as scikit-learn defines them."""

    def transform(self, table: Any, /) -> Any: ...


Encoder: TypeAlias = (
    Transformer
    | Callable[["DataFrame"], ArrayLike | tuple[ArrayLike, ...] | Mapping[str, ArrayLike]]
)
"""From n rows of a table to an array of numbers, (n, F), or a tuple or dict of such arrays, each row by
itself: a fitted transformer of scikit-learn's, or a function of a pandas DataFrame."""


def load_encoder(text: str) -> Encoder:
    """The encoder that a user names.

    Args:
        text: `file.py:name` or `package.module:name` of one, or of a function without required arguments
            that returns one.

    Raises:
        InputError: nothing is there, or it is none.
        UnknownNameError: the file or module has no such name.
    """
    if not is_reference(text):
        raise InputError(
            f"No such encoder: {text}. Give file.py:name or package.module:name of a fitted transformer "
            "of scikit-learn's, or of a function from a DataFrame to arrays."
        )
    found = made(load_reference(text), text)
    if not isinstance(found, Transformer) and not callable(found):
        raise InputError(
            f"{text} is a {type(found).__qualname__}; an encoder is a fitted transformer, with a method "
            "transform(table), or a function from a DataFrame to arrays (rows, numbers)."
        )
    return cast(Encoder, found)


def columns_of(encoder: Encoder, known: Sequence[str]) -> tuple[str, ...]:
    """Which columns of a table an encoder is given: those that it was fitted on, or all.

    Raises:
        InputError: some are missing, or there are more or fewer than a transformer was fitted on.
    """
    fitted = fitted_on(encoder)
    if fitted is None:
        count = getattr(encoder, "n_features_in_", len(known))
        if count != len(known):
            raise InputError(
                f"The encoder was fitted on {count} columns, and the data has {len(known)}: "
                f"{', '.join(known)}. Name those that it takes, in its order, --x COLUMN."
            )
        return tuple(known)
    fitted = tuple(name for name in fitted if name not in dropped(encoder, fitted))
    missing = [name for name in fitted if name not in known]
    if missing:
        raise InputError(
            f"The encoder takes the column{'s' if len(missing) > 1 else ''} {', '.join(missing)}, and "
            f"the data has only {', '.join(known)}: give the table that it was fitted on."
        )
    return fitted


def fitted_on(net: object) -> tuple[str, ...] | None:
    """The names of the columns that a transformer or estimator was fitted on; None if it had none."""
    names = getattr(net, "feature_names_in_", None)
    return None if names is None else tuple(map(str, names))


def dropped(encoder: Any, fitted: Sequence[str]) -> set[str]:
    """The columns that a ColumnTransformer was fitted on and does not read, such as the labels."""
    steps = getattr(encoder, "steps", None)
    first = steps[0][1] if steps else encoder
    parts = getattr(first, "transformers_", ())
    return {name for _, one, asked in parts if one == "drop" for name in chosen(asked, fitted)}


def encoded(encoder: Encoder, rows: NDArray[Any], columns: Sequence[str]) -> ModelInput:
    """What an encoder makes of rows.

    Args:
        rows: (n, columns), numbers, or objects: numbers and words.
        columns: their names.

    Raises:
        InputError: it fails, or gives something else than numbers, (n, F) each.
        PluginError: it takes a DataFrame, and pandas is not installed.
    """
    nameless = isinstance(encoder, Transformer) and fitted_on(encoder) is None
    given = rows if nameless else frame_of(rows, columns)
    try:
        found = encoder.transform(given) if isinstance(encoder, Transformer) else encoder(given)
    except BacklightError:
        raise
    except (Exception, SystemExit) as error:  # it is the user's code, which may fail in any way
        raise InputError(f"the encoder failed: {reason(error)}") from error
    tree = dict(found) if isinstance(found, Mapping) else found
    return cast(ModelInput, map_leaves(lambda one: numbers(one, len(rows)), tree))


def encodes(encoder: Encoder, rows: NDArray[Any], columns: Sequence[str]) -> bool:
    """Whether an encoder makes numbers of one of some rows at least."""
    for k in range(len(rows)):
        try:
            encoded(encoder, rows[k : k + 1], columns)
        except InputError:
            continue
        return True
    return False


def frame_of(rows: NDArray[Any], columns: Sequence[str]) -> "DataFrame":
    """Rows as pandas would read them."""
    extra("pandas", "pandas", "An encoder of named columns needs pandas")
    return FrameColumns(tuple(columns), (None,) * len(columns)).frame(rows)


def numbers(found: Any, count: int) -> NDArray[Any]:
    """One array of what an encoder gave."""
    dense = found.toarray() if hasattr(found, "toarray") else found  # a sparse one
    try:
        array = np.asarray(dense)
        array = array.astype(np.float64) if array.dtype == np.object_ else array
    except (TypeError, ValueError) as error:
        raise InputError(f"the encoder must give numbers: {reason(error)}") from error
    if array.ndim != 2 or len(array) != count or array.dtype.kind not in "fiub":
        raise InputError(
            f"the encoder must give a row of numbers for each of {count} rows, ({count}, F), in one "
            f"array or in each of several; it gave {array.dtype} {array.shape}"
        )
    return array.astype(np.float32) if array.dtype == np.bool_ else array


def of_pipeline(net: object) -> tuple[Encoder, object] | None:
    """The steps of a fitted pipeline before its last one, which encode columns by their names, and the
    last one; None of any other model."""
    steps: Any = getattr(net, "steps", None)
    if fitted_on(net) is None or not isinstance(steps, list) or len(steps) < 2:
        return None
    return cast(Any, net)[:-1], steps[-1][1]


def takes_words(encoder: object | None, net: object) -> bool:
    """Whether something may make numbers of a row's words: an encoder, or a model that was fitted on
    columns with names."""
    return encoder is not None or fitted_on(net) is not None


def flat(values: ModelInput) -> NDArray[Any]:
    """The arrays of an input side by side, (n, F)."""
    return np.concatenate(leaves(values), axis=1)
