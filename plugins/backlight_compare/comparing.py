"""The one call that compares two models."""

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast, final

import numpy as np
from numpy.typing import NDArray

from backlight import Attribution, BacklightWarning, Examples, Method, Model, Score, wrap
from backlight.errors import BacklightError, HyperParameterError, TargetError, reason
from backlight.evaluating.evaluation import plain_number
from backlight.progress import Progress
from backlight.values.layout import InputKind, input_layout
from backlight.values.outputs import Path as OutputPath
from backlight.values.tree import leaves
from backlight_compare.defaults import DEFAULT, TOLERANCE
from backlight_compare.sites import SitePair, paired, parting
from backlight_datasets import ColumnNames, Source, open_source
from backlight_loading.encoders import Encoder, flat, takes_words
from backlight_loading.preparation import Colour, Size
from backlight_loading.preprocessing import Preprocessing
from backlight_loading.techniques import Technique, techniques
from backlight_loading.tokenizers import Tokenizer
from backlight_pictures.maps import reduction_of, resized, to_maps
from backlight_study.case_input import along
from backlight_study.checks import first_of
from backlight_study.explaining import read_ids
from backlight_study.input_form import InputForm, PreparedModel, input_form, prepared_model
from backlight_study.performance import McNemar, mcnemar
from backlight_study.predictions import Predictions, predict
from backlight_study.questions import rivals, targets

LOOKED_INTO = 4
"""How many examples inner values are compared for."""


@final
@dataclass(frozen=True)
class Agreement:
    """How alike a technique's maps of two models are, over the examples that were explained.

    Attributes:
        technique: its name.
        correlation: Pearson's, of each example's maps, the mean over examples; NaN of maps that are flat.
        difference: the largest |first - second| of any example, relative to its largest |first|.
        error: why there is nothing, where a technique failed.
    """

    technique: str
    correlation: float
    difference: float
    error: str | None = None


