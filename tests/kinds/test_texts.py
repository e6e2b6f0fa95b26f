"""A study of texts: what each word says is known, whatever the framework and the file."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import backlight
from backlight import Examples
from backlight.errors import InputError
from backlight_datasets import open_source
from backlight_loading.tokenizers import load_tokenizer
from backlight_report import report
from backlight_study.judging import judge
from tests.kinds.nets import (
    LABELS,
    NETS,
    SPEAKS,
    TEXTS,
    WORDS,
    Tokenizer,
    TorchText,
    tokenizer,
    torch_net,
)

CLASSES = ("negative", "positive")
NAMES = np.array(["negative", "positive"])[LABELS]
METHODS = ("input_x_gradient", "feature_ablation")


def examples() -> Examples:
    return Examples(np.array(TEXTS), LABELS, CLASSES)


def record(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "study.json").read_text())
    return found


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of the torch net."""
    folder = tmp_path_factory.mktemp("texts") / "report"
    report(
        torch_net(), examples(), directory=folder, tokenizer=tokenizer, methods=METHODS, metrics=[]
    )
    return folder


def test_a_case_keeps_its_tokens_and_what_each_says(made: Path) -> None:
    (first, second) = record(made)["cases"]
    tokens = {first["row"]: first, second["row"]: second}
    assert tokens[4]["given"] == {"tokens": ["great", "bad"], "words": [0, 1]}
    assert tokens[5]["given"]["tokens"] == ["good", "awful"]
    for case, values in ((tokens[4], [2, -1]), (tokens[5], [-1, 2])):
        for row in case["explanations"]:
            target = row["targets"]["contrast"]
            assert target["values"] == pytest.approx(values)
            assert target["padding"] == 0
            assert row["limit"] == 2
    assert first["input"] is None
    assert record(made)["input"]["kind"] == "text"


@pytest.mark.parametrize("framework", ["tensorflow", "jax"])
def test_frameworks_say_the_same(framework: str) -> None:
    study = backlight.study(
        NETS[framework](), examples(), tokenizer=tokenizer, methods=METHODS, framework=framework
    )
    (ids,) = (study.cases.prepared(np.array([TEXTS[row]])) for row in study.rows[:1])
    expected = np.asarray(SPEAKS)[np.asarray(ids)] @ [-1.0, 1.0]
    expected = expected * (1 if study.predictions.classes[study.rows[0]] else -1)
    for method in METHODS:
        np.testing.assert_allclose(study.values(method)[:1], expected, atol=1e-6)


@pytest.mark.parametrize("framework", ["torch", "tensorflow", "jax"])
@pytest.mark.parametrize(("mask", "gone"), [(None, (0, 0)), (WORDS.index("film"), (0.25, 0))])
def test_an_absent_token_is_the_mask_or_padding_and_not_the_id_0(
    framework: str, mask: int | None, gone: tuple[float, float]
) -> None:
    """The id 0 is "good" here, and padding comes last."""
    study = backlight.study(
        NETS[framework](np.roll(SPEAKS, -1, axis=0)),
        examples(),
        tokenizer=Tokenizer(1, mask),
        methods=["feature_ablation"],
        framework=framework,
    )
    for row, values in zip(study.rows, study.values("feature_ablation"), strict=True):
        (ids,) = tokenizer([TEXTS[row]])
        contrast = [-1, 1] if study.predictions.classes[row] else [1, -1]
        expected = np.zeros(len(values))  # of padding
        expected[: len(ids)] = (SPEAKS[ids] - gone) @ contrast
        np.testing.assert_allclose(values, expected, atol=1e-6)
    judged = judge(study).evaluation
    assert judged is not None
    assert judged.baseline == f"TokenBaseline(id={6 if mask is None else mask}, keep=[6])"


