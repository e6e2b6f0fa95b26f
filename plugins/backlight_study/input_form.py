"""How stored examples of any kind become a model's input: told once, done alike in every process."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, final

import numpy as np
from numpy.typing import NDArray

from backlight import Method, Model, wrap
from backlight.errors import InputError
from backlight.values.layout import InputKind
from backlight.values.tree import leaves
from backlight_datasets import Source, digest_of_arrays
from backlight_datasets.plan import Json
from backlight_loading.encoders import Encoder, flat, of_pipeline
from backlight_loading.encoding import Encoding
from backlight_loading.models import wanted_shape
from backlight_loading.preparation import (
    ModelInput,
    PreparedInput,
    preparation,
    told_of_pictures,
)
from backlight_loading.preprocessing import Preprocessing
from backlight_loading.techniques import DEFAULT, Technique, techniques, usable
from backlight_loading.tokenization import Tokenization
from backlight_loading.tokenizers import Tokenizer
from backlight_study.answers import at_baseline
from backlight_study.kinds import CALLED, features_of, kind_of_examples
from backlight_study.rows_themselves import RowsThemselves, rows_themselves
from backlight_study.tables import encoding, with_columns
from backlight_study.texts import tokenization

TECHNIQUES: Final[Mapping[InputKind, Sequence[str]]] = {
    "text": ("integrated_gradients", "deep_lift", "feature_ablation"),
    "table": ("integrated_gradients", "deep_lift", "shapley_values"),
}
"""The techniques of a study, where none are said and it is of no pictures."""


@final
@dataclass(frozen=True, eq=False)
class InputForm:
    """How the examples of a source become a model's input.

    Attributes:
        kind: what they are.
        preprocessing: of all but texts and tables that are encoded.
        tokenization: of texts.
        encoding: of tables, where an encoder is said, or the model's first steps encode them.
        rows: of tables with words that the model takes as they are.
    """

    kind: InputKind
    preprocessing: Preprocessing
    tokenization: Tokenization | None = None
    encoding: Encoding | None = None
    rows: RowsThemselves | None = None

    def features(self, source: Source, first: NDArray[Any]) -> tuple[str, ...]:
        """Names of a table's columns, see `Encoding`, or of channels, if the data has one for each.

        Args:
            first: an example, (1, ...).
        """
        found = self.encoding
        return features_of(source, first.shape) if found is None else found.features

    def described(self, first: NDArray[Any]) -> dict[str, Json]:
        """What a plan has of it.

        Args:
            first: an example, (1, ...).
        """
        if self.encoding is not None:
            made = {"sample": flat(self.encoding.sample), "labels": self.encoding.labels}
            return {
                "kind": self.kind,
                "preprocessing": self.encoding.said,
                "encoder": digest_of_arrays(made.items()),
            }
        if self.tokenization is None:
            return {"kind": self.kind, "preprocessing": self.preprocessing.described(first)}
        return {
            "kind": self.kind,
            "preprocessing": self.tokenization.said,
            "tokenizer": self.tokenization.digest,
        }

    def techniques(
        self,
        said: Sequence[str | Method],
        seed: int | None,
        model: Model[Any],
        usual: Sequence[str] = (),
    ) -> list[Technique]:
        """Every technique asked for; or the usual ones that can explain the model. Those that replace
        tokens put the tokenizer's mask or padding in their places, where nothing else is said.

        Args:
            usual: where none are said; those of a study of this kind, if empty.
        """
        own = TECHNIQUES.get(self.kind, DEFAULT)
        found = techniques(said or usual or own, seed)
        if not said:
            found = usable(found, model) or usable(techniques(own, seed), model)
        if self.encoding is not None:
            return with_columns(found, self.encoding)
        if self.rows is not None:
            return self.rows.techniques(found)
        if self.tokenization is None:
            return found
        token = self.tokenization.absent
        return [
            one
            if one.method.differentiates
            else replace(one, method=at_baseline(one.method, token))
            for one in found
        ]


def input_form(
    net: object,
    model: Model[Any],
    source: Source,
    first: NDArray[Any],
    preprocessing: Preprocessing | None = None,
    kind: InputKind | None = None,
    tokenizer: Tokenizer | str | None = None,
    tokens: int | None = None,
    encoder: Encoder | str | None = None,
) -> tuple[InputForm, Source]:
    """The form of a source's examples for this model, and the examples that have it: of a table those
    that an encoder takes. Texts are looked at once for it, and some rows of tables that are encoded.

    Args:
        net: the model as the user has it.
        first: an example, (1, ...).
        kind: what they are, where the user says it.
        tokenizer, tokens: see `tokenization`.
        encoder: see `encoding`.

    Raises:
        InputError: the examples are no such thing, the model takes no such texts, or the encoder no such
            rows.
    """
    shape = (len(source), *first.shape[1:])
    found = kind_of_examples(kind, source.kind, shape, tokenizer is not None)
    words = None if tokenizer is None else tokenization(tokenizer, tokens, source, model, net)
    if encoder is not None and found != "table":
        raise InputError(
            f"An encoder is for the columns of a table; the examples are {CALLED[found][1]}, {shape}."
        )
    rows = columns = None
    if found == "table" and encoder is None:
        rows = rows_themselves(net, model, source, first)
    if found == "table" and rows is None:
        columns = encoding(encoder, net, source, first)
    if (rows or columns) and preprocessing not in (None, Preprocessing()):
        raise InputError(
            "The encoder makes the model's input by itself: leave out preprocessing, or do it there."
            if columns
            else "The model takes the table's rows as they are: leave out preprocessing."
        )
    encoded, readable = columns or (None, source)
    return InputForm(found, preprocessing or Preprocessing(), words, encoded, rows), readable


@final
@dataclass(frozen=True, eq=False)
class PreparedModel:
    """A model, and what brings stored examples into its form.

    Attributes:
        model: told of its input what the examples show.
        prepared: brings them.
        sample: one of them as the model takes it, (1, ...).
    """

    model: Model[Any]
    prepared: PreparedInput
    sample: ModelInput


def prepared_model(
    net: object, framework: str | None, form: InputForm, first: NDArray[Any]
) -> PreparedModel:
    """
    Args:
        net: the model as the user has it.
        framework: of a plain function.
        first: an example, (1, ...).
    """
    steps = of_pipeline(net) if form.encoding is not None and form.encoding.steps else None
    net = net if steps is None else steps[1]
    model = wrap(net, framework)
    prepared: PreparedInput = preparation(net, model, form.preprocessing)
    if form.encoding is not None:
        prepared = form.encoding
    elif form.rows is not None:
        model, prepared = model.with_columns(form.rows.columns), form.rows
    elif form.tokenization is not None:
        prepared = form.tokenization
    elif form.kind == "series":
        prepared = series_preparation(prepared, model, wanted_shape(net))
    sample = prepared(first)
    if form.kind == "picture":
        model = told_of_pictures(model, net, framework, leaves(sample)[0].ndim)
    return PreparedModel(model, prepared, sample)


def series_preparation(
    prepared: PreparedInput, model: Model[Any], wanted: tuple[int | None, ...] | None
) -> PreparedInput:
    """A preparation of series that gives those of shape (n, moments) an axis for one channel where the
    model has channels: unless it declares two axes, or, without gradients, takes tables.

    Args:
        prepared: all else that is done.
        wanted: the input's shape that the model declares, if it does.
    """
    two = (wanted is not None and len(wanted) == 2) or not model.differentiable
    axis = 1 if model.channels == "first" else 2

    def of_series(x: NDArray[Any]) -> ModelInput:
        numbers = x if x.dtype.kind == "f" else x.astype(np.float32)  # whole ones are no pixels
        return prepared(np.expand_dims(numbers, axis) if x.ndim == 2 and not two else numbers)

    return of_series
