"""Tables whose rows a model takes as they are, words and all."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast, final

import numpy as np
from numpy.typing import NDArray

from backlight import Drawn, Model
from backlight.errors import InputError
from backlight.plugins.extras import extra
from backlight.values.frame_columns import FrameColumns, no_numbers
from backlight.values.tree import Tree, leaves
from backlight_datasets import Source
from backlight_loading.encoders import Encoder, columns_of, encodes, fitted_on, of_pipeline
from backlight_loading.techniques import Technique
from backlight_study.answers import at_baseline
from backlight_study.encoded_rows import column_names
from backlight_study.replies import outputs_of, takes
from backlight_study.tables import some_rows, words_in

SAMPLES = 20
"""From how many rows of the data a case draws what stands for a column that is absent."""

TRIED = 64
"""How many rows are given to steps that may encode them, and to a model one by one."""


@final
@dataclass(frozen=True, eq=False)
class RowsThemselves:
    """Rows of a table, (n, columns) of objects, that a model is given in data frames.

    Attributes:
        columns: of the frames.
        absent: what stands for columns that are absent: what they hold in other rows of the data.
    """

    columns: FrameColumns
    absent: Drawn

    def __call__(self, x: NDArray[Any]) -> NDArray[Any]:
        return x

    def techniques(self, chosen: Sequence[Technique]) -> list[Technique]:
        """The techniques, which put there what other rows have, where they were told nothing else."""
        return [Technique(one.name, at_baseline(one.method, self.absent), one.at) for one in chosen]


def rows_themselves(
    net: object, model: Model[Any], source: Source, first: NDArray[Any]
) -> RowsThemselves | None:
    """How a model takes rows with words by itself; None where it does not, as it was fitted on no columns
    with names, or takes numbers; or where its first steps encode them.

    Args:
        net: the model as the user has it.
        first: an example, (1, columns).

    Raises:
        InputError: the data lacks columns that it was fitted on; it says something else of a row alone;
            or it is a pipeline that takes no row.
        PluginError: pandas is not installed.
    """
    if not first.dtype.hasobject or fitted_on(net) is None:
        return None
    names, rows = column_names(source, first), some_rows(source)
    used = columns_of(cast(Encoder, net), names)
    steps = of_pipeline(net)
    if steps is not None and encodes(
        steps[0], rows[:TRIED, [names.index(name) for name in used]], used
    ):
        return None
    extra("pandas", "pandas", "A model of named columns needs pandas")
    words = words_in(names, rows)
    for dtype in (None, "category"):
        columns = columns_as(dtype, names, words)
        taken = sound_rows(model.with_columns(columns), rows)
        if len(taken):
            require_each_by_itself(model.with_columns(columns), taken)
            return RowsThemselves(columns, Drawn(taken, min(SAMPLES, len(taken))))
    if steps is not None:
        outputs_of(model.with_columns(columns_as(None, names, words)), rows[:1])  # says why not
    return None


def columns_as(
    dtype: Literal["category"] | None, names: Sequence[str], words: Collection[str]
) -> FrameColumns:
    """The columns of a table of which those with words have this dtype."""
    dtypes = tuple(dtype if name in words else None for name in names)
    return FrameColumns(tuple(names), dtypes, no_numbers([*words]))


def sound_rows(model: Model[Any], rows: NDArray[Any]) -> NDArray[Any]:
    """Those of some rows that a model takes."""
    if takes(model, rows):
        return rows
    return rows[[takes(model, rows[k : k + 1]) for k in range(len(rows))]]


def require_each_by_itself(model: Model[Any], rows: NDArray[Any]) -> None:
    """Raise InputError where a model says something else of a row alone than among others, as one does
    that takes categories by their numbers in the table at hand."""
    some = rows[:TRIED]
    together = answers(model, some)
    for k in range(len(some)):
        for one, other in zip(together, answers(model, some[k : k + 1]), strict=True):
            if not np.allclose(one[k], other[0], rtol=1e-4, atol=1e-6, equal_nan=True):
                raise InputError(
                    "The model says something else of a row alone than among others: it takes categories "
                    "by their numbers in the table at hand. Put a first step before it, in a pipeline, "
                    "that gives columns all categories that it was fitted on."
                )


def answers(model: Model[Any], rows: NDArray[Any]) -> list[NDArray[Any]]:
    """What the model says of rows, array by array."""
    return leaves(cast("Tree[NDArray[Any]]", outputs_of(model, rows)))
