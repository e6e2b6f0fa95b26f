"""One of two models that are compared: what it says of examples, and what techniques say of it."""

from dataclasses import dataclass
from typing import Any, cast, final

import numpy as np
from numpy.typing import NDArray

from backlight import Attribution, Model, Score
from backlight.progress import Progress
from backlight.values.layout import input_layout
from backlight.values.outputs import Path as OutputPath
from backlight.values.tree import leaves
from backlight_datasets import Source
from backlight_loading.encoders import flat
from backlight_loading.techniques import Technique
from backlight_pictures.maps import reduction_of, resized, to_maps
from backlight_study.case_input import along
from backlight_study.input_form import InputForm, PreparedModel
from backlight_study.predictions import Predictions, predict


@final
@dataclass(frozen=True, eq=False)
class Side:
    """One of the models, and how examples become its input."""

    form: InputForm
    ready: PreparedModel

    @property
    def model(self) -> Model[Any]:
        return self.ready.model

    def predictions(
        self, source: Source, batch_size: int, progress: Progress, path: OutputPath
    ) -> Predictions:
        ready = self.ready
        return predict(
            ready.model, source, ready.prepared, ready.sample, batch_size, progress, path
        )

    def maps(
        self, technique: Technique, stored: NDArray[Any], target: Score
    ) -> NDArray[np.float64]:
        """What is said of examples: of pictures (n, H, W) at the places of the model's input, of texts,
        tables and series (n, features), of others as it is."""
        x = self.ready.prepared(stored)
        found = cast(Any, technique.method)(self.model, x, target, at=technique.at)
        tree = cast(Attribution[Any], found).numpy()
        if self.form.encoding is not None:
            return self.form.encoding.pooled(flat(tree).astype(np.float64))
        (values,) = leaves(tree)
        input, channels = leaves(x)[0], self.model.channels
        if self.form.kind in ("text", "table", "series"):
            (layout,) = found.layouts
            places = input_layout(input.shape, channels, self.model.declared_channels)
            count = input.shape[-1] if places is None else places.grid[0]
            return along(values, layout, self.form.kind, count)
        if values.ndim not in (3, 4):
            return np.asarray(values, dtype=np.float64)
        maps = to_maps(values, channels, reduction_of(values, channels))
        height, width = to_maps(np.zeros_like(input), channels).shape[1:]
        return resized(maps, (int(height), int(width)))
