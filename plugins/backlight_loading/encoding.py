"""From rows of a table to what a model takes, and back: which of its numbers are of which column."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast, final

import numpy as np
from numpy.typing import NDArray

from backlight.attribution.described import DescribedInput
from backlight.features.groups import Columns
from backlight.features.labelling import FeaturesOf, summed
from backlight.values.tree import leaves, names, rebuild
from backlight_loading.encoders import Encoder, encoded, flat, load_encoder
from backlight_loading.names import listed
from backlight_loading.preparation import ModelInput
from backlight_loading.sent_by_name import SentByName


@final
@dataclass(frozen=True, eq=False)
class Encoding(SentByName):
    """How rows of a table become an input: one array (N, F), or several, which count as one side by side.

    A feature is a column of the table with all the numbers that are made of it; or, where numbers are
    made of several columns at once, each number. A number that no column seemed to change is one too.

    Attributes:
        encoder: makes the numbers.
        columns: that it is given, by name.
        places: of these in a row of the data.
        sample: one row, encoded.
        features: by name.
        labels: the feature of each number, (F,).
        shown: the place in a row of the data of what a feature holds; None where it is a number itself.
        mixed: the columns of which some numbers are made together.
        name: of the encoder, see `load_encoder`.
        steps: whether it is the steps of a pipeline before its last one, and that one is the model.
    """

    held = "encoder"
    load = staticmethod(load_encoder)

    encoder: Encoder
    columns: tuple[str, ...]
    places: tuple[int, ...]
    sample: ModelInput
    features: tuple[str, ...]
    labels: NDArray[np.int64]
    shown: tuple[int | None, ...]
    mixed: tuple[str, ...] = ()
    name: str | None = None
    steps: bool = False

    def __call__(self, x: NDArray[Any]) -> ModelInput:
        """Rows (n, columns of the data)."""
        return encoded(self.encoder, x[:, list(self.places)], self.columns)

    @property
    def said(self) -> str:
        """In words."""
        made = f"{len(self.labels)} numbers that {called(self.encoder)} makes"
        return f"{made} of {len(self.columns)} columns"

    @property
    def notes(self) -> tuple[str, ...]:
        """What should be known first."""
        if not self.mixed:
            return ()
        return (
            f"The encoder makes some numbers of the columns {listed(self.mixed)} together: what is "
            "explained is each number that it makes, not each column.",
        )

    def described(self, x: NDArray[Any]) -> DescribedInput:
        """What the features of rows (n, columns of the data) hold, as the data has it."""
        made = flat(self(x))
        given = np.empty((len(x), len(self.features)), dtype=x.dtype)
        for number, place in enumerate(self.shown):
            alone = made[:, int(np.argmax(self.labels == number))]
            given[:, number] = alone if place is None else x[:, place]
        return DescribedInput("table", self.features, given=given)

    def pooled(self, values: NDArray[Any]) -> NDArray[Any]:
        """Sums of values of the input, (n, F), over the numbers of each feature, (n, features)."""
        return summed(values, self.labels[None], len(self.features)).astype(values.dtype)

    def spread(self, values: NDArray[Any]) -> ModelInput:
        """Values (n, features) as those of the input: a feature's numbers share its value equally."""
        shared = values[:, self.labels] / np.bincount(self.labels)[self.labels]
        return cast(ModelInput, rebuild(self.sample, self._apart(shared)))

    def _apart(self, numbers: NDArray[Any]) -> list[NDArray[Any]]:
        """What is side by side, (..., F), for each array of the input."""
        ends = np.cumsum([array.shape[1] for array in leaves(self.sample)])
        return np.split(numbers, ends[:-1], axis=-1)

    @cached_property
    def together(self) -> FeaturesOf:
        """What techniques hide together: the numbers of a feature."""
        found = []
        for own in self._apart(self.labels):
            groups = {self.features[k]: np.flatnonzero(own == k).tolist() for k in np.unique(own)}
            found.append(Columns({name: tuple(places) for name, places in groups.items()}))
        return cast(FeaturesOf, rebuild(self.sample, found))


def output_names(encoder: Encoder, sample: ModelInput) -> tuple[str, ...]:
    """What the numbers that an encoder makes are called: as it does, or by their places."""
    tell = getattr(encoder, "get_feature_names_out", tuple)
    try:
        told = tuple(map(str, tell()))
    except Exception:  # a step inside, or the user's own code, tells no names
        told = ()
    if len(told) == flat(sample).shape[1]:
        return told
    several = isinstance(sample, tuple | dict)
    return tuple(
        f"{name} {k}" if several else f"number {k}"
        for name, array in zip(names(sample), leaves(sample), strict=True)
        for k in range(array.shape[1])
    )


def called(encoder: Encoder) -> str:
    return str(getattr(encoder, "__qualname__", type(encoder).__qualname__))