@final
@dataclass(frozen=True, eq=False)
class ModelComparison:
    """What two models have in common.

    Attributes:
        frameworks: of both.
        mcnemar: how many examples the second one mends and breaks.
        fixed, broken: these examples, by their numbers in the data.
        changed: how many get another class.
        difference: the largest difference of a probability.
        explained: how many examples' maps were compared.
        agreements: of each technique.
        pairs: the first net's inner values with the nearest ones of the second.
        tolerance: what counts as the same.
    """

    frameworks: tuple[str, str]
    mcnemar: McNemar
    fixed: tuple[int, ...]
    broken: tuple[int, ...]
    changed: int
    difference: float
    explained: int
    agreements: tuple[Agreement, ...]
    pairs: tuple[SitePair, ...]
    tolerance: float

    @property
    def same(self) -> bool:
        """Whether both say and explain the same, within the tolerance."""
        maps = all(
            one.error is None and one.difference <= self.tolerance for one in self.agreements
        )
        return self.changed == 0 and self.difference <= self.tolerance and maps

    @property
    def parting(self) -> tuple[SitePair | None, SitePair | None]:
        """The last inner value that agrees, and the first one that does not."""
        return parting(self.pairs)

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON has it."""
        last, first = self.parting
        return {
            "frameworks": list(self.frameworks),
            "same": self.same,
            "tolerance": self.tolerance,
            "mcnemar": self.mcnemar.to_dict(),
            "fixed": list(self.fixed),
            "broken": list(self.broken),
            "changed": self.changed,
            "difference": self.difference,
            "explained": self.explained,
            "maps": [plain(vars(one)) for one in self.agreements],
            "last_agreeing": None if last is None else plain(vars(last)),
            "first_differing": None if first is None else plain(vars(first)),
            "sites": [plain(vars(one)) for one in self.pairs],
        }


def compare(
    first: object,
    second: object,
    data: str | os.PathLike[str] | Examples | Source,
    *,
    kind: InputKind | None = None,
    tokenizer: Tokenizer | str | None = None,
    tokens: int | None = None,
    encoder: Encoder | str | None = None,
    methods: Sequence[str | Method] = (),
    limit: int = 16,
    tolerance: float = TOLERANCE,
    sites: Mapping[str, str] | None = None,
    frameworks: tuple[str | None, str | None] = (None, None),
    scores: tuple[OutputPath, OutputPath] = (None, None),
    preprocessing: tuple[Preprocessing | None, Preprocessing | None] = (None, None),
    size: Size | None = None,
    colour: Colour | None = None,
    classes: Sequence[str] = (),
    columns: ColumnNames | None = None,
    batch_size: int = 64,
    seed: int = 0,
    progress: Progress = lambda what, done, total: None,
) -> ModelComparison:
    """Say whether two models say the same of labelled examples, for the same reasons; and if not, what
    the second one mends and breaks, and at which inner value they part.

    Args:
        first, second: classifiers of any framework with the same classes.
        data, kind, tokenizer, tokens, encoder: as of `backlight.study`.
        methods: techniques whose maps of the first one's classes are compared; by default gradient and
            integrated gradients, or, where a model has no gradients, those of a study that need none.
        limit: for so many examples, drawn at random.
        tolerance: what counts as the same, relative to the largest number.
        sites: inner values of the first net by those of the second, where the nearest are not meant.
        frameworks: of models that are plain functions.
        scores: which of several outputs holds the class scores, of each.
        preprocessing: of each; where one alone is given, say it twice.
        size, colour, classes, columns: of the data; see `backlight_datasets.open_source`.
        batch_size: most rows in one pass.
        seed: of the draw, and of techniques with noise.
        progress: called with what is being done, how much is done and how much there is.

    Raises:
        BacklightError: what is wrong with a model, the data or the arguments.
    """
    if limit < 1 or tolerance <= 0:
        raise HyperParameterError(
            f"limit must be at least 1 and tolerance greater than 0, got {limit} and {tolerance}."
        )
    techniques(methods, seed)  # a mistyped name is said before anything is read
    source = open_source(
        data,
        size,
        colour,
        classes,
        columns=columns or ColumnNames(),
        texts=tokenizer is not None,
        words=any(takes_words(encoder, net) for net in (first, second)),
    )
    sides = []
    for net, framework, how in zip((first, second), frameworks, preprocessing, strict=True):
        model, example = wrap(net, framework), first_of(source)
        form = input_form(net, model, source, example, how, kind, tokenizer, tokens, encoder)
        source = form.readable(source)
        example = first_of(source)
        sides.append(Side(form, prepared_model(net, framework, form, example)))
        tokens = form.tokenization and form.tokenization.length  # the second one takes as many
    plainest = min(sides, key=lambda side: side.model.differentiable)
    chosen = plainest.form.techniques(methods, seed, plainest.model, DEFAULT)
    one, other = (
        side.predictions(source, batch_size, progress, path)
        for side, path in zip(sides, scores, strict=True)
    )
    if one.probabilities.shape != other.probabilities.shape:
        raise TargetError(
            f"The models have {one.probabilities.shape[1]} and {other.probabilities.shape[1]} classes; "
            "only models of the same classes can be compared."
        )
    right, now = ~one.wrong, ~other.wrong
    drawn = np.sort(np.random.default_rng(seed).permutation(len(one.labels))[:limit])
    stored, asked = read_ids(source, one.ids[drawn]), scores_of(one, other, drawn)
    agreements = []
    for done, technique in enumerate(chosen):
        progress("Comparing maps", done, len(chosen))
        agreements.append(agreement(technique, sides, stored, asked))
    progress("Comparing maps", len(chosen), len(chosen))
    a, b = sides
    looked = stored[:LOOKED_INTO]
    return ModelComparison(
        (a.model.framework, b.model.framework),
        mcnemar(right, now),
        tuple(one.ids[~right & now].tolist()),
        tuple(one.ids[right & ~now].tolist()),
        int((one.classes != other.classes).sum()),
        float(np.abs(one.probabilities - other.probabilities).max()),
        len(stored),
        tuple(agreements),
        paired(
            (a.model, b.model),
            (a.ready.prepared(looked), b.ready.prepared(looked)),
            a.form.kind,
            tolerance,
            sites or {},
        ),
        tolerance,
    )


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


SOFTMAX = ("probabilities", "log_probabilities")


def scores_of(one: Predictions, other: Predictions, rows: NDArray[np.int64]) -> list[Score]:
    """What is explained of both models, in one quantity: the logit of the first one's class; or, where
    one tells logits but for what all classes share and the other does not, how far that class is before
    the next one (the true one, where it is wrong)."""
    classes, rival = one.classes[rows], rivals(one, rows)
    alike = (one.kind in SOFTMAX, one.single) == (other.kind in SOFTMAX, other.single)
    asked = [targets(classes, rival, each.kind, each.single, each.path) for each in (one, other)]
    return [each["predicted" if alike or "contrast" not in each else "contrast"] for each in asked]


def agreement(
    technique: Technique,
    sides: Sequence[Side],
    stored: NDArray[Any],
    asked: Sequence[Score],
) -> Agreement:
    """How alike a technique's maps of both models are."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", BacklightWarning)
            maps = [
                side.maps(technique, stored, score).reshape(len(stored), -1)
                for side, score in zip(sides, asked, strict=True)
            ]
    except BacklightError as error:
        return Agreement(technique.name, float("nan"), float("inf"), reason(error))
    one, other = maps
    if one.shape != other.shape:
        said = f"maps of {one.shape[1]} and {other.shape[1]} numbers cannot be compared"
        return Agreement(technique.name, float("nan"), float("inf"), said)
    size = np.abs(one).max(axis=1)
    off = np.abs(one - other).max(axis=1) / np.where(size > 0, size, 1.0)
    centred = [each - each.mean(axis=1, keepdims=True) for each in maps]
    norms = np.linalg.norm(centred[0], axis=1) * np.linalg.norm(centred[1], axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        alike = (centred[0] * centred[1]).sum(axis=1) / norms
    mean = float(np.nanmean(alike)) if norms.any() else float("nan")
    return Agreement(technique.name, mean, float(off.max()))


def plain(found: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers that JSON has; None for NaN and infinities."""
    return {
        name: plain_number(value) if isinstance(value, float) else value
        for name, value in found.items()
    }
