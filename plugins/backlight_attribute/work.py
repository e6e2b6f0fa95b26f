"""What a worker does: it loads the model once, and answers block after block."""

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any, final

from backlight import wrap
from backlight.errors import InputError
from backlight_attribute.asking import Asking
from backlight_attribute.kept import Kept
from backlight_attribute.targets import Targets
from backlight_datasets import BlockStore, Source
from backlight_engines import Receipt, Work
from backlight_loading.models import load_model
from backlight_loading.preparation import Prepared, preparation, told_of_pictures
from backlight_loading.preprocessing import Preprocessing
from backlight_loading.techniques import Technique
from backlight_study.baselines import PictureBaseline
from backlight_study.model_digest import weights_digest


@final
@dataclass(frozen=True, eq=False)
class AttributionWork(Work):
    """Small where model and data are named by their paths, which each worker then opens by itself.

    Attributes:
        net: the model, or the text that names it.
        framework: of a plain function.
        source: the examples.
        preprocessing: from them to the model's input.
        axes: of that input.
        folder: of the store, its path or URL.
        targets, techniques, kept, batch_size, baseline: see `Asking`.
    """

    net: object
    framework: str | None
    source: Source
    preprocessing: Preprocessing
    axes: int
    folder: str
    targets: Targets
    techniques: tuple[Technique, ...]
    kept: Kept
    batch_size: int | None
    baseline: PictureBaseline | None

    def start(self) -> Callable[[int], Receipt]:
        """
        Raises:
            InputError: the model has other weights here than where the run was begun.
        """
        model, prepared = opened(self.net, self.framework, self.preprocessing, self.axes)
        store = BlockStore.open(self.folder)
        weights = weights_digest(model) if isinstance(self.net, str) else None
        if weights is not None and weights not in store.plan.model:
            raise InputError(
                "The model that a worker made has other weights than the one that the run was begun "
                "with: a function that makes a model must load its weights, or set its seed."
            )
        length = store.plan.block_length
        asking = Asking(
            model,
            prepared,
            self.targets,
            self.techniques,
            self.kept,
            length,
            self.batch_size,
            self.baseline,
        )

        def answer(number: int) -> Receipt:
            started = perf_counter()
            start, stop = store.plan.rows(number)
            batch = self.source.read(start, stop)
            names = self.source.names(start, stop)
            block = asking(batch, [names[id - start] for id in batch.ids.tolist()])
            store.write(number, block.ids, block.arrays, block.skipped, block.notes)
            return Receipt(number, perf_counter() - started, len(block.ids), block.skipped)

        return answer


def opened(
    net: object, framework: str | None, preprocessing: Preprocessing, axes: int | None = None
) -> tuple[Any, Prepared]:
    """A model, and what brings stored examples into its form.

    Args:
        net: it, or the text that names it.
        axes: of the model's input, where they are known.
    """
    found = load_model(net) if isinstance(net, str) else net
    model = wrap(found, framework)
    prepared = preparation(found, model, preprocessing)
    return (
        model if axes is None else told_of_pictures(model, found, framework, axes),
        prepared,
    )
