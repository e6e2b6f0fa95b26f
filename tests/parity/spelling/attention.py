"""Attention of one head over two tokens of width 4."""

import math
from collections.abc import Callable
from typing import Any

import torch  # isort: skip  # before TensorFlow
import array_api_strict as strict
import numpy as np
from torch.nn import functional

from backlight.rules.operations import Kind
from tests import tape
from tests.parity.spelling.family import Family, Spelling
from tests.parity.spelling.functions import normal
from tests.parity.spelling.softmaxes import SOFTMAXES
from tests.tape import Traced
from tests.tape import arrays as functions

QUERY, KEY, VALUE = (0.5 * normal(4, 4, seed=seed) for seed in (5, 6, 7))
BEFORE = np.tril(np.ones((2, 2))) > 0


def projected(ops: Any, x: Any) -> tuple[Any, Any, Any]:
    tokens = ops.reshape(x, (-1, 2, 4))
    return tokens @ ops.array(QUERY), tokens @ ops.array(KEY), tokens @ ops.array(VALUE)


def attention(
    score: Callable[[Any, Any, Any], Any], softmax: Spelling = lambda ops, x: ops.softmax(x)
) -> Spelling:
    """By hand, with scores of queries and transposed keys."""

    def spelled(ops: Any, x: Any) -> Any:
        query, key, value = projected(ops, x)
        return ops.reshape(softmax(ops, score(ops, query, ops.swapped(key))) @ value, (-1, 8))

    return spelled


def library(ops: Any, x: Any) -> Any:
    return ops.reshape(ops.attention(*projected(ops, x)), (-1, 8))


def attended(
    mask: bool = False, before: float = 0.5, behind: float = 1.0
) -> Callable[[Traced], Traced]:
    """On the tape: queries times `before`, scores times `behind`."""

    def net(x: Traced) -> Traced:
        tokens = functions.reshape(x, (-1, 2, 4))
        query, key, value = (tape.dense(tokens, weight) for weight in (QUERY, KEY, VALUE))
        scores = tape.matmul(query * before, functions.permute_dims(key, (0, 2, 1))) * behind
        if mask:
            scores = scores + strict.asarray(np.where(BEFORE, 0, -1e9))
        return functions.reshape(tape.matmul(tape.softmax(scores), value), (-1, 8))

    return net


def masked(ops: Any, scores: Any, low: float) -> Any:
    return ops.where(ops.array(BEFORE), scores, ops.zeros_like(scores) + low)


EPSILON_IN_DENSE = ("lrp_epsilon",)
"""A scale right behind a linear operation is part of it, and epsilon counts in its units."""

KINDS = (Kind.DENSE,) * 3 + (Kind.MATMUL, Kind.SOFTMAX, Kind.MATMUL)

ATTENTION: dict[str, Family] = {
    "attention": Family(
        KINDS,
        attended(),
        {
            "scale on query": attention(lambda ops, q, k: (q * 0.5) @ k),
            "query divided": attention(lambda ops, q, k: (q / math.sqrt(4)) @ k),
            "scale on key": attention(lambda ops, q, k: q @ (0.5 * k)),
            "scale on both": attention(lambda ops, q, k: (q * 0.5**0.5) @ (k * 0.5**0.5)),
        },
        left_out=EPSILON_IN_DENSE,
        torch={"library": library},
        jax={"library": library},
        mlx={"library": library},
    ),
    # Epsilon counts in units of the scores: before they are scaled, these are others.
    "attention with scaled scores": Family(
        KINDS,
        attended(before=1.0, behind=0.5),
        {
            "quotient": attention(lambda ops, q, k: q @ k / math.sqrt(4)),
            "product": attention(lambda ops, q, k: 0.5 * (q @ k)),
            "softmax by hand": attention(
                lambda ops, q, k: q @ k / 2, SOFTMAXES["softmax"].spellings["off maximum"]
            ),
        },
        left_out=EPSILON_IN_DENSE,
        tensorflow={"library": library},
    ),
    "masked attention": Family(
        KINDS,
        attended(mask=True),
        {
            "where -1e9": attention(lambda ops, q, k: masked(ops, q * 0.5 @ k, -1e9)),
            "where -inf": attention(lambda ops, q, k: masked(ops, q * 0.5 @ k, -math.inf)),
            "added -1e9": attention(lambda ops, q, k: q * 0.5 @ k + ops.array(np.where(BEFORE, 0, -1e9))),
            "added -inf": attention(
                lambda ops, q, k: q * 0.5 @ k + ops.array(np.where(BEFORE, 0, -np.inf))
            ),
        },
        torch={
            "library": lambda ops, x: functional.scaled_dot_product_attention(
                *projected(ops, x), is_causal=True
            ).reshape(-1, 8),
            "library with a mask": lambda ops, x: functional.scaled_dot_product_attention(
                *projected(ops, x), attn_mask=torch.as_tensor(BEFORE)
            ).reshape(-1, 8),
            "masked_fill": attention(
                lambda ops, q, k: (q * 0.5 @ k).masked_fill(~torch.as_tensor(BEFORE), -math.inf)
            ),
        },
        left_out=EPSILON_IN_DENSE,
    ),
}  # fmt: skip
