"""Where Python reads numbers of a run it may decide by them what the net computes: PyTorch allows that,
and it is said; TensorFlow follows it or refuses it, JAX refuses it."""

import warnings
from collections.abc import Callable
from typing import Any

import torch  # isort: skip  (before TensorFlow: the other order does not load)
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf

import backlight
from backlight import Attribution, BacklightWarning
from backlight.errors import ModelError
from backlight_check.checks import check
from backlight_check.scored_example import scored_example
from backlight_loading.techniques import technique
from backlight_methods import Gradient

X = np.random.default_rng(0).normal(size=(6, 5))
WEIGHT = np.random.default_rng(1).normal(size=(5, 3))
W = torch.from_numpy(WEIGHT)

Net = Callable[[Any], Any]

READ: dict[str, tuple[Net, str]] = {
    "if": (lambda x: (x * 2 if x.mean() > 0 else x * 3) @ W, "item"),
    "float": (lambda x: x * float(x.detach().sum()) @ W, "item"),
    "length": (lambda x: x * sum(range(int(x.abs().max() + 3))) @ W, "item"),
    "equal": (lambda x: (x if torch.equal(x, x.abs()) else -x) @ W, "equal"),
    "numpy": (lambda x: (x * 2 if x.detach().numpy().mean() > 0 else x * 3) @ W, "numpy"),
    "asarray": (lambda x: x * np.asarray(x.detach()).max() @ W, "array"),
    "list": (lambda x: (x + torch.tensor(x.tolist(), dtype=x.dtype)) @ W, "tolist"),
    "one of all": (lambda x: (x if x[0].sum() > 0 else -x) @ W, "item"),
}
"""Nets that read numbers of the whole batch, and by what."""

ROW_BY_ROW: Net = lambda x: torch.stack([row if row.sum() > 0 else 2 * row for row in x]) @ W  # noqa: E731

UNREAD: dict[str, Net] = {
    "where": lambda x: torch.where(x > 0, x, 2 * x) @ W,
    "own number": lambda x: x * float(W.sum()) @ W,
    "masked": lambda x: x.masked_fill(x < 0, 0) @ W,
    "asserted in PyTorch": lambda x: (torch._assert_async((x < 9).all()), x @ W)[1],
    "length of the input": lambda x: torch.tanh(x.reshape(len(x), -1)) @ W,
}


def explained(net: Net) -> Attribution:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BacklightWarning)
        found = Gradient()(net, torch.from_numpy(X), 1, batch_size=2)
    backlight.forget()
    return found


def said(found: Attribution) -> list[str]:
    return [note for note in found.warnings if "Python reads" in note]


@pytest.mark.parametrize("name", READ)
def test_what_python_reads_is_said_and_the_batch_is_not_cut(name: str) -> None:
    net, word = READ[name]
    found = explained(net)
    (note,) = said(found)
    assert f"at {word}" in note
    x = torch.from_numpy(X).requires_grad_()
    (right,) = torch.autograd.grad(net(x)[:, 1].sum(), x)
    np.testing.assert_array_equal(found.values, right)
    assert any("batch-mates" in one for one in found.warnings)


def test_what_python_reads_of_each_row_by_itself_leaves_rows_apart() -> None:
    found = explained(ROW_BY_ROW)
    assert said(found)
    assert len(found.warnings) == 1


@pytest.mark.parametrize("name", UNREAD)
def test_where_python_reads_nothing_of_the_inputs_nothing_is_said(name: str) -> None:
    assert said(explained(UNREAD[name])) == []


def test_it_is_said_before_anything_is_explained() -> None:
    net, _ = READ["if"]
    found = check(scored_example(net, torch.from_numpy(X), 1), technique("gradient"))
    assert any("Python reads" in note for note in found.notes)


def branching(x: Any) -> Any:
    if x[0, 0] > 0:
        return 2.0 * x
    return 3.0 * x


def test_tensorflow_follows_what_autograph_makes_of_it() -> None:
    x = tf.constant(X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BacklightWarning)
        found = Gradient()(branching, x, 1)
    slope = 2.0 if X[0, 0] > 0 else 3.0
    np.testing.assert_array_equal(found.values, slope * np.eye(5)[[1] * 6])
    assert any("batch-mates" in one for one in found.warnings)
    with pytest.raises(ModelError, match="numpy"):
        Gradient()(lambda x: x * x.numpy().mean(), x, 1)


@pytest.mark.parametrize(
    "net", [branching, lambda x: x * float(x.mean()), lambda x: x * np.asarray(x).mean()]
)
def test_jax_refuses_it(net: Net) -> None:
    with pytest.raises(ModelError, match=r"(?i)tracer"):
        Gradient()(net, jnp.asarray(X), 1)