def test_words_that_speak_for_wrong_answers_are_counted(made: Path) -> None:
    for technique in record(made)["features"]["techniques"]:
        rows = {row["feature"]: row for row in technique["rows"]}
        assert technique["cases"] == 2
        # Of 3 in each mistake great and awful say 2 for the wrong answer, bad and good 1 against it.
        assert rows["great"]["share"] == pytest.approx(2 / 3 / 2)
        assert rows["bad"]["share"] == pytest.approx(-1 / 3 / 2)
        assert (rows["awful"]["for"], rows["awful"]["of"]) == (1, 1)
        assert (rows["good"]["for"], rows["good"]["of"]) == (0, 1)


def test_the_page_shows_words_and_a_private_one_none(made: Path, tmp_path: Path) -> None:
    page = (made / "report.html").read_text()
    assert 'class="for" style="--share:1.00" title="2">great</span>' in page
    assert "Which words speak for wrong answers" in page
    report(
        torch_net(),
        examples(),
        directory=tmp_path / "private",
        tokenizer=tokenizer,
        methods=METHODS,
        metrics=[],
        private=True,
    )
    for name in ("report.html", "study.json"):
        text = (tmp_path / "private" / name).read_text()
        assert not [
            word for word in ("great", "awful") if f">{word}<" in text or f'"{word}"' in text
        ]


def test_a_notebook_shows_the_words() -> None:
    study = backlight.study(torch_net(), examples(), tokenizer=tokenizer, methods=METHODS)
    html = study._repr_html_()
    assert 'class="for" style="--share:1.00" title="2">great</span>' in html
    assert "<img" not in html


def write(folder: Path, form: str) -> Path:
    """The examples in a file or folder of this form."""
    if form == "folder":
        for number, (text, name) in enumerate(zip(TEXTS, NAMES, strict=True)):
            file = folder / "texts" / name / f"{number}.txt"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return folder / "texts"
    path = folder / f"data.{form}"
    rows = list(zip(TEXTS, NAMES.tolist(), strict=True))
    if form == "csv":
        path.write_text("text,label\n" + "".join(f'"{text}",{name}\n' for text, name in rows))
    elif form == "jsonl":
        lines = (json.dumps({"text": text, "label": name}) for text, name in rows)
        path.write_text("\n".join(lines))
    else:
        import pyarrow
        from pyarrow import parquet

        parquet.write_table(pyarrow.table({"text": TEXTS, "label": NAMES.tolist()}), path)
    return path


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet", "folder"])
def test_files_hold_the_same_texts(form: str, tmp_path: Path) -> None:
    source = open_source(write(tmp_path, form), texts=True)
    batch = source.read(0, len(source))
    found = sorted(zip(batch.x.tolist(), batch.labels.tolist(), strict=True))
    assert found == sorted(zip(TEXTS, LABELS.tolist(), strict=True))
    assert source.classes == CLASSES
    assert source.fingerprint() == open_source(write(tmp_path, form), texts=True).fingerprint()


def test_lines_that_are_no_texts_are_skipped_with_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    lines = ('{"text": "good", "label": "positive"}', '{"text": " "}', "{", "[1]", '{"text": 3}')
    path.write_text("\n".join(lines))
    reasons = [one.reason for one in open_source(path, texts=True).read(0, 5).skipped]
    assert [reason.partition(":")[0] for reason in reasons] == [
        "its text is empty",
        "its line is no JSON",
        "its line is no JSON object",
        "it holds 3, and no text",
    ]


class Beyond:
    """A tokenizer whose ids are 40 more than the net's."""

    def __call__(self, texts: list[str]) -> list[list[int]]:
        return [[id + 40 for id in row] for row in tokenizer(texts)]

    def id_to_token(self, id: int) -> str:
        return str(id)


@pytest.mark.parametrize("framework", ["torch", "tensorflow", "jax"])
def test_a_tokenizer_of_another_model_is_told_by_its_ids(framework: str) -> None:
    with pytest.raises(InputError, match=r"'1'.*id 46.*7 rows, for ids 0 to 6.*not the tokenizer"):
        backlight.study(
            NETS[framework](), examples(), tokenizer=Beyond(), methods=METHODS, framework=framework
        )


