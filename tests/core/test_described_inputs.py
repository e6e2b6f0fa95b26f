"""What an attribution knows of its input: kinds, names, tokens and words, kept in a file."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow
import pytest
from tokenizers.pre_tokenizers import ByteLevel

from backlight import Attribution, Class, Examples, Margin, Probability
from backlight.attribution.described import DescribedInput, kind_of
from backlight.attribution.token_marks import byte_letters
from backlight.attribution.tokens import named_tokens
from backlight.errors import InputError, InputTypeError
from backlight.values.layout import Layout
from backlight_methods import Gradient
from tests.reference import ReferenceModel, polynomial

RNG = np.random.default_rng(0)
MODEL = ReferenceModel(("out", polynomial(RNG.normal(size=(3, 2)))))
FRAME = pd.DataFrame({"age": [1.0, 2.0], "size": [3, 4], "new": [True, False]})


def test_a_data_frame_names_its_columns() -> None:
    found = Gradient()(MODEL, FRAME, 0)
    (table,) = found.inputs
    assert (table.kind, table.names) == ("table", ("age", "size", "new"))
    np.testing.assert_array_equal(table.given, [[1, 3, 1], [2, 4, 0]])


def test_a_row_of_one_is_an_example() -> None:
    found = Gradient()(MODEL, FRAME.iloc[1], 0)
    assert found.inputs[0].names == ("age", "size", "new")
    np.testing.assert_array_equal(found.inputs[0].given, [[2, 4, 0]])


def test_examples_name_their_columns_and_classes() -> None:
    names, classes = ("age", "size", "new"), ("no", "yes")
    examples = Examples(FRAME.to_numpy(dtype=float), np.array([0, 1]), classes, features=names)
    found = Gradient()(MODEL, examples, 1)
    assert (found.inputs[0].names, found.class_names) == (names, classes)
    assert Gradient()(MODEL, examples, 1, class_names=["a", "b"]).class_names == ("a", "b")


def test_columns_of_texts_are_refused() -> None:
    with pytest.raises(
        InputTypeError, match=r"The columns 'size' hold something else than numbers"
    ):
        Gradient()(MODEL, FRAME.assign(size=["small", "large"]), 0)


def test_names_that_are_too_few_are_refused() -> None:
    with pytest.raises(InputError, match=r"a list of 3 texts, one for each of the columns"):
        Gradient()(MODEL, FRAME.to_numpy(dtype=float), 0, names=["age", "size"])


def test_what_is_given_is_a_copy() -> None:
    x = RNG.normal(size=(2, 3))
    found, before = Gradient()(MODEL, x, 0), x.copy()
    x[:] = 0
    np.testing.assert_array_equal(found.inputs[0].given, before)


@pytest.mark.parametrize(
    ("shape", "layout", "whole", "kind"),
    [
        ((2, 3), None, False, "table"),
        ((2, 3), None, True, "text"),
        ((2, 3, 8), Layout(1, (8,)), False, "series"),
        ((2, 3, 8, 8), Layout(1, (8, 8)), False, "picture"),
        ((2, 3, 8, 8, 8), Layout(1, (8, 8, 8)), False, "volume"),
        ((2, 3, 8), None, False, "other"),
    ],
)
def test_kinds(shape: tuple[int, ...], layout: Layout | None, whole: bool, kind: str) -> None:
    assert kind_of(shape, layout, whole) == kind


@pytest.mark.parametrize(
    ("tokens", "texts", "words"),
    [
        (
            ["<s>", "caf", "\u00c3", "\u00a9", "\u0120w\u00c3\u00a4re"],
            ("<s>", "caf", "", "\u00e9", "w\u00e4re"),
            (-1, 0, 0, 0, -1),
        ),
        (
            ["<s>", "\u0120caf", "\u0120x", "\u00c3", "</s>"],
            ("<s>", "caf", "x", "\ufffd", "</s>"),
            (-1, 0, 1, 1, -1),
        ),
        (
            ["<s>", "\u2581caf\u00e9", "<0xC3>", "<0xA9>", "\u2581w\u00c3"],
            ("<s>", "caf\u00e9", "", "\u00e9", "w\u00c3"),
            (-1, 0, 0, 0, -1),
        ),
        (
            ["[CLS]", "caf\u00e9", "<0xC3>", "\u00c3\u00a9", "[SEP]"],
            ("[CLS]", "caf\u00e9", "<0xC3>", "\u00c3\u00a9", "[SEP]"),
            (-1, 0, 1, 2, -1),
        ),
        (
            ["[CLS]", "play", "##ing", "well", "[SEP]"],
            ("[CLS]", "play", "ing", "well", "[SEP]"),
            (-1, 0, 0, 1, -1),
        ),
        (
            ["<s>", "Hel", "lo", "\u0120world", "</s>"],
            ("<s>", "Hel", "lo", "world", "</s>"),
            (-1, 0, 0, 1, -1),
        ),
        (
            ["<s>", "\u2581good", "ness", "\u2581me", "</s>"],
            ("<s>", "good", "ness", "me", "</s>"),
            (-1, 0, 0, 1, -1),
        ),
        (
            ["[CLS]", "##ing", "good", "film", "[SEP]"],
            ("[CLS]", "ing", "good", "film", "[SEP]"),
            (-1, 0, 1, 2, -1),
        ),
    ],
)
def test_tokens_make_words(tokens: list[str], texts: Any, words: Any) -> None:
    class Tokenizer:
        all_special_ids = (0, 4)

        def convert_ids_to_tokens(self, ids: list[int]) -> list[str]:
            return [tokens[id] for id in ids]

    found = named_tokens(np.arange(5)[None], Tokenizer())
    assert (found.tokens, found.words) == ((texts,), (words,))


def test_letters_of_bytes_are_those_of_tokenizers() -> None:
    assert sorted(byte_letters()) == sorted(ByteLevel.alphabet())
    text = "".join(map(chr, [*range(0x100), 0x4E2D, 0x1F44D]))
    pieces = ByteLevel(add_prefix_space=False, use_regex=False).pre_tokenize_str(text)
    written = "".join(piece for piece, _ in pieces)
    assert bytes(byte_letters()[letter] for letter in written) == text.encode()


def test_it_is_kept_in_a_file(tmp_path: Path) -> None:
    made = Gradient()(MODEL, FRAME, 0)
    text = DescribedInput(
        "text", (), (("a", "b"), ("c", "d")), ((0, 0), (0, -1)), np.eye(2), Layout(2, (3,))
    )
    for attribution in (made, replace(made, inputs=(text,), unit="logit")):
        attribution.save(tmp_path / "kept.npz")
        kept: Attribution[Any] = Attribution.load(tmp_path / "kept.npz")
        assert kept.inputs == attribution.inputs
        assert kept.unit == attribution.unit


def test_the_unit_is_that_of_the_score() -> None:
    scores = Class(0), Probability(0), Margin(0, versus=1)
    units = [Gradient()(MODEL, FRAME, score).unit for score in scores]
    assert units == ["logit", "probability", "log-odds"]


def test_values_come_as_a_data_frame_on_request() -> None:
    found = Gradient()(MODEL, FRAME, 0)
    frame = found.to_pandas()
    assert list(frame.columns) == ["age", "size", "new"]
    np.testing.assert_array_equal(frame.to_numpy(), found.values)
    assert frame.iloc[1]["size"] == found.values[1, 1]


def test_what_is_no_table_makes_no_data_frame() -> None:
    found = replace(Gradient()(MODEL, FRAME, 0), values=np.zeros((2, 3, 4)))
    with pytest.raises(InputError, match=r"these are of shape \(2, 3, 4\)"):
        found.to_pandas()


def test_a_table_of_pyarrow_names_its_columns() -> None:
    found = Gradient()(MODEL, pyarrow.table(FRAME), 0)
    assert found.inputs == Gradient()(MODEL, FRAME, 0).inputs
