"""Loops over the rows of the batch: each row by itself is cut as usual and nothing is said; rows that
look at each other in a loop are told."""

import warnings
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import backlight
from backlight import BacklightWarning
from backlight_methods import InputXGradient

ROWS, FEATURES = 5, 4
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(ROWS, FEATURES))
WEIGHT = jnp.asarray(RANDOM.normal(size=(FEATURES, 3)).astype(np.float32))
CLASSES = np.array([0, 1, 2, 1, 0])

Net = Callable[[Any], Any]


def zeros(x: Any) -> Any:
    return jnp.zeros((len(x), 3), x.dtype)


def head(row: Any) -> Any:
    return jnp.tanh(row) @ WEIGHT


def by_both(x: Any) -> Any:
    def step(place: Any, h: Any, row: Any) -> Any:
        return jnp.tanh(h + x[row, place] * WEIGHT[place])

    def one(row: Any, out: Any) -> Any:
        return out.at[row].set(lax.fori_loop(0, FEATURES, lambda p, h: step(p, h, row), out[row]))

    return lax.fori_loop(0, len(x), one, zeros(x))


def cut_out(x: Any) -> Any:
    def one(row: Any, out: Any) -> Any:
        part = lax.dynamic_slice_in_dim(x, row, 1)
        return lax.dynamic_update_slice_in_dim(out, head(part), row, 0)

    return lax.fori_loop(0, len(x), one, zeros(x))


APART: dict[str, Net] = {
    "places counted": lambda x: lax.fori_loop(
        0, len(x), lambda i, out: out.at[i].set(head(x[i])), zeros(x)
    ),
    "parts cut out": cut_out,
    "written over": lambda x: (
        lax.fori_loop(0, len(x), lambda i, rows: rows.at[i].set(jnp.tanh(rows[i])), x) @ WEIGHT
    ),
    "backwards in order": lambda x: lax.fori_loop(
        0, len(x), lambda i, out: out.at[-1 - i].set(head(x[-1 - i])), zeros(x)
    ),
    "rows and places": by_both,
    "places as a sequence": lambda x: lax.scan(
        lambda held, i: (held, head(x[i])), 0, jnp.arange(len(x))
    )[1],
    "places carried": lambda x: lax.scan(lambda i, row: (i + 1, head(x[i]) + row[:3]), 0, x)[1],
    "mapped": lambda x: lax.map(head, x),
    "mapped places": lambda x: lax.map(lambda i: head(x[i]), jnp.arange(len(x))),
    "features": lambda x: lax.fori_loop(
        0, FEATURES, lambda i, h: jnp.tanh(h + x[:, i, None] * WEIGHT[i]), zeros(x)
    ),
}

MEETING: dict[str, Net] = {
    "the first beside each": lambda x: lax.fori_loop(
        0, len(x), lambda i, out: out.at[i].set(head(x[i] - x[0])), zeros(x)
    ),
    "the one before": lambda x: (
        lax.fori_loop(1, len(x), lambda i, a: a.at[i].set(jnp.tanh(a[i - 1] + a[i])), x) @ WEIGHT
    ),
    "turned round": lambda x: lax.fori_loop(
        0, len(x), lambda i, out: out.at[-1 - i].set(head(x[i])), zeros(x)
    ),
    "the next instead": lambda x: lax.fori_loop(
        0, len(x), lambda i, out: out.at[i].set(head(x[i + 1])), zeros(x)
    ),
    "summed": lambda x: lax.scan(lambda h, row: (h + row, head(h + row)), 0 * x[0], x)[1],
    "mapped, centred": lambda x: lax.map(lambda row: head(row - x.mean(0)), x),
    "the largest's place": lambda x: lax.map(lambda i: head(x[i]), jnp.argsort(x[:, 0])),
}


def explained(net: Net) -> tuple[np.ndarray, list[str]]:
    model = backlight.wrap(net, "jax")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BacklightWarning)
        found = InputXGradient()(model, X.astype(np.float32), CLASSES, batch_size=2)
    return np.asarray(found.values), [one for one in found.warnings if "batch-mates" in one]


def expected(net: Net) -> np.ndarray:
    chosen = np.eye(3)[CLASSES]
    gradient = jax.grad(lambda x: (net(x) * chosen).sum())(jnp.asarray(X, np.float32))
    return np.asarray(gradient) * X


@pytest.mark.parametrize("name", APART)
def test_rows_that_are_looped_over_one_by_one_keep_to_themselves(name: str) -> None:
    values, said = explained(APART[name])
    assert said == []
    np.testing.assert_allclose(values, expected(APART[name]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", MEETING)
def test_rows_that_meet_in_a_loop_are_told(name: str) -> None:
    values, said = explained(MEETING[name])
    assert len(said) == 1
    np.testing.assert_allclose(values, expected(MEETING[name]), rtol=1e-4, atol=1e-5)
