"""What a model and techniques say of one block of examples, as arrays for its file."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, cast, final

import numpy as np
from numpy.typing import NDArray

from backlight import Model
from backlight.attribution.described import DescribedInput
from backlight.errors import BacklightError, InputError, reason
from backlight.values.examples import Labels
from backlight.values.outputs import array_at
from backlight.values.tree import leaves
from backlight_attribute.codes import code_of, general
from backlight_attribute.kept import Kept
from backlight_attribute.targets import Targets
from backlight_datasets import Batch, Block, Skipped
from backlight_loading.encoding import Encoding
from backlight_loading.preparation import Prepared, PreparedInput, ends_of
from backlight_loading.techniques import Technique
from backlight_loading.tokenization import Tokenization
from backlight_study.answers import Answer, ask, by_column, first_of
from backlight_study.baselines import PictureBaseline, picture_baseline
from backlight_study.replies import outputs_of, rank_classes

Columns = dict[str, NDArray[Any]]

NO_LABEL = "There is no label for this one, or none that is a class of the model."


@final
@dataclass(frozen=True, eq=False)
class Asking:
    """A model, and all that is asked about examples.

    Attributes:
        model: that is asked.
        prepared: brings stored examples into its form.
        targets: what is asked.
        techniques: that answer.
        kept: what is kept of their values.
        length: how many examples go through the model together: the last one is repeated where there
            are fewer, so that a compiled net sees one size of batch.
        batch_size: most rows in one pass of a technique.
        baseline: for techniques that have one and were not told another, in the picture's own terms.
    """

    model: Model
    prepared: PreparedInput
    targets: Targets
    techniques: Sequence[Technique]
    kept: Kept
    length: int
    batch_size: int | None = None
    baseline: PictureBaseline | None = None

    def __call__(self, batch: Batch, names: Sequence[str]) -> Block:
        """What is found of these candidates. Those of which nothing can be found are skipped, with the
        reason; none of them costs another anything.

        Args:
            batch: the candidates of a block.
            names: of those in `batch.x`.
        """
        outputs, refused = self._outputs(batch)
        skipped = [Skipped(int(batch.ids[row]), names[row], why) for row, why in refused.items()]
        sound = np.array([row for row in range(len(batch.ids)) if row not in refused], dtype=int)
        every = tuple(sorted((*batch.skipped, *skipped), key=lambda one: one.id))
        if not len(sound):
            return Block(batch.ids[:0], {}, every)
        texts = np.array([names[row].encode(errors="surrogateescape") for row in sound.tolist()])
        columns, notes = self._of_sound(batch.x, batch.labels, sound, outputs[sound])
        return Block(batch.ids[sound], {"names": texts, **columns}, every, notes)

    def _of_sound(
        self,
        stored: NDArray[Any],
        labels: Labels,
        sound: NDArray[np.int64],
        outputs: NDArray[np.float64],
    ) -> tuple[Columns, dict[str, str]]:
        """The columns of the sound rows, and notes: what is the same for all of them, and what the codes
        of warnings mean."""
        predicted = self.targets.predicted(outputs)
        columns: Columns = {"outputs": outputs, "predicted": predicted, "labels": labels[sound]}
        notes: dict[str, str] = {}
        known = self.targets.knows(labels[sound])
        # Of those without a label the predicted class takes its place, and what it gives is left out.
        true = np.where(known, labels[sound], predicted) if known.any() else predicted
        rows, again = self._filled(sound), self._filled(np.arange(len(sound)))
        scores = self.targets.scores(outputs[again], true[again])
        x, baseline = self.prepared(stored[rows]), None
        if self.baseline is not None:
            ends, pictures = ends_of(stored), cast(Prepared, self.prepared)
            baseline = picture_baseline(self.baseline, stored[rows], ends, pictures)
        if isinstance(self.prepared, Tokenization):
            columns |= tokens_of(self.prepared.described(stored[sound]))
        for technique in self.techniques:
            found = ask(self.model, x, scores, technique, self.batch_size, baseline)
            if isinstance(self.prepared, Encoding):
                found = by_column(found, self.prepared)
            answers = first_of(found, len(sound), 0.0)
            columns[f"{technique.name}/error"] = np.array([one.encode() for one in answers.errors])
            for target, answer in answers.questions.items():
                name = f"{technique.name}/{target}"
                if target == "true":
                    answer = without(answer, ~known)
                more, told = self._columns(answer)
                columns |= {f"{name}/{column}": one for column, one in more.items()}
                notes |= told | {name: form_of(answer, self.kept)}
        return columns, notes

    def _columns(self, answer: Answer) -> tuple[Columns, dict[str, str]]:
        """The columns of a technique and target, numbers that it never has left out, and what the codes
        of its warnings mean."""
        codes = [{code_of(text): general(text) for text in texts} for texts in answer.warnings]
        columns = {name: one for name, one in answer.numbers.items() if not np.isnan(one).all()}
        columns["warnings"] = np.array([" ".join(sorted(one)).encode() for one in codes])
        columns |= self.kept.columns(answer.values, answer.layout)
        return columns, {f"warning {code}": text for one in codes for code, text in one.items()}

    def _outputs(self, batch: Batch) -> tuple[NDArray[np.float64], dict[int, str]]:
        """The outputs (n, width), and for each row without sound ones the reason."""
        width, refused = self.targets.width, dict[int, str]()
        outputs = np.full((len(batch.ids), width), np.nan)
        every = np.arange(len(batch.ids))
        if not len(every):
            return outputs, refused
        try:
            outputs[:] = self._said(batch, every)
        except BacklightError as error:
            if len(every) == 1:
                return outputs, {0: reason(error)}
            for row in range(len(every)):  # whoever it is about, the others have their outputs
                try:
                    outputs[row] = self._said(batch, every[row : row + 1])
                except BacklightError as of_one:
                    refused[row] = reason(of_one)
        for row in np.flatnonzero(~rank_classes(outputs, self.targets.kind)).tolist():
            refused.setdefault(row, self._unusable(batch, row))
        return outputs, refused

    def _said(self, batch: Batch, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """What the model says of these rows, (n, width)."""
        x = self.prepared(batch.x[self._filled(rows)])
        found = array_at(outputs_of(self.model, x, batch.ids[rows]), self.targets.path)
        numbers = self.model.to_numpy(found).astype(np.float64).reshape(len(leaves(x)[0]), -1)
        if numbers.shape[1] != self.targets.width:
            raise InputError(
                f"The model gave {numbers.shape[1]} numbers for each example, and "
                f"{self.targets.width} for the first one."
            )
        return numbers[: len(rows)]

    def _filled(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """These rows, the last one repeated to the length of a block."""
        return np.pad(rows, (0, max(0, self.length - len(rows))), mode="edge")

    def _unusable(self, batch: Batch, row: int) -> str:
        parts = leaves(self.prepared(batch.x[row : row + 1]))
        fine = all(x.dtype.kind != "f" or bool(np.isfinite(x).all()) for x in parts)
        cause = "" if fine else "; its input, as prepared for the model, is not finite already"
        return f"the model's outputs are not all finite numbers{cause}"


def tokens_of(texts: DescribedInput) -> Columns:
    """The tokens of texts (n,) as columns: `tokens`, a list as JSON, and `words`, (n, tokens), the word
    that each is of, or -1."""
    # Half a letter, which UTF-8 does not have, is written as JSON writes it.
    lists = (json.dumps(row, ensure_ascii=False) for row in texts.tokens)
    told = [one.encode(errors="backslashreplace") for one in lists]
    return {"tokens": np.array(told), "words": np.array(texts.words, dtype=np.int32)}


def form_of(answer: Answer, kept: Kept) -> str:
    """What is the same for all examples of a technique and target, as JSON."""
    form = {
        "at": answer.at,
        "shape": list(answer.values.shape[1:]),
        "layout": None if answer.layout is None else asdict(answer.layout),
        "names": list(kept.names(answer.values, answer.layout)),
    }
    return json.dumps(form, sort_keys=True)


def without(answer: Answer, rows: NDArray[np.bool_]) -> Answer:
    """An answer with NaN in these rows, for which nothing was asked, and a warning that says so."""
    if not rows.any():
        return answer
    values = answer.values.copy()
    values[rows] = np.nan
    numbers = {name: np.where(rows, np.nan, column) for name, column in answer.numbers.items()}
    told = tuple(
        (NO_LABEL,) if nothing else one for one, nothing in zip(answer.warnings, rows, strict=True)
    )
    return replace(answer, values=values, numbers=numbers, warnings=told)
