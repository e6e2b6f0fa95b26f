"""What a worker does: it loads the model once, and answers block after block."""

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import final

from backlight.errors import InputError
from backlight_attribute.asking import Asking
from backlight_attribute.kept import Kept
from backlight_attribute.targets import Targets
from backlight_datasets import BlockStore, Source, StoreError
from backlight_engines import Receipt, Work
from backlight_loading.models import load_model
from backlight_loading.techniques import Technique
from backlight_study.baselines import PictureBaseline
from backlight_study.checks import first_of
from backlight_study.input_form import InputForm, prepared_model
from backlight_study.model_digest import weights_digest


@final
@dataclass(frozen=True, eq=False)
class AttributionWork(Work):
    """Small where model and data are named by their paths, which each worker then opens by itself.

    Attributes:
        net: the model, or the text that names it.
        framework: of a plain function.
        source: the examples.
        form: how they become the model's input.
        folder: of the store, its path or URL.
        plan: its plan's digest.
        targets, techniques, kept, batch_size, baseline: see `Asking`.
    """

    net: object
    framework: str | None
    source: Source
    form: InputForm
    folder: str
    plan: str
    targets: Targets
    techniques: tuple[Technique, ...]
    kept: Kept
    batch_size: int | None
    baseline: PictureBaseline | None

    def start(self) -> Callable[[int], Receipt]:
        """
        Raises:
            InputError: the model has other weights here than where the run was begun.
            StoreError: another run was begun in the folder since.
        """
        net = load_model(self.net) if isinstance(self.net, str) else self.net
        ready = prepared_model(net, self.framework, self.form, first_of(self.source))
        model, store = ready.model, BlockStore.open(self.folder)
        if store.plan.digest != self.plan:
            raise StoreError(
                f"Another run was begun in {self.folder} before this one had done a block. Let the other "
                "one end, or name another folder."
            )
        weights = weights_digest(model) if isinstance(self.net, str) else None
        if weights is not None and weights not in store.plan.model:
            raise InputError(
                "The model that a worker made has other weights than the one that the run was begun "
                "with: a function that makes a model must load its weights, or set its seed."
            )
        length = store.plan.block_length
        asking = Asking(
            model,
            ready.prepared,
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
