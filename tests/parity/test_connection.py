"""Gradients that do not arrive are said, with the place, alike on three frameworks and by every technique
that takes gradients."""

from collections.abc import Callable
from typing import Any

import torch  # isort: skip  (before TensorFlow: the other order does not load)
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf

import backlight
from backlight import Attribution, BacklightWarning, methods
from backlight.errors import NoGradientError
from tests.parity.measure import FRAMEWORKS

TABLE = np.random.default_rng(1).normal(size=(8, 3)).astype("float32")
WEIGHT = np.random.default_rng(2).normal(size=(4, 2)).astype("float32")
X = np.array([[0.5, 3.0], [-1.25, 5.0], [2.0, 1.0]], dtype="float32")

Net = Callable[..., Any]

WORDS = {
    "cast": {"torch": r"int64", "tensorflow": r"int32", "jax": r"int32"},
    "stop": {"torch": r"detach", "tensorflow": r"[Ss]top_?[Gg]radient", "jax": "stop_gradient"},
    "round": {"torch": r"round", "tensorflow": "[Rr]ound|Rint", "jax": r"round"},
    "compare": {"torch": r"gt", "tensorflow": "Greater", "jax": r"gt"},
}


def net(framework: str, kind: str) -> Net:
    """One net in the framework's own words."""
    return {"torch": torch_net, "tensorflow": tensorflow_net, "jax": jax_net}[framework](kind)


def torch_net(kind: str) -> Net:
    table, weight = torch.tensor(TABLE), torch.tensor(WEIGHT)

    def embedded(x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x[:, :1], table[x[:, 1].long()]], dim=1) @ weight

    def hidden(x: torch.Tensor) -> torch.Tensor:
        return torch.tanh(x @ weight[:2]) @ weight[2:]

    def normed(x: torch.Tensor) -> torch.Tensor:
        z = x @ weight[:2]
        e = torch.exp(z - z.amax(dim=1, keepdim=True).detach())
        return torch.log(e / e.sum(dim=1, keepdim=True))

    return {
        "cast": embedded,
        "beside": lambda x: embedded(torch.relu(x)),
        "all_cast": lambda x: table[x.long()[:, 1]] @ weight[:3],
        "stop": lambda x: hidden(x.detach()),
        "round": lambda x: hidden(torch.round(x * 4) / 4),
        "compare": lambda x: (x > 0).float() @ weight[:2],
        "two": lambda a, b: a @ weight[:2] + b.detach() @ weight[2:],
        "unused": lambda a, b: a @ weight[:2],
        "softmax": normed,
        "masked": lambda x: torch.where(x > 0, x, torch.zeros_like(x)) @ weight[:2],
        "last_relu": lambda x: torch.relu(torch.stack([x[:, 0], -x[:, 1]], dim=1)),
    }[kind]


def tensorflow_net(kind: str) -> Net:
    table, weight = tf.constant(TABLE), tf.constant(WEIGHT)

    def embedded(x: tf.Tensor) -> tf.Tensor:
        return tf.concat([x[:, :1], tf.gather(table, tf.cast(x[:, 1], tf.int32))], 1) @ weight

    def hidden(x: tf.Tensor) -> tf.Tensor:
        return tf.tanh(x @ weight[:2]) @ weight[2:]

    def normed(x: tf.Tensor) -> tf.Tensor:
        z = x @ weight[:2]
        e = tf.exp(z - tf.stop_gradient(tf.reduce_max(z, axis=1, keepdims=True)))
        return tf.math.log(e / tf.reduce_sum(e, axis=1, keepdims=True))

    return {
        "cast": embedded,
        "beside": lambda x: embedded(tf.nn.relu(x)),
        "all_cast": lambda x: tf.gather(table, tf.cast(x, tf.int32)[:, 1]) @ weight[:3],
        "stop": lambda x: hidden(tf.stop_gradient(x)),
        "round": lambda x: hidden(tf.round(x * 4) / 4),
        "compare": lambda x: tf.cast(x > 0, tf.float32) @ weight[:2],
        "two": lambda a, b: a @ weight[:2] + tf.stop_gradient(b) @ weight[2:],
        "unused": lambda a, b: a @ weight[:2],
        "softmax": normed,
        "masked": lambda x: tf.where(x > 0, x, tf.zeros_like(x)) @ weight[:2],
        "last_relu": lambda x: tf.nn.relu(tf.stack([x[:, 0], -x[:, 1]], axis=1)),
    }[kind]


