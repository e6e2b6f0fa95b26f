"""A case that is no picture: its tokens, cells or moments, and what a technique says of each."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from backlight.attribution.described import DescribedInput
from backlight.attribution.words import joined
from backlight.errors import InputError
from backlight.evaluating.evaluation import plain_number
from backlight.values.layout import InputKind, Layout, input_layout
from backlight.values.tree import leaves
from backlight_datasets.tables.cells import Cell
from backlight_loading.encoding import Encoding
from backlight_loading.tokenization import Tokenization
from backlight_pictures.maps import resized
from backlight_study.answers import Answer
from backlight_study.explaining import Cases
from backlight_study.format import StudyRecord


def described(cases: Cases, stored: NDArray[Any]) -> DescribedInput:
    """Stored examples (n, ...) with their names. What is `given` of texts says which tokens are no
    padding; of a table it is its cells, as the model takes them where it takes others and nothing encodes
    them; of series (n, C, moments).
    """
    if isinstance(cases.prepared, Tokenization | Encoding):
        return cases.prepared.described(stored)
    if cases.kind == "series":
        model = cases.model
        layout = input_layout(stored.shape, model.channels, model.declared_channels)
        axis = None if layout is None else layout.channel_axis
        given = stored[:, None] if axis is None else np.moveaxis(stored, axis, 1)
        return DescribedInput("series", cases.features, given=given)
    (cells,) = leaves(cases.prepared(stored))
    if cells.shape != stored.shape:
        return DescribedInput(cases.kind, given=cells)
    return DescribedInput(cases.kind, cases.features, given=stored)


def given_record(example: DescribedInput) -> StudyRecord:
    """One example as `study.json` has it: the `tokens` of a text and the `words` that they are of,
    without padding; the `values` of a row's cells, or of a series, a list for each channel."""
    stored = np.asarray(example.given)[0]
    if example.kind == "text":
        tokens, words = (
            [one for one, kept in zip(row[0], stored, strict=True) if kept]
            for row in (example.tokens, example.words)
        )
        return {"tokens": tokens, "words": words}
    if example.kind == "series":
        return {"values": [list(map(plain_number, map(float, one))) for one in stored]}
    return {"values": list(map(cell_record, stored.tolist()))}


def cell_record(cell: Cell) -> float | str | None:
    """A cell of a table as a record has it: numbers as such, words and truth values as words."""
    return str(cell) if isinstance(cell, str | bool) else plain_number(float(cell))


@final
@dataclass(frozen=True, eq=False)
class FeatureValues:
    """What an answer says of a case.

    Attributes:
        values: of each token that is no padding, column or moment, (features,).
        padding: of all padding of a text together; None of anything else.
    """

    values: NDArray[np.float64]
    padding: float | None = None


def feature_values(answer: Answer, example: DescribedInput) -> FeatureValues:
    """What an answer about one case says of each token, column or moment.

    Raises:
        InputError: the values are not those of the input's features, or not finite.
    """
    if not np.isfinite(answer.values).all():
        raise InputError("Not all values are finite.")
    count = np.asarray(example.given).shape[-1]
    (values,) = along(answer.values, answer.layout, example.kind, count)
    if example.kind != "text":
        return FeatureValues(values)
    kept = np.asarray(example.given)[0].astype(bool)
    return FeatureValues(values[kept], float(values[~kept].sum()))


def coloured(values: NDArray[np.float64], given: StudyRecord) -> NDArray[np.float64]:
    """The numbers that get colours: of a text those of its words."""
    if "tokens" not in given:
        return values
    return np.array([word.value for word in joined(values, given["tokens"], given["words"])])


def along(
    values: NDArray[Any], layout: Layout | None, kind: InputKind, count: int
) -> NDArray[np.float64]:
    """Values (n, ...) as one number for each token, column or moment, (n, count): channels of a series
    are summed, and an inner layer's moments brought to the input's.

    Args:
        kind: of the examples.
        count: of an example's tokens, columns or moments.

    Raises:
        InputError: they are not those of the input's features.
    """
    found = values.astype(np.float64)
    if found.ndim == 3 and layout is not None and layout.channel_axis is not None:
        found = resized(found.sum(axis=layout.channel_axis)[:, None], (1, count))[:, 0]
    if found.ndim != 2 or found.shape[1] != count:
        what = {"text": "tokens", "table": "columns"}.get(kind, "moments")
        raise InputError(
            f"Values of shape {values.shape[1:]} are not those of the input's {count} {what}, as of an "
            "inner layer that has others."
        )
    return found
