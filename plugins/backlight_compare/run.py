"""The one call that compares two models."""

import os
from collections.abc import Mapping, Sequence

import numpy as np

from backlight import Examples, Method, wrap
from backlight.errors import HyperParameterError, TargetError
from backlight.progress import Progress
from backlight.values.layout import InputKind
from backlight.values.outputs import Path as OutputPath
from backlight_compare.agreement import agreement, scores_of
from backlight_compare.defaults import DEFAULT, TOLERANCE
from backlight_compare.result import ModelComparison
from backlight_compare.side import Side
from backlight_compare.sites import paired
from backlight_datasets import ColumnNames, Source, open_source
from backlight_loading.encoders import Encoder, takes_words
from backlight_loading.preparation import Colour, Size
from backlight_loading.preprocessing import Preprocessing
from backlight_loading.techniques import techniques
from backlight_loading.tokenizers import Tokenizer
from backlight_study.checks import first_of
from backlight_study.explaining import read_ids
from backlight_study.input_form import input_form, prepared_model
from backlight_study.performance import mcnemar

LOOKED_INTO = 4
"""How many examples inner values are compared for."""


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
        form, source = input_form(
            net, model, source, example, how, kind, tokenizer, tokens, encoder
        )
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