def jax_net(kind: str) -> Net:
    table, weight = jnp.asarray(TABLE), jnp.asarray(WEIGHT)
    stopped = jax.lax.stop_gradient

    def embedded(x: jax.Array) -> jax.Array:
        return jnp.concatenate([x[:, :1], table[x[:, 1].astype("int32")]], axis=1) @ weight

    def hidden(x: jax.Array) -> jax.Array:
        return jnp.tanh(x @ weight[:2]) @ weight[2:]

    return {
        "cast": embedded,
        "beside": lambda x: embedded(jax.nn.relu(x)),
        "all_cast": lambda x: table[x.astype("int32")[:, 1]] @ weight[:3],
        "stop": lambda x: hidden(stopped(x)),
        "round": lambda x: hidden(jnp.round(x * 4) / 4),
        "compare": lambda x: (x > 0).astype("float32") @ weight[:2],
        "two": lambda a, b: a @ weight[:2] + stopped(b) @ weight[2:],
        "unused": lambda a, b: a @ weight[:2],
        "softmax": lambda x: jax.nn.log_softmax(x @ weight[:2]),
        "masked": lambda x: jnp.where(x > 0, x, jnp.zeros_like(x)) @ weight[:2],
        "last_relu": lambda x: jax.nn.relu(jnp.stack([x[:, 0], -x[:, 1]], axis=1)),
    }[kind]


def explained(framework: str, kind: str, x: object = X, method: str = "saliency") -> Attribution:
    model = backlight.wrap(net(framework, kind), framework)
    small = {"samples": 3} if method in ("smooth", "expected_gradients") else {}
    small |= {"steps": 4} if method == "integrated_gradients" else {}
    return backlight.explain(model, x, 0, method, **small)


def warned(*given: Any, **named: Any) -> Attribution:
    with pytest.warns(BacklightWarning):
        return explained(*given, **named)


on_each = pytest.mark.parametrize("framework", FRAMEWORKS)
BY_GRADIENTS = [
    name
    for name, make in methods().items()
    if make().differentiates and not make().spatial and "guided" not in name and name != "deconvnet"
]


@on_each
@pytest.mark.parametrize(
    ("kind", "word"),
    [("all_cast", "cast"), ("stop", "stop"), ("round", "round"), ("compare", "compare")],
)
def test_an_input_that_no_gradient_reaches_is_refused_with_the_place(framework, kind, word) -> None:
    with pytest.raises(
        NoGradientError, match=rf"the input: each way is cut.*{WORDS[word][framework]}"
    ):
        explained(framework, kind)


@on_each
@pytest.mark.parametrize("method", BY_GRADIENTS)
def test_by_every_technique(framework: str, method: str) -> None:
    with pytest.raises(NoGradientError, match="the input: each way is cut"):
        explained(framework, "stop", method=method)


@on_each
@pytest.mark.parametrize("method", ["saliency", "integrated_gradients", "deep_lift", "lrp"])
def test_a_column_that_becomes_an_index_is_named(framework: str, method: str) -> None:
    notes = warned(framework, "cast", method=method).warnings
    (note,) = [
        note for note in notes if note.startswith("No gradient reaches column 1 of the input")
    ]
    assert WORDS["cast"][framework] in note


@on_each
def test_a_rectifier_that_is_off_beside_a_cut_is_no_cut(framework: str) -> None:
    x = np.array([[-0.5, 3.0], [-1.25, 5.0]], dtype="float32")
    notes = warned(framework, "beside", x).warnings
    (note,) = [note for note in notes if note.startswith("No gradient reaches")]
    assert note.startswith("No gradient reaches column 1 of the input")


def test_numbers_that_leave_the_framework_are_missed() -> None:
    """PyTorch does not see them go; that the score changes with the input is seen all the same."""
    weight = torch.tensor(WEIGHT[:2])

    def net(x: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(x.detach().numpy() * 2) @ weight

    with pytest.raises(NoGradientError, match="each way is cut, where the numbers leave"):
        backlight.explain(backlight.wrap(net, "torch"), X, 0, "saliency")


@on_each
def test_occlusion_sees_what_is_behind_a_cut(framework: str) -> None:
    found = explained(framework, "cast", method="occlusion")
    assert (np.abs(np.asarray(found.numpy())).max(axis=0) > 0).all()
    assert found.warnings == ()


@on_each
def test_one_of_two_inputs_is_named(framework: str) -> None:
    (note,) = warned(framework, "two", (X, X[::-1].copy())).warnings
    assert note.startswith("No gradient reaches input '1', though the score depends on it")
    (note,) = warned(framework, "unused", (X, X)).warnings
    assert note == "The score does not depend on input '1': its values are all 0."


@on_each
@pytest.mark.parametrize("kind", ["softmax", "masked"])
def test_what_makes_numbers_safe_and_what_masks_is_no_cut(framework: str, kind: str) -> None:
    model = backlight.wrap(net(framework, kind), framework)
    inputs = model.prepare(X)
    score = backlight.Class(0).bind(model.outputs(inputs), len(X))
    found = model.connection(inputs, score)
    assert (found.reached, found.depends, found.cuts) == ((True,), (True,), ())
    x = np.array([[1.0, -2.0], [3.0, -1.0]], dtype="float32")  # a column that is masked throughout
    assert explained(framework, kind, x).warnings == ()


@on_each
def test_a_rectifier_that_is_off_at_the_end_is_said(framework: str) -> None:
    (note,) = warned(framework, "last_relu").warnings
    assert note.startswith("Every value is exactly 0 for example 1: the gradient of the score is 0")
