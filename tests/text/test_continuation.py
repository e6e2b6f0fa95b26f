"""What a decoder says next: the tokens that its library says, each explained by those before it."""

from typing import Any

import numpy as np
import pytest
import torch
import transformers

import backlight
from backlight.errors import HyperParameterError, InputError

IDS = torch.tensor([[5, 9, 33, 7, 21]])


@pytest.fixture(scope="module")
def decoder() -> torch.nn.Module:
    torch.manual_seed(3)
    config = transformers.GPT2Config(
        vocab_size=50, n_embd=16, n_layer=2, n_head=2, bos_token_id=1, eos_token_id=1
    )
    config.tie_word_embeddings = False
    net = transformers.GPT2LMHeadModel(config).eval()
    with torch.no_grad():
        net.lm_head.weight.normal_()  # the weights at first say one token again and again
    return net


def test_it_is_what_the_library_says(decoder: Any) -> None:
    prompt = {"input_ids": IDS, "attention_mask": torch.ones_like(IDS)}
    said = backlight.continuation(decoder, prompt, tokens=4)
    expected = decoder.generate(**prompt, max_new_tokens=4, do_sample=False)[0, 5:].tolist()
    assert list(said.tokens) == expected
    assert len(set(expected)) > 1
    assert said.target == [(4 + step, token) for step, token in enumerate(expected)]
    assert {name: tuple(part.shape) for name, part in said.inputs.items()} == {
        "input_ids": (4, 9),
        "attention_mask": (4, 9),
    }


def test_each_token_is_explained_by_those_before_it(decoder: Any) -> None:
    said = backlight.continuation(decoder, IDS, tokens=3)
    found = backlight.explain(decoder, said.inputs, said.target, "deep_lift")
    for step, row in enumerate(found.numpy()):
        assert (row[: 5 + step] != 0).all()
        assert (row[5 + step :] == 0).all()
    assert found.gap.max() < 1e-5


@pytest.mark.parametrize(
    ("prompt", "tokens", "error", "said"),
    [
        (IDS.repeat(2, 1), 1, InputError, "one text, ids of the shape"),
        (IDS.float(), 1, InputError, "one text, ids of the shape"),
        ({"attention_mask": IDS}, 1, InputError, "has `input_ids` and masks of their shape"),
        ({"input_ids": IDS, "attention_mask": IDS[:, :2]}, 1, InputError, "masks of their shape"),
        (IDS, 0, HyperParameterError, "tokens must be at least 1"),
    ],
)
def test_what_is_no_prompt(
    decoder: Any, prompt: Any, tokens: int, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        backlight.continuation(decoder, prompt, tokens)


def test_what_is_no_decoder() -> None:
    table = torch.nn.Embedding(50, 4)
    with pytest.raises(InputError, match="scores of all tokens at each position"):
        backlight.continuation(lambda ids: table(ids).sum(1), IDS)


def test_numpy_in_and_numpy_model_out(decoder: Any) -> None:
    said = backlight.continuation(decoder, np.asarray(IDS), tokens=2)
    assert said.tokens == backlight.continuation(decoder, IDS, tokens=2).tokens
