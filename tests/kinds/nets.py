"""Nets that are linear in what their examples hold, so that all values are known, in each framework."""

import re
from typing import Any

import jax.numpy as jnp
import keras
import numpy as np
import torch
from numpy.typing import NDArray

Table = NDArray[np.float32]

WORDS = ("good", "great", "bad", "awful", "film", "very")
SPEAKS = np.array([[0, 0], [0, 1], [0, 2], [1, 0], [2, 0], [0.25, 0], [0, 0]], np.float32)
"""What each id adds to the scores of `negative` and `positive`: padding, then the words."""

TEXTS = ("Good, good film", "very great", "bad film", "awful", "great but bad", "good but awful")
LABELS = np.array([1, 1, 0, 0, 0, 1])
"""The last two are mistakes: 2 - 1 for positive, and 2 - 1 for negative."""


class Tokenizer:
    """Words that it knows.

    Args:
        shift: by how much ids are lower, the padding's, which is then the last, aside.
        mask_token_id: where it has one.
    """

    def __init__(self, shift: int = 0, mask_token_id: int | None = None) -> None:
        self.shift, self.mask_token_id = shift, mask_token_id
        self.pad_token_id = -shift % len(SPEAKS)

    def __call__(self, texts: list[str]) -> list[list[int]]:
        return [
            [
                WORDS.index(word) + 1 - self.shift
                for word in re.findall(r"\w+", text.lower())
                if word in WORDS
            ]
            for text in texts
        ]

    def id_to_token(self, id: int) -> str | None:
        place = (id + self.shift) % len(SPEAKS)
        return None if id >= len(SPEAKS) else WORDS[place - 1] if place else "[pad]"


tokenizer = Tokenizer()


class TorchText(torch.nn.Module):
    def __init__(self, speaks: Table = SPEAKS) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding.from_pretrained(torch.tensor(speaks))

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.embedding(ids).sum(1)


def torch_net(speaks: Table = SPEAKS) -> torch.nn.Module:
    return TorchText(speaks).eval()


def keras_net(speaks: Table = SPEAKS) -> Any:
    ids = keras.Input((None,), dtype="int32")
    embedding = keras.layers.Embedding(*speaks.shape, name="embedding")
    outputs = keras.ops.sum(embedding(ids), axis=1)
    embedding.set_weights([speaks])
    return keras.Model(ids, outputs)


def jax_net(speaks: Table = SPEAKS) -> Any:
    table = jnp.asarray(speaks)
    return lambda ids: table[ids].sum(axis=1)


NETS = {"torch": torch_net, "tensorflow": keras_net, "jax": jax_net}
