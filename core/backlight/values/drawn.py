"""Baselines that are drawn from data."""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from backlight.by_value import is_array, on_host
from backlight.errors import InputError, is_whole, require
from backlight.values.arrays import AnyArray
from backlight.values.layout import Layout
from backlight.values.made_baselines import Host, MadeBaseline
from backlight.values.noise import drawn_rows


@final
@dataclass(frozen=True)
class Drawn(MadeBaseline):
    """Rows of a data set, drawn anew for each example: what is usual stands for "nothing there".

    What is found for them is averaged, as of `Several`. For several inputs a tuple or dict of these, with
    one seed and as many rows, draws the same rows of each.

    Args:
        data: an array of a framework or of NumPy's (memory-mapped as well) whose rows are shaped like an
            example.
        samples: how many rows each example draws, none of them twice, at least 1 and at most as many as
            there are.
        seed: of the draws, which are the same on every framework and depend on where an example is in
            the batch, not on the others.

    Cost: that of `samples` baselines with a row for each example; a block's are held at once.
    """

    data: NDArray[np.generic] | AnyArray
    samples: int = 20
    seed: int = 0

    def __post_init__(self) -> None:
        rows = is_array(self.data) and len(self.data.shape) > 0 and self.data.shape[0] > 0
        require(rows, self, "data", "an array with an example in each row")
        fits = is_whole(self.samples) and 1 <= self.samples <= self.data.shape[0]
        require(fits, self, "samples", f"from 1 to the {self.data.shape[0]} rows of the data")
        require(is_whole(self.seed) and self.seed >= 0, self, "seed", "at least 0")

    def of(self, value: Host, layout: Layout | None, rows: NDArray[np.int64]) -> tuple[Host, ...]:
        shape = tuple(int(length) for length in self.data.shape)
        if shape[1:] != value.shape[1:]:
            raise InputError(
                f"Drawn needs data whose rows are shaped like an example, {value.shape[1:]}; got data of "
                f"shape {shape}."
            )
        chosen = [drawn_rows(self.seed, int(row), shape[0], self.samples) for row in rows]
        host = on_host(self.data)
        return tuple(host[sample] for sample in np.transpose(chosen))