class Short(TorchText):
    """It knows three positions."""

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        places = torch.nn.functional.embedding(torch.arange(ids.shape[1]), torch.zeros(3, 2))
        return (self.embedding(ids) + places).sum(1)


class Masked(TorchText):
    """It wants a mask, which this tokenizer does not make."""

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return super().forward(ids * mask)


def test_a_model_that_takes_no_text_at_all_is_not_told_that_they_are_too_long() -> None:
    with pytest.raises(InputError, match=r"^The model cannot take inputs.*argument: 'mask'"):
        backlight.study(Masked(), examples(), tokenizer=tokenizer, methods=METHODS)


def test_a_text_with_more_tokens_than_the_model_takes_is_named() -> None:
    long = Examples(np.array(["good " * 4, "bad"]), np.array([1, 0]))
    with pytest.raises(InputError, match=r"does not take 4 tokens.*longest text, '0'.*--tokens N"):
        backlight.study(Short(), long, tokenizer=tokenizer, methods=METHODS)
    cut = backlight.study(Short(), long, tokenizer=tokenizer, tokens=3, methods=METHODS)
    assert cut.predictions.correct == 2


def test_texts_need_a_tokenizer_and_numbers_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="texts need a tokenizer, --tokenizer"):
        open_source(write(tmp_path, "csv"))
    numbers = Examples(np.ones((2, 3), np.float32), np.array([0, 1]))
    with pytest.raises(InputError, match="texts, or their ids; the data holds float32"):
        backlight.study(torch_net(), numbers, tokenizer=tokenizer)
    with pytest.raises(InputError, match="No such tokenizer: nowhere"):
        load_tokenizer("nowhere")
    with pytest.raises(InputError, match="method id_to_token"):
        load_tokenizer("json:dumps")


def test_a_tokenizer_of_hugging_face_brings_its_mask(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    tokenizers = pytest.importorskip("tokenizers")
    words = ("[PAD]", "[UNK]", "great", "aw", "##ful", "film")
    model = tokenizers.models.WordPiece(
        {word: k for k, word in enumerate(words)}, unk_token="[UNK]"
    )
    own = tokenizers.Tokenizer(model)
    own.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    made = transformers.PreTrainedTokenizerFast(
        tokenizer_object=own, unk_token="[UNK]", pad_token="[PAD]"
    )
    made.save_pretrained(tmp_path / "tokenizer")

    class Masked(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            table = torch.tensor([[9.0, 9], [0, 0], [0, 2], [1, 0], [0.5, 0], [0, 0.25]])
            self.embedding = torch.nn.Embedding.from_pretrained(table)

        def forward(
            self, input_ids: torch.Tensor, attention_mask: torch.Tensor, **others: torch.Tensor
        ) -> torch.Tensor:
            return (self.embedding(input_ids) * attention_mask[..., None]).sum(1)

    data = Examples(np.array(["awful film", "great", "great great film"]), np.array([1, 1, 0]))
    study = backlight.study(
        Masked(),
        data,
        tokenizer=load_tokenizer(str(tmp_path / "tokenizer")),
        methods=["input_x_gradient"],
        only="all",
    )
    from backlight_study.case_input import described, given_record

    stored = study.cases.stored(np.arange(len(study.rows)))
    cases = [given_record(described(study.cases, stored[k : k + 1])) for k in range(len(stored))]
    place = study.rows.tolist().index(0)
    assert cases[place] == {"tokens": ["aw", "ful", "film"], "words": [0, 0, 1]}
    assert cases[study.rows.tolist().index(1)] == {"tokens": ["great"], "words": [0]}
    values = study.values("input_x_gradient", "predicted")
    assert values[place] == pytest.approx([1.0, 0.5, 0.0])
