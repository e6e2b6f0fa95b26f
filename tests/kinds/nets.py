"""Nets that are linear in what their examples hold, so that all values are known, in each framework."""

import re
from typing import Any

import jax.numpy as jnp
import keras
import numpy as np
import torch

WORDS = ("good", "great", "bad", "awful", "film", "very")
SPEAKS = np.array([[0, 0], [0, 1], [0, 2], [1, 0], [2, 0], [0.25, 0], [0, 0]], np.float32)
"""What each id adds to the scores of `negative` and `positive`: padding, then the words."""

TEXTS = ("Good, good film", "very great", "bad film", "awful", "great but bad", "good but awful")
LABELS = np.array([1, 1, 0, 0, 0, 1])
"""The last two are mistakes: 2 - 1 for positive, and 2 - 1 for negative."""


class Tokenizer:
    """Words that it knows."""

    def __call__(self, texts: list[str]) -> list[list[int]]:
        return [
            [WORDS.index(word) + 1 for word in re.findall(r"\w+", text.lower()) if word in WORDS]
            for text in texts
        ]

    def id_to_token(self, id: int) -> str | None:
        return "[pad]" if id == 0 else WORDS[id - 1] if id <= len(WORDS) else None


tokenizer = Tokenizer()


class TorchText(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding.from_pretrained(torch.tensor(SPEAKS))

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.embedding(ids).sum(1)


def torch_net() -> torch.nn.Module:
    return TorchText().eval()


def keras_net() -> Any:
    ids = keras.Input((None,), dtype="int32")
    embedding = keras.layers.Embedding(*SPEAKS.shape, name="embedding")
    outputs = keras.ops.sum(embedding(ids), axis=1)
    embedding.set_weights([SPEAKS])
    return keras.Model(ids, outputs)


def jax_net() -> Any:
    table = jnp.asarray(SPEAKS)
    return lambda ids: table[ids].sum(axis=1)


NETS = {"torch": torch_net, "tensorflow": keras_net, "jax": jax_net}
